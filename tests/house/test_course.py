"""The course: slides show cells that draw, every notebook has its page, and points add up."""
import ast
import importlib.util
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COURSE, TUTORIALS = ROOT / "docs" / "course", ROOT / "tutorials"
NOTEBOOKS = sorted(path.stem for path in TUTORIALS.glob("[0-9]*_*.ipynb"))
SECTIONS = ("**Goals.** Students", "**Misconceptions**", "**To discuss**")
DRAWING = ("plt.subplots", "plt.figure", "plt.plot", "rn.plotting.")


@pytest.fixture(scope="module")
def slides():
    specification = importlib.util.spec_from_file_location("slides", COURSE / "slides.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def read(name):
    return json.loads((TUTORIALS / f"{name}.ipynb").read_text(encoding="utf-8"))


def page_of(name):
    return COURSE / f"{name.replace('_', '-')}.md"


def draws(cell):
    """Return True if a code cell calls a function that draws or makes axes."""
    calls = [ast.unparse(node.func) for node in ast.walk(ast.parse("".join(cell["source"])))
             if isinstance(node, ast.Call)]
    return any(call.startswith(DRAWING) for call in calls)


def test_each_slide_shows_a_cell_that_draws(slides):
    shown = [slide for lecture in slides.LECTURES for slide in lecture.slides]
    assert len(slides.LECTURES) == 3 and len(shown) > 30
    for slide in shown:
        assert slide.title and slide.question and bool(slide.notebook) == bool(slide.cell)
        if slide.notebook:
            cells = [cell for cell in read(slide.notebook)["cells"] if cell["id"] == slide.cell]
            assert len(cells) == 1, slide
            assert cells[0]["cell_type"] == "code" and draws(cells[0]), slide


def test_no_figure_is_shown_twice(slides):
    shown = [(slide.notebook, slide.cell) for lecture in slides.LECTURES
             for slide in lecture.slides if slide.cell]
    assert len(shown) == len(set(shown))


def executed_by_hand(slides, lecture):
    """Return a lecture's notebooks with one figure, a text, in each cell that is shown."""
    outputs = [{"output_type": "display_data", "data": {"image/png": "Rmln\ndXJl\n"}}]
    return {name: {"cells": [{"id": slide.cell, "outputs": outputs} for slide in lecture.slides
                             if slide.notebook == name]}
            for name in slides.notebooks_of(lecture)}


@pytest.mark.parametrize("number", [1, 2, 3])
def test_slides_are_one_file_that_loads_nothing_else(slides, number, tmp_path):
    lecture = slides.LECTURES[number - 1]
    path = slides.write_deck(number, executed_by_hand(slides, lecture), tmp_path / "new")
    page = path.read_text(encoding="utf-8")
    figures = sum(bool(slide.cell) for slide in lecture.slides)
    assert page.count('src="data:image/png;base64,RmlndXJl"') == page.count("src=") == figures
    assert "http" not in page and "href" not in page and "@import" not in page
    assert page.count("<section") == page.count("</section>") == len(lecture.slides) + 1


def test_slides_say_when_a_figure_is_missing(slides, tmp_path):
    executed = slides.read_executed(slides.LECTURES[0], tmp_path)
    assert executed == {}
    assert "was not executed" in slides.deck(1, executed)


def test_words_of_a_slide_are_no_html(slides):
    section = slides.slide_section(slides.Slide("", "", "a < b", 'x & "y"'), {})
    assert "a &lt; b" in section and "x &amp; " in section


@pytest.mark.slow
def test_keys_turn_the_slides(slides, browser, tmp_path):
    browser.get(slides.write_deck(1, {}, tmp_path).as_uri())
    last = len(slides.LECTURES[0].slides) + 1

    def after(key):
        browser.find_element("tag name", "body").send_keys(key)
        shown = [place for place, section in enumerate(browser.find_elements("tag name", "section"), 1)
                 if section.is_displayed()]
        assert browser.find_element("id", "number").text == f"{shown[0]} / {last}"
        return shown

    right, left, end, home = "\ue014", "\ue012", "\ue010", "\ue011"  # as WebDriver names them
    assert after(left) == [1] and after(right) == [2] and after(" ") == [3]
    assert after(left) == [2] and after("x") == [2]
    assert after(end) == [last] and after(right) == [last] and after(home) == [1]
    browser.get(browser.current_url.split("#")[0] + "#4")
    assert after("x") == [4]


@pytest.mark.slow
def test_every_figure_of_a_lecture_is_drawn(slides, tmp_path):
    pytest.importorskip("nbclient")
    assert slides.main(["--lecture", "1", str(tmp_path)]) == 0
    page = (tmp_path / "lecture-1.html").read_text(encoding="utf-8")
    figures = sum(bool(slide.cell) for slide in slides.LECTURES[0].slides)
    assert page.count("data:image/png;base64,iVBOR") == figures
    assert "was not executed" not in page


def test_there_is_no_fourth_lecture(slides, capsys):
    with pytest.raises(SystemExit):
        slides.main(["--lecture", "4"])
    assert "invalid choice" in capsys.readouterr().err


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_notebook_has_a_page_for_the_teacher(name):
    page, index = page_of(name).read_text(encoding="utf-8"), (COURSE / "index.md").read_text(encoding="utf-8")
    title = "".join(read(name)["cells"][0]["source"]).splitlines()[0]
    assert page.splitlines()[0] == title
    assert f"(../../tutorials/{name}.ipynb)" in page and f"(../../tutorials/{name}.ipynb)" in index
    places = [page.index(section) for section in SECTIONS]
    assert places == sorted(places) and len(page.split()) < 450
    minutes = re.search(r"· (\d+) minutes ·", page).group(1)
    row = re.search(rf"^.*\(\.\./\.\./tutorials/{name}\.ipynb\).*$", index, re.MULTILINE).group()
    assert f"| {minutes} |" in row and f"({page_of(name).name})" in row
    assert f"\n{page_of(name).stem}\n" in index.split("{toctree}")[1]


@pytest.mark.parametrize("name", ["problems-1", "problems-2"])
def test_points_of_a_problem_set_add_up(name):
    text = (COURSE / f"{name}.md").read_text(encoding="utf-8")
    head, *problems = re.split(r"^## Problem \d", text, flags=re.MULTILINE)
    totals = [int(re.search(r"\((\d+) points\)", problem).group(1)) for problem in problems]
    assert f"{sum(totals)} points" in head and len(problems) == 4
    for problem, total in zip(problems, totals):
        statement, rest = problem.split("**Rubric.**")
        assert sum(map(int, re.findall(r"\((\d+)\)(?: *$)", statement, re.MULTILINE))) == total
        assert "### Solution" in rest and ">>>" in rest


def test_paper_cites_what_its_bibliography_has():
    paper = (ROOT / "paper.md").read_text(encoding="utf-8")
    entries = set(re.findall(r"^@\w+\{(\w+),", (ROOT / "paper.bib").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"@([a-z]+\d{4})", paper)) == entries
    assert "has not been used in a course yet" in paper

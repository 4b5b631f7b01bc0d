"""THEORY.md and two pages of docs/: examples are right, formulas render, links lead on."""
import doctest
import importlib.util
import re
from pathlib import Path

import matplotlib
import numpy as np
import pytest

import reducednet as rn

ROOT = Path(__file__).resolve().parents[2]
PAGES = {name: (ROOT / name).read_text(encoding="utf-8")
         for name in ("THEORY.md", "docs/rounding-and-proofs.md", "docs/global-optima.md")}
THEORY, PROOFS, OPTIMA = PAGES.values()
FIGURES = ROOT / "docs" / "figures"


def without_code(text):
    return re.sub(r"`[^`\n]+`", "", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def formulas(paragraph):
    """Return the displayed and the inline formulas of a paragraph; every `$` must be in one."""
    displayed = re.findall(r"\$\$(.*?)\$\$", paragraph, re.DOTALL)
    rest = re.sub(r"\$\$.*?\$\$", "", paragraph, flags=re.DOTALL)
    assert rest.count("$") % 2 == 0, paragraph
    return displayed, re.findall(r"\$(.*?)\$", rest, re.DOTALL)


HOW_TO = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "how-to").glob("*-model*.md")}

COURSE = {path.stem: path.read_text(encoding="utf-8")
          for path in sorted((ROOT / "docs" / "course").glob("*.md"))}


@pytest.mark.parametrize("text, fewest", [
    pytest.param(THEORY, 12, id="THEORY"), pytest.param(OPTIMA, 3, id="optima"),
    *(pytest.param(text, 1, id=name) for name, text in HOW_TO.items() if "pytorch" not in name),
    *(pytest.param(text, 5, id=name) for name, text in COURSE.items() if "problems" in name),
])
def test_the_sessions_print_what_the_page_shows(text, fewest):
    names: dict = {}
    sessions = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(sessions) >= fewest
    for number, session in enumerate(sessions):
        test = doctest.DocTestParser().get_doctest(session, names, f"session {number}", None, 0)
        report: list[str] = []
        run = doctest.DocTestRunner(verbose=False)
        failed, tried = run.run(test, out=report.append, clear_globs=False)
        names = test.globs
        assert tried and not failed, "".join(report)


@pytest.mark.parametrize("text", [*PAGES.values(), *COURSE.values()], ids=[*PAGES, *COURSE])
def test_formulas_are_such_as_github_renders(text):
    """Markdown is the first to read a backslash before punctuation, and a marker of a list."""
    for paragraph in re.split(r"\n[> ]*\n", without_code(text)):
        displayed, inline = formulas(paragraph)
        for formula in displayed + inline:
            assert not re.search(r"\\[^A-Za-z]|<|>(?! )", formula), formula
            assert not re.search(r"[^A-Za-z0-9]_", formula), f"{formula}: emphasis may begin here"
            assert formula.count("{") == formula.count("}"), formula
            assert formula.count(r"\left") == formula.count(r"\right"), formula
            assert not re.search(r"\n[> ]*([-+*=#]|\d+\.)", formula), formula
        for formula in inline:
            assert formula == formula.strip() and "\n" not in formula, formula


@pytest.mark.parametrize("text", [*PAGES.values(), *COURSE.values()], ids=[*PAGES, *COURSE])
def test_formulas_stand_between_spaces_or_punctuation(text):
    """GitHub leaves a `$` alone if a letter or a digit touches it from outside."""
    for line in without_code(text).splitlines():
        outside = line.split("$")[::2] if "$$" not in line else []
        for before, after in zip(outside, outside[1:]):
            assert not before[-1:].isalnum() and not after[:1].isalnum(), line


def anchors(text):
    """Return the names that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_files_and_headings(name):
    for target in re.findall(r"\]\(([^)]+)\)", without_code(PAGES[name])):
        path, _, anchor = target.partition("#")
        page = (ROOT / name).parent / path if path else ROOT / name
        assert page.is_file(), target
        if anchor:
            assert anchor in anchors(page.read_text(encoding="utf-8")), target


def sources():
    """Return the texts that cite THEORY and PROOFS."""
    patterns = ("*.md", "docs/*.md", "tutorials/*.ipynb", "reducednet/*.md", "reducednet/**/*.py",
                "tests/**/*.py")
    files = [path for pattern in patterns for path in ROOT.glob(pattern)]
    return {path: re.sub(r"\s+", " ", path.read_text(encoding="utf-8")) for path in files}


def test_results_and_sections_that_are_cited_exist():
    stated = {"Prop": set(re.findall(r"\*\*Prop\. (\d+)", THEORY)),
              "Lemma": set(re.findall(r"\*\*Lemma (\d+)", PROOFS)),
              "THEORY": set(re.findall(r"^## (\d+)\.", THEORY, re.MULTILINE)),
              "PROOFS": set(re.findall(r"^## (\d+)\.", PROOFS, re.MULTILINE))}
    assert [len(names) for names in stated.values()] == [6, 25, 10, 25]
    assert re.findall(r"\*\*Prop\. (\d+)", OPTIMA) == list("1234567")
    texts = sources()
    del texts[ROOT / "docs" / "global-optima.md"]  # its propositions are numbered from 1 again
    for path, text in texts.items():
        cited = {"Prop": re.findall(r"Prop\. ?(\d+)", text),
                 "Lemma": re.findall(r"Lemmas? (\d+)", text)}
        for page in ("THEORY", "PROOFS"):
            cited[page] = re.findall(page + r",? (?:Prop\. [\d, ]+(?:and )?)?sections? (\d+)", text)
        for kind, numbers in cited.items():
            assert set(numbers) <= stated[kind], (path, kind, set(numbers) - stated[kind])


def test_code_that_is_said_to_use_a_lemma_exists():
    modules = {}  # modules of one name in two rooms count as one
    for path in ROOT.glob("reducednet/**/*.py"):
        if path.stem != "__init__":
            modules[path.stem] = modules.get(path.stem, "") + path.read_text(encoding="utf-8")
    uses = re.findall(r"\*Used by\*(.*?)(?:\n\n|\Z)", PROOFS, re.DOTALL)
    for name in re.findall(r"`([^`]+)`", " ".join(uses)):
        first, *inner = name.split("/")[-1].removesuffix(".py").split(".")
        text = modules.get(first, "".join(modules.values()))
        for part in inner if first in modules else [first, *inner]:
            assert re.search(rf"\b(def|class) {part}\b", text), name


def test_prop_3_is_called_a_reconstruction_on_every_page_that_shows_its_formula():
    for name in ("THEORY.md", "README.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert "Prop. 3" in text and "reconstruction" in text.lower()


def test_example_of_the_base_point():
    square, w, q = rn.Box([0, 0], [1, 1]), np.array([0.6, 0.8]), 0.25
    low, high = -square.support([w])[0], square.support([-w])[0]
    b, x_q = (1 - q) * low + q * high, np.array([0.75, 0.75])
    assert np.isclose(b, -1.05, rtol=1e-15) and np.isclose(-w @ x_q, b, rtol=1e-15)
    assert ([1, 0] - 2 * x_q).tolist() == [-0.5, -1.5]
    assert np.isclose(2 * (high - low), 2.8, rtol=1e-15)


def test_example_of_what_the_projection_removes():
    net = rn.Network([[[1]]], [[1]], [[3]])
    loss, gradient = rn.loss_and_gradient(net, [[1.0]], [0.0])
    G_w, g_b, G_v = gradient.to_vector()
    assert loss == 36 and [G_w, g_b, G_v] == [36, 36, 24] and 1 * G_w + 1 * g_b == 3 * G_v


def test_example_of_an_orbit_reduces_to_the_same_network():
    line = rn.Box(-1, 1)
    one, other = rn.Network([[[2]]], [[-1]], [[1]]), rn.Network([[[8]]], [[-4]], [[0.25]])
    assert rn.reduce(one, line).to_vector().tolist() == rn.reduce(other, line).to_vector().tolist()


def test_example_of_nearly_equal_forms():
    f, g = rn.Network([[[1]]], [[-0.5]], [[1]]), rn.Network([[[1]]], [[-0.4]], [[1.1]])
    assert np.isclose(abs(f([[1.0]]) - g([[1.0]])).item(), 0.16, rtol=1e-14)
    assert np.isclose(0.1 * 0.5 + 1.1 * 0.1, 0.16, rtol=1e-14)
    assert rn.verify(f, g, rn.Box(0, 1), eps=0.1601).status == "equivalent"


def test_example_of_opposite_neurons_lowers_the_rank():
    x = np.linspace(-1, 1, 9)[:, np.newaxis]
    F = rn.Network([[[1], [1], [-1]]], [[0.5, -0.5, 3]], [[1, 1, 1]], [-3])
    fewer = rn.Network([[[-1], [1]]], [[-0.5, -0.5]], [[1, 1]], [0.5])
    assert F(x).tolist() == fewer(x).tolist()


def test_example_of_a_tie_that_normalising_breaks():
    third, three = 1 / np.sqrt(12), 3 / np.sqrt(12)
    assert third + third + third - three > 0


def as_numbers(drawing):
    """Return the text of an SVG without its numbers and its hashed names, and the numbers."""
    number = r"(?<![\w.#-])-?\d+(?:\.\d+)?(?![\w.])"
    drawing = re.sub(r"\b[a-z][0-9a-f]{10}\b", "hash", drawing)
    return re.sub(number, "0", drawing), np.array(re.findall(number, drawing), dtype=float)


@pytest.mark.slow
def test_figures_are_those_that_the_script_draws(tmp_path):
    """Numbers may differ in the last digits that Matplotlib writes, as processors round."""
    specification = importlib.util.spec_from_file_location("figures", ROOT / "docs" / "figures.py")
    figures = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(figures)
    written = figures.draw(tmp_path)
    assert {path.name for path in written} == {path.name for path in FIGURES.glob("*.svg")}
    for path in written:
        new, committed = (folder.read_text(encoding="utf-8")
                          for folder in (path, FIGURES / path.name))
        assert path.name in THEORY and len(new) < 50_000
        if f"Matplotlib v{matplotlib.__version__}" in committed:  # others may place text otherwise
            (text, numbers), (expected, others) = as_numbers(new), as_numbers(committed)
            assert text == expected
            assert np.abs(numbers - others).max() <= 1e-4

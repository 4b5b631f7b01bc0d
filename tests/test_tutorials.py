"""The tutorials: their form, their exercises, and their students' copies.

That they run in a Jupyter kernel is tested by nbmake, which collects the notebooks themselves.
"""
import ast
import importlib.util
import json
import pathlib
import re
import sys

import matplotlib
import pytest

import reducednet as rn

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "tutorials"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"), key=lambda path: int(path.stem.split("_")[0]))
MOST_CELLS, MOST_LINES, WIDEST = 20, 12, 100
ALLOWED = {"numpy", "matplotlib", "scipy", "sklearn", "reducednet"}

spec = importlib.util.spec_from_file_location("student_copies", FOLDER / "student_copies.py")
student_copies = importlib.util.module_from_spec(spec)
spec.loader.exec_module(student_copies)

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def code_cells(path):
    return [cell for cell in read(path)["cells"] if cell["cell_type"] == "code"]


def source(cell):
    return "".join(cell["source"])


def called_check(cell):
    """Return the name of the check that the cell's last statement calls, or None."""
    body = ast.parse(source(cell)).body if cell["cell_type"] == "code" else []
    last = body[-1] if body else None
    if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call) and isinstance(last.value.func, ast.Name):
        return last.value.func.id if last.value.func.id.startswith("check_") else None
    return None


# their form


def test_there_are_eleven_in_the_order_of_the_course():
    assert [int(path.stem.split("_")[0]) for path in NOTEBOOKS] == list(range(11))


@every_notebook
def test_notebook_holds_no_outputs(path):
    for cell in code_cells(path):
        assert cell["outputs"] == [] and cell["execution_count"] is None, cell["id"]


@every_notebook
def test_notebook_is_written_for_a_plain_python_kernel(path):
    notebook = read(path)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert (notebook["nbformat"], notebook["nbformat_minor"]) >= (4, 5)
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])


@every_notebook
def test_cells_are_few_and_small(path):
    cells = code_cells(path)
    assert 8 <= len(cells) <= MOST_CELLS
    for cell in cells:
        lines = source(cell).splitlines()
        assert 1 <= len(lines) <= MOST_LINES and max(map(len, lines)) <= WIDEST, cell["id"]


@every_notebook
def test_prose_stands_between_the_cells(path):
    """Never more than two cells of code in a row, but for an exercise: its check, the answer, the call."""
    cells = read(path)["cells"]
    assert cells[0]["cell_type"] == "markdown" and source(cells[0]).startswith("# ")
    row = 0
    for cell in cells:
        counts = cell["cell_type"] == "code" and not student_copies.is_solution(cell) and not called_check(cell)
        row = row + 1 if counts else (row if cell["cell_type"] == "code" else 0)
        assert row <= 2, cell["id"]


@every_notebook
def test_notebook_uses_the_public_library_only(path):
    for cell in code_cells(path):
        for node in ast.walk(ast.parse(source(cell))):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = [node.module]
            else:
                modules = []
            for module in modules:
                root = module.split(".")[0]
                assert root in ALLOWED | sys.stdlib_module_names, module
                assert root != rn.__name__ or module == rn.__name__, module
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "rn":
                assert node.attr in rn.__all__, f"rn.{node.attr}"
            if isinstance(node, ast.Attribute):
                assert not re.match(r"_[^_]", node.attr), node.attr


@every_notebook
def test_notebook_ends_with_what_we_saw_and_asserts_it(path):
    cells = read(path)["cells"]
    headings = [source(cell) for cell in cells if cell["cell_type"] == "markdown"]
    assert headings[-1].startswith("## What we saw")
    assert cells[-1]["cell_type"] == "code"
    assert any(isinstance(node, ast.Assert) for node in ast.parse(source(cells[-1])).body)


@every_notebook
def test_notebook_has_pictures(path):
    assert any("plt." in source(cell) or "rn.plotting." in source(cell) for cell in code_cells(path))


# its exercises


@every_notebook
def test_exercises_are_a_question_an_answer_and_a_check(path):
    cells = read(path)["cells"]
    solutions = [index for index, cell in enumerate(cells) if student_copies.is_solution(cell)]
    assert len(solutions) >= 2
    questions = [cell for cell in cells if source(cell).startswith("**Exercise")]
    assert len(questions) == len(solutions)
    for index in solutions:
        assert called_check(cells[index + 1]), cells[index]["id"]
        assert cells[index]["metadata"]["jupyter"] == {"source_hidden": True}, cells[index]["id"]


def attempt(cell, namespace):
    """Run the cell in a copy of the namespace and return the hint that it ends with, or None."""
    try:
        exec(compile(source(cell), cell["id"], "exec"), dict(namespace))
    except AssertionError as error:
        return str(error)
    return None


@every_notebook
def test_checks_hint_before_an_answer_and_pass_with_the_solution(path, monkeypatch):
    """In this process, where a warning is an error; a wrong kind of answer gets a hint as well."""
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    monkeypatch.chdir(FOLDER)
    namespace, cells = {"__name__": "__main__"}, read(path)["cells"]
    for index, cell in enumerate(cells):
        if cell["cell_type"] != "code":
            continue
        if student_copies.is_solution(cell):
            for answer in ("...", "None", "'no idea'"):
                unanswered = dict(namespace)
                text = student_copies.placeholder(source(cell)).replace("...", answer)
                exec(compile(text, cell["id"], "exec"), unanswered)
                assert attempt(cells[index + 1], unanswered), (cell["id"], answer)
        exec(compile(source(cell), cell["id"], "exec"), namespace)
    plt.close("all")


# the students' copies


@every_notebook
def test_copy_differs_from_the_master_in_the_solutions_only(path, tmp_path):
    student_copies.main(tmp_path)
    master, copy = read(path)["cells"], read(tmp_path / path.name)["cells"]
    assert len(master) == len(copy)
    for ours, theirs in zip(master, copy):
        if student_copies.is_solution(ours):
            assert source(theirs) == student_copies.placeholder(source(ours)) != source(ours)
            assert not student_copies.is_solution(theirs)
        else:
            assert ours == theirs


def test_copies_are_written_for_every_notebook(tmp_path):
    student_copies.main(tmp_path / "new" / "folder")
    assert {path.name for path in (tmp_path / "new" / "folder").iterdir()} == {path.name for path in NOTEBOOKS}


def test_solution_that_does_more_than_answer_is_refused():
    with pytest.raises(ValueError, match="must assign names or define functions"):
        student_copies.placeholder("print(1)")

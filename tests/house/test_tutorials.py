"""The tutorials' rules, and their exercises: a check fails with a hint before an answer, passes with the solution.

nbmake runs the notebooks in a Jupyter kernel; here their cells run in this process, where a warning is an error.
"""
import ast
import json
import re
import subprocess
import symtable
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot

import exercises as exercise_checks
import reducednet as rn
import student_copies

NOTEBOOKS = student_copies.masters()
PACKAGES = {"numpy", "scipy", "matplotlib", "reducednet", "exercises"}
MOST_CELLS, MOST_LINES, WIDTH = 20, 13, 100
FIELDS = ("weights", "thresholds", "output_weights", "output_bias", "activation", "domain", "bound")
"""Of a Network; the last two of a ReducedNetwork alone."""

ODD_ANSWERS = ("None", "'a quarter'", "(1, 2)", "np.int64(-99)", "[]")
"""Each is to get a hint from every check."""

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def source(cell):
    return "".join(cell["source"])


def code_cells(path):
    return [cell for cell in read(path)["cells"] if cell["cell_type"] == "code"]


def nodes(path, *kinds):
    """Return the nodes of these kinds of all code cells."""
    trees = [ast.parse(source(cell)) for cell in code_cells(path)]
    return [node for tree in trees for node in ast.walk(tree) if isinstance(node, kinds)]


def called_check(cell):
    """Return the name of the check that a cell calls and does nothing else, or None."""
    body = ast.parse(source(cell)).body
    if len(body) == 1 and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Call):
        name = ast.unparse(body[0].value.func)
        return name if name.startswith("check_") else None
    return None


def global_names(cell, assigned=False):
    """Return the global names that a cell uses, also within its functions, or those alone that it assigns."""
    names, tables = set(), [symtable.symtable(source(cell), "cell", "exec")]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        for symbol in table.get_symbols():
            if (table.get_type() == "module" or symbol.is_global()) and (symbol.is_assigned() or not assigned):
                names.add(symbol.get_name())
    return names


def exercises(path):
    """Return each solution's cell with the cell that follows it."""
    cells = [*code_cells(path), None]
    return [(cell, following) for cell, following in zip(cells, cells[1:]) if student_copies.is_solution(cell)]


def run(cell_source, namespace):
    """Run a cell as Jupyter does, and return the value of its last expression."""
    tree = ast.parse(cell_source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), namespace)
    value = None if last is None else eval(compile(ast.Expression(last.value), "cell", "eval"), namespace)
    if hasattr(value, "to_jshtml"):
        value.to_jshtml()  # Jupyter shows a film, and one that nobody has seen warns when it is deleted
    return value


def hint(answer, check, namespace):
    """Return what the check says to an answer that is wrong."""
    trial = dict(namespace)
    run(answer, trial)
    with pytest.raises(exercise_checks.Hint) as caught:
        run(check, trial)
    assert "\n" not in str(caught.value), "a hint is one line"
    return str(caught.value)


@pytest.fixture(autouse=True)
def no_figures_of_others():
    """Close what doctests left open in this process: more than twenty figures are a warning."""
    pyplot.close("all")


# their form


def test_there_are_tutorials():
    assert NOTEBOOKS


@every_notebook
def test_cells_are_few_and_short(path):
    cells = [source(cell).splitlines() for cell in code_cells(path)]
    assert len(cells) <= MOST_CELLS
    for lines in cells:
        assert 1 <= len(lines) <= MOST_LINES, f"{len(lines)} lines: {lines[0]}"
        assert not [line for line in lines if len(line) > WIDTH]


@every_notebook
def test_nothing_that_a_run_leaves_is_kept(path):
    for cell in code_cells(path):
        assert cell["outputs"] == [] and cell["execution_count"] is None, source(cell)
    assert read(path)["metadata"]["kernelspec"]["name"] == "python3"


@every_notebook
def test_every_cell_has_an_id_of_its_own(path):
    ids = [cell["id"] for cell in read(path)["cells"]]
    assert len(set(ids)) == len(ids)


@every_notebook
def test_there_is_prose_between_code_cells(path):
    kinds = "".join(cell["cell_type"][0] for cell in read(path)["cells"])
    assert kinds.startswith("m") and "ccc" not in kinds


@every_notebook
def test_only_the_public_library_is_used(path):
    for node in nodes(path, ast.Attribute):
        assert not node.attr.startswith("_"), ast.unparse(node)
        if isinstance(node.value, ast.Name) and node.value.id == "rn":
            assert node.attr in rn.__all__, ast.unparse(node)
    extra = {"sklearn"} if path.stem == "11_from_elsewhere" else set()
    allowed = PACKAGES | extra | sys.stdlib_module_names
    for node in nodes(path, ast.Import, ast.ImportFrom):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module]
        assert {name.split(".")[0] for name in names} <= allowed, ast.unparse(node)
        shown = ["reducednet.networks"] if path.stem == "4_kernels" else []  # it prints the plain passes
        hidden = [name for name in names if name.startswith("reducednet.") and name not in shown]
        assert not hidden, ast.unparse(node)


@every_notebook
def test_it_ends_with_what_we_saw_and_asserts(path):
    *_, prose, code = read(path)["cells"]
    assert prose["cell_type"] == "markdown" and source(prose).startswith("## What we saw")
    assert code["cell_type"] == "code" and "\nassert " in "\n" + source(code)


@every_notebook
def test_every_solution_is_hidden_and_followed_by_its_check(path):
    pairs = exercises(path)
    assert len(pairs) >= 2
    for solution, check in pairs:
        assert solution["metadata"]["jupyter"]["source_hidden"], source(solution)
        assert called_check(check), source(check)
        assert global_names(solution, assigned=True) & global_names(check), "the check is to use the answer"
        assert solution["metadata"]["wrong"], "give it wrong answers, which the check is to tell from the solution"
        assert check["metadata"]["tags"] == ["raises-exception"], "a hint is not to end Run All"
    checks = [cell for cell in code_cells(path) if called_check(cell)]
    assert len(checks) == len(pairs), "a check follows each solution, and nothing else"


@every_notebook
def test_every_check_is_folded_and_raises_only_hints(path):
    for cell in code_cells(path):
        functions = [node for node in ast.parse(source(cell)).body if isinstance(node, ast.FunctionDef)]
        if any(function.name.startswith("check_") for function in functions):
            assert cell["metadata"]["jupyter"]["source_hidden"], source(cell)
            assert [ast.unparse(name) for name in functions[-1].decorator_list] == ["check"]


@every_notebook
def test_an_answer_is_used_by_its_check_only(path):
    answers = {name for cell, _ in exercises(path) for name in global_names(cell, assigned=True)}
    for cell in code_cells(path):
        if not student_copies.is_solution(cell) and not called_check(cell):
            assert not answers & global_names(cell), "who has not answered cannot read on"


def test_the_readme_names_every_notebook():
    text = (student_copies.TUTORIALS.parent / "README.md").read_text(encoding="utf-8")
    assert not [path.name for path in NOTEBOOKS if f"(tutorials/{path.name})" not in text]


@every_notebook
def test_all_have_one_form(path):
    """A title with its number, question, time and prerequisites; one heading for exercises; what is next."""
    texts = [source(cell) for cell in read(path)["cells"] if cell["cell_type"] == "markdown"]
    number = path.stem.split("_")[0]
    title, question, time = texts[0].split("\n\n")[:3]
    assert title.startswith(f"# {number} · ") and question.startswith("**Question.** ")
    assert re.fullmatch(r"\*About \d+ minutes\. You need .+\.\)?\*", time)
    heading = re.compile(r"^\*\*Exercise: (predict|by hand|write)\.\*\* ", re.MULTILINE)
    headings = heading.findall("\n".join(texts))
    assert len(headings) == texts.count("Your answer:") == len(exercises(path))
    assert re.search(r"\n\nNext: \[.+\]\(.+\) .+$", texts[-1])


# their exercises


def test_a_number_of_numpy_is_as_good_an_answer_as_one_of_python():
    @exercise_checks.check
    def check_number(number):
        assert isinstance(number, int), "Write a whole number."
        return "Right."

    assert check_number(np.int64(3)) == check_number(3) == "Right."


LONG = ("5_training", "7_variable_projection", "8_deep_networks", "9_binary_networks",
        "12_how_good_can_it_get")
"""Notebooks whose second run, that of their exercises, is left to the slow tests."""


@pytest.mark.parametrize("path", [
    pytest.param(path, id=path.stem, marks=[pytest.mark.slow] if path.stem in LONG else [])
    for path in NOTEBOOKS
])
def test_checks_fail_with_a_hint_before_an_answer_and_pass_with_the_solution(path):
    for node in nodes(path, ast.Import, ast.ImportFrom):
        if "sklearn" in ast.unparse(node):
            pytest.importorskip("sklearn")
    matplotlib.use("agg")
    namespace = {"__name__": "__main__"}
    cells = code_cells(path)
    following = {cell["id"]: source(check) for cell, check in exercises(path)}
    for cell in cells:
        if check := following.get(cell["id"]):
            unanswered = hint(student_copies.placeholder(source(cell)), check, namespace)
            assert unanswered, check
            for wrong in cell["metadata"]["wrong"]:
                assert hint(wrong, check, namespace) not in ("", unanswered), wrong
            for odd in ODD_ANSWERS:
                names = sorted(global_names(cell, assigned=True))
                hint("\n".join(f"{name} = {odd}" for name in names), check, namespace)
        value = run(source(cell), namespace)
        assert not called_check(cell) or isinstance(value, str), "a check answers with a sentence"
    pyplot.close("all")


def test_what_notebook_0_shows_does_not_depend_on_rounding(monkeypatch):
    """Fit the same function where sums are rounded otherwise.

    It is shown with up to four digits; half of the sixteen that float64 has must come out the same.
    """
    path, = (path for path in NOTEBOOKS if path.stem == "0_hello")
    fits = [run_all(path)]
    round_otherwise(monkeypatch)
    fits += [run_all(path), run_all(path)]
    x = np.linspace(0, 1, 1001)[:, np.newaxis]
    values, *others = (cells["net"](x) for cells in fits)
    assert all(np.abs(other - values).max() <= 2.0**-26 * np.abs(values).max() for other in others)


@pytest.mark.slow
@every_notebook
def test_what_a_notebook_asserts_does_not_depend_on_rounding(path, monkeypatch):
    for node in nodes(path, ast.Import, ast.ImportFrom):
        if "sklearn" in ast.unparse(node):
            pytest.importorskip("sklearn")
    round_otherwise(monkeypatch)
    for _ in range(3):
        run_all(path)


def round_otherwise(monkeypatch):
    """Change the last digits of the outgoing weights that training begins with.

    Another processor adds in another order: from the first step on its numbers differ by as much.
    """
    train, rng = rn.train, np.random.default_rng(0)

    def train_rounded(network, *args, **options):
        if isinstance(network, rn.Network):
            digits = rng.choice([-1.0, 0.0, 1.0], network.output_weights.shape) * 2.0**-52
            given = {name: getattr(network, name) for name in FIELDS if hasattr(network, name)}
            given["output_weights"] = network.output_weights * (1.0 + digits)
            network = type(network)(**given)
        return train(network, *args, **options)

    monkeypatch.setattr(rn, "train", train_rounded)


def run_all(path):
    """Run all cells of a notebook in one namespace, and return that."""
    matplotlib.use("agg")
    namespace = {"__name__": "__main__"}
    for cell in code_cells(path):
        run(source(cell), namespace)
        pyplot.close("all")
    return namespace


# the students' copies


def test_copies_are_written_without_solutions(tmp_path):
    run_script(tmp_path / "class")
    for path in NOTEBOOKS:
        master, copy = read(path), read(tmp_path / "class" / path.name)
        for cell, copied in zip(master["cells"], copy["cells"], strict=True):
            if student_copies.is_solution(cell):
                assert source(copied) == student_copies.placeholder(source(cell))
                assert copied["metadata"] == {"tags": ["answer"]}
            else:
                assert cell == copied


def test_a_copy_that_is_there_is_kept(tmp_path):
    kept = tmp_path / NOTEBOOKS[0].name
    kept.write_text("my answers", encoding="utf-8")
    assert f"{kept} is there already" in run_script(tmp_path, returncode=1).stderr
    assert kept.read_text(encoding="utf-8") == "my answers"
    assert len(list(tmp_path.glob("*.ipynb"))) == len(NOTEBOOKS)


def test_copies_run_in_their_own_folder(tmp_path):
    run_script(tmp_path / "class")
    assert (tmp_path / "class" / "exercises.py").is_file(), "the notebooks import it"


def test_copies_for_nbgrader_have_a_mark_for_every_exercise(tmp_path):
    run_script(tmp_path, options=["--nbgrader"])
    for path in NOTEBOOKS:
        marks = [cell["metadata"].get("nbgrader") for cell in read(tmp_path / path.name)["cells"]]
        marks = [mark for mark in marks if mark]
        assert sum(mark.get("points", 0) for mark in marks) == len(exercises(path))
        assert sum(mark["solution"] for mark in marks) == len(exercises(path))
        assert len({mark["grade_id"] for mark in marks}) == len(marks)


@pytest.mark.parametrize("answered", [False, True])
def test_nbgraders_validator_opens_the_copies(tmp_path, answered):
    """It says that a copy without answers fails, and one with the solutions passes."""
    validator = pytest.importorskip("nbgrader.validator").Validator()
    path = NOTEBOOKS[1]
    run_script(tmp_path, options=["--nbgrader"])
    copy = read(tmp_path / path.name)
    if answered:
        solutions = {cell["id"]: cell["source"] for cell, _ in exercises(path)}
        for cell in copy["cells"]:
            cell["source"] = solutions.get(cell["id"], cell["source"])
        (tmp_path / path.name).write_text(json.dumps(copy), encoding="utf-8")
    found = validator.validate(str(tmp_path / path.name))
    assert len(found.get("failed", [])) == (0 if answered else len(exercises(path)))


def run_script(folder, returncode=0, options=()):
    command = [sys.executable, student_copies.__file__, *options, str(folder)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == returncode, result.stderr
    return result

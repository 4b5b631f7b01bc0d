"""The house's order: who may import whom, what an import costs, and the public list.

The table is the law: a module imports from lines below its own only. A new module gets a line here.
"""
import ast
import inspect
import os
import pathlib
import subprocess
import sys

import pytest

import reducednet as rn

ROOT = pathlib.Path(rn.__file__).resolve().parent

LINES = [  # the top first
    "__main__",
    "cli",
    "commands",
    "plotting estimators convert",
    "torch_steps keras_steps",
    "steps",
    "demo estimator_fits estimator_inputs",
    "compression studies",
    "study_record",
    "files study_format",
    "npz_format nnet_format onnx_format vnnlib_format study_runs",
    "result_format onnx_graph",
    "training verification",
    "minimal",
    "gradients canonical",
    "reduction spaces orbit error_bounds starts merging",
    "redrawing moving_points shallow mapping_bounds",
    "reduced_networks layers affine_chain",
    "networks",
    "parameters",
    "kernels intervals affine_neurons",
    "activations sphere domains losses targets archives parallel grouping subset_sums",
    "_validation rounding records",
]

INSIDE = {  # the same within the packages
    "compression": [
        "__init__",
        "run",
        "binary building report",
    ],
    "plotting": [
        "__init__",
        "animation studies",
        "graphs neurons curves",
        "style",
    ],
    "commands": [
        "__init__",
        "demo compare reduce verify info convert compress",
        "study_tables census",
        "answers options outputs",
        "samples",
    ],
    "training": [
        "__init__",
        "run",
        "lbfgs slsqp varpro exchange gradient_descent surrogate levenberg_marquardt",
        "continuation projection",
        "coordinates monitor memory",
        "result progress candidates",
    ],
    "verification": [
        "__init__",
        "run",
        "certify",
        "provers",
        "branching mixed_integer folding",
        "search certificates",
        "findings stability norms schemas",
        "matching given_terms",
        "differences",
        "relu_layers binary_layers",
        "classes",
        "breakpoints structure permutation",
        "forms exact expansion",
        "relaxation",
        "row_bounds verdict checker exact_checker folded_checker sorted_checker norms_checker evaluation_checker "
        "permutation_checker",
    ],
}

HEAVY = ("scipy", "matplotlib", "hypothesis", "pytest", "pandas", "sklearn", "torch", "keras", "onnx", "tqdm")


def heights(lines):
    """Return the height of each name: its line's number from the bottom."""
    return {name: height for height, line in enumerate(reversed(lines)) for name in line.split()}


def modules(folder):
    """Return the modules of a folder and its packages' names, without the folder's own __init__."""
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    return files | {path.parent.name for path in folder.glob("*/__init__.py")}


def imports(path, level, package):
    """Yield (name, line) for each import of `path` from the folder that `level` dots mean.

    A name is a module of that folder, or "" for something of its __init__. An absolute import of the
    package itself counts as one of its root.
    """
    folder = path.parent if level == 1 else path.parent.parent
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == level:
            if node.module:
                yield node.module.split(".")[0], node.lineno
            else:
                for alias in node.names:
                    yield (alias.name if alias.name in modules(folder) else ""), node.lineno
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module.split(".")[0] == package:
            yield "", node.lineno
        elif isinstance(node, ast.Import) and any(alias.name.split(".")[0] == package for alias in node.names):
            yield "", node.lineno


def sources():
    """Return (path, its name in the table, dots that lead to the root) of all files below the root."""
    result = [(path, path.stem, 1) for path in sorted(ROOT.glob("*.py")) if path.stem != "__init__"]
    return result + [(path, path.parent.name, 2) for path in sorted(ROOT.glob("*/*.py"))]


def relative(path):
    return str(path.relative_to(ROOT))


# the table


def test_every_module_has_a_line():
    missing = modules(ROOT) - heights(LINES).keys()
    assert not missing, f"give {sorted(missing)} a line in the table"


def test_no_module_has_two_lines():
    for lines in (LINES, *INSIDE.values()):
        names = " ".join(lines).split()
        assert len(names) == len(set(names))


def test_every_package_has_its_own_table():
    assert {path.parent.name for path in ROOT.glob("*/__init__.py")} <= INSIDE.keys()


@pytest.mark.parametrize("package", sorted(INSIDE))
def test_every_module_of_a_package_has_a_line(package):
    missing = modules(ROOT / package) - heights(INSIDE[package]).keys()
    assert not missing, f"give {sorted(missing)} a line in the table of {package}"


@pytest.mark.parametrize("path, name, level", sources(), ids=[relative(path) for path, _, _ in sources()])
def test_imports_go_down(path, name, level):
    table = heights(LINES)
    for imported, line in imports(path, level, rn.__name__):
        if imported in table and name in table:
            assert table[imported] < table[name], f"{relative(path)}:{line} imports {imported}: up or sideways"


@pytest.mark.parametrize("path, name, level", sources(), ids=[relative(path) for path, _, _ in sources()])
def test_nothing_is_imported_from_the_root(path, name, level):
    if name not in ("cli", "__main__"):
        for imported, line in imports(path, level, rn.__name__):
            assert imported, f"{relative(path)}:{line} imports from the package's root"


@pytest.mark.parametrize("package", sorted(INSIDE))
def test_imports_inside_a_package_go_down(package):
    table = heights(INSIDE[package])
    for path in sorted((ROOT / package).glob("*.py")):
        for imported, line in imports(path, 1, package):
            assert imported, f"{relative(path)}:{line} imports from the root of {package}"
            where = f"{relative(path)}:{line} imports {imported}"
            if not {imported, path.stem} <= table.keys():
                continue  # another test asks for its line
            assert table[imported] < table[path.stem], f"{where}: up or sideways"


def test_root_imports_nothing_but_what_it_needs_to_be_lazy():
    tree = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8"))
    names = [node.module for node in tree.body if isinstance(node, ast.ImportFrom)]
    names += [alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names]
    assert set(names) <= {"importlib", "typing", "__future__"}


def top_imports(path):
    """Yield the packages that a module imports when it is loaded itself."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=relative)
def test_modules_load_the_standard_library_and_numpy_only(path):
    assert set(top_imports(path)) <= sys.stdlib_module_names | {"numpy"}


# the check itself


def test_the_check_sees_every_way_to_import(tmp_path):
    (tmp_path / "below.py").touch()
    (tmp_path / "other.py").touch()
    path = tmp_path / "module.py"
    path.write_text(
        "from . import below, thing\nfrom .other import x\nfrom .other.deep import y\nimport pack.sub\n"
        "from pack import z\ndef f():\n    from . import other\nfrom .. import up\n", encoding="utf-8")
    found = sorted(imports(path, 1, "pack"), key=lambda pair: (pair[1], pair[0]))
    assert found == [("", 1), ("below", 1), ("other", 2), ("other", 3), ("", 4), ("", 5), ("other", 7)]


# what an import costs


def in_a_new_process(code):
    """Return what the code prints in a new interpreter."""
    command = [sys.executable, "-c", f"import sys\nsys.path.insert(0, {str(ROOT.parent)!r})\n{code}"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split()


def test_import_loads_no_module_but_the_root():
    assert in_a_new_process(
        "import reducednet\nprint(*(n for n in sys.modules if n.split('.')[0] == 'reducednet'))") == ["reducednet"]


def test_import_loads_nothing_heavy():
    loaded = in_a_new_process("import reducednet\nprint(*{n.split('.')[0] for n in sys.modules})")
    assert not set(loaded) & set(HEAVY)


def test_every_public_name_together_loads_nothing_heavy():
    loaded = in_a_new_process(
        "import reducednet\nfor name in reducednet.__all__:\n    getattr(reducednet, name)\n"
        "print(*{n.split('.')[0] for n in sys.modules})")
    assert not set(loaded) & set(HEAVY)


def test_star_import_gives_the_public_names():
    names = in_a_new_process("from reducednet import *\nprint(*dir())")
    assert set(rn.__all__) <= set(names)


# the public list

public = pytest.mark.parametrize("name", sorted(rn.__all__))


@public
def test_public_name_resolves(name):
    assert getattr(rn, name) is not None


@public
def test_public_name_is_listed(name):
    assert name in dir(rn)


@public
def test_public_name_is_written_once(name):
    assert rn.__all__.count(name) == 1


@public
def test_public_name_has_a_docstring(name):
    assert name == "__version__" or inspect.getdoc(getattr(rn, name))


def test_unknown_name_raises_attribute_error():
    with pytest.raises(AttributeError, match="module 'reducednet' has no attribute 'no_such_name'"):
        rn.no_such_name


def test_lazy_names_are_those_that_type_checkers_see():
    tree = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8"))
    guarded = [node for node in tree.body if isinstance(node, ast.If)]
    nodes = [node for node in ast.walk(guarded[0]) if isinstance(node, ast.ImportFrom)]
    seen = {alias.name for node in nodes for alias in node.names}
    assert seen == set(rn.__all__) - {"__version__"}
    assert all(alias.asname == alias.name for node in nodes for alias in node.names)  # else they are private


USER = """
import numpy as np

import reducednet as rn
from reducednet import {names}

X = np.linspace(0.0, 1.0, 9)[:, np.newaxis]
net: Network = Network.random((1, 5, 1), rng=0)
red: ReducedNetwork = reduce(net, Box(0, 1))
verdict: Verdict = verify(net, red, Box(0, 1))
small, report = compress(network=net, domain=Box(0, 1))
form: CanonicalForm = canonical_form(network=net, domain=Box(0, 1))
result: TrainingResult = train(red, X, X[:, 0] ** 2, n_steps=2)
value: float = loss_and_gradient(result.network, X, X[:, 0])[0]
outputs: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = small(X)
model: ReducedRegressor = ReducedRegressor(4).fit(X, X[:, 0])
axes = rn.plotting.history(result)
target = rn.targets.sin4pi()
"""


@pytest.mark.slow
def test_programs_that_use_the_package_pass_strict_type_checks(tmp_path):
    pytest.importorskip("mypy")
    names = ", ".join(name for name in rn.__all__ if name != "__version__")
    (tmp_path / "user.py").write_text(USER.format(names=names), encoding="utf-8")
    (tmp_path / "mypy.ini").write_text("[mypy]\nfollow_imports = silent\n", encoding="utf-8")
    environment = {**os.environ, "MYPYPATH": str(ROOT.parent)}
    command = [sys.executable, "-m", "mypy", "--strict", "user.py"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=tmp_path, env=environment)
    assert found.returncode == 0, found.stdout + found.stderr


def public_functions(name):
    """Return the public functions of a public name: itself, or those that a module defines."""
    value = getattr(rn, name)
    if not inspect.ismodule(value):
        return {name: value} if inspect.isfunction(value) else {}
    return {
        f"{name}.{key}": member for key, member in vars(value).items()
        if inspect.isfunction(member) and member.__module__.startswith(value.__name__) and not key.startswith("_")
    }


@public
def test_public_functions_have_an_example(name):
    for key, function in public_functions(name).items():
        assert "Examples\n--------\n>>> " in (inspect.getdoc(function) or ""), key


@public
def test_public_methods_have_a_docstring(name):
    value = getattr(rn, name)
    if inspect.isclass(value):
        for key, member in inspect.getmembers(value, lambda m: inspect.isroutine(m) or isinstance(m, property)):
            home = str(getattr(getattr(member, "fget", member), "__module__", ""))
            if not key.startswith("_") and home.startswith(rn.__name__):
                assert inspect.getdoc(member), f"{name}.{key}"


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=relative)
def test_nothing_but_the_command_line_prints(path):
    if path.stem not in ("cli", "__main__"):  # else `print` needs a `file`, such as stderr
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        calls = [node for node in nodes if isinstance(node, ast.Call)]
        prints = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]
        assert not [call.lineno for call in prints if "file" not in [keyword.arg for keyword in call.keywords]]


def test_version_is_a_literal():
    tree = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8"))
    assigned = [node for node in tree.body if isinstance(node, ast.Assign)]
    literals = [node.value.value for node in assigned if node.targets[0].id == "__version__"]
    assert literals == [rn.__version__]


def test_package_says_that_it_is_typed():
    assert (ROOT / "py.typed").is_file()

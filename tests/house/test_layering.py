"""The order of the rooms: who may import whom, what an import costs, and the public names."""
import ast
import inspect
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

import reducednet as rn

ROOT = pathlib.Path(rn.__file__).resolve().parent

LAW = """
    _validation < numerics < domains < networks < reduced_space < { canonical, training, convert }
    < { files, estimators } < verification < { compression, experiments } < plotting < __init__ < cli
"""
INSIDE_VERIFICATION = """
    certificates < { difference_bounds, symbolic_bounds } < rational < { verdict, breakpoints, exact_basis }
    < findings < { counterexamples, certify, stable_neurons, reduction_bound }
    < { input_splitting, sign_splitting, mixed_integer, disagreements } < { provers, decisions } < verify
"""
TRUSTED = {  # what the modules of verification/certificates/ may import from outside of that room
    "certificate": {"_validation", "domains", "networks.network"},
    "schemas": {"_validation", "domains", "networks.network"},
    "certificate_files": {"_validation", "files.archives"},
}
LONGEST_CHAIN = 12
CORE = ("_validation.py", "__init__.py", "numerics", "domains.py", "networks", "reduced_space", "training")

HEAVY = ("scipy", "matplotlib", "hypothesis", "pytest", "pandas", "sklearn", "torch", "keras", "onnx", "tqdm")


def levels(law):
    """Return the level of each name of a law, counted from the left."""
    return {
        name: level for level, names in enumerate(law.split("<"))
        for name in re.findall(r"\w+", names)
    }


def module_paths(root):
    """Return {dotted name: path} of all modules below a folder; the root's own __init__ is "__init__"."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)] = path
    return found


def imports(path, root, modules):
    """Yield (module, line) for each import of the package in a file, wherever in the file it stands."""
    folder = list(path.relative_to(root).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            parts = [alias.name.split(".") for alias in node.names]
            yield from ((".".join(p[1:]) or "__init__", node.lineno) for p in parts if p[0] == root.name)
        elif isinstance(node, ast.ImportFrom):
            named = node.module.split(".") if node.module else []
            if node.level:
                start = folder[:len(folder) + 1 - node.level] + named
            elif named[0] == root.name:
                start = named[1:]
            else:
                continue
            for alias in node.names:
                whole = ".".join([*start, alias.name])
                yield whole if whole in modules else ".".join(start) or "__init__", node.lineno


MODULES = module_paths(ROOT)
IMPORTS = {name: list(imports(path, ROOT, MODULES)) for name, path in MODULES.items()}
LEVELS, INSIDE = levels(LAW), levels(INSIDE_VERIFICATION)


def room(name):
    return "cli" if name == "__main__" else name.split(".")[0]


def relative(path):
    return str(path.relative_to(ROOT))


# the law


def test_every_room_has_a_level():
    assert {room(name) for name in MODULES} == LEVELS.keys()


def test_every_part_of_verification_has_a_level():
    parts = {name.split(".")[1] for name in MODULES if name.startswith("verification.")}
    assert parts == INSIDE.keys()


@pytest.mark.parametrize("name", sorted(MODULES.keys() - {"__init__"}))
def test_imports_point_to_the_left(name):
    for imported, line in IMPORTS[name]:
        where = f"{relative(MODULES[name])}:{line} imports {imported}"
        one, other = room(name), room(imported)
        assert one == other or LEVELS[other] < LEVELS[one], where
        if one == other == "verification" and "." in name:
            one, other = (full.split(".")[1] for full in (name, imported))
            assert one == other or INSIDE[other] < INSIDE[one], where


def test_checkers_import_nothing_but_one_another():
    """What a proof is worth hangs on no other line of the package.

    The exact checkers know of nothing but records, and neither of the fast ones nor these of them.
    """
    where, seen = "verification.certificates.", set()
    for name in MODULES:
        if not name.startswith(where):
            continue
        module = name.removeprefix(where)
        imported = {other.removeprefix(where) for other, _ in IMPORTS[name]} - {where[:-1]}
        room_mates = {other for other in imported if where + other in MODULES}
        allowed, is_exact = TRUSTED.get(module, set()), module.split(".")[0] == "exact"
        if is_exact:
            allowed = {"domains", "networks.network"}
        assert imported - room_mates <= allowed, module
        if module not in TRUSTED:
            assert not room_mates & TRUSTED.keys(), module
            assert {other.split(".")[0] == "exact" for other in room_mates} <= {is_exact}, module
            seen.add(module)
    assert {"check_difference", "check_rational", "check_symbolic", "exact.folded"} <= seen


def test_no_name_is_imported_from_a_room():
    """A room's __init__ is its docstring; plotting's alone gives names."""
    for name, path in MODULES.items():
        if path.name == "__init__.py" and name not in ("__init__", "plotting"):
            body = ast.parse(path.read_text(encoding="utf-8")).body
            assert len(body) == 1 and isinstance(body[0].value, ast.Constant), relative(path)


def longest_chain():
    """Return the longest chain of imports, the root's lazy table aside; fail on a circle."""
    chains, open_names = {}, []

    def chain(name):
        assert name not in open_names, f"a circle: {[*open_names, name]}"
        if name not in chains:
            open_names.append(name)
            below = {imported for imported, _ in IMPORTS[name]} - {name, "__init__"}
            chains[name] = [name, *max((chain(other) for other in below), key=len, default=[])]
            open_names.pop()
        return chains[name]

    return max((chain(name) for name in MODULES if name != "__init__"), key=len)


def test_no_chain_of_imports_is_longer_than_twelve():
    found = longest_chain()
    assert len(found) <= LONGEST_CHAIN, " > ".join(found)


def test_contributing_quotes_the_law():
    text = (pathlib.Path(__file__).resolve().parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert " ".join(LAW.split()) in " ".join(text.split())
    assert " ".join(INSIDE_VERIFICATION.split()) in " ".join(text.split())


def test_the_core_stands_alone(tmp_path):
    """Five rooms and the checks of arguments: they import, evaluate, reduce and train without the others."""
    for part in CORE:
        source, target = ROOT / part, tmp_path / "reducednet" / part
        (shutil.copytree if source.is_dir() else shutil.copy)(source, make_parent(target))
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import numpy as np, reducednet as rn\n"
        "net, box = rn.Network.random((1, 8, 1), rng=0), rn.Box(0, 1)\n"
        "X = np.linspace(0, 1, 20)[:, np.newaxis]\n"
        "red = rn.reduce(net, box)\n"
        "assert np.abs(red(X) - net(X)).max() < 1e-12\n"
        "before = np.mean((red(X) - np.sin(X))**2)\n"
        "assert min(rn.train(red, X, np.sin(X), 'adam', n_steps=50).history['loss']) < before\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=tmp_path)


def make_parent(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


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


# the test itself


def test_every_way_to_import_is_seen(tmp_path):
    package = tmp_path / "pack"
    for name in ("__init__", "below", "other", "room/__init__", "room/inner", "room/module"):
        make_parent(package / f"{name}.py").touch()
    path = package / "room" / "module.py"
    path.write_text(
        "from . import inner\nfrom .inner import x\nfrom ..below import y\nimport pack.other\nfrom pack import z\n"
        "def f():\n    from pack.room import inner\n    from .. import below\nfrom .. import up\nimport numpy\n",
        encoding="utf-8")
    found = sorted(imports(path, package, module_paths(package)), key=lambda pair: pair[1])
    assert found == [
        ("room.inner", 1), ("room.inner", 2), ("below", 3), ("other", 4), ("__init__", 5), ("room.inner", 7),
        ("below", 8), ("__init__", 9),
    ]


def test_an_unknown_room_has_no_level():
    assert "no_such_room" not in LEVELS and "no_such_part" not in INSIDE


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
    if path not in (ROOT / "cli" / "main.py", ROOT / "__main__.py"):  # else `print` needs a `file`, such as stderr
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

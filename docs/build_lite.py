"""Build the notebooks as a site that runs in a browser, with nothing to install on the visitor's side.

    python docs/build_lite.py [FOLDER]

JupyterLite is a Jupyter whose kernel, Pyodide, is Python compiled to WebAssembly. FOLDER is
`site/lite` unless it is given: beside the Sphinx site, whose page "Try it" leads there. It gets the
students' copies of the notebooks, the library as a wheel, and JupyterLite; any server of plain
files can serve it.

Visitors load Pyodide, with NumPy, SciPy and Matplotlib, from its public servers. If the environment
variable `REDUCEDNET_PYODIDE` names the folder of a Pyodide distribution, the site holds a copy of
that, and needs no other server. Needs `python -m pip install ".[docs]"`.
"""
from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INSTALL = {
    "cell_type": "code", "execution_count": None, "id": "install", "metadata": {}, "outputs": [],
    "source": ["# Only in the browser: load the library.\n", "%pip install -q reducednet"],
}
"""The first cell of each notebook: the kernel installs the wheel that the site brings."""
NEEDS_MORE = {"11_from_elsewhere.ipynb": " scikit-learn"}
"""What a notebook needs beside the library."""

NOT_IN_PYODIDE = ["comm"]
"""What JupyterLite's kernel loads from the Python Package Index, unless the site has it."""


def write_notebooks(folder: Path) -> None:
    """Write the students' copies of the notebooks, each with a first cell that loads the library."""
    command = [sys.executable, str(ROOT / "tutorials" / "student_copies.py"), str(folder)]
    subprocess.run(command, check=True)
    for path in folder.glob("*.ipynb"):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        comment, install = INSTALL["source"]
        cell = INSTALL | {"source": [comment, install + NEEDS_MORE.get(path.name, "")]}
        notebook["cells"].insert(0, cell)
        path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def build_wheel(folder: Path, temporary: Path) -> None:
    """Build the library's wheel from a copy, so that no old `build/` folder slips into it."""
    sources = temporary / "sources"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "reducednet", sources / "reducednet", ignore=ignore)
    for name in ("setup.py", "setup.cfg", "README.md", "LICENSE", "MANIFEST.in"):
        shutil.copy(ROOT / name, sources)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--wheel-dir", str(folder), str(sources)], check=True)


def build_site(folder: Path) -> None:
    """Build the site in a folder, which is replaced if it is there."""
    distribution = os.environ.get("REDUCEDNET_PYODIDE")
    if distribution is not None and not (Path(distribution) / "pyodide.mjs").is_file():
        raise SystemExit(f"REDUCEDNET_PYODIDE names no folder with pyodide.mjs: {distribution}")
    if folder.exists() and not (folder / "jupyter-lite.json").is_file():
        raise SystemExit(f"{folder} is there and holds something else: name another folder")
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory() as name:
        temporary = Path(name)
        lite = temporary / "lite"  # JupyterLite looks there for wheels and for Pyodide
        write_notebooks(lite / "notebooks")
        build_wheel(lite / "pypi", temporary)
        if distribution is not None:
            shutil.copytree(distribution, lite / "static" / "pyodide")
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
            subprocess.run([*pip, "--dest", str(lite / "pypi"), *NOT_IN_PYODIDE], check=True)
        subprocess.run([
            sys.executable, "-m", "jupyterlite_core", "build", "--lite-dir", str(lite),
            "--contents", str(lite / "notebooks"), "--output-dir", str(folder.resolve()),
            "--apps", "lab", "--no-sourcemaps", "--no-unused-shared-packages",
        ], check=True, cwd=lite, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Build the notebooks as a site that runs in a browser.")
    parser.add_argument("folder", nargs="?", default=ROOT / "site" / "lite", type=Path)
    build_site(parser.parse_args().folder)

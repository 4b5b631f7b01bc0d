"""Build the site: `python -m pip install ".[docs]"`, then `python -m sphinx -W docs site`.

Pages are written in Markdown. The notebooks are copied from `tutorials/` and executed, THEORY and
other pages are copied from the rest of the repository, and the pages of the API are made from the
table of public names, a page a room. All these go to folders that git ignores.
"""
import json
import os
import re
import shutil
import sys
from pathlib import Path

DOCS = Path(__file__).parent
ROOT = DOCS.parent
sys.path[:0] = [str(ROOT), str(DOCS / "course")]
os.environ["PYTHONPATH"] = str(ROOT)  # the notebooks run with the library of this checkout
os.environ.setdefault("OMP_NUM_THREADS", "1")

import reducednet as rn  # noqa: E402
import slides  # noqa: E402

project = "reducednet"
author = "The reducednet developers"
copyright = "2026, " + author
version = release = rn.__version__
extensions = ["sphinx.ext.autodoc", "numpydoc", "myst_nb"]
html_theme = "furo"
html_title = "reducednet"

myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 4
nb_execution_mode = "auto"
nb_execution_timeout = 120
nb_execution_raise_on_error = True
numpydoc_show_class_members = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say them, with shapes
default_role = "code"
suppress_warnings = ["mystnb.unknown_mime_type"]

ROOMS = {
    "domains": "Sets of inputs", "networks": "Networks and their evaluation",
    "numerics": "The unit sphere",
    "reduced_space": "The reduced space", "canonical": "Canonical and minimal forms",
    "training": "Training and its limits", "convert": "Other libraries", "files": "Files",
    "estimators": "Estimators", "verification": "Proofs of equality",
    "compression": "Compression", "experiments": "Studies", "plotting": "Pictures",
}
"""The rooms with public names, and the titles of their pages."""


def write_api_pages(folder: Path) -> None:
    """Write a page a room, from the table of public names."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    names: dict[str, list[str]] = {room: [] for room in ROOMS}
    for name, module in (rn._HOMES | rn._MODULES).items():
        names[module.split(".")[0]].append(name)
    for room, title in ROOMS.items():
        lines = [f"# {title}", ""]
        for name in names[room]:
            lines += [f"## rn.{name}", "", "```{eval-rst}", *directive(name), "```", ""]
        (folder / f"{room}.md").write_text("\n".join(lines), encoding="utf-8")


def directive(name: str) -> list[str]:
    """Return the lines that document one public name from its docstring."""
    if name in rn._MODULES:
        module = getattr(rn, name)
        public = getattr(module, "__all__", None) or [
            key for key, value in vars(module).items()
            if callable(value) and value.__module__ == module.__name__ and not key.startswith("_")
        ]
        return [f".. autofunction:: reducednet.{name}.{key}\n" for key in public]
    if isinstance(getattr(rn, name), type):
        return [f".. autoclass:: reducednet.{name}", "   :members:"]
    return [f".. autofunction:: reducednet.{name}"]


def copy_notebooks(folder: Path) -> None:
    """Copy the notebooks, with the checks and solutions folded as they are in Jupyter."""
    folder.mkdir(exist_ok=True)
    shutil.copy(ROOT / "tutorials" / "exercises.py", folder)
    for path in (ROOT / "tutorials").glob("[0-9]*_*.ipynb"):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        for cell in notebook["cells"]:
            cell["metadata"].pop("wrong", None)
            if cell["metadata"].get("jupyter", {}).get("source_hidden"):
                cell["metadata"].setdefault("tags", []).append("hide-input")
        text = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
        copy = folder / path.name
        if not copy.exists() or copy.read_text(encoding="utf-8") != text:  # keep those executed
            copy.write_text(text, encoding="utf-8")


PROJECT_PAGES = {
    "THEORY.md": "theory.md", "CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md",
    "benchmarks/README.md": "benchmarks.md", "benchmarks/experiments.md": "experiments.md",
    "reducednet/README.md": "reading.md",
}
"""Pages from elsewhere in the repository, and their names in docs/project/."""
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([\w./-]+\.\w+)(#[\w-]+)?\)")


def copy_project_pages(folder: Path) -> None:
    """Copy the project's pages, with links that lead to pages of the site."""
    folder.mkdir(exist_ok=True)
    for source, page in PROJECT_PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        (folder / page).write_text(relink(text, (ROOT / source).parent, folder), encoding="utf-8")


def relink(text: str, read_in: Path, written_to: Path) -> str:
    """Return a page's text with links to files of the repository led to the site's pages.

    A file that is no page of the site is named without a link.
    """
    def site_link(match: re.Match[str]) -> str:
        image, words, path, anchor = match.groups()
        file = Path(os.path.normpath(read_in / path)).relative_to(ROOT).as_posix()
        if file in PROJECT_PAGES:
            file = f"docs/project/{PROJECT_PAGES[file]}"
        elif file.startswith("tutorials/") and file.endswith(".ipynb"):
            file = f"docs/notebooks/{Path(file).name}"
        elif not image and not file.startswith("docs/"):
            return f"{words} (`{file}`)" if file not in words else words
        return f"{image}[{words}]({os.path.relpath(ROOT / file, written_to)}{anchor or ''})"

    return LINK.sub(site_link, text)


def relink_page(app, docname, source):
    """Lead the links of a page, before it is read, to pages of the site."""
    if not docname.startswith("project/"):
        read_in = ROOT / "tutorials" if docname.startswith("notebooks/") else (DOCS / docname).parent
        source[0] = relink(source[0], read_in, (DOCS / docname).parent)


def copy_playground(app, exception):
    """Put the playground beside the pages; it is a page of its own."""
    if exception is None:
        shutil.copytree(DOCS / "playground", Path(app.outdir) / "playground", dirs_exist_ok=True)


def write_slides(app, exception):
    """Put the slides of the course beside its pages, with the figures of the executed notebooks."""
    if exception is None:
        notebooks = Path(app.outdir).parent / "jupyter_execute" / "notebooks"  # MyST-NB's
        for number, lecture in enumerate(slides.LECTURES, start=1):
            executed = slides.read_executed(lecture, notebooks)
            slides.write_deck(number, executed, Path(app.outdir) / "course" / "slides")


def escape(app, what, name, obj, options, lines):
    """Keep |x| an absolute value: reStructuredText would look for a substitution."""
    for i, line in enumerate(lines):
        if "|" in line and not line.lstrip().startswith((">>>", "...")):
            parts = line.split("``")
            parts[::2] = [part.replace("|", "\\|") for part in parts[::2]]
            lines[i] = "``".join(parts)


def setup(app):
    """Prepare the pages that are made, and the docstrings, before Sphinx reads them."""
    write_api_pages(DOCS / "api")
    copy_notebooks(DOCS / "notebooks")
    copy_project_pages(DOCS / "project")
    app.connect("source-read", relink_page)
    app.connect("build-finished", copy_playground)
    app.connect("build-finished", write_slides)
    app.connect("autodoc-process-docstring", escape, priority=100)

"""The programs that `test_pyodide.py` runs under Pyodide, as a browser would.

    python in_the_browser.py                 import, reduce, verify and plot
    python in_the_browser.py NOTEBOOK        run the code cells of a notebook
"""
import io
import json
import os
import sys
from pathlib import Path


def smoke() -> None:
    """Reduce a network, prove that its function is the same, and draw both."""
    import reducednet as rn

    box = rn.Box(0, 1)
    network = rn.Network.random((1, 20, 1), rng=2)
    reduced = rn.reduce(network, box)
    assert reduced.feasibility().ok

    verdict = rn.verify(network, reduced, box)
    assert verdict.status == "equivalent", verdict
    assert verdict.certificate.check(network, reduced, box).ok

    axes = rn.plotting.fits(rn.targets.sin4pi(), {"standard": network, "reduced": reduced})
    picture = io.BytesIO()
    axes.figure.savefig(picture, format="png")
    assert picture.getvalue().startswith(b"\x89PNG")


def run_notebook(path: Path) -> None:
    """Run the code cells of a notebook one after the other, beside the notebook."""
    os.chdir(path.parent)
    sys.path.insert(0, os.getcwd())  # `exercises` stands there
    names = {"__name__": "__main__"}
    notebook = json.loads(Path(path.name).read_text(encoding="utf-8"))
    for number, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] == "code":
            code = compile("".join(cell["source"]), f"{path.name}, cell {number}", "exec")
            exec(code, names)  # the masters hold the answers: nothing may raise


if __name__ == "__main__":
    if len(sys.argv) == 1:
        smoke()
    else:
        run_notebook(Path(sys.argv[1]))
    print("done")

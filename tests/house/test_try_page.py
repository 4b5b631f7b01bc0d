"""The page "Try it now", and the site of notebooks to which it leads."""
import functools
import http.server
import importlib.util
import json
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import reducednet as rn

DOCS = Path(__file__).resolve().parents[2] / "docs"
SCRIPT = DOCS / "build_lite.py"


@pytest.fixture
def page(tmp_path):
    """Return the address of a page with the part of `try.md` that is HTML, and its script."""
    parts = re.findall(r"```\{raw\} html\n(.*?)```", (DOCS / "try.md").read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "try.html").write_text("<!DOCTYPE html>" + "".join(parts), encoding="utf-8")
    (tmp_path / "lite_check.js").write_bytes((DOCS / "lite_check.js").read_bytes())
    return (tmp_path / "try.html").as_uri()


@pytest.mark.parametrize("script, said", [
    ("", "need a server"),
    ("delete window.WebAssembly", "has no WebAssembly"),
    ("WebAssembly.validate = undefined", "has no WebAssembly"),
    ("WebAssembly.validate = () => false", "too old"),
    ("window.Worker = function () { throw new TypeError() }", "too old"),
    ("window.BigInt64Array = undefined", "too old"),
])
def test_page_says_why_the_notebooks_cannot_run(browser, before_pages, page, script, said):
    before_pages(script)
    browser.get(page)
    problem = browser.find_element("id", "lite-problem")
    assert problem.is_displayed() and said in problem.text


def test_every_notebook_of_the_browser_begins_by_loading_the_library(tmp_path):
    specification = importlib.util.spec_from_file_location("build_lite", SCRIPT)
    build_lite = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(build_lite)
    build_lite.write_notebooks(tmp_path)
    notebooks = list(tmp_path.glob("*.ipynb"))
    assert len(notebooks) == len(list((DOCS.parent / "tutorials").glob("*.ipynb")))
    for path in notebooks:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        assert "%pip install -q reducednet" in "".join(cells[0]["source"])
        names = [cell["id"] for cell in cells]
        assert len(set(names)) == len(names)
    assert (tmp_path / "exercises.py").exists()


def serve(folder):
    """Return a server of a folder's files, on a free port of this machine, in a thread."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.mark.slow
def test_site_holds_the_library_and_opens_a_notebook(browser, tmp_path):
    pytest.importorskip("jupyterlite_pyodide_kernel")
    subprocess.run([sys.executable, str(SCRIPT), str(tmp_path / "lite")], check=True)
    wheels = json.loads((tmp_path / "lite" / "pypi" / "all.json").read_text(encoding="utf-8"))
    assert list(wheels["reducednet"]["releases"]) == [rn.__version__]

    server = serve(tmp_path)
    try:
        browser.get(f"http://127.0.0.1:{server.server_port}/lite/lab/index.html?path=0_hello.ipynb")
        wait = importlib.import_module("selenium.webdriver.support.ui").WebDriverWait(browser, 60)
        wait.until(lambda page: "Only in the browser" in page.find_element("tag name", "body").text)
        assert "Hello" in browser.find_element("tag name", "body").text
    finally:
        server.shutdown()
        server.server_close()


def test_folder_that_holds_something_else_is_not_replaced(tmp_path):
    (tmp_path / "work.txt").write_text("kept")
    run = subprocess.run([sys.executable, str(SCRIPT), str(tmp_path)], capture_output=True, text=True)
    assert run.returncode == 1 and "holds something else" in run.stderr
    assert (tmp_path / "work.txt").read_text() == "kept"

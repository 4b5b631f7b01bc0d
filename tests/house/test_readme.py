"""The README's example runs and prints what the README says it prints."""
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[2] / "README.md"


EXAMPLES = re.findall(r"```python\n(.*?)```\s+```text\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("code, shown", EXAMPLES)
def test_readme_example_prints_the_output_that_the_readme_shows(code, shown):
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == shown


def test_readme_has_an_example():
    assert len(EXAMPLES) == 1


def test_readme_is_read_in_five_minutes():
    assert len(README.read_text(encoding="utf-8").split()) <= 900


def test_links_to_files_lead_somewhere():
    docs = README.parent / "docs"
    made = [docs / folder for folder in ("api", "notebooks", "project")]  # by the build of the site
    pages = [path for path in docs.rglob("*.md") if not set(made) & set(path.parents)]
    assert len(pages) >= 30
    for page in [README, README.parent / "paper.md", *pages]:
        for link in re.findall(r"\]\(([\w./-]+\.[a-z]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            target = page.parent / link
            assert target.exists() or set(made) & set(target.parents), f"{page.name}: {link}"


def test_readme_names_the_two_commands():
    text = README.read_text(encoding="utf-8")
    assert "python -m pip install . && python -m reducednet demo" in text
    assert 'python -m pip install ".[test]" && python -m pytest' in text

"""What a package index shows: the version everywhere, and a page without links that lead nowhere."""
import configparser
import re
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import reducednet as rn

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def description():
    """Return the description that setup.py gives to setuptools, which need not be installed."""
    given = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "setuptools", SimpleNamespace(setup=given.update))
        runpy.run_path(str(ROOT / "setup.py"))
    assert given["long_description_content_type"] == "text/markdown"
    return given["long_description"]


def links(text):
    return re.findall(r"\]\(([^)]*)\)", text)


def test_page_of_the_index_has_only_links_to_the_web(description):
    assert links(description) and all(link.startswith("https://") for link in links(description))
    assert "![" not in description and "<img" not in description


def test_page_of_the_index_has_every_line_of_the_readme(description):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(links(readme)) > len(links(description))
    assert len(description.splitlines()) == len(readme.splitlines())
    for shown, line in zip(description.splitlines(), readme.splitlines()):
        assert shown == line or "](" in line


def test_every_file_that_the_readme_links_to_exists():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for link in links(readme):
        assert link.startswith("https://") or (ROOT / link.split("#")[0]).exists(), link


def test_version_is_the_same_everywhere():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    version, date = re.search(r"^## (\S+) \((.*)\)$", changelog, re.MULTILINE).groups()
    assert version == rn.__version__ and f"\nversion: {version}\n" in citation
    assert f"\ndate-released: {date}\n" in citation


def test_every_version_in_the_changelog_has_a_date_and_they_fall():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = [line for line in changelog.splitlines() if line.startswith("## ")]
    dates = [re.fullmatch(r"## \d+\.\d+\.\d+ \((\d{4}-\d\d-\d\d)\)", line)[1] for line in headings]
    assert dates == sorted(dates, reverse=True) and len(set(headings)) == len(dates) >= 2


def test_metadata_names_no_machine_and_what_the_package_is():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    classifiers = config["metadata"]["classifiers"].split("\n")
    assert "Typing :: Typed" in classifiers and (ROOT / "reducednet" / "py.typed").exists()
    for version in "3.11", "3.12", "3.13":
        assert f"Programming Language :: Python :: {version}" in classifiers
    addresses = re.findall(r"= *(\S+)", config["metadata"]["project_urls"])
    assert addresses and all(address.startswith("https://") for address in addresses)

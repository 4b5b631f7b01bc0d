"""Build the package; everything but the description for package indexes is in setup.cfg."""
import re
from pathlib import Path

from setuptools import setup


def long_description() -> str:
    """Return the README for the page of a package index, which has none of the README's files.

    Pictures give way to their description, and links to files to their text; links to the web stay.
    """
    text = (Path(__file__).resolve().parent / "README.md").read_text(encoding="utf-8")
    text = re.sub(r"!\[([^]]*)\]\((?!https?:)[^)]*\)", r"*Picture in the sources: \1.*", text)
    return re.sub(r"\[([^]]*)\]\((?!https?:)[^)]*\)", r"\1", text)


setup(long_description=long_description(), long_description_content_type="text/markdown")

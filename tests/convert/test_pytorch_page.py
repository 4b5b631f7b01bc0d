"""The page on PyTorch models: its sessions print what it shows; skipped without PyTorch."""
import doctest
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "reduce-a-pytorch-model.md"


def test_the_sessions_print_what_the_page_shows():
    pytest.importorskip("torch")
    names: dict = {}
    sessions = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(sessions) == 6
    for number, session in enumerate(sessions):
        test = doctest.DocTestParser().get_doctest(session, names, f"session {number}", None, 0)
        report: list[str] = []
        failed, tried = doctest.DocTestRunner(verbose=False).run(test, out=report.append, clear_globs=False)
        names = test.globs
        assert tried and not failed, "".join(report)

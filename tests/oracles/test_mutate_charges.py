"""Every charge of rounding is held by a test: without it, or with half of it, one fails."""

import pytest

from oracles import mutate_charges
from oracles.mutate_charges import CHANGES, MODULES, ROOT, TESTS, Change, mutated_source, surviving


def test_every_snippet_of_the_table_occurs_once_in_its_module():
    for change in CHANGES:
        text = (ROOT / MODULES[change.module]).read_text(encoding="utf-8")
        assert mutated_source(text, change) != text


def test_every_module_of_the_table_has_a_path_tests_and_changes():
    named = {change.module for change in CHANGES}
    assert named == set(MODULES) == set(TESTS)
    for module in named:
        assert (ROOT / MODULES[module]).is_file()
        assert all(
            (ROOT / "tests" / f"{name.replace('.', '/')}.py").is_file()
            for name in mutate_charges.tests_of(module)
        )


def test_a_snippet_that_is_gone_or_that_occurs_twice_is_refused():
    change = Change("checker", "x + 1", "x")
    assert mutated_source("y = x + 1", change) == "y = x"
    for text in ("y = 1 + x", "y = x + 1 - (x + 1)"):
        with pytest.raises(ValueError, match="check_difference"):
            mutated_source(text, change)


@pytest.mark.slow
def test_no_charge_can_be_taken_away_unnoticed_but_those_that_say_why():
    unnoticed = [
        str(change) for change in surviving([change for change in CHANGES if not change.spared])
    ]
    assert not unnoticed, "\n".join(unnoticed)

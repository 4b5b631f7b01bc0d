"""Studies of one problem add up, in any order; those of other problems are refused."""
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import reducednet as rn
from reducednet.experiments.merging import digest

SETTINGS = {"sizes": (1, 3, 1), "methods": ("standard", "ball"), "n_steps": 3, "test_points": 20}


def compare(starts, target="sin4pi", **changes):
    return rn.compare(target, starts=starts, **{**SETTINGS, **changes})


def without_times(study):
    """Return the study with all times 0, which no two studies share."""
    return replace(study, runs=tuple(replace(run, seconds=0.0) for run in study.runs))


@pytest.fixture(scope="module")
def whole():
    return compare(4)


@pytest.fixture(scope="module")
def parts():
    return [compare(range(part, 4, 3)) for part in range(3)]


def test_a_part_makes_its_starts_alone_and_says_so(whole, parts):
    assert [run.start for run in parts[0].runs] == [0, 0, 3, 3]
    assert parts[0].starts == 4 and parts[0].message == "part: 4 of 8 runs"
    assert parts[0].missing == tuple((label, start) for start in (1, 2) for label in SETTINGS["methods"])
    expected = [run for run in without_times(whole).runs if run.start in (0, 3)]
    assert list(without_times(parts[0]).runs) == expected


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_parts_add_up_to_the_whole_study_in_any_order(whole, parts, order):
    first, second, third = (parts[part] for part in order)
    assert without_times(first.merge(second).merge(third)) == without_times(whole)
    assert without_times(first.merge(second.merge(third))) == without_times(whole)


def test_parts_add_up_after_they_were_saved_and_loaded(whole, parts, tmp_path):
    loaded = []
    for number, part in enumerate(parts):
        part.save(tmp_path / f"{number}.npz")
        loaded.append(rn.Study.load(tmp_path / f"{number}.npz"))
    assert loaded == parts
    assert without_times(loaded[0].merge(loaded[1]).merge(loaded[2])) == without_times(whole)


def test_a_run_that_both_have_counts_once_with_the_time_of_the_first(whole):
    slower = replace(whole, runs=tuple(replace(run, seconds=9.0) for run in whole.runs))
    assert whole.merge(slower) == whole
    assert slower.merge(whole) == slower


def test_other_methods_and_more_starts_are_appended(whole):
    merged = compare(2, methods=["redrawn"]).merge(whole)
    assert [method.label for method in merged.methods] == ["redrawn", "standard", "ball"]
    assert (merged.starts, merged.message) == (4, "part: 10 of 12 runs")
    assert merged.missing == (("redrawn", 2), ("redrawn", 3))
    assert [(run.start, run.label) for run in merged.runs[:4]] == [
        (0, "redrawn"), (0, "standard"), (0, "ball"), (1, "redrawn")]


@pytest.mark.parametrize("field, value", [
    ("test_error", 1.0), ("train_loss", 1.0), ("message", "other"), ("steps", 1), ("network", None),
    ("network", rn.Network.random((1, 3, 1), rng=5)),
])
def test_a_run_that_differs_in_anything_but_its_time_is_refused(whole, field, value):
    changed = replace(whole.runs[0], **{field: value})
    other = replace(whole, runs=(changed, *whole.runs[1:]))
    words = "`other` must have the same run of 'standard' from start 0, but the two differ"
    with pytest.raises(ValueError, match=words):
        whole.merge(other)


def sine(shift=0.0):
    X = np.linspace(0.0, 1.0, 30)[:, np.newaxis]
    return X, np.sin(X[:, 0]) + shift


@pytest.mark.parametrize("changes, part", [
    ({"target": "step"}, "target is step, not sin4pi"),
    ({"sizes": (1, 4, 1)}, r"sizes is \(1, 4, 1\), not \(1, 3, 1\)"),
    ({"samples": 100}, "n_samples is 100, not 200"),
    ({"test_points": 21}, "n_test is 21, not 20"),
    ({"rng": 1}, r"seed is SeedSequence\(1\), not SeedSequence\(0\)"),
    ({"rng": np.random.SeedSequence(0, pool_size=8)}, "first_seed is"),
    ({"rng": np.random.SeedSequence(0, n_children_spawned=3)}, "first_seed is"),
    ({"n_steps": 4}, "n_steps is 4, not 3"),
    ({"n_steps": None}, "n_steps is None, not 3"),
    ({"activation": "binary", "methods": ["standard:surrogate"]}, "activation is binary, not relu"),
    ({"output_bias": True}, "output_bias is True, not False"),
    ({"domain": rn.Box(0, 2)}, "domain is Box .*, not Box "),
    ({"domain": rn.Ball([0.5], 0.5)}, "domain is Ball .*, not Box "),
])
def test_studies_of_other_problems_are_refused_with_what_differs(whole, changes, part):
    with pytest.raises(ValueError, match=f"`other` must be a study of the same problem, but its {part}"):
        whole.merge(compare(1, **changes))


def test_studies_of_other_samples_are_refused():
    first = compare(1, sine(), test=sine())
    for target, test, part in (sine(0.1), sine(), "samples"), (sine(), sine(0.1), "test"):
        with pytest.raises(ValueError, match=f"but its {part} is "):
            first.merge(compare(1, target, test=test))


def test_a_digest_tells_apart_the_last_bit_the_shape_and_the_type():
    one = np.ones(4)
    others = [np.nextafter(one, 2.0), one.reshape(2, 2), one.astype(np.float32), np.ones(5)]
    assert len({digest(array) for array in [one, *others]}) == 5
    assert digest(one, one) != digest(one) == digest(np.ones((4, 2))[:, 0])


def test_methods_of_one_label_that_differ_are_refused(whole):
    other = compare(1, methods=[rn.Method("standard", options={"tolerance": 0.5}, label="standard")])
    with pytest.raises(ValueError, match="`other` must have the same method 'standard', but it is .*0.5"):
        whole.merge(other)


@pytest.mark.parametrize("option", [{"callback": lambda state: None}, {"validation": sine()}])
def test_a_method_is_known_again_in_another_process_whatever_its_options_hold(tmp_path, option):
    # the text of a function has its address, which another process does not share
    study = compare(1, methods=[rn.Method("standard", options=option)])
    study.save(tmp_path / "study.npz")
    loaded = rn.Study.load(tmp_path / "study.npz")
    assert " at 0x" not in str(loaded.methods)
    assert study.merge(loaded) == study


def test_a_method_with_other_arrays_among_its_options_is_another_one():
    first, second = (
        compare(1, methods=[rn.Method("standard", options={"validation": sine(shift)})])
        for shift in (0.0, 1e-12))
    with pytest.raises(ValueError, match="must have the same method"):
        first.merge(second)


def test_a_study_of_version_0_1_is_refused_since_it_does_not_say_its_problem():
    old = rn.Study.load(Path(__file__).resolve().parents[1] / "data" / "study-0.1.npz")
    with pytest.raises(ValueError, match="those of version 0.1 do not"):
        old.merge(old)


def test_anything_but_a_study_is_refused(whole):
    with pytest.raises(TypeError, match="`other` must be a Study, got dict"):
        whole.merge({})


@pytest.mark.parametrize("starts", [range(0), range(-2, 3), range(5, 0, -1), range(3, 1)])
def test_ranges_of_no_starts_are_refused(starts):
    with pytest.raises(ValueError, match="`starts` must be a number of starts, or an increasing range"):
        compare(starts)

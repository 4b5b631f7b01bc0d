"""The playground in a browser: its arithmetic against the library's, and what a visitor does."""
import json
from pathlib import Path

import numpy as np
import pytest

import reducednet as rn
from oracles.assertions import assert_close

PAGE = Path(__file__).resolve().parents[2] / "docs" / "playground" / "index.html"
EPS = np.finfo(float).eps


@pytest.fixture
def page(browser):
    browser.get(PAGE.as_uri())
    return browser


def as_json(network):
    return {"W": network.weights[0].tolist(), "b": network.thresholds[0].tolist(),
            "c": network.output_weights[0].tolist(), "a": float(network.output_bias[0])}


@pytest.mark.parametrize("inputs", [1, 2])
def test_reduce_of_the_page_is_that_of_the_library(page, inputs):
    low, high = np.zeros(inputs), np.ones(inputs)
    for seed in range(20):
        network = rn.Network.random((inputs, 7, 1), rng=seed, output_bias=True)
        box = {"low": low.tolist(), "high": high.tolist()}
        mine = page.execute_script("return Reduced.reduce(...arguments)", as_json(network), box)
        red = rn.reduce(network, rn.Box(low, high))
        for ours, theirs in ((red.weights[0], mine["W"]), (red.thresholds[0], mine["b"]),
                             (red.output_weights[0], mine["c"]), (red.output_bias[0], mine["a"])):
            scale = np.abs(network.output_weights).sum() * 8 * np.abs(network.to_vector()).max()
            assert_close(np.asarray(theirs), ours, 16 * EPS * (1 + scale), "parameters")


def test_zero_rows_become_constants_as_in_the_library(page):
    network = rn.Network([[[2.0], [0.0]]], [[-0.5, 1.0]], [[1.0, 4.0]], [0.25])
    mine = page.execute_script("return Reduced.reduce(arguments[0], {low: [0], high: [1]})", as_json(network))
    red = rn.reduce(network, rn.Box(0, 1))
    assert mine == as_json(red)


def press(page, action, section="one"):
    page.find_element("css selector", f"#{section} [data-action={action}]").click()


def state(page, section="one"):
    readout = page.find_element("css selector", f"#{section} .readout")
    values = {name: float(readout.get_attribute(f"data-{name}")) for name in ("difference", "constant")}
    return json.loads(readout.get_attribute("data-network")), values


@pytest.mark.parametrize("section", ["one", "two"])
def test_visitor_reduces_a_network_and_reads_the_difference(page, section):
    press(page, "reduce", section)
    network, values = state(page, section)
    assert_close(np.linalg.norm(network["W"], axis=1), 1.0, 4 * EPS, "norms")
    assert values["difference"] < 1e-13 and values["constant"] == 0
    assert "Largest difference" in page.find_element("css selector", f"#{section} .readout").text


def test_clipping_leaves_a_constant_until_it_is_moved(page):
    page.execute_script(
        "playground.one.start({W: [[1], [-1]], b: [2, 0.5], c: [3, 1], a: 0})")
    press(page, "clip")
    _, values = state(page)
    assert values["constant"] == 6.0
    assert_close(values["difference"], 6.0, 64 * EPS, "difference")
    press(page, "move")
    assert state(page)[1]["constant"] == 0.0 and state(page)[1]["difference"] < 64 * EPS


def test_expanding_and_reducing_return_to_the_same_network(page):
    press(page, "reduce")
    before, _ = state(page)
    press(page, "expand")
    assert state(page)[0]["W"] != before["W"]
    press(page, "reduce")
    after, values = state(page)
    for name in ("W", "b", "c"):
        assert_close(np.asarray(after[name]), np.asarray(before[name]),
                     64 * EPS * (1 + np.abs(before[name]).max()), name)


@pytest.mark.parametrize("section", ["one", "two"])
def test_neuron_follows_the_pointer_and_the_arrow_keys(page, section):
    from selenium.webdriver import ActionChains, Keys

    dot = page.find_element("css selector", f"#{section} [data-neuron='1']")
    before, _ = state(page, section)
    ActionChains(page).drag_and_drop_by_offset(dot, 25, -15).perform()
    dragged, _ = state(page, section)
    assert dragged["b"][1] != before["b"][1] and dragged["W"][1] != before["W"][1]
    assert dragged["W"][0] == before["W"][0] and dragged["c"] == before["c"]
    page.switch_to.active_element.send_keys(Keys.ARROW_UP)
    assert state(page, section)[0]["b"][1] > dragged["b"][1]


def test_an_old_browser_is_told_so(browser):
    script = {"source": "delete window.PointerEvent; window.PointerEvent = undefined"}
    added = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", script)
    browser.get(PAGE.as_uri())
    assert "too old" in browser.find_element("id", "problem").text
    browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)

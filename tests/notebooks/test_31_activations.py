"""What lesson 31_activations tells the reader to expect holds."""

import re

import pytest

from books import text
from lessons import by_name, charts, differences, means, number


@pytest.fixture(scope="module")
def activations(lesson_run):
    return by_name(lesson_run("31_activations"))


def test_twelve_curves_stand_beside_their_slopes(activations):
    (chart,) = charts(activations["curves"])
    assert len(chart["data"]) == 24 and len(chart["layout"]["annotations"]) == 12


def test_a_relu_trains_by_gradients(activations):
    words = text(activations["saying"])
    assert "slopes [0.0, 0.0, 1.0, 1.0]" in words
    shares = re.findall(r"([\d.]+)% of outputs are 0, ([\d.]+)% of units", words)
    assert len(shares) == 2
    assert all(28 <= float(zeros) <= 70 and float(dead) <= 15 for zeros, dead in shares)
    assert number(r"right: ([\d.]+)", words) >= 0.95


def test_units_die_at_a_high_rate_and_leaky_ones_do_not(activations):
    usual, high = (chart["data"][0]["z"] for chart in charts(activations["dead"]))
    assert len(usual) == len(high) == 3 and len(high[0]) == 11
    assert max(row[-1] for row in usual) < 0.16
    assert sum(row[-1] for row in high) / 3 > 0.1
    assert sum(row[-1] for row in high) > sum(row[0] for row in high)
    dead = means(text(activations["leaky"]), r"(Relu|LeakyRelu\(0\.1\)) +(0\.05|0\.2|0\.6)")
    assert len(dead) == 6
    assert dead["Relu", "0.05"] < 0.1 < dead["Relu", "0.6"]
    assert all(dead["LeakyRelu(0.1)", rate] == 0 for rate in ("0.05", "0.2", "0.6"))


def test_sigmoids_lose_their_gradients_on_the_way_down(activations):
    sigmoid, relu = (chart["data"][0]["z"] for chart in charts(activations["depth"]))
    # Layers down, from the input on: decimal logarithms.
    lost = {name: [rows[-1][step] - rows[0][step] for step in (0, -1)] for name, rows in (("sigmoid", sigmoid), ("relu", relu))}
    assert min(lost["sigmoid"]) > 3
    assert max(abs(x) for x in lost["relu"]) < 1.5


def test_depth_tells_activations_apart_and_one_layer_does_not(activations, lesson_run):
    found = means(text(activations["study"]), r"([a-z ]+?) +(1|4|8)")
    assert len(found) == 39
    names = {name for name, _ in found}
    assert all(found[name, "1"] > 0.8 for name in names)
    assert found["sigmoid", "4"] < 0.2 and found["sigmoid", "8"] < 0.2
    assert all(found[name, "4"] > 0.85 for name in names - {"sigmoid"})
    (sigmoid, low, *_), (gelu, *_) = differences(activations["compare"])
    assert sigmoid > 0.6 and abs(gelu) < 0.05
    if lesson_run("31_activations").whole:
        assert low > 0.5
    boxes = {trace["name"]: trace["y"] for trace in charts(activations["same"])[0]["data"]}
    middle = [sum(values) / len(values) for values in boxes.values()]
    assert len(middle) == 13 and min(middle) > 0.94 and max(middle) - min(middle) < 0.04

"""What lesson 32_initialization tells the reader to expect holds."""

import re

import pytest

from books import text
from lessons import by_name, charts, differences, means, number


@pytest.fixture(scope="module")
def initialization(lesson_run):
    return by_name(lesson_run("32_initialization"))


def test_signals_fade_and_are_kept(initialization):
    share = {name: float(x) for name, x in re.findall(r"^(\w+)[^,]*, \w+ +([\d.e-]+)$", text(initialization["keeps"]), re.M)}
    assert share["normal"] < 1e-8
    assert 0.2 <= share["xavier"] <= 2 and 0.2 <= share["he"] <= 2
    assert share["lsuv"] == pytest.approx(1, abs=0.02)
    drawn = charts(initialization["probe"])
    lines = {trace["name"]: trace["y"] for trace in drawn[0]["data"]}
    assert lines["sd of outputs"][0] > 1e6 * lines["sd of outputs"][-1]
    assert lines["sd of gradients"][-1] > 1e6 * lines["sd of gradients"][0]


def test_five_layers_learn_in_the_order_that_the_lesson_says(initialization, lesson_run):
    found = means(text(initialization["study"]), r"(Sigmoid|Tanh|Relu) +([\w().]+)")
    assert len(found) == 12
    small = [found[activation, "Normal(0.01)"] for activation in ("Sigmoid", "Tanh", "Relu")]
    assert max(small) < 0.12 and max(found["Sigmoid", law] for law in ("FanUniform", "XavierUniform")) < 0.15
    assert 0.9 <= found["Tanh", "FanUniform"] <= 0.95 <= found["Tanh", "XavierUniform"] <= 0.98
    assert 0.25 <= found["Relu", "FanUniform"] <= 0.6
    assert min(found["Relu", "XavierUniform"], found["Relu", "HeUniform"]) > 0.93
    ((difference, low, _, p),) = differences(initialization["compare"])
    assert difference > 0.01
    if lesson_run("32_initialization").whole:
        assert difference > 0.015 and low > 0 and p < 0.05
    shallow = means(text(initialization["shallow"]), r"([\w().]+)")
    assert len(shallow) == 4 and all(0.9 <= mean <= 0.97 for mean in shallow.values())
    assert number(r"all zeros: ([\d.]+)", text(initialization["zeros"])) < 0.13

"""What lesson 34_optimizers tells the reader to expect holds."""

import re

import pytest

from books import text
from lessons import by_name, charts, differences, means


@pytest.fixture(scope="module")
def optimizers(lesson_run):
    return by_name(lesson_run("34_optimizers"))


def far(cell):
    """How far from a minimum each rule has come, by its name."""
    rows = re.findall(r"^│ ([\w .-]+?) +┆ \d+ +┆ [\d.e-]+ +┆ ([\d.e-]+)", text(cell), re.M)
    return {name: float(distance) for name, distance in rows}


def test_plain_descent_is_left_behind_on_the_hills(optimizers):
    bowl = far(optimizers["bowl"])
    assert len(bowl) == 5 and bowl["SGD 0.03"] > 1.3
    assert all(distance < 0.4 for name, distance in bowl.items() if name != "SGD 0.03")
    saddle = far(optimizers["saddle"])
    assert saddle["SGD 0.1"] > 0.6 and max(d for name, d in saddle.items() if name != "SGD 0.1") < 0.1
    valley = far(optimizers["valley"])
    assert valley["SGD 0.001 momentum 0.9"] < 0.25 and valley["Lion 0.02"] < 0.25 and valley["Adam 0.05"] > 0.9
    for name, paths in (("bowl", 5), ("saddle", 4), ("valley", 5)):
        drawn = charts(optimizers[name])
        assert [trace["type"] for trace in drawn[0]["data"]] == ["contour"] + ["scatter"] * (paths + 1)


def test_scaling_does_what_the_rules_do(optimizers):
    found = means(text(optimizers["scaled"]), r"(raw|standardized) +(\w+) [\d.]+")
    assert len(found) == 8
    assert 0.45 <= found["raw", "sgd"] <= 0.8
    assert all(0.1 <= found["raw", rule] - found["raw", "sgd"] <= 0.4 for rule in ("adagrad", "rmsprop", "adam"))
    assert min(mean for (features, _), mean in found.items() if features == "standardized") > 0.93


def test_every_rule_has_a_rate_at_which_it_is_as_good(optimizers):
    found = means(text(optimizers["digits"]), r"([a-z-]+) +([\d.e-]+)")
    assert len(found) == 32
    rules = {rule for rule, _ in found}
    best = {rule: max(mean for (own, _), mean in found.items() if own == rule) for rule in rules}
    assert all(0.92 <= mean <= 0.95 for rule, mean in best.items() if rule != "lion")
    assert found["sgd", "0.003"] < 0.5 and found["sgd", "3e-4"] < 0.2 and found["adam", "0.3"] < 0.6


def test_averages_help_where_steps_are_large(optimizers, lesson_run):
    found = means(text(optimizers["average"]), r"(large|small) +(none|exponential|equal)")
    assert len(found) == 6
    (large, *_), (small, _, high, _) = differences(optimizers["average-compare"])
    assert 0.0 < large <= 0.15 and -0.05 <= small < 0.0
    if lesson_run("34_optimizers").whole:
        assert 0.02 <= large <= 0.12 and -0.04 <= small <= -0.01 and high < 0

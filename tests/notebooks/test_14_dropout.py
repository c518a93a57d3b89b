"""What lesson 14_dropout tells the reader to expect holds."""

import pytest

from books import PLOTLY, text
from lessons import by_name, differences, means, numbers


@pytest.fixture(scope="module")
def dropout(lesson_run):
    return by_name(lesson_run("14_dropout"))


def chart(cell):
    (found,) = [output["data"][PLOTLY] for output in cell["outputs"] if PLOTLY in output.get("data", {})]
    return found["data"]


def test_half_dropped_harms_a_narrow_network_and_helps_a_wide_one(dropout, lesson_run):
    found = means(text(dropout["grid"]), r"(3|10|30|80) +(8|32|256) +(0|0\.2|0\.5)")
    assert len(found) == 36
    gain = {
        (images, width, rate): found[images, width, rate] - found[images, width, "0"]
        for images, width, rate in found
    }
    assert all(-0.2 <= gain[images, "8", "0.5"] <= -0.01 for images in ("10", "30", "80"))
    assert all(gain[images, "8", "0.5"] < gain[images, "8", "0.2"] for images in ("10", "30", "80"))
    assert gain["10", "256", "0.5"] > 0 and gain["30", "256", "0.5"] > 0
    assert len([trace for trace in chart(dropout["gain"]) if trace.get("showlegend") is not False]) == 6
    (narrow, _, _, _), (milder, *_), (wide, low, _, _) = differences(dropout["compare"])
    assert narrow < milder and wide > 0
    if lesson_run("14_dropout").whole:
        assert 0.003 <= wide <= 0.03 and low > 0


def test_dropout_takes_longer(dropout):
    found = means(text(dropout["length"]), r"(50|100|300|1000|3000) +(0|0\.2|0\.5)")
    assert len(found) == 15
    gain = {steps: found[steps, "0.5"] - found[steps, "0"] for steps in ("50", "1000", "3000")}
    assert -0.15 <= gain["50"] < 0 and min(gain["1000"], gain["3000"]) > -0.005
    loss = {trace["name"]: trace["y"] for trace in chart(dropout["length"]) if trace.get("showlegend") is not False}
    assert all(half > none for half, none in zip(loss["rate=0.5"], loss["rate=0"]))
    assert len(chart(dropout["later"])) == 4


def test_the_ensemble_knows_better_how_sure_it_may_be(dropout, lesson_run):
    names = [trace["name"] for trace in chart(dropout["ensemble"])]
    assert len(names) == 3 and names[1].startswith("one pass, ECE") and names[2].startswith("mean of 50, ECE")
    accuracies = means(text(dropout["paired"]), r"(no dropout|one pass|mean of 50)")
    assert len(accuracies) == 3 and abs(accuracies["one pass",] - accuracies["mean of 50",]) < 0.01
    (loss, low, high, _), (error, *_) = differences(dropout["calibrated"])
    assert loss < 0
    if lesson_run("14_dropout").whole:
        assert high < 0
    right, wrong = numbers(r"right ([\d.]+), where it is wrong ([\d.]+)", text(dropout["unsure"]))
    assert 1.5 * right < wrong < 12 * right

"""What lesson 14_dropout tells the reader to expect holds."""

import re

import pytest

from books import text
from lessons import by_name, charts, differences, means, numbers


@pytest.fixture(scope="module")
def dropout(lesson_run):
    return by_name(lesson_run("14_dropout"))


def traces(cell):
    """Of the one chart of a cell what its legend names."""
    (chart,) = charts(cell)
    return {trace["name"]: trace for trace in chart["data"] if trace.get("showlegend") is not False}


def test_dropout_harms_a_narrow_network_and_does_little_for_a_wide_one(dropout, lesson_run):
    found = means(text(dropout["grid"]), r"(3|10|30|80) +(8|32|256) +(0|0\.2|0\.5)")
    assert len(found) == 36 and len(traces(dropout["gain"])) == 6
    gain = {setting: found[setting] - found[(*setting[:2], "0")] for setting in found}
    for images in ("3", "10", "30", "80"):
        half, fifth = gain[images, "8", "0.5"], gain[images, "8", "0.2"]
        assert -0.2 <= half < -0.02 and -0.13 <= fifth <= 0.01 and half < fifth
        assert abs(gain[images, "256", "0.5"]) < 0.02
    (narrow, _, high, _), (milder, *_), (wide, *_) = differences(dropout["compare"])
    assert narrow < milder < 0.01
    if lesson_run("14_dropout").whole:
        assert high < 0 and abs(wide) < 0.01
        assert gain["3", "256", "0.5"] == max(gain[images, "256", "0.5"] for images in ("3", "10", "30", "80")) > 0.003


def test_it_is_worth_most_where_labels_are_wrong(dropout, lesson_run):
    lines = traces(dropout["wrong"])
    gain = {rate: lines[f"rate={rate}"]["y"] for rate in ("0.2", "0.5", "0.8")}
    assert all(abs(y[0]) < 0.015 for y in gain.values())
    assert 0 < gain["0.2"][2] < gain["0.5"][2] < gain["0.8"][2]
    if lesson_run("14_dropout").whole:
        assert 0 <= gain["0.2"][2] <= 0.04
        assert 0.05 <= gain["0.5"][2] <= 0.11 and 0.11 <= gain["0.8"][2] <= 0.18


def test_dropout_takes_longer(dropout, lesson_run):
    loss = {name: trace["y"] for name, trace in traces(dropout["length"]).items()}
    assert len(loss) == 3 and all(half > none for half, none in zip(loss["rate=0.5"], loss["rate=0"]))
    gain = traces(dropout["later"])["rate=0.5"]["y"]
    assert -0.04 <= gain[1] < 0 and min(gain[3:]) > -0.015
    if lesson_run("14_dropout").whole:
        assert -0.03 <= gain[1] <= -0.005 and all(abs(one) <= 0.006 for one in gain[2:])


def test_the_ensemble_knows_better_how_sure_it_may_be(dropout, lesson_run):
    errors = {name: float(error) for name, error in (title.split(", ECE ") for title in traces(dropout["ensemble"]) if "ECE" in title)}
    assert errors["mean of 50"] < errors["one pass"]
    accuracies = [float(x) for x in re.findall(r"accuracy ([\d.]+)%", text(dropout["ensemble"]))]
    assert len(accuracies) == 2 and abs(accuracies[0] - accuracies[1]) < 1
    (loss, _, high, _), (error, _, error_high, _), (many, *_) = differences(dropout["calibrated"])
    assert loss < -0.05 and error < -0.02 and many > -0.01
    if lesson_run("14_dropout").whole:
        assert -0.25 <= loss <= -0.1 and high < 0 and error_high < 0
    right, wrong = numbers(r"right ([\d.]+)\nwhere it is wrong ([\d.]+)", text(dropout["unsure"]))
    assert 0.05 <= right <= 0.15 and 0.3 <= wrong <= 0.5

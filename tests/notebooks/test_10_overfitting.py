"""What lesson 10_overfitting tells the reader to expect holds."""

import pytest

from books import text
from lessons import by_name, charts, differences, means


@pytest.fixture(scope="module")
def overfitting(lesson_run):
    return by_name(lesson_run("10_overfitting"))


def cells_of(chart):
    """The numbers of a heatmap, by row and column."""
    heat, axes = chart["data"][0], chart["layout"]
    rows, columns = axes["yaxis"]["ticktext"], axes["xaxis"]["ticktext"]
    return {(row, column): x for row, xs in zip(rows, heat["z"]) for column, x in zip(columns, xs)}


def test_the_test_loss_turns_while_the_training_loss_falls(overfitting):
    (chart,) = charts(overfitting["curves"])
    lines = {trace["name"]: trace["y"] for trace in chart["data"]}
    assert lines["training loss"][-1] < 0.1 * lines["training loss"][0]
    assert 1.05 < lines["held-out loss"][-1] / min(lines["held-out loss"]) < 1.6


def test_random_labels_are_learned_by_heart(overfitting):
    found = means(text(overfitting["random"]), r"(0|0\.5|1) +(4|16|64|128)")
    assert len(found) == 12
    for width in ("64", "128"):
        assert 0.84 <= found["0", width] <= 0.93 and 0.05 <= found["1", width] <= 0.16
    (chart,) = charts(overfitting["by-heart"])
    lines = {trace["name"]: trace["y"] for trace in chart["data"] if "fill" not in trace}
    assert min(lines["random=0"][-2:]) > 0.98 and min(lines["random=1"][-2:]) > 0.95
    assert lines["random=1"][0] < 0.6


def test_data_close_the_gap_and_width_does_not_open_it(overfitting):
    gaps, right = (cells_of(chart) for chart in charts(overfitting["gap"]))
    for width in ("16", "64", "128"):
        assert 0.12 <= gaps["5", width] <= 0.35 and gaps["80", width] < 0.1
        assert gaps["5", width] > gaps["20", width] > gaps["80", width]
    for each in ("5", "20", "80"):
        assert right[each, "4"] == min(right[each, width] for width in ("4", "16", "64", "128"))
        assert gaps[each, "128"] <= gaps[each, "16"] + 0.02


def test_cures_do_what_the_lesson_says(overfitting, lesson_run):
    found = means(text(overfitting["cures"]), r"(0|0\.2) +([a-z ]+?)")
    assert len(found) == 14
    assert 0.86 <= found["0", "none"] <= 0.94 and found["0", "augmentation"] > found["0", "none"]
    for random in ("0", "0.2"):
        assert found[random, "all the data"] == max(x for (share, _), x in found.items() if share == random)
    (shifts, low, *_), (careless, *_), (dropped, *_), (stopped, *_) = differences(overfitting["compare"])
    assert 0.01 <= shifts <= 0.07 and abs(careless) < 0.08 and stopped < 0.02
    assert found["0.2", "smaller net"] < found["0.2", "none"] - 0.03
    if lesson_run("10_overfitting").whole:
        assert low > 0 and abs(dropped) < 0.04 and abs(careless) < 0.04


def test_longer_training_does_no_harm(overfitting, lesson_run):
    (chart,) = charts(overfitting["longer"])
    assert chart["layout"]["xaxis"]["type"] == "log"
    lines = {trace["name"]: trace["y"] for trace in chart["data"] if "fill" not in trace}
    assert min(lines["train"][4:]) > 0.99
    ((difference, low, *_),) = differences(overfitting["later"])
    assert difference > 0
    if lesson_run("10_overfitting").whole:
        assert 0.01 <= difference <= 0.04 and low > 0

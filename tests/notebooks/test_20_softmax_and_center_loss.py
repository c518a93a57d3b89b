"""What lesson 20_softmax_and_center_loss tells the reader to expect holds."""

import pytest

from books import text
from lessons import by_name, charts, differences, numbers


@pytest.fixture(scope="module")
def centers(lesson_run):
    return by_name(lesson_run("20_softmax_and_center_loss"))


def curve(cell, chart):
    """The means of a study's curve, by the setting."""
    drawn = charts(cell)
    line = [trace for trace in drawn[chart]["data"] if trace.get("fill") != "toself"][-1]
    return dict(zip(line["x"], line["y"]))


def test_the_figure_has_both_parts_of_ten_classes_beside_each_other(centers):
    (figure,) = charts(centers["view"])
    assert len(figure["data"]) == 2 * (2 * 10 + 1)
    assert {trace["xaxis"] for trace in figure["data"]} == {"x", "x2"}
    alone, drawn = numbers(r"alone +([\d.]+)\s+with centers +([\d.]+)", text(centers["train"]))
    assert 0.7 <= alone <= 0.93 and 0.75 <= drawn <= 0.95


def test_centers_tighten_classes_up_to_a_weight(centers, lesson_run):
    ratio, accuracy = (curve(centers["ratio"], chart) for chart in (0, 1))
    assert len(ratio) == len(accuracy) == 6
    assert 0.45 <= ratio[0] <= 0.52 and ratio[1] < 0.72 * ratio[0]
    assert ratio[0] > ratio[0.01] > ratio[0.1] > ratio[1]
    assert accuracy[1] > accuracy[0] - 0.005
    assert accuracy[10] < accuracy[1] - 0.01 and accuracy[100] < 0.8 and ratio[100] > ratio[0]
    (nearer, *_, p), (gained, low, *_) = differences(centers["compare"])
    assert -0.19 <= nearer <= -0.12 and gained > -0.005
    if lesson_run("20_softmax_and_center_loss").whole:
        assert p < 0.001 and ratio[1] < 0.7 * ratio[0]
        assert low > -0.005


def test_few_images_gain_nothing_in_accuracy(centers):
    few, fifty, whole = differences(centers["gain"])
    assert -0.03 <= few[0] <= 0.015
    assert -0.005 <= fifty[0] <= 0.025 and -0.01 <= whole[0] <= 0.02

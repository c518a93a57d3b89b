"""What lesson 13_early_stopping tells the reader to expect holds."""

import re

import pytest

from books import text
from lessons import by_name, charts, differences, means, number, numbers


@pytest.fixture(scope="module")
def stopping(lesson_run):
    return by_name(lesson_run("13_early_stopping"))


def test_the_chart_marks_the_best_moment_and_what_going_on_cost(stopping):
    chart = charts(stopping["curve"])[0]
    traces = {trace["name"]: trace for trace in chart["data"]}
    best = next(trace for name, trace in traces.items() if name.startswith("best; later"))
    held_out = [y for y in traces["held-out loss"]["y"] if y is not None]
    assert best["y"] == [min(held_out)] and held_out[-1] > 1.2 * min(held_out)
    assert traces["training loss"]["y"][-1] < 0.5
    best, last = numbers(r"best moment ([\d.]+)\nlast moment ([\d.]+)", text(stopping["worth"]))
    assert best - last > 0.05


def test_it_gains_where_labels_are_wrong_and_costs_where_they_are_right(stopping, lesson_run):
    found = means(text(stopping["study"]), r"(0|0\.3) +(none|\d+%|oracle)")
    assert len(found) == 10
    noisy, clean = ({held: mean for (wrong, held), mean in found.items() if wrong == own} for own in ("0.3", "0"))
    for share in ("10%", "20%", "30%"):
        assert 0.03 <= noisy[share] - noisy["none"] <= 0.14 and -0.04 <= clean[share] - clean["none"] <= 0.005
    assert noisy["oracle"] > noisy["none"] + 0.04
    (gain, low, *_), (cost, _, high, _) = differences(stopping["compare"])
    assert gain > 0.03 > 0 > cost
    if lesson_run("13_early_stopping").whole:
        assert low > 0 > high and 0.06 <= gain <= 0.11 and 0 <= noisy["oracle"] - noisy["20%"] <= 0.02


def test_only_the_hasty_one_is_worse(stopping):
    rows = re.findall(r"^ *(\d+) +(\d+) +(\d+) +(\d+) +([\d.]+)$", text(stopping["patience"]), re.M)
    table = {(int(every), int(patience)): (int(end), float(right)) for every, patience, end, _, right in rows}
    assert len(table) == 4
    (hasty, right), patient = table[1, 1], [table[10, 10], table[10, 40], table[100, 3]]
    assert hasty <= 100 and all(right - 0.03 <= other <= right + 0.07 for _, other in patient)
    assert table[10, 10][1] == table[10, 40][1] and table[10, 10][0] < table[10, 40][0]
    assert number(r"best at step (\d+) of 900", text(stopping["worth"])) < 400

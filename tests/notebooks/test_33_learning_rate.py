"""What lesson 33_learning_rate tells the reader to expect holds."""

import pytest

from books import text
from lessons import by_name, charts, differences, means


@pytest.fixture(scope="module")
def rates(lesson_run):
    return by_name(lesson_run("33_learning_rate"))


def cells_of(cell):
    """The numbers of a heatmap, by row and column."""
    (chart,) = charts(cell)
    heat, axes = chart["data"][0], chart["layout"]
    rows, columns = axes["yaxis"]["ticktext"], axes["xaxis"]["ticktext"]
    return {row: dict(zip(columns, xs)) for row, xs in zip(rows, heat["z"])}


def test_the_hill_has_its_top_where_the_lesson_says(rates):
    found = means(text(rates["rates"]), r"(sgd|adam) +([\d.e-]+)")
    assert len(found) == 18
    sgd = {float(rate): x for (rule, rate), x in found.items() if rule == "sgd"}
    adam = {float(rate): x for (rule, rate), x in found.items() if rule == "adam"}
    assert 0.95 <= max(sgd[0.1], sgd[0.3]) <= 0.98 and max(sgd, key=sgd.get) in (0.1, 0.3)
    assert 0.65 <= sgd[0.003] <= 0.82 and sgd[1] < 0.75 and sgd[3] < 0.2
    assert max(adam, key=adam.get) in (0.003, 0.01) and adam[0.1] < 0.6
    assert charts(rates["hill"])[0]["layout"]["xaxis"]["type"] == "log"
    lines = {trace["name"]: trace["y"] for trace in charts(rates["three"])[0]["data"] if "fill" not in trace}
    assert lines["rate=0.1"][-1] > lines["rate=0.003"][-1] > 0.5 and lines["rate=0.1"][-1] > 0.93
    assert lines["rate=1"][-1] < 0.8


def test_the_search_finds_a_rate_and_touches_nothing(rates, lesson_run):
    assert "the network is as it was: true" in text(rates["find"])
    found = means(text(rates["asked"]), r"(sgd|adam) +(steepest|valley|safe)")
    assert len(found) == 6
    assert all(found[rule, reading] > 0.9 for rule in ("sgd", "adam") for reading in ("valley", "safe"))


def test_schedules_widen_the_hill(rates, lesson_run):
    assert len(charts(rates["drawn"])[0]["data"]) == 9
    names = [trace["name"] for trace in charts(rates["cycle"])[0]["data"]]
    assert names == ["rate", "momentum"]
    found = cells_of(rates["worth"])
    assert len(found) == 10
    for falling in ("cosine", "polynomial", "one-cycle"):
        assert found[falling]["0.1"] > found["constant"]["0.1"]
    assert 0.25 <= found["cosine"]["0.1"] - found["constant"]["0.1"] <= 0.6
    (high, low, *_), (small, *_) = differences(rates["compare"])
    assert high > 0.01 and small < 0
    if lesson_run("33_learning_rate").whole:
        assert low > 0 and 0.02 <= high <= 0.08 and -0.04 <= small <= -0.01


def test_small_rates_need_no_schedule(rates):
    found = means(text(rates["nothing"]), r"((?:adam|sgd) [\d.]+, \d+ epochs) +([a-z-]+)")
    assert len(found) == 8
    for case in {case for case, _ in found}:
        best = max(x for (own, _), x in found.items() if own == case)
        assert best - found[case, "constant"] < 0.01


def test_the_best_rate_moves_with_the_batch_and_hardly_with_the_width(rates):
    found = cells_of(rates["batch"])
    best = {batch: max(row, key=row.get) for batch, row in found.items()}
    assert best["4"] in ("0.03", "0.1") and best["16"] in ("0.1", "0.3")
    assert best["64"] in ("0.1", "0.3", "1") and best["256"] in ("0.3", "1")
    assert float(best["64"]) > float(best["4"])
    assert found["4"]["1"] < 0.2 < 0.9 < found["256"]["1"]
    tops = [max(found[batch].values()) for batch in ("4", "16", "64")]
    assert max(tops) - min(tops) < 0.06
    found = cells_of(rates["width"])
    assert all(max(row, key=row.get) in ("0.1", "0.3") for row in found.values())
    assert found["128"]["0.01"] - found["8"]["0.01"] > 0.3
    assert max(row["3"] for row in found.values()) < 0.3

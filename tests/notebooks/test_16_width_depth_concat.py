"""What lesson 16_width_depth_concat tells the reader to expect holds."""

import re

import pytest

from books import text
from lessons import by_name, charts, differences, means, number


@pytest.fixture(scope="module")
def width(lesson_run):
    return by_name(lesson_run("16_width_depth_concat"))


def test_wider_is_not_worse(width):
    found = means(text(width["width"]), r"(\d+) +(0|0\.3)")
    assert len(found) == 10
    assert 0.12 <= found["2", "0"] <= 0.65 and 0.92 <= found["512", "0"] <= 0.96
    assert found["512", "0"] >= found["32", "0"] - 0.005
    for units in ("32", "128", "512"):
        assert 0.13 <= found[units, "0"] - found[units, "0.3"] <= 0.26
    assert found["32", "0.3"] - found["512", "0.3"] < 0.06
    drawn = charts(width["width-chart"])
    assert len(drawn) == 2


def test_layers_are_added_until_nothing_gets_better(width):
    words = text(width["depth"])
    assert "went no further: 2 in a row without 0.005 more accuracy" in words
    assert 3 <= len(re.findall(r"^ *64 > dense 64 relu.* 0\.\d+ ", words, re.M)) <= 5
    assert 0.95 <= number(r"on the test part, once,.*?([\d.]+)(?= \(|$)", words) <= 0.98


def test_halving_keeps_a_third_each_time(width):
    rows = re.findall(r"^│ (\d+) epochs +┆ (\d+) +┆ .*┆ ([\d.]+) +│$", text(width["halving"]), re.M)
    assert [(int(epochs), int(left)) for epochs, left, _ in rows] == [(2, 27), (6, 9), (18, 3), (54, 1)]
    assert 0.94 <= float(rows[-1][2]) <= 0.99


def test_two_alike_are_no_better_than_one(width):
    found = means(text(width["concat"]), r"([a-z+ ]+?)")
    assert len(found) == 5
    (alike, *_), (better_half, *_), (other, *_) = differences(width["concat-compare"])
    assert abs(alike) <= 0.012 and abs(better_half) <= 0.012 and -0.01 <= other <= 0.04

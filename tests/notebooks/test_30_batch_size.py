"""What lesson 30_batch_size tells the reader to expect holds."""

import re

import pytest

from books import text
from lessons import by_name, differences, means


@pytest.fixture(scope="module")
def batch(lesson_run):
    return by_name(lesson_run("30_batch_size"))


def test_powers_of_two_have_no_tooth(batch):
    rows = re.findall(r"^ *(\d+) +([\d.]+)$", text(batch["time"]), re.M)
    times = {int(size): float(each) for size, each in rows}
    assert len(times) == 13
    # Loose: the machine may have other work; a power of two twice as fast would be a tooth.
    for size in (32, 64, 128):
        assert times[size] > 0.5 * min(times[size - 1], times[size + 1])
    assert times[4] > 1.5 * times[64]


def test_the_large_batch_was_driven_too_slowly(batch, lesson_run):
    found = means(text(batch["accuracy"]), r"(4|16|50|200) +([\d.]+)")
    assert len(found) == 16
    assert found["4", "0.05"] > 0.915 and 0.45 <= found["200", "0.05"] <= 0.7 and found["200", "0.8"] > 0.88
    assert 0.03 <= found["4", "0.8"] <= 0.35
    best = {size: max((mean, float(rate)) for (own, rate), mean in found.items() if own == size)[1] for size, _ in found}
    assert best["4"] <= best["50"] <= best["200"] == 0.8
    (same, low, *_), (tuned, *_) = differences(batch["compare"])
    assert same > 0.25 and abs(tuned) < 0.03
    if lesson_run("30_batch_size").whole:
        assert low > 0


def test_the_noise_scale_grows(batch):
    rows = re.findall(r"^ *(\d+) +([\d.]+) +(\d+|inf)$", text(batch["noise"]), re.M)
    scales = {int(epoch): float(scale) for epoch, _, scale in rows}
    assert list(scales) == [0, 1, 3, 10, 30]
    assert 10 <= scales[0] <= 40 and 50 <= scales[1] <= 250 and min(scales[10], scales[30]) > 200


def test_with_as_many_updates_the_size_does_not_matter(batch):
    found = means(text(batch["nothing"]), r"(4|16|64|200)")
    assert len(found) == 4 and max(found.values()) - min(found.values()) < 0.025

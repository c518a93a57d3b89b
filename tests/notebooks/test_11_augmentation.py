"""What lesson 11_augmentation tells the reader to expect holds."""

import pytest

from books import text
from lessons import by_name, differences, means, numbers


@pytest.fixture(scope="module")
def augmentation(lesson_run):
    return by_name(lesson_run("11_augmentation"))


def test_shifts_are_worth_what_the_lesson_says(augmentation, lesson_run):
    found = means(text(augmentation["study"]), r"(cnn|mlp) +([a-z ]+?)")
    assert len(found) == 12
    assert 0.87 <= found["cnn", "none"] <= 0.93 and 0.92 <= found["cnn", "shift"] <= 0.95
    assert found["cnn", "all the data"] == max(found.values())
    (cnn, low, _, _), (dense, *_), (flipped, *_) = differences(augmentation["compare"])
    assert 0.01 <= cnn <= 0.06 and dense < cnn and -0.12 <= flipped <= -0.02
    if lesson_run("11_augmentation").whole:
        assert 0.02 <= cnn <= 0.05 and low > 0 and flipped >= -0.09
    by_amount = means(text(augmentation["amount"]), r"(5|10|20|50) +(0|0\.5)")
    gain = {each: by_amount[each, "0.5"] - by_amount[each, "0"] for each in ("5", "10", "20", "50")}
    assert gain["5"] > 0.005 and gain["10"] > 0.005 and abs(gain["50"]) < 0.01


def test_looks_of_a_kind_that_was_not_trained_do_harm(augmentation):
    words = text(augmentation["test"])
    one, mean = numbers(r"^trained as they are +([\d.]+) +([\d.]+)$", words)
    assert 0.03 <= one - mean <= 0.15
    one, mean = numbers(r"^trained with shifts +([\d.]+) +([\d.]+)$", words)
    assert -0.01 <= mean - one <= 0.015
    images = sum("<img" in "".join(out.get("data", {}).get("text/html", "")) for out in augmentation["preview"]["outputs"])
    assert images == 2

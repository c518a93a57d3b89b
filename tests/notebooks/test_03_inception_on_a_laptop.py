"""What lesson 03_inception_on_a_laptop tells the reader to expect holds."""

import re

import pytest

from books import text
from lessons import by_name, differences, means, number, numbers


@pytest.fixture(scope="module")
def inception(lesson_run):
    return by_name(lesson_run("03_inception_on_a_laptop"))


def test_the_table_of_inception_is_the_papers(inception):
    words = text(inception["network"])
    assert re.search(r"^Mixed_6e +17 x 17 x 768 +2141952$", words, re.M)
    assert re.search(r"^avgpool +2048 features +0$", words, re.M)
    # torchvision's count without the auxiliary head, with 5 classes in place of 1,000: 2,049 each.
    assert number(r"^(\d+) parameters$", words) == 23_834_568 - 995 * 2049


def test_minutes_are_reckoned_from_what_was_measured(inception):
    milliseconds = number(r"^(\d+) ms an image", text(inception["speed"]))
    head = number(r"4000 steps, completed in ([\d.]+) s", text(inception["head"]))
    words = text(inception["total"])
    assert number(r"^bottlenecks of 3670 images +([\d.]+) min", words) == pytest.approx(
        3670 * milliseconds / 60_000, rel=0.02, abs=0.085
    )
    together = 3670 * milliseconds / 60_000 + head / 60
    # Half a millisecond of rounding is 0.03 min over 3,670 images; the sum itself is rounded to 0.1 min.
    assert number(r"^together +([\d.]+) min", words) == pytest.approx(together, rel=0.02, abs=0.085)
    # Half a millisecond is 0.056 hours here, and the sum is rounded to 0.1 hours.
    assert number(r"^without keeping bottlenecks +([\d.]+) hours", words) == pytest.approx(
        milliseconds / 9, rel=0.02, abs=0.11
    )


def test_the_second_run_reads_every_bottleneck(inception):
    first = numbers(r"^(\d+) from the cache, (\d+) computed$", text(inception["retrain"]))
    again = numbers(r"^(\d+) from the cache, (\d+) computed$", text(inception["again"]))
    touched = numbers(r"^one pixel changed: (\d+) from the cache, (\d+) computed$", text(inception["again"]))
    assert (first, again, touched) == ([0, 400], [400, 0], [399, 1])
    assert "the same, number for number" in text(inception["again"])
    assert 85 <= number(r"accuracy ([\d.]+)%", text(inception["retrain"])) <= 100


def test_what_was_learned_before_is_worth_something(inception):
    found = means(text(inception["worth"]), r"(retrained|random|from scratch)")
    assert len(found) == 3
    for (difference, low, _, _), most in zip(differences(inception["compare"]), (0.2, 0.25), strict=True):
        assert 0.05 <= difference <= most and low > 0


def test_nothing_is_downloaded(inception, lesson_run):
    ran = lesson_run("03_inception_on_a_laptop")
    assert "nothing was downloaded" in text(inception["real"])
    beside = {path.name for path in (ran.notebook.parent / "fresh").iterdir()}
    assert beside == {ran.notebook.name, "bottlenecks", "jook-results"}

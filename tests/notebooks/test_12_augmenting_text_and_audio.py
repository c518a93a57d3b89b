"""What lesson 12_augmenting_text_and_audio tells the reader to expect holds."""

import pytest

from books import text
from lessons import by_name, differences, means, numbers


@pytest.fixture(scope="module")
def lesson(lesson_run):
    return by_name(lesson_run("12_augmenting_text_and_audio"))


def test_synonyms_teach_words_that_were_never_seen_and_swaps_do_harm(lesson, lesson_run):
    found = means(text(lesson["study"]), r"([a-z ]+?)")
    assert len(found) == 7
    assert 0.6 <= found["none",] <= 0.85 and found["synonyms",] >= 0.93
    assert found["none",] < found["eda",] < found["synonyms",]
    (synonyms, low, _, _), (swapped, _, high, _) = differences(lesson["compare"])
    assert synonyms >= 0.1 and swapped <= -0.05
    if lesson_run("12_augmenting_text_and_audio").whole:
        assert low > 0 and high < 0
    by_share = means(text(lesson["harm"]), r"(100|300) +(0|0\.1|0\.3)")
    assert all(by_share[each, "0.3"] < by_share[each, "0"] - 0.05 for each in ("100", "300"))


def test_shifted_and_sped_sounds_teach_and_wide_masks_do_harm(lesson, lesson_run):
    found = means(text(lesson["sound-study"]), r"([a-z ,]+?)")
    assert len(found) == 8
    assert found["all the data",] == max(found.values())
    (changed, low, _, _), (masked, *_) = differences(lesson["spoken-compare"])
    assert changed >= 0.04 and masked <= -0.01
    if lesson_run("12_augmenting_text_and_audio").whole:
        assert low > 0


def test_examples_stand_beside_what_becomes_of_them(lesson):
    words = text(lesson["preview"])
    assert "synonyms 0.3" in words and "swapped words 0.3" in words
    html = ["".join(out.get("data", {}).get("text/html", "")) for out in lesson["sounds"]["outputs"]]
    assert sum("<img" in one for one in html) == 2
    one, mean = numbers(r"^trained with shifts +([\d.]+) +([\d.]+)$", text(lesson["test"]))
    assert mean - one >= -0.02

"""What lesson 35_the_doctor tells the reader to expect holds."""

import re

import pytest

from books import text
from lessons import by_name, differences, means, number, numbers


@pytest.fixture(scope="module")
def doctor(lesson_run):
    return by_name(lesson_run("35_the_doctor"))


def findings(cell):
    """The illnesses of a diagnosis, without remarks."""
    return re.findall(r"^([a-z ]+): .*\n  sure ", text(cell), re.M)


def test_each_patient_has_what_was_planted_and_the_sound_one_nothing(doctor):
    assert findings(doctor["healthy"]) == []
    assert findings(doctor["first-diagnosis"]) == ["rate too high", "underfit", "dead units"]
    assert "3 of 3 seeds" in text(doctor["first-diagnosis"]) and "recipe.rate(0.03)" in text(doctor["first-diagnosis"])
    assert "labels that look wrong" in findings(doctor["second"])
    assert findings(doctor["third"]) == ["a leak"]
    with_stamps, without = numbers(r"right: ([\d.]+) with stamps, ([\d.]+) without", text(doctor["third"]))
    assert with_stamps > 0.95 and without < 0.92
    assert findings(doctor["fourth"]) == ["underfit", "dead units"]


def test_the_wrong_labels_are_found_by_their_rows(doctor):
    words = text(doctor["rows"])
    assert number(r"of the first 20, (\d+) are wrong", words) >= 15
    before, of, after, left = numbers(r"wrong labels: (\d+) of (\d+) before, (\d+) of (\d+) after", words)
    assert of == 600 and after <= before / 3 and left > 480


def test_the_lines_help(doctor, lesson_run):
    found = means(text(doctor["study"]), r"([a-z ]+?) +(before|after)")
    assert len(found) == 8
    gain = {patient: found[patient, "after"] - found[patient, "before"] for patient, _ in found}
    assert gain["high rate"] > 0.5 and gain["dead units"] > 0.7 and gain["stamp"] > 0.03
    assert min(found[patient, "after"] for patient, _ in found) > 0.9
    ((difference, low, _, p),) = differences(doctor["compare"])
    assert 0.01 <= difference <= 0.06
    if lesson_run("35_the_doctor").whole:
        assert low > 0 and p < 0.05


def test_few_wrong_labels_stay_unseen_and_two_diagnoses_are_wrong(doctor):
    found = {float(share): mean for (share,), mean in means(text(doctor["power"]), r"([\d.]+)").items()}
    assert found[0.0] == found[0.01] == 0 and found[0.16] == 1
    assert findings(doctor["swapped"]) == ["overfit"]
    assert 0.74 <= number(r"right: ([\d.]+)", text(doctor["swapped"])) <= 0.79
    assert "a leak" in findings(doctor["alarm"])

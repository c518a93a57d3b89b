"""What lesson 15_weight_penalties tells the reader to expect holds."""

import re

import pytest

from books import text
from lessons import by_name, charts, differences, means


@pytest.fixture(scope="module")
def penalties(lesson_run):
    return by_name(lesson_run("15_weight_penalties"))


def test_the_update_is_the_formula(penalties):
    off = re.findall(r"farthest from the formula ([\d.e-]+)", text(penalties["rules"]))
    assert len(off) == 2 and all(float(x) < 1e-6 for x in off)


def test_only_the_proximal_step_makes_zeros(penalties):
    rows = re.findall(r"^(\S.*?) {2,}([\d.]+) +([\d.]+)%$", text(penalties["decay"]), re.M)
    table = {name: (float(squares), float(zeros)) for name, squares, zeros in rows}
    assert len(table) == 6
    assert 60 <= table.pop("L1 0.3, proximal")[1] <= 85
    assert all(zeros == 0 for _, zeros in table.values())
    none = table["none"][0]
    assert table["L2 0.01"][0] < 0.5 * none and table["decay 0.01"][0] > 0.9 * none and table["decay 1"][0] < 0.5 * none


def test_the_histograms_have_the_zeros_that_the_text_says(penalties):
    chart = charts(penalties["histogram"])[0]
    assert [trace["type"] for trace in chart["data"]] == ["heatmap"] * 3
    words = [note["text"] for note in chart["layout"]["annotations"]]
    none, l2, l1 = (float(re.search(r"([\d.]+)% zeros", word).group(1)) for word in words)
    assert none == l2 == 0 and 65 <= l1 <= 85


def test_a_penalty_is_a_belief_about_the_labels(penalties, lesson_run):
    found = means(text(penalties["study"]), r"(0|0\.3) +([\w-]+)")
    assert len(found) == 12
    gain = {key: found[key] - found[key[0], "none"] for key in found}
    for name in ("L2", "both", "max-norm"):
        assert 0.06 <= gain["0.3", name] <= 0.17 and -0.04 <= gain["0", name] <= 0.0
    assert 0.03 <= gain["0.3", "L1"] <= 0.12 and -0.03 <= gain["0", "L1"] <= 0.0
    assert abs(gain["0.3", "smoothing"]) <= 0.035 and 0.0 < gain["0", "smoothing"] <= 0.03
    if lesson_run("15_weight_penalties").whole:
        noisy, smooth_noisy, clean, smooth = differences(penalties["compare"])
        assert noisy[1] > 0 > clean[2] and smooth[1] > 0 and abs(smooth_noisy[0]) < 0.03


def test_nine_tenths_can_go(penalties):
    accuracy = means(text(penalties["sparse"]), r"(0|0\.001|0\.005|0\.02|0\.3)")
    rows = re.findall(r"^│ ([\d.]+) +┆ zeros +┆ ([\d.]+) ", text(penalties["sparse"]), re.M)
    zeros = {float(l1): float(share) for l1, share in rows}
    assert 0.82 <= zeros[0.005] <= 0.95 and zeros[0.02] >= 0.95 and zeros[0.3] == 1.0 and zeros[0.0] == 0.0
    lost = {key: accuracy[("0",)] - accuracy[(key,)] for key in ("0.005", "0.02", "0.3")}
    assert lost["0.005"] < 0.02 and 0.005 <= lost["0.02"] <= 0.045 and accuracy[("0.3",)] < 0.15

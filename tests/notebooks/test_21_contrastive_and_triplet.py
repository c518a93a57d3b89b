"""What lesson 21_contrastive_and_triplet tells the reader to expect holds."""

import re

import pytest

from books import text
from lessons import by_name, charts, differences, numbers


@pytest.fixture(scope="module")
def embeddings(lesson_run):
    return by_name(lesson_run("21_contrastive_and_triplet"))


def recalls(cell, chart=0):
    """The mean of each loss's box."""
    drawn = charts(cell)
    # Names in a box plot may say the setting's name too.
    return {box["name"].split()[-1]: sum(box["y"]) / len(box["y"]) for box in drawn[chart]["data"]}


def test_good_miners_beat_all_triplets_and_softmax(embeddings, lesson_run):
    recall, purity = (recalls(embeddings["recall"], chart) for chart in (0, 1))
    assert len(recall) == len(purity) == 8
    for miner in ("semi-hard", "batch-hard", "distance-weighted"):
        assert 0.905 <= recall[miner] <= 0.955 and 0.79 <= purity[miner] <= 0.88
    assert 0.66 <= purity["hard"] <= 0.79 and 0.72 <= purity["all"] <= 0.8
    assert 0.84 <= recall["softmax"] <= 0.915 and 0.55 <= purity["softmax"] <= 0.68
    assert recall["pixels"] > 0.975 and purity["pixels"] < 0.57
    over_all, over_softmax = differences(embeddings["compare"])
    assert 0.005 <= over_all[0] <= 0.05 and 0.015 <= over_softmax[0] <= 0.085
    if lesson_run("21_contrastive_and_triplet").whole:
        assert over_all[1] > 0 and over_softmax[1] > 0


def test_the_hardest_triplets_put_all_in_one_place(embeddings):
    row = r"^ *(semi-hard|batch-hard) +([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+)"
    rows = re.findall(row, text(embeddings["collapse"]), re.M)
    found = {(miner, rate): list(map(float, rest)) for miner, rate, *rest in rows}
    assert len(found) == 3
    loss, _, between, purity = found["batch-hard", "0.03"]
    assert loss == pytest.approx(0.2, abs=0.01) and between < 0.5 and purity < 0.2
    assert found["semi-hard", "0.03"][2] > 1 and found["semi-hard", "0.03"][3] > purity
    assert found["batch-hard", "0.003"][3] > 0.65


def test_on_classes_never_seen_pixels_and_softmax_win(embeddings, lesson_run):
    recall = recalls(embeddings["unseen"])
    assert recall["pixels"] > 0.985
    assert recall["pixels"] > recall["softmax"] > recall["contrastive"]
    pixels, softmax = differences(embeddings["lost"])
    assert 0.03 <= pixels[0] <= 0.15 and softmax[0] > -0.02
    if lesson_run("21_contrastive_and_triplet").whole:
        assert pixels[1] > 0.01 and softmax[0] > 0


def test_the_pictures_keep_neighbours(embeddings):
    pixels, embedding = numbers(r"pixels ([\d.]+)\n.*embedding ([\d.]+)", text(embeddings["look"]))
    assert pixels > 0.95 and embedding > 0.95

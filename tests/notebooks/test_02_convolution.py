"""What lesson 02_convolution tells the reader to expect holds."""

import re

import pytest

from books import text
from lessons import by_name, charts, differences, means, number, numbers


@pytest.fixture(scope="module")
def convolution(lesson_run):
    return by_name(lesson_run("02_convolution"))


def test_a_moved_input_moves_the_map_along(convolution):
    even, edge = numbers(r"even ground: +(-?[\d.]+)\n.*strongest: (-?[\d.]+) at column", text(convolution["window"]))
    assert even == 0 and abs(edge) > 1
    same, of = numbers(r"(\d+) of (\d+) numbers are those", text(convolution["shift"]))
    assert same == of > 1000
    for name in ("object", "map", "shift", "pool", "features", "domains"):
        images = sum("<img" in "".join(out.get("data", {}).get("text/html", "")) for out in convolution[name]["outputs"])
        assert images >= 1, f"{name} shows images"


def test_receptive_fields_and_parameters_are_those_of_the_network(convolution):
    sees = re.findall(r"^(\w+) +(\d+) x \d+ ", text(convolution["field"]), re.M)
    assert sees == [("conv1", "3"), ("pool1", "4"), ("conv2", "8"), ("pool2", "10")]
    assert re.search(r"^conv2 .* 4640 +664704$", text(convolution["field"]), re.M)
    assert re.search(r"^conv2 .* 4640 ", text(convolution["cnn"]), re.M)


def test_convolutions_win_where_the_place_varies(convolution):
    found = means(text(convolution["study"]), r"(centred|moved) +(\w+)")
    assert len(found) == 6
    assert all(0.86 <= found["centred", net] <= 0.94 for net in ("mlp", "cnn", "resnet"))
    assert 0.25 <= found["moved", "mlp"] <= 0.35
    assert 0.42 <= found["moved", "cnn"] <= 0.62
    assert 0.62 <= found["moved", "resnet"] <= 0.8
    (moved, low, _, p), (centred, *_) = differences(convolution["compare"])
    assert 0.12 <= moved <= 0.32 and low > 0 and p < 0.01
    assert -0.02 <= centred <= 0.03


def test_other_domains_cost_accuracy(convolution):
    words = text(convolution["shift-chart"])
    names = ["flat", "line drawing", "textured", "photo", "inverted", "rotated"]
    accuracy = {name: number(rf"^{name} +([\d.]+)$", words) for name in names}
    assert 0.8 <= accuracy["flat"] <= 0.97 and max(accuracy, key=accuracy.get) == "flat"
    assert accuracy["rotated"] < 0.4
    assert accuracy["inverted"] < 0.3 and min(accuracy, key=accuracy.get) == "inverted"
    chart = charts(convolution["shift-chart"])[0]
    shown = dict(zip(chart["data"][0]["x"], chart["data"][0]["y"]))
    assert shown == pytest.approx(accuracy, abs=0.0006)

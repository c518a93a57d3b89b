"""The lessons after the first, each run whole as a reader runs it: every cell shows something, what the text tells
the reader to expect holds, and the page stands alone.
"""

import json
import re

import pytest

from books import PLOTLY, cells, text

RUNS = ["convolution_run", "inception_run", "augmentation_run", "initialization_run"]


def by_name(ran):
    assert ran.done.returncode == 0, ran.done.stderr
    return {cell["id"]: cell for cell in cells(ran.notebook)}


@pytest.fixture(scope="session")
def convolution(convolution_run):
    return by_name(convolution_run)


@pytest.fixture(scope="session")
def inception(inception_run):
    return by_name(inception_run)


@pytest.fixture(scope="session")
def augmentation(augmentation_run):
    return by_name(augmentation_run)


@pytest.fixture(scope="session")
def initialization(initialization_run):
    return by_name(initialization_run)


def numbers(pattern, words):
    """The groups of the first match, as numbers."""
    found = re.search(pattern, words, re.M)
    assert found, f"{pattern} is not in:\n{words}"
    return [float(group) for group in found.groups()]


def number(pattern, words):
    return numbers(pattern, words)[0]


def means(words, settings):
    """The means of a study's table, by its settings."""
    rows = re.findall(rf"^ *{settings} +([\d.]+) +[\d.-]+ to [\d.]+ +5\b", words, re.M)
    return {tuple(row[:-1]): float(row[-1]) for row in rows}


def differences(cell):
    """Each comparison's mean difference, its interval, and the p of the t-test."""
    number = r"(-?[\d.e-]+)"
    pattern = rf"mean difference +{number}\n95% interval of it +{number} to {number}\n.*\np, paired t-test +{number}"
    return [tuple(map(float, found)) for found in re.findall(pattern, text(cell))]


# Of all lessons ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("lesson", RUNS)
def test_every_cell_ran_and_shows_something(lesson, request):
    lesson = by_name(request.getfixturevalue(lesson))
    assert [cell["execution_count"] for cell in lesson.values()] == list(range(1, len(lesson) + 1))
    assert [name for name, cell in lesson.items() if not cell["outputs"]] == ["setup"]
    # A value without a form to show would be written as Rust sees it.
    assert not any(re.search(r"\b(ImageGrid|Table|Dataset) \{", text(cell)) for cell in lesson.values())


@pytest.mark.parametrize("lesson", RUNS)
def test_the_page_stands_alone(lesson, request):
    ran = request.getfixturevalue(lesson)
    page = ran.page.read_text()
    assert not re.search(r"<(script|img|iframe)[^>]+src=(?![\"']?data:)", page)
    assert not re.search(r"<link[^>]+href=(?![\"']?data:)", page)
    charts = sum(PLOTLY in output.get("data", {}) for cell in cells(ran.notebook) for output in cell["outputs"])
    assert page.count('<div class="jook-figure"') == charts


# Convolution ------------------------------------------------------------------------------------------


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
    chart = next(out["data"][PLOTLY] for out in convolution["shift-chart"]["outputs"] if PLOTLY in out.get("data", {}))
    shown = dict(zip(chart["data"][0]["x"], chart["data"][0]["y"]))
    assert shown == pytest.approx(accuracy, abs=0.0006)


# Inception on a laptop --------------------------------------------------------------------------------


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


def test_nothing_is_downloaded(inception, inception_run):
    assert "nothing was downloaded" in text(inception["real"])
    beside = {path.name for path in (inception_run.notebook.parent / "fresh").iterdir()}
    assert beside == {inception_run.notebook.name, "bottlenecks", "jook-results"}


@pytest.mark.parametrize("lesson", RUNS)
def test_a_lesson_takes_at_most_three_minutes(lesson, request):
    """About half a minute where nothing else runs."""
    assert json.loads(request.getfixturevalue(lesson).notebook.read_text())["metadata"]["jook"]["seconds"] <= 180


# Augmentation -----------------------------------------------------------------------------------------


def test_shifts_are_worth_what_the_lesson_says(augmentation):
    found = means(text(augmentation["study"]), r"(cnn|mlp) +([a-z ]+?)")
    assert len(found) == 12
    assert 0.87 <= found["cnn", "none"] <= 0.93 and 0.92 <= found["cnn", "shift"] <= 0.95
    assert found["cnn", "all the data"] == max(found.values())
    (cnn, low, _, _), (dense, *_), (flipped, *_) = differences(augmentation["compare"])
    assert 0.02 <= cnn <= 0.05 and low > 0 and dense < cnn
    assert -0.09 <= flipped <= -0.02
    by_amount = means(text(augmentation["amount"]), r"(5|10|20|50) +(0|0\.5)")
    gain = {each: by_amount[each, "0.5"] - by_amount[each, "0"] for each in ("5", "10", "20", "50")}
    assert gain["5"] > 0.005 and gain["10"] > 0.005 and abs(gain["50"]) < 0.01


def test_looks_of_a_kind_that_was_not_trained_do_harm(augmentation):
    words = text(augmentation["test"])
    one, mean = numbers(r"^trained as they are +([\d.]+) +([\d.]+)$", words)
    assert 0.03 <= one - mean <= 0.15
    one, mean = numbers(r"^trained with shifts +([\d.]+) +([\d.]+)$", words)
    assert -0.005 <= mean - one <= 0.015
    images = sum("<img" in "".join(out.get("data", {}).get("text/html", "")) for out in augmentation["preview"]["outputs"])
    assert images == 2


# Initialization ---------------------------------------------------------------------------------------


def test_signals_fade_and_are_kept(initialization):
    share = {name: float(x) for name, x in re.findall(r"^(\w+)[^,]*, \w+ +([\d.e-]+)$", text(initialization["keeps"]), re.M)}
    assert share["normal"] < 1e-8
    assert 0.2 <= share["xavier"] <= 2 and 0.2 <= share["he"] <= 2
    assert share["lsuv"] == pytest.approx(1, abs=0.02)
    charts = [output["data"][PLOTLY] for output in initialization["probe"]["outputs"] if PLOTLY in output["data"]]
    lines = {trace["name"]: trace["y"] for trace in charts[0]["data"]}
    assert lines["sd of outputs"][0] > 1e6 * lines["sd of outputs"][-1]
    assert lines["sd of gradients"][-1] > 1e6 * lines["sd of gradients"][0]


def test_five_layers_learn_in_the_order_that_the_lesson_says(initialization):
    found = means(text(initialization["study"]), r"(Sigmoid|Tanh|Relu) +([\w().]+)")
    assert len(found) == 12
    small = [found[activation, "Normal(0.01)"] for activation in ("Sigmoid", "Tanh", "Relu")]
    assert max(small) < 0.12 and max(found["Sigmoid", law] for law in ("FanUniform", "XavierUniform")) < 0.15
    assert 0.9 <= found["Tanh", "FanUniform"] <= 0.95 <= found["Tanh", "XavierUniform"] <= 0.98
    assert 0.25 <= found["Relu", "FanUniform"] <= 0.6
    assert min(found["Relu", "XavierUniform"], found["Relu", "HeUniform"]) > 0.93
    ((difference, low, _, p),) = differences(initialization["compare"])
    assert difference > 0.015 and low > 0 and p < 0.05
    shallow = means(text(initialization["shallow"]), r"([\w().]+)")
    assert len(shallow) == 4 and all(0.9 <= mean <= 0.97 for mean in shallow.values())
    assert number(r"all zeros: ([\d.]+)", text(initialization["zeros"])) < 0.13

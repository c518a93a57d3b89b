"""What the notebook on the article's advice tells the reader to expect holds: every claim with an experiment and a verdict."""

import math
import re
from collections import Counter

import pytest

from books import text
from lessons import by_name, charts

NAME = "39_the_article_on_tuning"
KINDS = ("holds", "holds under conditions", "does not hold", "not told")
# Claims whose experiments point the same way with any seeds: the signs of their gains.
CLEAR = {
    "shifted images are more data": "+-",
    "mirrored images are more data": "+-",
    "changed words are more texts": "+-",
    "the best held-out moment beats the last": "+-",
    "10 to 30% held out will do": "++",
    "a look every 1,000 steps is enough": "-",
    "half of the units dropped overfit less": "+-",
    "it needs a larger net": "+",
    "it needs a longer training": "+",
    "L2 keeps a net from fitting noise": "+-",
    "L1 keeps a net from fitting noise": "+-",
    "L2 takes a share of each weight": "--",
    "the center loss draws classes together": "+-",
    "semi-hard triplets teach more than random ones": "+",
    "pairs teach more of distances than softmax": "+",
    "learned distances serve classes never seen": "-",
    "ReLU cannot use gradient-based methods": "-",
    "ReLUs die at a rate of 0.6": "++",
    "zeros learn nothing": "-",
    "normal(0.01) is as good as He": "--",
    "Xavier's weights serve tanh": "+",
    "He's weights serve ReLU": "-+",
    "too large a rate loses thirty points": "+",
    "a rate that falls is better": "+-",
    "a short search finds a rate as good": "--",
}
# What the text says of the whole run, and what no seed is likely to turn.
EXPECTED = {
    "holds": (10, {"it needs a larger net", "zeros learn nothing", "too large a rate loses thirty points"}),
    "holds under conditions": (25, {"mirrored images are more data", "L1 makes half of the weights zero"}),
    "does not hold": (6, {"a look every 1,000 steps is enough", "ReLU cannot use gradient-based methods"}),
    "not told": (6, set()),
}


@pytest.fixture(scope="module")
def article(lesson_run):
    return by_name(lesson_run(NAME))


@pytest.fixture(scope="module")
def table(article):
    """The experiments of each claim, as (gain, low, high, verdict there), and the verdict of each claim."""
    head, _, *lines = text(article["table"]).splitlines()
    starts = [match.start() for match in re.finditer(r"\S+(?: \S+)*", head)]
    # Numbers stand at the right of their column: what is between the condition and the interval is the gain.
    trials, verdicts, claim = {}, {}, None
    for line in filter(str.strip, lines):
        claim = line[starts[1] : starts[2]].strip() or claim
        found = re.search(r"(-?[\d.e-]+) +(?:(-?[\d.e-]+) to (-?[\d.e-]+)|none) +(\S.*?)(?: {2,}(\S.*))?$", line)
        assert found, line
        gain, low, high, there, verdict = found.groups()
        trials.setdefault(claim, []).append((float(gain), float(low or gain), float(high or gain), there.strip()))
        if verdict:
            verdicts[claim] = verdict.strip()
    return trials, verdicts


def test_every_claim_has_experiments_with_finite_numbers(article, table):
    trials, verdicts = table
    assert len(verdicts) == len(trials) == 47 and sum(map(len, trials.values())) >= 75
    for claim, own in trials.items():
        assert verdicts[claim] in KINDS
        for gain, low, high, there in own:
            assert all(map(math.isfinite, (gain, low, high))) and low <= gain <= high, claim
            assert there in KINDS and there != "holds under conditions", claim
    frame = text(article["frame"])
    assert f"shape: ({sum(map(len, trials.values()))}, 12)" in frame
    said = re.findall(r"^(holds|holds under conditions|does not hold|not told), (\d+) of 47:$", text(article["count"]), re.M)
    counted = Counter(verdicts.values())
    assert [kind for kind, _ in said] == list(KINDS) and all(counted[kind] == int(n) for kind, n in said)


def test_what_each_section_says_is_in_the_table(article, table):
    trials, _ = table
    lines = [line for cell in article.values() for line in re.findall(r"^.*: (?:holds|does not hold|not told)$", text(cell), re.M)]
    assert len(lines) == sum(map(len, trials.values()))


def test_the_clear_ones_point_where_the_text_says(table):
    trials, _ = table
    for claim, signs in CLEAR.items():
        gains = [gain for gain, *_ in trials[claim]]
        assert "".join("+" if gain > 0 else "-" for gain in gains) == signs, (claim, gains)


def test_the_chart_has_a_row_for_each_experiment(article, table):
    trials, _ = table
    (chart,) = charts(article["chart"])
    rows = [row for trace in chart["data"] for row in trace["y"] if trace["name"] != "must be above"]
    assert sorted(rows) == list(range(sum(map(len, trials.values()))))
    assert len(chart["layout"]["yaxis"]["ticktext"]) == len(trials)


def test_the_verdicts(table, lesson_run):
    if not lesson_run(NAME).whole:
        pytest.skip("two seeds do not tell")
    _, verdicts = table
    counted = Counter(verdicts.values())
    for kind, (number, sure) in EXPECTED.items():
        assert abs(counted[kind] - number) <= 5, (kind, counted)
        assert {verdicts[claim] for claim in sure} <= {kind}

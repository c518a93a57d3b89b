"""What the tests of the lessons share: cells by their names, and numbers out of what they show."""

import re

from books import PLOTLY, cells, text


def by_name(ran):
    """The code cells of an executed lesson, by their ids."""
    assert ran.done.returncode == 0, ran.done.stderr
    return {cell["id"]: cell for cell in cells(ran.notebook)}


def charts(cell):
    """The charts that a cell shows."""
    return [output["data"][PLOTLY] for output in cell["outputs"] if PLOTLY in output.get("data", {})]


def numbers(pattern, words):
    """The groups of the first match, as numbers."""
    found = re.search(pattern, words, re.M)
    assert found, f"{pattern} is not in:\n{words}"
    return [float(group) for group in found.groups()]


def number(pattern, words):
    return numbers(pattern, words)[0]


def means(words, settings):
    """The means of a study's table, by its settings."""
    rows = re.findall(rf"^ *{settings} +([\d.]+) +[\d.-]+ to [\d.]+ +[25]\b", words, re.M)
    return {tuple(row[:-1]): float(row[-1]) for row in rows}


def differences(cell):
    """Each comparison's mean difference, its interval, and the p of the t-test; where all differences are equal, as of two
    seeds they may be, the interval is the difference and there is no p."""
    number = r"(-?[\d.e-]+)"
    pattern = rf"mean difference +{number}(?:\n95% interval of it +{number} to {number}\n.*\np, paired t-test +{number})?"
    found = re.findall(pattern, text(cell))
    return [(float(d), float(low or d), float(high or d), float(p or "nan")) for d, low, high, p in found]

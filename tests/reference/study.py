"""Golden values for the statistics of studies: python tests/reference/study.py > tests/reference/study.json

Means with 95% t-intervals, paired t-tests, Cohen's d_z and Wilcoxon's signed-rank test from SciPy. With tied
or zero differences SciPy's exact test does not apply; there every assignment of signs is counted instead.
"""

import itertools
import json
import sys

import numpy
import scipy
from scipy import stats


def wilcoxon(difference):
    difference = difference[difference != 0]
    if len(difference) == 0:
        return 1.0
    size = abs(difference)
    if len(set(size)) == len(size) and len(difference) <= 50:
        return stats.wilcoxon(difference, method="exact").pvalue
    if len(difference) > 100:
        return stats.wilcoxon(difference, method="asymptotic", correction=False).pvalue
    rank = stats.rankdata(size)
    low = min(rank[difference > 0].sum(), rank[difference < 0].sum())
    signs = numpy.array(list(itertools.product([0, 1], repeat=len(rank))))
    return min(1.0, 2 * float(numpy.mean(signs @ rank <= low + 1e-9)))


def case(a, b):
    a, b = numpy.asarray(a, float), numpy.asarray(b, float)
    difference = a - b
    low, high = stats.t.interval(0.95, len(a) - 1, a.mean(), stats.sem(a))
    test = stats.ttest_rel(a, b)
    interval = test.confidence_interval(0.95)
    return dict(
        a=a.tolist(), b=b.tolist(), mean=a.mean(), low=low, high=high,
        difference=difference.mean(), difference_low=interval.low, difference_high=interval.high,
        effect_size=difference.mean() / difference.std(ddof=1),
        p_value=test.pvalue, p_wilcoxon=float(wilcoxon(difference)),
    )


def main():
    rng = numpy.random.default_rng(20)
    cases = []
    for n, shift in [(2, 0.1), (3, 0.02), (5, 0.01), (5, 0.3), (10, 0.0), (20, 0.02), (50, 0.01)]:
        a = (0.9 + 0.02 * rng.standard_normal(n)).round(6)
        cases.append(case(a, (a - shift + 0.02 * rng.standard_normal(n)).round(6)))
    # Ties and zeros, exact in binary.
    cases.append(case([0.5, 0.75, 0.25, 1.0, 0.5, 0.875], [0.25, 0.5, 0.25, 0.5, 0.625, 0.75]))
    cases.append(case([1, 2, 3, 4, 5, 6, 7, 8], [2, 1, 3, 2, 3, 4, 10, 7]))
    a = rng.integers(0, 40, 150) / 64
    cases.append(case(a, a + rng.integers(-9, 8, 150) / 64))
    versions = dict(python=sys.version.split()[0], numpy=numpy.__version__, scipy=scipy.__version__)
    json.dump(dict(versions=versions, cases=cases), sys.stdout, indent=1)
    print()


main()

"""Golden values for the statistics of studies: python tests/reference/study.py > tests/reference/study.json

Means with 95% t-intervals, paired t-tests, Cohen's d_z and Wilcoxon's signed-rank test from SciPy. With tied
or zero differences SciPy's exact test does not apply; there every assignment of signs is counted instead. The corrected
resampled t-test of Nadeau and Bengio (2003) from its formula, Holm's correction from statsmodels.
"""

import itertools
import json
import sys

import numpy
import scipy
import statsmodels
from scipy import stats
from statsmodels.stats.multitest import multipletests


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


def resampled(pairs, n_train, n_test):
    difference = numpy.asarray(pairs)[:, 0] - numpy.asarray(pairs)[:, 1]
    n = len(difference)
    error = numpy.sqrt((1 / n + n_test / n_train) * numpy.var(difference, ddof=1))
    law = stats.t(n - 1, loc=difference.mean(), scale=error)
    return dict(
        pairs=pairs, n_train=n_train, n_test=n_test, low=law.ppf(0.025), high=law.ppf(0.975),
        p_value=2 * stats.t.cdf(-abs(difference.mean() / error), n - 1),
    )


def holm(p):
    return dict(p=p, adjusted=multipletests(p, method="holm")[1].tolist())


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
    splits = []
    for n, n_train, n_test in [(2, 50, 50), (5, 80, 20), (10, 900, 100), (100, 27, 3)]:
        a = (0.9 + 0.02 * rng.standard_normal(n)).round(6)
        b = (a - 0.01 + 0.02 * rng.standard_normal(n)).round(6)
        splits.append(resampled(numpy.stack([a, b], 1).tolist(), n_train, n_test))
    corrected = [
        holm(p)
        for p in [
            [0.03],
            [0.01, 0.04, 0.03, 0.005],
            [0.02, 0.02, 0.02, 0.9],
            [1.0, 0.6, 0.0],
            (rng.random(25) ** 3).round(6).tolist(),
        ]
    ]
    versions = dict(
        python=sys.version.split()[0], numpy=numpy.__version__, scipy=scipy.__version__,
        statsmodels=statsmodels.__version__,
    )
    golden = dict(versions=versions, cases=cases, resampled=splits, holm=corrected)
    json.dump(golden, sys.stdout, indent=1)
    print()


main()

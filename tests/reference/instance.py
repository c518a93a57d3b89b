"""Weights of source examples by the formulas of their papers in numpy, leave-one-out scores by brute force, and a domain
classifier by scikit-learn, as golden values for toolkit/src/transfer/instance.

No library of transfer learning is asked: of those published, the leave-one-out scores of ADAPT and densratio are not what
leaving out gives, skada's classifier gives the ratio upside down, and its KLIEP does not optimize.

Run `python instance.py > instance.json` with scipy and scikit-learn installed.
"""

import json

import numpy as np
import scipy
import sklearn
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

rng = np.random.default_rng(14)
SOURCE, TARGET = 60, 40
source = rng.normal([0.0, 0.0], [1.0, 1.2], (SOURCE, 2)).astype(np.float32)
target = rng.normal([0.6, -0.3], [0.7, 0.8], (TARGET, 2)).astype(np.float32)
xs, xt = source.astype(np.float64), target.astype(np.float64)


def gaussians(x, centers, gamma):
    return np.exp(-gamma * ((x[:, None] - centers[None]) ** 2).sum(2))


def thetas(s, t, alpha, penalty):
    table = alpha * t.T @ t / len(t) + (1 - alpha) * s.T @ s / len(s)
    return np.maximum(0, np.linalg.solve(table + penalty * np.eye(table.shape[0]), t.mean(0)))


def mean_one(weights):
    return (weights / weights.mean()).tolist()


def ulsif(alpha, gamma, penalty):
    s, t = gaussians(xs, xt, gamma), gaussians(xt, xt, gamma)
    return {"alpha": alpha, "gamma": gamma, "lambda": penalty, "weights": mean_one(s @ thetas(s, t, alpha, penalty))}


def left_out(alpha, gamma, penalty, centers, sources, targets):
    """Everything solved anew without one example of each domain."""
    s, t = gaussians(xs, xt[centers], gamma), gaussians(xt, xt[centers], gamma)
    scores = []
    for i, j in zip(sources, targets):
        theta = thetas(np.delete(s, i, 0), np.delete(t, j, 0), alpha, penalty)
        at_s, at_t = s[i] @ theta, t[j] @ theta
        scores.append(alpha / 2 * at_t**2 + (1 - alpha) / 2 * at_s**2 - at_t)
    return {"alpha": alpha, "gamma": gamma, "lambda": penalty, "score": float(np.mean(scores))}


def kliep(gamma):
    """The mean of log w on the target at its largest, by sequential quadratic programming."""
    s, t = gaussians(xs, xt, gamma).mean(0), gaussians(xt, xt, gamma)
    found = minimize(
        lambda a: -np.log(t @ a).mean(),
        np.full(TARGET, 1 / s.sum()),
        jac=lambda a: -(t / (t @ a)[:, None]).mean(0),
        bounds=[(0, None)] * TARGET,
        constraints={"type": "eq", "fun": lambda a: s @ a - 1, "jac": lambda a: s},
        method="SLSQP",
        options={"maxiter": 5000, "ftol": 1e-15},
    )
    assert found.success, found.message
    return {"gamma": gamma, "likelihood": -found.fun, "weights": mean_one(gaussians(xs, xt, gamma) @ found.x)}


def neighbours(k, smoothed):
    counts = np.full(SOURCE, 1.0 if smoothed else 0.0)
    for x in xt:
        counts[np.argsort(((xs - x) ** 2).sum(1), kind="stable")[:k]] += 1
    return {"k": k, "smoothed": smoothed, "weights": mean_one(counts)}


centers = list(range(0, TARGET, 3))
rest = [row for row in range(TARGET) if row not in centers]
sources = list(range(SOURCE - 1, SOURCE - 1 - len(rest), -1))
both, domain = np.vstack([xs, xt]), np.repeat([0, 1], [SOURCE, TARGET])
logistic = [
    {"penalty": penalty, "coefficients": [*fitted.coef_[0].tolist(), float(fitted.intercept_[0])]}
    for penalty in (0.1, 1.0, 10.0)
    for fitted in [LogisticRegression(C=1 / penalty, tol=1e-12, max_iter=10000).fit(both, domain)]
]

print(
    json.dumps(
        {
            "made_by": {"numpy": np.__version__, "scipy": scipy.__version__, "scikit-learn": sklearn.__version__},
            "source": source.ravel().tolist(),
            "target": target.ravel().tolist(),
            "ulsif": [ulsif(a, g, p) for a in (0.0, 0.1, 0.5) for g, p in ((0.5, 0.1), (2.0, 0.01))],
            "centers": centers,
            "left_targets": rest,
            "left_sources": sources,
            "left_out": [
                left_out(a, g, p, centers, sources, rest) for a in (0.0, 0.1) for g in (0.3, 2.0) for p in (0.01, 1.0)
            ],
            "kliep": [kliep(0.3), kliep(1.0)],
            "neighbours": [neighbours(1, False), neighbours(5, False), neighbours(3, True)],
            "logistic": logistic,
        },
        indent=1,
    )
)

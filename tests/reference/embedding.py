"""Writes embedding.json: numbers of embeddings by pytorch-metric-learning's AccuracyCalculator and scikit-learn, and what
neither has by brute force in f64. Read by toolkit/src/evaluate/embedding/tests.rs.

    pip install --no-deps pytorch-metric-learning==2.9.0
    python tests/reference/embedding.py

Of neighbours at one distance the first in the order of the examples is the nearer one.
"""

import json
from pathlib import Path

import numpy as np
import pytorch_metric_learning
import sklearn
import torch
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from sklearn.metrics import roc_auc_score, roc_curve

rng = np.random.default_rng(11)
FARS = [0.001, 0.01, 0.1, 0.5]


def short(values):
    return [float(v) for v in np.asarray(values, dtype=np.float32).ravel()]


def between(x):
    """Distances, those of whole numbers exact."""
    return np.sqrt(((x[:, None] - x[None]) ** 2).sum(2))


def neighbours(x):
    d = between(x)
    np.fill_diagonal(d, np.inf)
    return np.argsort(d, axis=1, kind="stable")[:, :-1]


def knn(query, k, reference, ref_includes_query):
    assert ref_includes_query and len(query) == len(reference)
    x = query.numpy().astype(np.float64)
    order = neighbours(x)[:, :k]
    return torch.tensor(np.take_along_axis(between(x), order, 1)), torch.tensor(order)


def vote(order, labels, k):
    """Leaving one out: the class with most of the k nearest, of several that with the nearest one."""
    right = 0
    for row, own in zip(order, labels):
        near = labels[row[:k]]
        classes, counts = np.unique(near, return_counts=True)
        most = set(classes[counts == counts.max()])
        right += next(c for c in near if c in most) == own
    return right / len(labels)


def case(name, x, labels):
    x, labels = np.asarray(x, dtype=np.float32).astype(np.float64), np.asarray(labels)
    include = ("precision_at_1", "mean_average_precision_at_r", "r_precision")
    nothing = lambda *_: None
    calculator = AccuracyCalculator(
        include=include, k="max_bin_count", device=torch.device("cpu"), knn_func=knn, kmeans_func=nothing
    )
    found = calculator.get_accuracy(x, labels)
    order = neighbours(x)
    counts = np.bincount(labels)[labels]
    recall = {
        k: float(np.mean([(labels[row[:k]] == own).any() for row, own in zip(order[counts > 1], labels[counts > 1])]))
        for k in (1, 2, 4, 8)
    }
    assert abs(recall[1] - found["precision_at_1"]) < 1e-12
    i, j = np.triu_indices(len(x), 1)
    d, same = between(x)[i, j], labels[i] == labels[j]
    far, tar, _ = roc_curve(same, -d, drop_intermediate=False)
    within, across = d[same].mean(), d[~same].mean()
    return {
        "name": name,
        "width": x.shape[1],
        "embeddings": short(x),
        "labels": labels.tolist(),
        "recall": list(recall.items()),
        "map_at_r": found["mean_average_precision_at_r"],
        "r_precision": found["r_precision"],
        "knn": [[k, vote(order, labels, k)] for k in (1, 4, 5)],
        "within": within,
        "between": across,
        "auc": roc_auc_score(same, -d),
        "tar": [[f, float(tar[far <= f].max())] for f in FARS],
        "points": len(far),
    }


def clouds(n, width, classes, apart):
    labels = rng.integers(0, classes, size=n)
    return apart * rng.normal(size=(classes, width))[labels] + rng.normal(size=(n, width)), labels


x, labels = clouds(60, 4, 5, 1.0)
labels[17] = 5
grid = rng.integers(-3, 4, size=(40, 2))
twice, own = clouds(20, 3, 3, 2.0)
cases = [
    case("clouds, one alone", x, labels),
    case("wide", *clouds(50, 33, 4, 0.3)),
    case("ties on a grid", grid, rng.integers(0, 3, size=40)),
    case("every point twice", np.concatenate([twice, twice]), np.concatenate([own, own])),
    case("apart", *clouds(30, 3, 3, 50.0)),
]
golden = {
    "pytorch_metric_learning": pytorch_metric_learning.__version__,
    "sklearn": sklearn.__version__,
    "cases": cases,
}
path = Path(__file__).with_suffix(".json")
path.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
print(f"{path.name}: {path.stat().st_size} bytes")

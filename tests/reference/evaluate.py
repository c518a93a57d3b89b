"""Metrics of scikit-learn and Wilson intervals of statsmodels, as golden values for toolkit/src/evaluate.

Run `python evaluate.py > evaluate.json` with scikit-learn, SciPy and statsmodels installed.
"""

import json

import numpy as np
import scipy.special
import sklearn
import sklearn.metrics as m
import statsmodels
from statsmodels.stats.proportion import proportion_confint

rng = np.random.default_rng(7)


def short(values):
    return [float(str(np.float32(v))) for v in np.asarray(values).ravel()]


def case(name, labels, logits):
    labels, logits = np.asarray(labels), np.asarray(logits, dtype=np.float32)
    classes = logits.shape[1]
    probabilities = scipy.special.softmax(logits.astype(np.float64), axis=1)
    predicted = logits.argmax(axis=1)
    correct = int((predicted == labels).sum())
    low, high = proportion_confint(correct, len(labels), method="wilson")
    return {
        "name": name,
        "classes": classes,
        "labels": labels.tolist(),
        "logits": short(logits),
        "probabilities": short(probabilities),
        "accuracy": m.accuracy_score(labels, predicted),
        "interval": [float(low), float(high)],
        "macro_f1": m.f1_score(labels, predicted, average="macro", zero_division=0),
        "log_loss": m.log_loss(labels, probabilities, labels=list(range(classes))),
        "log_loss_f32": m.log_loss(labels, probabilities.astype(np.float32), labels=list(range(classes))),
        "confusion": m.confusion_matrix(labels, predicted, labels=list(range(classes))).ravel().tolist(),
    }


labels = rng.integers(0, 5, size=60)
logits = rng.normal(size=(60, 5)) + 1.5 * np.eye(5)[labels]
never = logits.copy()
never[:, 3] = -20.0
absent = rng.choice([0, 2], size=30)
absent_logits = rng.normal(size=(30, 4)) + 2.0 * np.eye(4)[absent]
absent_logits[:, 3] = -9.0
ties = np.zeros((6, 3))
cases = [
    case("five classes", labels, logits),
    case("a class never predicted", labels, never),
    case("classes absent", absent, absent_logits),
    case("all right", [0, 1, 2, 1], 30.0 * np.eye(3)[[0, 1, 2, 1]]),
    case("all wrong", [0, 1, 2, 1], 3.0 * np.eye(3)[[1, 2, 0, 0]]),
    case("one example", [1], [[0.2, 0.1]]),
    case("equal logits", [0, 1, 2, 0, 1, 2], ties),
]
print(json.dumps({
    "versions": {"scikit-learn": sklearn.__version__, "statsmodels": statsmodels.__version__, "numpy": np.__version__},
    "cases": cases,
}))

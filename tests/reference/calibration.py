"""Calibration errors by brute force in NumPy, Brier scores and log losses of scikit-learn: golden values for
toolkit/src/evaluate/calibration.rs.

Run `python calibration.py > calibration.json` with scikit-learn and SciPy installed.
"""

import json

import numpy as np
import scipy.special
import sklearn
import sklearn.metrics as m

rng = np.random.default_rng(11)


def expected_calibration_error(confidence, right, bins):
    """Guo et al. 2017, equation 3, bin by bin: bins are open below and closed above."""
    edges = np.linspace(0.0, 1.0, bins + 1)
    error, filled = 0.0, []
    for low, high in zip(edges[:-1], edges[1:]):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            gap = abs(right[inside].mean() - confidence[inside].mean())
            error += inside.mean() * gap
            filled.append([low, high, int(inside.sum()), confidence[inside].mean(), right[inside].mean()])
    return error, filled


def case(name, labels, logits, bins=15):
    labels = np.asarray(labels)
    logits = np.asarray(logits, dtype=np.float32)
    classes = list(range(logits.shape[1]))
    probabilities = scipy.special.softmax(logits.astype(np.float64), axis=1)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    error, filled = expected_calibration_error(confidence, right.astype(float), bins)
    return {
        "name": name,
        "classes": len(classes),
        "bins": bins,
        "labels": labels.tolist(),
        "logits": [float(str(x)) for x in logits.ravel()],
        "log_loss": m.log_loss(labels, probabilities, labels=classes),
        "brier": m.brier_score_loss(labels, probabilities, labels=classes, scale_by_half=False),
        "ece": error,
        "accuracy": float(right.mean()),
        "confidence": float(confidence.mean()),
        "filled": [[float(x) for x in row] for row in filled],
    }


def drawn(n, classes, sharpness):
    """Labels drawn from softmax probabilities, and logits that are too sharp by this factor."""
    true = rng.normal(size=(n, classes)) * 1.5
    probabilities = scipy.special.softmax(true, axis=1)
    labels = np.array([rng.choice(classes, p=row) for row in probabilities])
    return labels, sharpness * true


cases = [
    case("calibrated", *drawn(400, 5, 1.0)),
    case("overconfident", *drawn(400, 10, 3.0)),
    case("underconfident in 7 bins", *drawn(200, 3, 0.3), bins=7),
    case("two classes in one bin", *drawn(50, 2, 1.0), bins=1),
    case("more bins than examples", *drawn(30, 4, 1.0), bins=1000),
    case("sure and right", [0, 1, 2], 200.0 * np.eye(3)),
]
print(json.dumps({
    "versions": {"scikit-learn": sklearn.__version__, "numpy": np.__version__},
    "cases": cases,
}))

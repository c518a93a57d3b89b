"""Regression metrics and weighted least squares of scikit-learn, as golden values for toolkit/src/evaluate and
toolkit/src/train.

Run `python regression.py > regression.json` with scikit-learn installed.
"""

import json

import numpy as np
import sklearn
import sklearn.metrics as m
from sklearn.linear_model import LinearRegression

rng = np.random.default_rng(11)


def short(values):
    return [float(str(np.float32(v))) for v in np.asarray(values).ravel()]


def case(name, actual, predicted):
    actual, predicted = np.asarray(actual, np.float32), np.asarray(predicted, np.float32)
    # In double: scikit-learn keeps the type of what it is given.
    y, p = actual.astype(np.float64), predicted.astype(np.float64)
    return {
        "name": name,
        "values": actual.shape[1],
        "actual": short(actual),
        "predicted": short(predicted),
        # Over examples and values; root_mean_squared_error would take the mean of the values' roots.
        "rmse": float(np.sqrt(m.mean_squared_error(y, p))),
        "mae": m.mean_absolute_error(y, p),
        "r2": m.r2_score(y, p, multioutput="uniform_average"),
    }


y = rng.normal(size=(40, 1))
two = rng.normal(size=(30, 2)) * [1.0, 50.0] + [0.0, 1e4]
cases = [
    case("one value", y, y + 0.3 * rng.normal(size=y.shape)),
    case("perfect", y, y),
    case("worse than the mean", y, -y),
    case("two values of other scales", two, two + rng.normal(size=two.shape) * [0.5, 20.0]),
    case("far from zero", 1e6 + rng.normal(size=(25, 1)), np.full((25, 1), 1e6)),
    case("two examples", [[1.0], [3.0]], [[1.5], [2.0]]),
]

x = rng.normal(size=(60, 3)).astype(np.float32)
target = (x @ [1.5, -2.0, 0.5] + 0.7 + rng.normal(size=60)).astype(np.float32)
weights = rng.uniform(0.0, 4.0, size=60).astype(np.float32)
weights[::7] = 0.0


def line(sample_weight):
    fitted = LinearRegression().fit(x.astype(np.float64), target.astype(np.float64), sample_weight)
    return {"coefficients": fitted.coef_.tolist(), "intercept": float(fitted.intercept_)}


print(
    json.dumps(
        {
            "versions": {"scikit-learn": sklearn.__version__, "numpy": np.__version__},
            "cases": cases,
            "least_squares": {
                "x": short(x),
                "y": short(target),
                "weights": short(weights),
                "weighted": line(weights.astype(np.float64)),
                "unweighted": line(None),
            },
        }
    )
)

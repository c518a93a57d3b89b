"""The lasso and the elastic net of scikit-learn, as golden values for toolkit/src/train/tests/penalties.rs.

Run `python penalties.py` with scikit-learn and NumPy installed: it writes penalties.json. Scikit-learn makes
|y - Xw - b|^2 / 2n + alpha (ratio |w|_1 + (1 - ratio) |w|^2 / 2) small; twice that is a mean squared error with L1 of
2 alpha ratio and L2 of 2 alpha (1 - ratio).
"""

import json
from pathlib import Path

import numpy as np
import sklearn
from sklearn.linear_model import ElasticNet

rng = np.random.default_rng(20261130)
x = rng.normal(size=(40, 8)).astype(np.float32)
x[:, 3] = 0.7 * x[:, 0] + 0.3 * x[:, 3]
y = (x @ [1.5, 0, 0, -0.8, 0, 0.3, 0, 0.05] + 0.4 + rng.normal(0, 0.1, size=40)).astype(np.float32)

cases = []
for alpha, ratio in [(0.02, 1.0), (0.1, 1.0), (0.4, 1.0), (0.1, 0.5), (0.3, 0.2)]:
    fitted = ElasticNet(alpha=alpha, l1_ratio=ratio, tol=1e-12, max_iter=1_000_000).fit(x.astype(float), y.astype(float))
    cases.append({"l1": 2 * alpha * ratio, "l2": 2 * alpha * (1 - ratio),
                  "weights": fitted.coef_.tolist(), "bias": float(fitted.intercept_)})
    print(alpha, ratio, fitted.coef_.round(4), fitted.intercept_)

found = {"versions": {"scikit-learn": sklearn.__version__, "numpy": np.__version__},
         "x": [float(v) for v in x.flatten()], "y": [float(v) for v in y], "cases": cases}
Path(__file__).with_suffix(".json").write_text(json.dumps(found))

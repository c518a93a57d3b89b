"""What fastai's `valley` suggests for losses over rising rates, as golden values for toolkit/src/train/watchers/rates.

Run `python rates.py fastai/callback/schedule.py > rates.json` with NumPy installed and that file of fastai 2.8.12 at hand
(`pip install --no-deps --target here fastai==2.8.12`): the function is read out of it, so that nothing else of fastai is
needed. As `lr_find` does, it is given the losses without the first tenth and the last five.
"""

import ast
import json
import sys

import numpy as np

source = open(sys.argv[1]).read()
own = [part for part in ast.parse(source).body if isinstance(part, ast.FunctionDef) and part.name == "valley"]
names = {}
exec(compile(ast.Module(own, []), sys.argv[1], "exec"), names)
valley = names["valley"]

rng = np.random.default_rng(20261130)
TRIED = 100
rates = 1e-7 * (10 / 1e-7) ** (np.arange(TRIED) / (TRIED - 1))
x = np.log10(rates)


def bowl(low, wide, noise):
    """High and flat, down to `low` at a log rate, up behind it."""
    fall = 2.0 - 1.5 / (1 + np.exp(-(x - low) / wide))
    return fall + np.where(x > low + 1, (x - low - 1) ** 2, 0.0) + noise * rng.normal(size=TRIED)


curves = {
    "smooth": bowl(-2.0, 0.4, 0.0),
    "noisy": bowl(-2.5, 0.5, 0.05),
    "very noisy": bowl(-3.0, 0.8, 0.4),
    "falling from the first on": 3.0 - 0.2 * x,
    "rising from the first on": 3.0 + 0.2 * x,
    "flat": np.full(TRIED, 1.0),
    "ended early": bowl(-4.0, 0.3, 0.02)[:61],
    "noise alone": 1.0 + 0.1 * rng.normal(size=TRIED),
}
cases = []
for name, losses in curves.items():
    tried = [float(rate) for rate in rates[:len(losses)]]
    found = valley(tried[TRIED // 10:-5], [float(loss) for loss in losses[TRIED // 10:-5]], TRIED)[0]
    cases.append({"name": name, "rates": tried, "losses": [float(loss) for loss in losses], "valley": found})
print(json.dumps({"versions": {"fastai": "2.8.12", "numpy": np.__version__}, "cases": cases}))

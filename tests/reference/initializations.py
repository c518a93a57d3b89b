"""Golden moments of initial weights, from PyTorch's torch.nn.init.

Run it to write initializations.json beside it; toolkit/src/net/tests/initializations.rs reads that. PyTorch keeps a
matrix as units x inputs, and sparse_ puts its zeros into the columns of what it is given: that is the transpose here, so
that each unit has so many inputs, as Martens (2010) has it.
Made with torch 2.15.0, Python 3.11.
"""

import json
from pathlib import Path

import torch
from torch.nn import init

torch.manual_seed(20261130)
torch.set_default_dtype(torch.float64)

INPUTS, UNITS = 1536, 512


def moments(name, w):
    return {
        "init": name,
        "inputs": INPUTS,
        "units": UNITS,
        "mean": float(w.mean()),
        "sd": float(w.std(unbiased=False)),
        "fourth": float((w - w.mean()).pow(4).mean()),
        "least": float(w.min()),
        "most": float(w.max()),
        "zeros": int((w == 0).sum()),
    }


def cases():
    w = torch.empty(UNITS, INPUTS)
    yield moments("LecunUniform", init.kaiming_uniform_(w, nonlinearity="linear"))
    yield moments("LecunNormal", init.kaiming_normal_(w, nonlinearity="linear"))
    yield moments({"Orthogonal": 1.5}, init.orthogonal_(w, gain=1.5))
    sparse = init.sparse_(torch.empty(INPUTS, UNITS), sparsity=(INPUTS - 15) / INPUTS, std=0.5)
    yield moments({"Sparse": [15, 0.5]}, sparse)


def rotations(draws=40_000):
    """Means over orthogonal matrices of 3 x 3: of the first number, of the trace, and of the square of both."""
    drawn = torch.stack([init.orthogonal_(torch.empty(3, 3)) for _ in range(draws)])
    corner, trace = drawn[:, 0, 0], drawn.diagonal(dim1=1, dim2=2).sum(dim=1)
    means = [corner, trace, corner**2, trace**2]
    return {"draws": draws, "means": [float(m.mean()) for m in means], "sds": [float(m.std()) for m in means]}


golden = {
    "versions": {"torch": torch.__version__.split("+")[0]},
    "cases": list(cases()),
    "rotations": rotations(),
}
Path(__file__).with_suffix(".json").write_text(json.dumps(golden, indent=1) + "\n")

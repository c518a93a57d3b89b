"""Golden values and slopes of activations, from PyTorch.

Run it to write activations.json beside it; toolkit/src/net/tests/activations.rs reads that. Values and slopes (by
autograd) are computed in float64 at points that float32 holds exactly; at the infinities in float32, as strings.
Made with torch 2.15.0, Python 3.11.
"""

import json
from pathlib import Path

import torch
from torch import nn

torch.manual_seed(20261130)

POINTS = torch.cat([
    torch.arange(-40, 41),
    torch.tensor([0.999, 1.001, 1e-3, 1e-6, 1e-20, 1e-38, 10.5, 15.5, 20.5, 80.0]),
    -torch.tensor([0.999, 1.001, 1e-3, 1e-6, 1e-20, 1e-38, 10.5, 15.5, 20.5, 80.0]),
    2 * torch.randn(200),
]).to(torch.float32)

CASES = [
    ("HardTanh", nn.Hardtanh()),
    ("Softsign", nn.Softsign()),
    ({"Elu": 1.0}, nn.ELU()),
    ({"Elu": 0.25}, nn.ELU(alpha=0.25)),
    ("Selu", nn.SELU()),
    ("Silu", nn.SiLU()),
    ("Mish", nn.Mish()),
]


def at(module, points):
    points = points.clone().requires_grad_(True)
    values = module(points)
    values.sum().backward()
    return values.detach().tolist(), points.grad.tolist()


def case(activation, module):
    values, slopes = at(module, POINTS.to(torch.float64))
    ends = module(torch.tensor([float("-inf"), float("inf")]))
    return {
        "activation": activation,
        "values": [float(f"{v:.10g}") for v in values],
        "slopes": [float(f"{v:.10g}") for v in slopes],
        "ends": [str(v) for v in ends.tolist()],
    }


golden = {
    "versions": {"torch": torch.__version__.split("+")[0]},
    "points": POINTS.tolist(),
    "cases": [case(*c) for c in CASES],
}
Path(__file__).with_suffix(".json").write_text(json.dumps(golden) + "\n")

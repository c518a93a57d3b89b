"""Fifty optimizer steps of PyTorch for each update rule, as golden values for toolkit/src/train.

Run `python train.py > train.json` with PyTorch and NumPy installed. Weights are stored inputs x units.
"""

import json

import numpy as np
import torch

torch.set_num_threads(1)
rng = np.random.default_rng(20261123)
N, INPUTS, HIDDEN, CLASSES, BATCH, STEPS = 40, 12, 16, 4, 8, 50
features = rng.normal(size=(N, INPUTS)).astype(np.float32)
labels = rng.integers(0, CLASSES, size=N)
batches = [rng.choice(N, size=BATCH, replace=False) for _ in range(STEPS)]
start = [
    rng.uniform(-0.6, 0.6, size=(INPUTS, HIDDEN)).astype(np.float32),
    rng.uniform(-0.1, 0.1, size=HIDDEN).astype(np.float32),
    rng.uniform(-0.6, 0.6, size=(HIDDEN, CLASSES)).astype(np.float32),
    rng.uniform(-0.1, 0.1, size=CLASSES).astype(np.float32),
]

# A name, how PyTorch makes it, the recipe in Jook's serde form, and (factor, every) of StepLR.
CASES = [
    ("sgd", lambda p: torch.optim.SGD(p, lr=0.1), {"rule": {"Sgd": {"rate": 0.1}}}, None),
    ("momentum", lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9),
     {"rule": {"Momentum": {"rate": 0.05, "momentum": 0.9}}}, None),
    ("nesterov", lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
     {"rule": {"Nesterov": {"rate": 0.05, "momentum": 0.9}}}, None),
    ("adam", lambda p: torch.optim.Adam(p, lr=0.01),
     {"rule": {"Adam": {"rate": 0.01, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}}}, None),
    ("adam, other constants", lambda p: torch.optim.Adam(p, lr=0.02, betas=(0.8, 0.95), eps=1e-3),
     {"rule": {"Adam": {"rate": 0.02, "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-3}}}, None),
    ("momentum, stepped rate", lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
     {"rule": {"Momentum": {"rate": 0.1, "momentum": 0.9}},
      "schedule": {"Stepped": {"factor": 0.5, "every": {"Steps": 12}}}}, (0.5, 12)),
    ("sgd, l2", lambda p: torch.optim.SGD(p, lr=0.1, weight_decay=0.05),
     {"rule": {"Sgd": {"rate": 0.1}}, "l2": 0.05}, None),
    ("momentum, l2", lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=0.05),
     {"rule": {"Momentum": {"rate": 0.05, "momentum": 0.9}}, "l2": 0.05}, None),
    ("nesterov, l2", lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.05),
     {"rule": {"Nesterov": {"rate": 0.05, "momentum": 0.9}}, "l2": 0.05}, None),
    ("adam, l2", lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.05),
     {"rule": {"Adam": {"rate": 0.01, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}}, "l2": 0.05}, None),
    ("sgd, l1", lambda p: torch.optim.SGD(p, lr=0.1), {"rule": {"Sgd": {"rate": 0.1}}, "l1": 0.01}, None),
]


def short(values):
    """f32 numbers in their shortest decimal form."""
    return [float(str(np.float32(v))) for v in np.asarray(values).ravel()]


def train(make, recipe, stepped, rows_of):
    parameters = [torch.tensor(p, requires_grad=True) for p in start]
    optimizer = make(parameters)
    schedule = stepped and torch.optim.lr_scheduler.StepLR(optimizer, step_size=stepped[1], gamma=stepped[0])
    x, y = torch.tensor(features), torch.tensor(labels)
    losses = []
    for step in range(STEPS):
        rows = rows_of(step)
        w1, b1, w2, b2 = parameters
        logits = torch.relu(x[rows] @ w1 + b1) @ w2 + b2
        loss = torch.nn.functional.cross_entropy(logits, y[rows])
        losses.append(loss.item())
        total = loss + recipe.get("l1", 0.0) * sum(p.abs().sum() for p in parameters)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        if schedule:
            schedule.step()
    return {"losses": short(losses), "parameters": short(np.concatenate([p.detach().numpy().ravel() for p in parameters]))}


cases = []
for name, make, recipe, stepped in CASES:
    cases.append({
        "name": name,
        "recipe": recipe,
        "batches": train(make, recipe, stepped, lambda step: batches[step]),
        "whole": train(make, recipe, stepped, lambda step: np.arange(N)),
    })
print(json.dumps({
    "versions": {"torch": torch.__version__.split("+")[0], "numpy": np.__version__},
    "widths": [INPUTS, HIDDEN, CLASSES],
    "features": short(features),
    "labels": labels.tolist(),
    "batches": [b.tolist() for b in batches],
    "start": short(np.concatenate([p.ravel() for p in start])),
    "cases": cases,
}))

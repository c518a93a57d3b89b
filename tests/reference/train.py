"""Fifty optimizer steps of PyTorch for each update rule, and for what is put around the rules (decoupled decay,
clipping, max-norm, rates of layers, averages), as golden values for toolkit/src/train.

Run `python train.py > train.json` with PyTorch and NumPy installed. Weights are stored inputs x units.
"""

import importlib.metadata
import inspect
import json

import numpy as np
import schedulefree
import torch
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, get_swa_multi_avg_fn

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



class Lion(torch.optim.Optimizer):
    """Algorithm 2 of Chen et al. 2023: PyTorch has none."""

    def __init__(self, parameters, rate, betas=(0.9, 0.99)):
        super().__init__(parameters, {"lr": rate, "betas": betas})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            first, second = group["betas"]
            for p in group["params"]:
                mean = self.state[p].setdefault("mean", torch.zeros_like(p))
                p -= group["lr"] * torch.sign(first * mean + (1 - first) * p.grad)
                mean.mul_(second).add_(p.grad, alpha=1 - second)


class Lamb(torch.optim.Optimizer):
    """Algorithm 2 of You et al. 2020 in NumPy, with the identity for phi: PyTorch has none."""

    def __init__(self, parameters, rate, betas=(0.9, 0.999), epsilon=1e-6):
        super().__init__(parameters, {"lr": rate, "weight_decay": 0.0})
        self.betas, self.epsilon, self.t = betas, epsilon, 0

    @torch.no_grad()
    def step(self):
        self.t += 1
        first, second = self.betas
        for group in self.param_groups:
            for p in group["params"]:
                x, g, state = p.numpy().astype(np.float64), p.grad.numpy().astype(np.float64), self.state[p]
                state["m"] = first * state.get("m", 0.0) + (1 - first) * g
                state["v"] = second * state.get("v", 0.0) + (1 - second) * g * g
                m, v = state["m"] / (1 - first**self.t), state["v"] / (1 - second**self.t)
                way = m / (np.sqrt(v) + self.epsilon) + group["weight_decay"] * x
                trust = np.linalg.norm(x) / np.linalg.norm(way)
                p.copy_(torch.tensor(x - group["lr"] * trust * way))


def exact_muon():
    """PyTorch's Muon makes its matrices orthogonal in bfloat16, of three digits: here in float32."""
    from torch.optim import _muon
    name = "_zeropower_via_newtonschulz"
    source = inspect.getsource(getattr(_muon, name))
    assert source.count("torch.bfloat16") == 1
    exec(source.replace("torch.bfloat16", "torch.float32"), vars(_muon))
    return torch.optim.Muon


Muon = exact_muon()


class Both:
    """Muon on the matrix of the hidden layer; AdamW on the last layer and on biases, as its author says."""

    def __init__(self, p, rate, momentum=0.95, betas=(0.9, 0.95), epsilon=1e-10, decay=0.0):
        # Biases have no decay.
        head = [{"params": [p[2]], "weight_decay": decay}, {"params": [p[1], p[3]]}]
        self.both = [
            Muon([p[0]], lr=rate, momentum=momentum, weight_decay=decay, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(head, lr=rate, betas=betas, eps=epsilon, weight_decay=0.0),
        ]

    def zero_grad(self):
        for one in self.both:
            one.zero_grad()

    def step(self):
        for one in self.both:
            one.step()


# A name, how PyTorch makes it, the recipe in Jook's serde form, and (factor, every) of StepLR or a scheduler.
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
    ("adagrad", lambda p: torch.optim.Adagrad(p, lr=0.05),
     {"rule": {"Adagrad": {"rate": 0.05, "epsilon": 1e-10}}}, None),
    ("rmsprop", lambda p: torch.optim.RMSprop(p, lr=0.01),
     {"rule": {"RmsProp": {"rate": 0.01, "alpha": 0.99, "epsilon": 1e-8}}}, None),
    ("rmsprop, other constants, l2", lambda p: torch.optim.RMSprop(p, lr=0.01, alpha=0.9, eps=1e-3, weight_decay=0.05),
     {"rule": {"RmsProp": {"rate": 0.01, "alpha": 0.9, "epsilon": 1e-3}}, "l2": 0.05}, None),
    ("adadelta", lambda p: torch.optim.Adadelta(p),
     {"rule": {"Adadelta": {"rate": 1.0, "rho": 0.9, "epsilon": 1e-6}}}, None),
    ("amsgrad", lambda p: torch.optim.Adam(p, lr=0.02, betas=(0.8, 0.9), amsgrad=True),
     {"rule": {"AmsGrad": {"rate": 0.02, "beta1": 0.8, "beta2": 0.9, "epsilon": 1e-8}}}, None),
    ("radam", lambda p: torch.optim.RAdam(p, lr=0.02),
     {"rule": {"RAdam": {"rate": 0.02, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}}}, None),
    ("radam, other constants", lambda p: torch.optim.RAdam(p, lr=0.02, betas=(0.8, 0.9), eps=1e-3),
     {"rule": {"RAdam": {"rate": 0.02, "beta1": 0.8, "beta2": 0.9, "epsilon": 1e-3}}}, None),
    ("lion", lambda p: Lion(p, 0.003),
     {"rule": {"Lion": {"rate": 0.003, "beta1": 0.9, "beta2": 0.99}}}, None),
    ("nadam", lambda p: torch.optim.NAdam(p, lr=0.01),
     {"rule": {"NAdam": {"rate": 0.01, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "momentum_decay": 0.004}}}, None),
    ("nadam, other constants, l2",
     lambda p: torch.optim.NAdam(p, lr=0.02, betas=(0.8, 0.9), eps=1e-3, momentum_decay=0.3, weight_decay=0.05),
     {"rule": {"NAdam": {"rate": 0.02, "beta1": 0.8, "beta2": 0.9, "epsilon": 1e-3, "momentum_decay": 0.3}},
      "l2": 0.05}, None),
    ("lamb", lambda p: Lamb(p, 0.02),
     {"rule": {"Lamb": {"rate": 0.02, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-6}}}, None),
    ("lamb, other constants, decay",
     lambda p: Lamb([{"params": [p[0], p[2]], "weight_decay": 0.3}, {"params": [p[1], p[3]]}], 0.03, (0.8, 0.95), 1e-3),
     {"rule": {"Lamb": {"rate": 0.03, "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-3}}, "decay": 0.3}, None),
    ("muon", lambda p: Both(p, 0.01),
     {"rule": {"Muon": {"rate": 0.01, "momentum": 0.95, "beta1": 0.9, "beta2": 0.95, "epsilon": 1e-10}}}, None),
    ("muon, other constants, decay", lambda p: Both(p, 0.02, 0.8, (0.8, 0.9), 1e-3, 0.3),
     {"rule": {"Muon": {"rate": 0.02, "momentum": 0.8, "beta1": 0.8, "beta2": 0.9, "epsilon": 1e-3}}, "decay": 0.3},
     None),
    ("adam, l2", lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.05),
     {"rule": {"Adam": {"rate": 0.01, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}}, "l2": 0.05}, None),
    ("sgd, l1", lambda p: torch.optim.SGD(p, lr=0.1), {"rule": {"Sgd": {"rate": 0.1}}, "l1": 0.01}, None),
]

def one_cycle(rate):
    """The momentum, or beta1, changes too."""
    return lambda optimizer: torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=rate, total_steps=STEPS)


CYCLE = {"OneCycle": {"rise": 0.3, "div_factor": 25.0, "final_div_factor": 1e4, "anneal": "Cosine",
                      "momentum": [0.85, 0.95]}}
CASES += [
    ("nesterov, one cycle", lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
     {"rule": {"Nesterov": {"rate": 0.1, "momentum": 0.9}}, "schedule": CYCLE}, one_cycle(0.1)),
    ("adam, one cycle", lambda p: torch.optim.Adam(p, lr=0.05),
     {"rule": {"Adam": {"rate": 0.05, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}}, "schedule": CYCLE},
     one_cycle(0.05)),
]

ADAM = {"Adam": {"rate": 0.01, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}}
MOMENTUM = {"Momentum": {"rate": 0.05, "momentum": 0.9}}


def adamw(p, first=0.01, last=0.01):
    """Decay on weights alone; each layer at its rate."""
    return torch.optim.AdamW([
        {"params": [p[0]], "lr": first, "weight_decay": 0.3},
        {"params": [p[1]], "lr": first, "weight_decay": 0.0},
        {"params": [p[2]], "lr": last, "weight_decay": 0.3},
        {"params": [p[3]], "lr": last, "weight_decay": 0.0},
    ])


def momentum(p):
    return torch.optim.SGD(p, lr=0.05, momentum=0.9)


def adam(p):
    return torch.optim.Adam(p, lr=0.01)


def by_rates(p):
    groups = [{"params": p[:2], "lr": 0.005}, {"params": [p[2]], "lr": 0.05}, {"params": [p[3]], "lr": 0.15}]
    return torch.optim.SGD(groups, lr=0.05, momentum=0.9)


def last_layer(p):
    p[0].requires_grad_(False)
    p[1].requires_grad_(False)
    return momentum(p[2:])


def clip_both(p):
    clip_grad_value_(p, 0.05)
    clip_grad_norm_(p, 0.3)


def limit(most, of):
    """Weights are inputs x units: what meets in a unit is a column."""
    def after(p):
        with torch.no_grad():
            for i in of:
                p[i].copy_(torch.renorm(p[i], 2, 1, most))
    return after


def grown(decay):
    """The decay of TensorFlow's ExponentialMovingAverage with `num_updates`."""
    def average(averaged, current, before):
        t = float(before) + 1.0
        return averaged + (1.0 - min(decay, (1.0 + t) / (10.0 + t))) * (current - averaged)
    return average


def schedule_free(make, p, rate, **more):
    """Decay on weights alone; the rate rises over ten steps."""
    groups = [{"params": [p[0], p[2]], "weight_decay": 0.02}, {"params": [p[1], p[3]], "weight_decay": 0.0}]
    return make(groups, lr=rate, warmup_steps=10, **more)


# As schedulefree warms up: a tenth of the rate first, and all of it at the tenth step.
WARM_UP = {"Sequence": [{"schedule": {"Linear": {"from": 0.1, "to": 1.1}}, "over": {"Steps": 10}},
                        {"schedule": "Constant"}]}

RATES = [{"tensors": "dense1", "rate": 0.1}, {"tensors": "logits.bias", "rate": 3.0}]

# A name; how PyTorch makes it; the recipe; recipes that are something else. Then what may be left out: StepLR as above,
# what is done to the gradients before a step, to the parameters after it, and how AveragedModel averages them.
TRICKS = [
    ("adamw", adamw, {"rule": ADAM, "decay": 0.3},
     [{"rule": ADAM}, {"rule": ADAM, "l2": 0.3}, {"rule": ADAM, "groups": [{"tensors": "*", "decay": 0.3}]}], {}),
    ("adamw, stepped rate", adamw,
     {"rule": ADAM, "decay": 0.3, "schedule": {"Stepped": {"factor": 0.5, "every": {"Steps": 12}}}},
     [{"rule": ADAM, "decay": 0.3}], {"stepped": (0.5, 12)}),
    ("momentum, clipped by norm", momentum, {"rule": MOMENTUM, "clip_norm": 0.3},
     [{"rule": MOMENTUM}, {"rule": MOMENTUM, "clip_value": 0.3}], {"before": lambda p: clip_grad_norm_(p, 0.3)}),
    ("momentum, clipped by norm and then l2",
     lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=0.05),
     {"rule": MOMENTUM, "clip_norm": 0.3, "groups": [{"tensors": "*", "l2": 0.05}]},
     [{"rule": MOMENTUM, "clip_norm": 0.3}, {"rule": MOMENTUM, "groups": [{"tensors": "*", "l2": 0.05}]}],
     {"before": lambda p: clip_grad_norm_(p, 0.3)}),
    ("adam, clipped by value", adam, {"rule": ADAM, "clip_value": 0.02}, [{"rule": ADAM}],
     {"before": lambda p: clip_grad_value_(p, 0.02)}),
    ("momentum, clipped by value and then by norm", momentum,
     {"rule": MOMENTUM, "clip_value": 0.05, "clip_norm": 0.3},
     [{"rule": MOMENTUM, "clip_value": 0.05}, {"rule": MOMENTUM, "clip_norm": 0.3}], {"before": clip_both}),
    ("momentum, max-norm", momentum, {"rule": MOMENTUM, "max_norm": 1.2}, [{"rule": MOMENTUM}],
     {"after": limit(1.2, [0, 2])}),
    ("adam, max-norm of a layer", adam, {"rule": ADAM, "groups": [{"tensors": "logits.weight", "max_norm": 1.2}]},
     [{"rule": ADAM}, {"rule": ADAM, "max_norm": 1.2}], {"after": limit(1.2, [2])}),
    ("momentum, rates of layers", by_rates, {"rule": MOMENTUM, "groups": RATES},
     [{"rule": MOMENTUM}, {"rule": MOMENTUM, "groups": RATES[:1]}], {}),
    ("adamw, rates of layers", lambda p: adamw(p, 0.001), {"rule": ADAM, "decay": 0.3, "groups": RATES[:1]},
     [{"rule": ADAM, "decay": 0.3}, {"rule": ADAM, "groups": RATES[:1]}], {}),
    ("momentum, frozen layer, clipped by norm", last_layer,
     {"rule": MOMENTUM, "clip_norm": 0.3, "groups": [{"tensors": "dense1", "frozen": True}]},
     [{"rule": MOMENTUM, "clip_norm": 0.3}, {"rule": MOMENTUM, "groups": [{"tensors": "dense1", "frozen": True}]}],
     {"before": lambda p: clip_grad_norm_(p, 0.3)}),
    ("average, its decay grown", momentum, {"rule": MOMENTUM, "average": 0.7},
     [{"rule": MOMENTUM}, {"rule": MOMENTUM, "average": 0.75}], {"average": {"avg_fn": grown(0.7)}}),
    ("average, its decay growing", momentum, {"rule": MOMENTUM, "average": 0.999}, [{"rule": MOMENTUM}],
     {"average": {"avg_fn": grown(0.999)}}),
    # Another decay at the start, which is forgotten by now.
    ("average of PyTorch", momentum, {"rule": MOMENTUM, "average": 0.6},
     [{"rule": MOMENTUM}, {"rule": MOMENTUM, "average": 0.65}],
     {"average": {"multi_avg_fn": get_ema_multi_avg_fn(0.6)}}),
    ("equal average of the last 20 epochs", momentum, {"rule": MOMENTUM, "swa": 0.6},
     [{"rule": MOMENTUM}, {"rule": MOMENTUM, "swa": 0.8}],
     {"average": {"multi_avg_fn": get_swa_multi_avg_fn()}, "averaged_from": 30}),
    ("schedule-free sgd, decay, warm-up", lambda p: schedule_free(schedulefree.SGDScheduleFree, p, 0.4, momentum=0.85),
     {"rule": {"ScheduleFree": {"rate": 0.4, "beta": 0.85}}, "decay": 0.02, "schedule": WARM_UP},
     [{"rule": {"ScheduleFree": {"rate": 0.4, "beta": 0.85}}, "decay": 0.02},
      {"rule": {"ScheduleFree": {"rate": 0.4, "beta": 0.85}}, "schedule": WARM_UP},
      {"rule": {"ScheduleFree": {"rate": 0.4, "beta": 0.9}}, "decay": 0.02, "schedule": WARM_UP}],
     {"own_average": True}),
    ("schedule-free adam, decay, warm-up",
     lambda p: schedule_free(schedulefree.AdamWScheduleFree, p, 0.03, betas=(0.85, 0.95), eps=1e-4),
     {"rule": {"ScheduleFreeAdam": {"rate": 0.03, "beta1": 0.85, "beta2": 0.95, "epsilon": 1e-4}}, "decay": 0.02,
      "schedule": WARM_UP},
     [{"rule": {"ScheduleFreeAdam": {"rate": 0.03, "beta1": 0.85, "beta2": 0.95, "epsilon": 1e-4}}, "decay": 0.02},
      {"rule": {"Adam": {"rate": 0.03, "beta1": 0.85, "beta2": 0.95, "epsilon": 1e-4}}, "decay": 0.02}],
     {"own_average": True}),
    # A watcher of the test.
    ("equal average", momentum, {"rule": MOMENTUM}, [], {"average": {"multi_avg_fn": get_swa_multi_avg_fn()}}),
]


def short(values):
    """f32 numbers in their shortest decimal form."""
    return [float(str(np.float32(v))) for v in np.asarray(values).ravel()]


def train(make, recipe, stepped, rows_of, before=None, after=None, average=None, averaged_from=0, own_average=False):
    parameters = [torch.nn.Parameter(torch.tensor(p)) for p in start]
    averaged = average and AveragedModel(torch.nn.ParameterList(parameters), **average)
    optimizer = make(parameters)
    schedule = stepped(optimizer) if callable(stepped) else stepped and torch.optim.lr_scheduler.StepLR(optimizer, step_size=stepped[1], gamma=stepped[0])
    x, y = torch.tensor(features), torch.tensor(labels)
    losses = []
    if own_average:
        optimizer.train()
    for step in range(STEPS):
        rows = rows_of(step)
        w1, b1, w2, b2 = parameters
        logits = torch.relu(x[rows] @ w1 + b1) @ w2 + b2
        loss = torch.nn.functional.cross_entropy(logits, y[rows])
        losses.append(loss.item())
        total = loss + recipe.get("l1", 0.0) * sum(p.abs().sum() for p in parameters)
        optimizer.zero_grad()
        total.backward()
        if before:
            before(parameters)
        optimizer.step()
        if after:
            after(parameters)
        if averaged and step >= averaged_from:
            averaged.update_parameters(torch.nn.ParameterList(parameters))
        if schedule:
            schedule.step()
    if own_average:
        optimizer.eval()
    found = list(averaged.parameters()) if averaged else parameters
    return {"losses": short(losses), "parameters": short(np.concatenate([p.detach().numpy().ravel() for p in found]))}


cases = []
for name, make, recipe, stepped in CASES:
    cases.append({
        "name": name,
        "recipe": recipe,
        "batches": train(make, recipe, stepped, lambda step: batches[step]),
        "whole": train(make, recipe, stepped, lambda step: np.arange(N)),
    })
tricks = []
for name, make, recipe, others, done in TRICKS:
    stepped = done.pop("stepped", None)
    # Averages belong to whole trainings.
    given = None if "average" in done or "own_average" in done else train(make, {}, stepped, lambda step: batches[step], **done)["parameters"]
    tricks.append({
        "name": name,
        "recipe": recipe,
        "others": others,
        "batches": given,
        "whole": train(make, {}, stepped, lambda step: np.arange(N), **done)["parameters"],
    })
print(json.dumps({
    "versions": {"torch": torch.__version__.split("+")[0], "numpy": np.__version__,
                 "schedulefree": importlib.metadata.version("schedulefree")},
    "widths": [INPUTS, HIDDEN, CLASSES],
    "features": short(features),
    "labels": labels.tolist(),
    "batches": [b.tolist() for b in batches],
    "start": short(np.concatenate([p.ravel() for p in start])),
    "cases": cases,
    "tricks": tricks,
}))

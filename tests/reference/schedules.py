"""The rates of 200 updates by PyTorch's schedulers, as golden values for toolkit/src/train/schedule.

Run `python schedules.py > schedules.json` with PyTorch installed. An epoch is 8 updates; `step` is called after each.
PyTorch keeps a rate by multiplying the one before ("chained"), or by a formula of the step ("closed"), which Jook has
alone. They differ by rounding where a scheduler runs as long as it is meant to; where it runs on:
- CosineAnnealingLR rises again behind T_max, Jook's stays at its end;
- OneCycleLR refuses to go on, Jook's stays at its end;
- OneCycleLR sets the optimizer's rate to the one that it begins with, of which the others in a SequentialLR then take
  their factors; Jook's factors are all of the recipe's rate, so that the two are not compared.
The inverse time has no scheduler, nor has a polynomial that does not end at 0: their formulas go through LambdaLR.
"""

import json
import warnings

import torch
from torch.optim import lr_scheduler as lr

warnings.filterwarnings("ignore")
STEPS, EPOCH, RATE = 200, 8, 0.05
COSINE = {"Cosine": {"end": 0.02}}


def linear(start, end, over):
    return lambda o: lr.LinearLR(o, start_factor=start, end_factor=end, total_iters=over)


def cosine(over, end=0.02):
    return lambda o: lr.CosineAnnealingLR(o, T_max=over, eta_min=end * RATE)


def chain(milestones, *parts):
    return lambda o: lr.SequentialLR(o, [part(o) for part in parts], milestones=milestones)


def stage(schedule, over=None):
    return {"schedule": schedule, "over": over} if over else {"schedule": schedule}


def cycle(rise, div, final, anneal, momentum):
    return {"OneCycle": {"rise": rise, "div_factor": div, "final_div_factor": final, "anneal": anneal,
                         "momentum": momentum}}


def one_cycle(total=STEPS, **more):
    return lambda o: lr.OneCycleLR(o, max_lr=RATE, total_steps=total, **more)


CASES = [
    ("constant", lambda o: lr.ConstantLR(o, factor=1.0), "Constant"),
    ("stepped", lambda o: lr.StepLR(o, step_size=24, gamma=0.5), {"Stepped": {"factor": 0.5, "every": {"Epochs": 3}}}),
    ("exponential", lambda o: lr.ExponentialLR(o, gamma=0.5 ** (1 / 40)),
     {"Exponential": {"factor": 0.5, "every": {"Epochs": 5}}}),
    ("exponential, rising", lambda o: lr.ExponentialLR(o, gamma=1.01),
     {"Exponential": {"factor": 1.01, "every": {"Steps": 1}}}),
    ("inverse time", lambda o: lr.LambdaLR(o, lambda t: 1 / (1 + 0.7 * t / 16)),
     {"InverseTime": {"decay": 0.7, "every": {"Epochs": 2}}}),
    ("linear", linear(0.1, 1.0, STEPS), {"Linear": {"from": 0.1, "to": 1.0}}),
    ("linear, falling", linear(1.0, 0.0, STEPS), {"Linear": {"from": 1.0, "to": 0.0}}),
    ("polynomial", lambda o: lr.PolynomialLR(o, total_iters=STEPS, power=2.0), {"Polynomial": {"end": 0.0, "power": 2.0}}),
    ("polynomial, root, to an end", lambda o: lr.LambdaLR(o, lambda t: 0.1 + 0.9 * (1 - t / STEPS) ** 0.5),
     {"Polynomial": {"end": 0.1, "power": 0.5}}),
    ("cosine", cosine(STEPS), COSINE),
    ("restarts, growing", lambda o: lr.CosineAnnealingWarmRestarts(o, T_0=16, T_mult=2, eta_min=0.02 * RATE),
     {"Restarts": {"end": 0.02, "first": {"Epochs": 2}, "growth": 2}}),
    ("restarts, alike", lambda o: lr.CosineAnnealingWarmRestarts(o, T_0=30),
     {"Restarts": {"end": 0.0, "first": {"Steps": 30}, "growth": 1}}),
    ("one cycle", one_cycle(), cycle(0.3, 25.0, 1e4, "Cosine", [0.85, 0.95])),
    ("one cycle, other constants", one_cycle(pct_start=0.45, anneal_strategy="linear", div_factor=10.0,
                                             final_div_factor=50.0, base_momentum=0.7, max_momentum=0.9),
     cycle(0.45, 10.0, 50.0, "Linear", [0.7, 0.9])),
    ("one cycle, no rise", one_cycle(pct_start=0.0, cycle_momentum=False), cycle(0.0, 25.0, 1e4, "Cosine", None)),
    ("one cycle, all of it a rise", one_cycle(pct_start=1.0), cycle(1.0, 25.0, 1e4, "Cosine", [0.85, 0.95])),
    ("warm-up and cosine", chain([24], linear(0.1, 1.0, 24), cosine(STEPS - 24)),
     {"Sequence": [stage({"Linear": {"from": 0.1, "to": 1.0}}, {"Epochs": 3}), stage(COSINE)]}),
    ("five, one after another", chain(
        [16, 48, 90, 120], linear(0.2, 1.0, 16), lambda o: lr.ConstantLR(o, factor=1.0),
        lambda o: lr.StepLR(o, step_size=10, gamma=0.7), cosine(30, 0.3),
        lambda o: lr.CosineAnnealingWarmRestarts(o, T_0=24, T_mult=2)),
     {"Sequence": [stage({"Linear": {"from": 0.2, "to": 1.0}}, {"Epochs": 2}), stage("Constant", {"Steps": 32}),
                   stage({"Stepped": {"factor": 0.7, "every": {"Steps": 10}}}, {"Steps": 42}),
                   stage({"Cosine": {"end": 0.3}}, {"Steps": 30}),
                   stage({"Restarts": {"end": 0.0, "first": {"Epochs": 3}, "growth": 2}})]}),
]
RULES = {
    "sgd": (lambda p: torch.optim.SGD(p, lr=RATE, momentum=0.9), {"Momentum": {"rate": RATE, "momentum": 0.9}},
            lambda group: group["momentum"]),
    "adam": (lambda p: torch.optim.Adam(p, lr=RATE),
             {"Adam": {"rate": RATE, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}}, lambda group: group["betas"][0]),
}

cases = []
for name, make, schedule in CASES:
    for rule, (optimizer, recipe, momentum) in RULES.items():
        # The same rates; the momenta alone may differ.
        if rule == "adam" and "one cycle" not in name:
            continue
        own = optimizer([torch.nn.Parameter(torch.zeros(1))])
        scheduler = make(own)
        rates, momenta = [], []
        for step in range(STEPS):
            rates.append(own.param_groups[0]["lr"])
            momenta.append(momentum(own.param_groups[0]))
            own.step()
            if step + 1 < STEPS:
                scheduler.step()
        cases.append({
            "name": f"{name}, {rule}",
            "recipe": {"length": {"Epochs": STEPS // EPOCH}, "rule": recipe, "schedule": schedule},
            "rates": rates,
            "momenta": momenta,
        })
print(json.dumps({
    "versions": {"torch": torch.__version__.split("+")[0]},
    "per_epoch": EPOCH,
    "cases": cases,
}))

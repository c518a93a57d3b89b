"""Jook and PyTorch on the same work, alternately, in one run. Started by `benches/run`.

Two comparisons:
- one optimizer step (gather the batch, forward, loss, backward, update) of an MLP 64-128-128-10 with
  SGD and momentum, one thread each;
- a study: 100 small trainings on the machine's cores, against the same 100 in a PyTorch loop.

Each figure is the median of its rounds; the ratio is PyTorch's median over Jook's, and its range is that of
the ratios of neighbouring rounds, so that a machine that slows down for a while slows both.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time

import torch
from torch import nn

RATE, MOMENTUM = 0.05, 0.9
EXAMPLES, FEATURES, CLASSES = 1438, 64, 10  # the digits' training part
GOALS = {32: 7.0, 64: 4.5, 128: 3.0, 512: 2.0}
STUDY_GOAL = 6.0
STUDY = {"trainings": 100, "examples": 100, "hidden": 64, "epochs": 60, "batch": 32}


class Jook:
    """The Rust side: a process that does one timed piece of work for each line it reads."""

    def __init__(self, path):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **work):
        self.process.stdin.write(json.dumps(work) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def mlp(*widths):
    layers = []
    for fan_in, fan_out in zip(widths, widths[1:]):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def train(net, features, labels, batch, steps, generator):
    """A plain PyTorch loop: shuffled batches, `steps` optimizer steps."""
    optimizer = torch.optim.SGD(net.parameters(), lr=RATE, momentum=MOMENTUM)
    loss_of = nn.CrossEntropyLoss()
    done = 0
    while done < steps:
        order = torch.randperm(len(features), generator=generator)
        for rows in order.split(batch):
            optimizer.zero_grad()
            loss = loss_of(net(features[rows]), labels[rows])
            loss.backward()
            optimizer.step()
            done += 1
            if done == steps:
                return


def data(examples, seed):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(CLASSES, (examples,), generator=generator)
    features = torch.rand(examples, FEATURES, generator=generator) + nn.functional.one_hot(labels, FEATURES)
    return features, labels, generator


def torch_steps(batch, steps):
    torch.set_num_threads(1)
    features, labels, generator = data(EXAMPLES, 0)
    net = mlp(FEATURES, 128, 128, CLASSES)
    train(net, features, labels, batch, 20, generator)
    start = time.perf_counter()
    train(net, features, labels, batch, steps, generator)
    return time.perf_counter() - start


def torch_study(threads):
    torch.set_num_threads(threads)
    start = time.perf_counter()
    for seed in range(STUDY["trainings"]):
        features, labels, generator = data(STUDY["examples"], seed)
        net = mlp(FEATURES, STUDY["hidden"], CLASSES)
        per_epoch = -(-STUDY["examples"] // STUDY["batch"])
        train(net, features, labels, STUDY["batch"], STUDY["epochs"] * per_epoch, generator)
        with torch.no_grad():
            (net(features).argmax(1) == labels).float().mean().item()
    return time.perf_counter() - start


def compare(name, unit, scale, jook, peer, rounds, goal, warm=False):
    """Prints the ratio. `warm`: pieces so short that the processor would still be waking up are done once before."""
    ours, theirs = [], []
    for _ in range(rounds):
        # PyTorch's threads still spin for a moment when their work is done.
        time.sleep(0.05)
        for side, taken in ((jook, ours), (peer, theirs)):
            if warm:
                side()
            taken.append(side() * scale)
    ratio = statistics.median(theirs) / statistics.median(ours)
    ratios = [t / o for t, o in zip(theirs, ours)]
    print(
        f"{name:28} {statistics.median(ours):9.1f} {statistics.median(theirs):9.1f} {unit:3}"
        f" {ratio:6.2f}x  ({min(ratios):.2f} to {max(ratios):.2f})  goal {goal:.1f}x",
        flush=True,
    )


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("worker")
    arguments.add_argument("--rounds", type=int, default=15)
    options = arguments.parse_args()
    jook = Jook(options.worker)
    print(f"PyTorch {torch.__version__}, {os.cpu_count()} cores, {platform.machine()}, {options.rounds} rounds")
    print(f"{'':28} {'Jook':>9} {'PyTorch':>9}")
    for batch, goal in GOALS.items():
        steps = max(100, 12800 // batch)
        work = {"kind": "steps", "batch": batch, "steps": steps, "rate": RATE, "momentum": MOMENTUM}
        jook.ask(**work)
        compare(
            f"one step, batch {batch}",
            "us",
            1e6 / steps,
            lambda: jook.ask(**work)["seconds"],
            lambda: torch_steps(batch, steps),
            options.rounds,
            goal,
        )
    # PyTorch gets whichever number of threads suits it better here.
    threads = min((1, os.cpu_count()), key=torch_study)
    work = {"kind": "study", "rate": RATE, "momentum": MOMENTUM, **STUDY}
    compare(
        f"study of {STUDY['trainings']} trainings",
        "s",
        1.0,
        lambda: jook.ask(**work)["seconds"],
        lambda: torch_study(threads),
        3,
        STUDY_GOAL,
    )
    print(f"(the study's PyTorch loop ran with {threads} thread(s), its better choice)")


if __name__ == "__main__":
    sys.exit(main())

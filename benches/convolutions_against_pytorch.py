"""Jook and PyTorch on images, alternately, in one run. Started by `benches/convolutions`.

- single convolutions with bias and ReLU, the shapes that Inception-v3 spends its time in, batch 8;
- depthwise convolutions, 3x3 and 5x5, stride 1 and 2, 32 to 512 channels, batch 8: forward with bias and ReLU, and
  forward with the gradients of weights and inputs;
- Inception-v3 forward at 299x299, batch 8, in evaluation mode, with the peak memory of each process;
- one training step of a CNN with two convolutions on 28x28 images, batch 64.

Two threads each, warmed up by a piece that is not timed, as a training is behind its first steps: after a pause a
processor takes longer than the shortest pieces to wake. Each figure is the median of its rounds; the ratio is PyTorch's median over Jook's, and its range is
that of the ratios of neighbouring rounds, so that a machine that slows down for a while slows both.
"""

import argparse
import json
import platform
import resource
import subprocess
import sys
import time

import torch
from against_pytorch import Jook, compare
from torch import nn

THREADS = 2
BATCH = 8
PASSES = 40  # of a depthwise convolution, which is soon done, in one piece
CONVOLUTIONS = [  # name, side, inputs, outputs, kernel, stride, padding
    ("1x1 768 to 192 at 17x17", 17, 768, 192, (1, 1), 1, (0, 0)),
    ("3x3 64 to 96 at 35x35", 35, 64, 96, (3, 3), 1, (1, 1)),
    ("1x7 192 to 192 at 17x17", 17, 192, 192, (1, 7), 1, (0, 3)),
    ("7x1 192 to 192 at 17x17", 17, 192, 192, (7, 1), 1, (3, 0)),
    ("5x5 48 to 64 at 35x35", 35, 48, 64, (5, 5), 1, (2, 2)),
    ("3x3 192 to 320 stride 2", 17, 192, 320, (3, 3), 2, (0, 0)),
]


DEPTHWISE = [(side, channels, kernel, stride) for side, channels in ((112, 32), (56, 128), (28, 256), (14, 512))
             for kernel in (3, 5) for stride in (1, 2)]  # fmt: skip


def inception():
    import torchvision

    net = torchvision.models.inception_v3(weights=None, aux_logits=False, init_weights=False)
    return net.eval()


def passes(net, x, count):
    """Seconds of a forward pass."""
    with torch.inference_mode():
        start = time.perf_counter()
        for _ in range(count):
            net(x)
        return (time.perf_counter() - start) / count


def steps(conv, x, count):
    """Seconds of a forward pass with the gradients of weights, bias and inputs."""
    above = torch.rand_like(conv(x))
    start = time.perf_counter()
    for _ in range(count):
        conv.zero_grad()
        x.grad = None
        conv(x).backward(above)
    return (time.perf_counter() - start) / count


def layouts(net, x, seconds):
    """The network and its batch in the layout of memory that suits PyTorch better."""
    last = x.contiguous(memory_format=torch.channels_last)
    copy = nn.Sequential(*net).to(memory_format=torch.channels_last)
    twins = [(net, x.requires_grad_(x.requires_grad)), (copy, last.detach().requires_grad_(x.requires_grad))]
    return min(twins, key=lambda twin: min(seconds(*twin, 5) for _ in range(5)))


def depthwise(worker, rounds):
    jook = Jook(worker)
    for side, channels, kernel, stride in DEPTHWISE:
        name = f"depthwise {kernel}x{kernel}/{stride} {channels} at {side}"
        work = {
            "kind": "convolution", "batch": BATCH, "passes": PASSES, "side": side, "inputs": channels, "outputs": channels,
            "kernel": (kernel, kernel), "stride": (stride, stride), "padding": (kernel // 2, kernel // 2),
            "groups": channels,
        }  # fmt: skip
        conv = nn.Conv2d(channels, channels, kernel, stride, kernel // 2, groups=channels)
        x = torch.rand(BATCH, channels, side, side)
        best = layouts(nn.Sequential(conv, nn.ReLU()).eval(), x, passes)
        jook.ask(**work)
        compare(name, "us", 1e6, lambda: jook.ask(**work)["seconds"], lambda: passes(*best, PASSES), rounds, 1.0, True)
        work["back"] = True
        best = layouts(nn.Sequential(conv), x.clone().requires_grad_(), steps)
        jook.ask(**work)
        compare(
            "  and its gradients", "us", 1e6, lambda: jook.ask(**work)["seconds"],
            lambda: steps(*best, PASSES), rounds, 1.0, True,
        )  # fmt: skip
    jook.close()


def cnn(kernel):
    return nn.Sequential(
        nn.Conv2d(1, 32, kernel, padding=kernel // 2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, kernel, padding=kernel // 2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64 * 7 * 7, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip


def cnn_steps(net, optimizer, images, labels, batch, steps):
    """Seconds of an optimizer step: gather the batch, forward, loss, backward, update."""
    loss_of = nn.CrossEntropyLoss()
    done = 0
    start = time.perf_counter()
    while done < steps:
        for rows in torch.randperm(len(images)).split(batch):
            optimizer.zero_grad()
            loss_of(net(images[rows]), labels[rows]).backward()
            optimizer.step()
            done += 1
            if done == steps:
                break
    return (time.perf_counter() - start) / steps


def peak_of_torch():
    """Peak memory of a fresh process that runs Inception-v3 forward, kilobytes: all of it, and above what the
    libraries take before there is a network."""
    out = subprocess.run([sys.executable, __file__, "peak"], capture_output=True, text=True, check=True).stdout
    return json.loads(out)


def report_peak():
    torch.set_num_threads(THREADS)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    net = inception()
    passes(net, torch.rand(BATCH, 3, 299, 299), 3)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"peak": peak, "above": peak - before}))


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("worker")
    arguments.add_argument("--rounds", type=int, default=9)
    arguments.add_argument("--only", choices=["depthwise"], help="only these")
    options = arguments.parse_args()
    torch.set_num_threads(THREADS)
    print(f"PyTorch {torch.__version__}, {THREADS} threads, {platform.machine()}, {options.rounds} rounds")
    print(f"{'':28} {'Jook':>9} {'PyTorch':>9}")
    depthwise(options.worker, options.rounds)
    if options.only:
        return

    jook = Jook(options.worker)
    for name, side, inputs, outputs, kernel, stride, padding in CONVOLUTIONS:
        net = nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, padding), nn.ReLU()).eval()
        # PyTorch gets the layout of memory that suits it better.
        plain = torch.rand(BATCH, inputs, side, side)
        last = plain.contiguous(memory_format=torch.channels_last)
        twins = [(net, plain), (nn.Sequential(*net).to(memory_format=torch.channels_last), last)]
        best = min(twins, key=lambda twin: min(passes(*twin, 10) for _ in range(5)))
        work = {
            "kind": "convolution", "batch": BATCH, "passes": 10, "side": side, "inputs": inputs, "outputs": outputs,
            "kernel": kernel, "stride": (stride, stride), "padding": padding,
        }  # fmt: skip
        jook.ask(**work)
        compare(name, "ms", 1e3, lambda: jook.ask(**work)["seconds"], lambda: passes(*best, 10), options.rounds, 1.0, True)
    jook.close()

    jook = Jook(options.worker)
    work = {"kind": "inception", "batch": BATCH, "passes": 2}
    peak = jook.ask(**work)["peak"]
    net, x = inception(), torch.rand(BATCH, 3, 299, 299)
    twins = [(net, x)]
    last = inception().to(memory_format=torch.channels_last)
    twins.append((last, x.contiguous(memory_format=torch.channels_last)))
    best = min(twins, key=lambda twin: min(passes(*twin, 1) for _ in range(4)))
    compare(
        "Inception-v3, an image", "ms", 1e3 / BATCH, lambda: jook.ask(**work)["seconds"],
        lambda: passes(*best, 2), options.rounds, 1.4, True,
    )  # fmt: skip
    theirs = peak_of_torch()
    print(
        f"{'its peak memory':28} {peak / 1024:9.0f} {theirs['peak'] / 1024:9.0f} MiB"
        f" (PyTorch's without its libraries {theirs['above'] / 1024:.0f}; goal: Jook's at most PyTorch's)"
    )
    jook.close()

    jook = Jook(options.worker)
    images, labels = torch.rand(1024, 1, 28, 28), torch.randint(10, (1024,))
    for kernel in (3, 5):
        work = {"kind": "cnn", "batch": 64, "steps": 40, "kernel": kernel}
        jook.ask(**work)
        net = cnn(kernel)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
        cnn_steps(net, optimizer, images, labels, 64, 20)
        compare(
            f"CNN step, {kernel}x{kernel}, batch 64", "ms", 1e3, lambda: jook.ask(**work)["seconds"],
            lambda: cnn_steps(net, optimizer, images, labels, 64, 40), options.rounds, 2.0, True,
        )  # fmt: skip


if __name__ == "__main__":
    sys.exit(report_peak() if sys.argv[1:] == ["peak"] else main())

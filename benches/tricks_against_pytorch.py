"""A training step with each optimizer, loss and augmentation: Jook and PyTorch alternately in one run, one thread
each, batches of 64. Started by `benches/tricks`.

PyTorch's side is a plain loop, vectorized, without Python work inside that its users would not have; an optimizer runs
in whichever of its forms (one tensor after another, `foreach`, `fused`) is fastest here. Its augmentations are
torchvision's v2, drawn for each image as a DataLoader draws them.
"""

import argparse
import platform
import sys
import time

import torch
from torch import nn
from torchvision.transforms import v2

from against_pytorch import Jook, compare, data, mlp

BATCH, STEPS = 64, 200
IMAGES, IMAGE_STEPS = 512, 16
GOAL = 2.0


def cycle(examples, batch, steps, generator):
    """Rows of `steps` shuffled batches."""
    done = 0
    while done < steps:
        for rows in torch.randperm(examples, generator=generator).split(batch):
            yield rows
            done += 1
            if done == steps:
                return


def per_class(labels, classes, each, steps, generator):
    """Rows of batches of so many classes with so many examples of each."""
    of = [torch.nonzero(labels == c).flatten() for c in range(10)]
    for _ in range(steps):
        chosen = torch.randperm(10, generator=generator)[:classes]
        yield torch.cat([of[c][torch.randint(len(of[c]), (each,), generator=generator)] for c in chosen])


def steps(make_optimizer, loss_of, net, features, labels, batches):
    optimizers = make_optimizer(net)
    start = time.perf_counter()
    for rows in batches:
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss_of(net(features[rows]), labels[rows]).backward()
        for optimizer in optimizers:
            optimizer.step()
    return time.perf_counter() - start


# Optimizers ---------------------------------------------------------------------------------------------


def forms(of, **settings):
    """The optimizer in each of its forms."""
    def form(**more):
        return lambda net: [of(net.parameters(), **settings, **more)]
    found = []
    for more in ({"foreach": False}, {"foreach": True}, {"fused": True}):
        try:
            of(nn.Linear(2, 2).parameters(), **settings, **more)
            found.append(form(**more))
        except (TypeError, RuntimeError, ValueError):
            pass
    return found


def muon(net):
    layers = [layer for layer in net if isinstance(layer, nn.Linear)]
    hidden = [layer.weight for layer in layers[:-1]]
    rest = [p for p in net.parameters() if all(p is not h for h in hidden)]
    return [torch.optim.Muon(hidden, lr=0.01, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(rest, lr=0.01, betas=(0.9, 0.95), weight_decay=0.0)]


def rule(name, **constants):
    return {"rule": {name: constants}}


ADAM = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
OPTIMIZERS = {
    "SGD": (forms(torch.optim.SGD, lr=0.05), rule("Sgd", rate=0.05)),
    "momentum": (forms(torch.optim.SGD, lr=0.05, momentum=0.9), rule("Momentum", rate=0.05, momentum=0.9)),
    "Nesterov": (forms(torch.optim.SGD, lr=0.05, momentum=0.9, nesterov=True),
                 rule("Nesterov", rate=0.05, momentum=0.9)),
    "Adagrad": (forms(torch.optim.Adagrad, lr=0.01), rule("Adagrad", rate=0.01, epsilon=1e-10)),
    "RMSProp": (forms(torch.optim.RMSprop, lr=0.001), rule("RmsProp", rate=0.001, alpha=0.99, epsilon=1e-8)),
    "Adadelta": (forms(torch.optim.Adadelta), rule("Adadelta", rate=1.0, rho=0.9, epsilon=1e-6)),
    "Adam": (forms(torch.optim.Adam, lr=0.001), rule("Adam", rate=0.001, **ADAM)),
    "AdamW": (forms(torch.optim.AdamW, lr=0.001, weight_decay=0.01),
              {**rule("Adam", rate=0.001, **ADAM), "decay": 0.01}),
    "AMSGrad": (forms(torch.optim.Adam, lr=0.001, amsgrad=True), rule("AmsGrad", rate=0.001, **ADAM)),
    "NAdam": (forms(torch.optim.NAdam, lr=0.001), rule("NAdam", rate=0.001, momentum_decay=0.004, **ADAM)),
    "RAdam": (forms(torch.optim.RAdam, lr=0.001), rule("RAdam", rate=0.001, **ADAM)),
    "Muon": ([muon], rule("Muon", rate=0.01, momentum=0.95, beta1=0.9, beta2=0.95, epsilon=1e-10)),
}


# Losses -------------------------------------------------------------------------------------------------


def focal(logits, labels, gamma=2.0):
    log_p = torch.log_softmax(logits, 1).gather(1, labels[:, None]).squeeze(1)
    return (-((1 - log_p.exp()) ** gamma) * log_p).mean()


def distances(x):
    return torch.cdist(x, x)


def batch_hard(x, labels, margin=0.2):
    d, same = distances(x), labels[:, None] == labels[None, :]
    positive = (d * same).max(1).values
    negative = d.masked_fill(same, float("inf")).min(1).values
    return torch.relu(positive - negative + margin).mean()


def semi_hard(x, labels, margin=0.2):
    d, same = distances(x), labels[:, None] == labels[None, :]
    eye = torch.eye(len(x), dtype=torch.bool)
    positive = (same & ~eye)[:, :, None] & ~same[:, None, :]
    difference = d[:, None, :] - d[:, :, None]
    kept = positive & (difference > 0) & (difference <= margin)
    losses = torch.relu(margin - difference)[kept]
    return losses.mean() if len(losses) else d.sum() * 0.0


def contrastive(x, labels, margin=1.0):
    d, same = distances(x), labels[:, None] == labels[None, :]
    upper = torch.triu(torch.ones_like(d, dtype=torch.bool), 1)
    return torch.where(same, d**2, torch.relu(margin - d) ** 2)[upper].mean() / 2


def supervised_contrastive(x, labels, temperature=0.1):
    x = nn.functional.normalize(x)
    eye = torch.eye(len(x), dtype=torch.bool)
    similar = (x @ x.T / temperature).masked_fill(eye, float("-inf"))
    log_p = similar - similar.logsumexp(1, keepdim=True)
    positive = (labels[:, None] == labels[None, :]) & ~eye
    return -(log_p.masked_fill(~positive, 0.0).sum(1) / positive.sum(1)).mean()


LOSSES = {
    "softmax cross entropy": (nn.CrossEntropyLoss(), "SoftmaxCrossEntropy"),
    "label smoothing 0.1": (nn.CrossEntropyLoss(label_smoothing=0.1), {"CrossEntropy": {"smoothing": 0.1}}),
    "focal": (focal, {"Focal": {"gamma": 2.0}}),
    "hinge": (nn.MultiMarginLoss(), {"MultiClassHinge": {"margin": 1.0}}),
}
METRIC = {
    "triplet, batch-hard": batch_hard,
    "triplet, semi-hard": semi_hard,
    "contrastive": contrastive,
    "supervised contrastive": supervised_contrastive,
}


# Augmentations ------------------------------------------------------------------------------------------

CHANGES = {
    "crop with padding 4": (v2.RandomCrop(32, padding=4), [{"Crop": 4}]),
    "mirror": (v2.RandomHorizontalFlip(), ["Mirror"]),
    "resized crop": (v2.RandomResizedCrop(32, scale=(0.5, 1.0), antialias=False), [{"ResizedCrop": 0.5}]),
    "rotate 15": (v2.RandomRotation(15, interpolation=v2.InterpolationMode.BILINEAR), [{"Rotate": 15.0}]),
    "affine": (v2.RandomAffine(10, translate=(0.1, 0.1), scale=(0.9, 1.1), shear=5,
                               interpolation=v2.InterpolationMode.BILINEAR),
               [{"Affine": {"degrees": 10.0, "shift": 0.1, "scale": 0.1, "shear": 5.0}}]),
    "brightness and contrast": (v2.ColorJitter(0.3, 0.3), [{"Brightness": 0.3}, {"Contrast": 0.3}]),
    "hue and saturation": (v2.ColorJitter(saturation=0.3, hue=0.1), [{"Saturation": 0.3}, {"Hue": 0.1}]),
    "blur": (v2.GaussianBlur(5, (0.1, 1.0)), [{"Blur": 1.0}]),
    "erasing": (v2.RandomErasing(1.0, (0.02, 0.3)), [{"Erase": 0.3}]),
    "crop, mirror, colour": (v2.Compose([v2.RandomCrop(32, padding=4), v2.RandomHorizontalFlip(),
                                         v2.ColorJitter(0.3, 0.3)]),
                             [{"Crop": 4}, "Mirror", {"Brightness": 0.3}, {"Contrast": 0.3}]),
}


def cnn():
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32 * 64, 64), nn.ReLU(), nn.Linear(64, 10),
    )


def image_steps(change, images, labels, generator):
    net = cnn()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    loss_of = nn.CrossEntropyLoss()
    start = time.perf_counter()
    for rows in cycle(IMAGES, BATCH, IMAGE_STEPS, generator):
        batch = torch.stack([change(images[row]) for row in rows])
        optimizer.zero_grad()
        loss_of(net(batch), labels[rows]).backward()
        optimizer.step()
    return time.perf_counter() - start


def augmented(change, images):
    start = time.perf_counter()
    torch.stack([change(image) for image in images])
    return time.perf_counter() - start


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("worker")
    arguments.add_argument("--rounds", type=int, default=9)
    arguments.add_argument("--only", default="", help="only what has this word in its name")
    options = arguments.parse_args()
    torch.set_num_threads(1)
    jook = Jook(options.worker)
    print(f"PyTorch {torch.__version__}, one thread each, {platform.machine()}, {options.rounds} rounds, batch {BATCH}")
    features, labels, generator = data(1438, 0)

    def section(title, goal, unit, scale, works):
        works = {name: work for name, work in works.items() if options.only in name}
        if works:
            print(f"{title:28} {'Jook':>9} {'PyTorch':>9}")
        for name, (work, peer) in works.items():
            compare(name, unit, scale, lambda: jook.ask(**work)["seconds"], peer, options.rounds, goal, warm=True)

    def best_form(candidates):
        def take(make):
            return steps(make, nn.CrossEntropyLoss(), mlp(64, 128, 128, 10), features, labels,
                         cycle(1438, BATCH, STEPS, generator))
        for make in candidates:
            take(make)
        best = min(candidates, key=take)
        return lambda: take(best)

    def recipe(**more):
        return {"kind": "steps", "recipe": {"length": {"Steps": STEPS}, "batch": BATCH, **more}}

    wanted = {name: one for name, one in OPTIMIZERS.items() if options.only in name}
    section("a step, by optimizer", GOAL, "us", 1e6 / STEPS,
            {name: (recipe(**ours), best_form(theirs)) for name, (theirs, ours) in wanted.items()})

    momentum = {"rule": {"Momentum": {"rate": 0.05, "momentum": 0.9}}}
    make = forms(torch.optim.SGD, lr=0.05, momentum=0.9)

    def loss_steps(loss_of):
        return lambda: steps(make[-1], loss_of, mlp(64, 128, 128, 10), features, labels,
                             cycle(1438, BATCH, STEPS, generator))

    section("a step, by loss", GOAL, "us", 1e6 / STEPS, {
        name: (recipe(**momentum, loss=ours), loss_steps(loss_of)) for name, (loss_of, ours) in LOSSES.items()})

    def metric_steps(loss_of):
        return lambda: steps(make[-1], loss_of, mlp(64, 128, 128, 32), features, labels,
                             per_class(labels, 8, 8, STEPS, generator))

    section("a step, by metric loss", GOAL, "us", 1e6 / STEPS, {
        name: ({**recipe(**momentum, sampler={"PerClass": {"classes": 8, "each": 8}}), "kind": "metric", "loss": name},
               metric_steps(loss_of))
        for name, loss_of in METRIC.items()})

    images = torch.rand(IMAGES, 3, 32, 32, generator=generator)
    marks = torch.randint(10, (IMAGES,), generator=generator)
    with torch.no_grad():
        for change, _ in CHANGES.values():
            change(images[0])
    section("a CNN's step, 32x32x3", GOAL, "ms", 1e3 / IMAGE_STEPS, {
        name: ({"kind": "images", "recipe": {"length": {"Steps": IMAGE_STEPS}, "batch": BATCH, **momentum,
                                             "augmentations": ours}},
               lambda change=change: image_steps(change, images, marks, generator))
        for name, (change, ours) in CHANGES.items()})
    section("512 images, changes alone", 1.0, "ms", 1e3, {
        f"{name} alone": ({"kind": "augment", "changes": ours}, lambda change=change: augmented(change, images))
        for name, (change, ours) in CHANGES.items()})


if __name__ == "__main__":
    sys.exit(main())

"""A training step with each optimizer, loss and augmentation: Jook and PyTorch alternately in one run, one thread
each, batches of 64. Started by `benches/tricks`.

PyTorch's side is a plain loop, vectorized, without Python work inside that its users would not have; an optimizer runs
in whichever of its forms (one tensor after another, `foreach`, `fused`) is fastest here, and what PyTorch has not is
written with its `foreach` operations. Its augmentations are torchvision's v2, drawn for each image as a DataLoader draws
them, and for each batch where they mix images.
"""

import argparse
import math
import platform
import random
import sys
import time

import schedulefree
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
        def made(net):
            optimizer = of(net.parameters(), **settings, **more)
            getattr(optimizer, "train", lambda: None)()  # what the schedule-free ones ask for
            return [optimizer]
        return made
    found = []
    for more in ({}, {"foreach": False}, {"foreach": True}, {"fused": True}):
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


class Plain:
    """What Lion and LAMB share: parameters, and moments of 0."""

    def __init__(self, parameters, lr, betas, moments):
        self.parameters, self.lr, self.betas, self.done = list(parameters), lr, betas, 0
        self.moments = [[torch.zeros_like(p) for p in self.parameters] for _ in range(moments)]

    def zero_grad(self):
        for p in self.parameters:
            p.grad = None


class Lion(Plain):
    def __init__(self, parameters, lr):
        super().__init__(parameters, lr, (0.9, 0.99), 1)

    @torch.no_grad()
    def step(self):
        gradients, [mean], (b1, b2) = [p.grad for p in self.parameters], self.moments, self.betas
        way = torch._foreach_lerp(mean, gradients, 1 - b1)
        torch._foreach_sign_(way)
        torch._foreach_add_(self.parameters, way, alpha=-self.lr)
        torch._foreach_lerp_(mean, gradients, 1 - b2)


class Lamb(Plain):
    def __init__(self, parameters, lr):
        super().__init__(parameters, lr, (0.9, 0.999), 2)

    @torch.no_grad()
    def step(self):
        gradients, [mean, square], (b1, b2) = [p.grad for p in self.parameters], self.moments, self.betas
        self.done += 1
        torch._foreach_lerp_(mean, gradients, 1 - b1)
        torch._foreach_mul_(square, b2)
        torch._foreach_addcmul_(square, gradients, gradients, 1 - b2)
        spread = torch._foreach_sqrt(square)
        torch._foreach_div_(spread, math.sqrt(1 - b2**self.done))
        torch._foreach_add_(spread, 1e-6)
        way = torch._foreach_div(mean, spread)
        torch._foreach_div_(way, 1 - b1**self.done)
        own, step = torch.stack(torch._foreach_norm(self.parameters)), torch.stack(torch._foreach_norm(way))
        trust = torch.where((own > 0) & (step > 0), own / step, 1.0)
        torch._foreach_mul_(way, list(trust.unbind()))
        torch._foreach_add_(self.parameters, way, alpha=-self.lr)


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
    "Lion": (forms(Lion, lr=0.0002), rule("Lion", rate=0.0002, beta1=0.9, beta2=0.99)),
    "LAMB": (forms(Lamb, lr=0.01), rule("Lamb", rate=0.01, beta1=0.9, beta2=0.999, epsilon=1e-6)),
    "schedule-free SGD": (forms(schedulefree.SGDScheduleFree, lr=0.05, momentum=0.9),
                          rule("ScheduleFree", rate=0.05, beta=0.9)),
    "schedule-free Adam": (forms(schedulefree.AdamWScheduleFree, lr=0.001),
                           rule("ScheduleFreeAdam", rate=0.001, **ADAM)),
    "Muon": ([muon], rule("Muon", rate=0.01, momentum=0.95, beta1=0.9, beta2=0.95, epsilon=1e-10)),
}


# Losses -------------------------------------------------------------------------------------------------


def focal(logits, labels, gamma=2.0):
    log_p = torch.log_softmax(logits, 1).gather(1, labels[:, None]).squeeze(1)
    return (-((1 - log_p.exp()) ** gamma) * log_p).mean()


def quantile(outputs, targets, tau=0.9):
    over = targets - outputs
    return torch.maximum(tau * over, (tau - 1) * over).mean()


def pairs(x, labels):
    """Distances, which pairs are of one class, and which of them are two examples."""
    same = labels[:, None] == labels[None, :]
    return torch.cdist(x, x), same, same & ~torch.eye(len(x), dtype=torch.bool)


def batch_hard(x, labels, margin=0.2):
    d, same, _ = pairs(x, labels)
    positive = (d * same).max(1).values
    negative = d.masked_fill(same, float("inf")).min(1).values
    return torch.relu(positive - negative + margin).mean()


def triplets(chosen):
    """The triplet loss over those whose difference of distances is chosen."""
    def loss(x, labels, margin=0.2):
        d, same, positive = pairs(x, labels)
        difference = d[:, None, :] - d[:, :, None]
        kept = positive[:, :, None] & ~same[:, None, :] & chosen(difference, margin)
        losses = torch.relu(margin - difference)[kept]
        counted = losses > 0
        return losses.sum() / counted.sum().clamp(min=1)
    return loss


def distance_weighted(x, labels, margin=0.2, least=0.5, up_to=1.4):
    x = nn.functional.normalize(x)
    d, same, positive = pairs(x, labels)
    with torch.no_grad():
        at_least, width = d.clamp(min=least), x.shape[1]
        log_chance = (2 - width) * at_least.log() + (3 - width) / 2 * torch.log1p(-(at_least**2) / 4)
        log_chance = log_chance.masked_fill(same | (d >= up_to), float("-inf"))
        some = log_chance.isfinite().any(1)
        anchors, positives = torch.nonzero(positive & some[:, None], as_tuple=True)
        negatives = torch.multinomial(log_chance.softmax(1)[anchors], 1).squeeze(1)
    losses = torch.relu(d[anchors, positives] - d[anchors, negatives] + margin)
    return losses.sum() / (losses > 0).sum().clamp(min=1)


def contrastive(x, labels, margin=1.0):
    d, same, _ = pairs(x, labels)
    upper = torch.triu(torch.ones_like(d, dtype=torch.bool), 1)
    return torch.where(same, d**2, torch.relu(margin - d) ** 2)[upper].mean() / 2


def supervised_contrastive(x, labels, temperature=0.1):
    x = nn.functional.normalize(x)
    eye = torch.eye(len(x), dtype=torch.bool)
    similar = (x @ x.T / temperature).masked_fill(eye, float("-inf"))
    log_p = similar - similar.logsumexp(1, keepdim=True)
    positive = (labels[:, None] == labels[None, :]) & ~eye
    return -(log_p.masked_fill(~positive, 0.0).sum(1) / positive.sum(1)).mean()


def multi_similarity(x, labels, alpha=2.0, beta=50.0, base=0.5):
    x = nn.functional.normalize(x)
    cosine, (_, same, positive) = x @ x.T, pairs(x, labels)
    none = torch.zeros(len(x), 1)  # the 1 in the logarithm

    def part(steep, kept):
        power = (steep * (cosine - base)).masked_fill(~kept, float("-inf"))
        return torch.cat([power, none], 1).logsumexp(1) / abs(steep)
    return (part(-alpha, positive) + part(beta, ~same)).mean()


def proxy_anchor(outputs, labels, margin=0.1, alpha=32.0):
    x, proxies = outputs
    cosine = nn.functional.normalize(x) @ nn.functional.normalize(proxies).T
    same = nn.functional.one_hot(labels, len(proxies)).bool()

    def part(steep, shift, kept):
        power = (steep * (cosine + shift)).masked_fill(~kept, float("-inf"))
        return torch.cat([power, torch.zeros(1, len(proxies))]).logsumexp(0)
    return part(-alpha, -margin, same).sum() / same.any(0).sum() + part(alpha, margin, ~same).mean()


def arc_face(outputs, labels, margin=0.5, scale=64.0):
    x, proxies = outputs
    cosine = nn.functional.normalize(x) @ nn.functional.normalize(proxies).T
    own = cosine.gather(1, labels[:, None])
    sine = (1 - own**2).clamp(min=1e-6).sqrt()
    harder = torch.where(own < -math.cos(margin), own - margin * math.sin(margin),
                         own * math.cos(margin) - sine * math.sin(margin))
    return nn.functional.cross_entropy(scale * cosine.scatter(1, labels[:, None], harder), labels)


def cos_face(outputs, labels, margin=0.35, scale=64.0):
    x, proxies = outputs
    cosine = nn.functional.normalize(x) @ nn.functional.normalize(proxies).T
    shift = margin * nn.functional.one_hot(labels, len(proxies))
    return nn.functional.cross_entropy(scale * (cosine - shift), labels)


class WithProxies(nn.Module):
    """An embedding, and a learned row for each class."""

    def __init__(self):
        super().__init__()
        self.body, self.proxies = mlp(64, 128, 128, 32), nn.Parameter(torch.randn(10, 32))

    def forward(self, x):
        return self.body(x), self.proxies


class WithHidden(nn.Module):
    """Logits, and the layer below them."""

    def __init__(self):
        super().__init__()
        *body, self.head = mlp(64, 128, 128, 10)
        self.body = nn.Sequential(*body)

    def forward(self, x):
        hidden = self.body(x)
        return self.head(hidden), hidden


class Center:
    """Softmax cross entropy, and a tenth of the center loss, whose centers move by their own rule."""

    def __init__(self, alpha=0.5):
        self.centers, self.alpha = torch.zeros(10, 128), alpha

    def __call__(self, outputs, labels):
        logits, hidden = outputs
        away = hidden - self.centers[labels]
        with torch.no_grad():
            per_class = torch.bincount(labels, minlength=10)
            sums = torch.zeros_like(self.centers).index_add_(0, labels, away)
            self.centers += self.alpha * sums / (1 + per_class[:, None])
        return nn.functional.cross_entropy(logits, labels) + 0.1 * 0.5 * (away**2).sum(1).mean()


LOSSES = {
    "softmax cross entropy": (nn.CrossEntropyLoss(), "SoftmaxCrossEntropy"),
    "label smoothing 0.1": (nn.CrossEntropyLoss(label_smoothing=0.1), {"CrossEntropy": {"smoothing": 0.1}}),
    "class weights": (nn.CrossEntropyLoss(torch.linspace(0.5, 2.0, 10)),
                      {"CrossEntropy": {"class_weights": [0.5 + c / 6 for c in range(10)]}}),
    "focal": (focal, {"Focal": {"gamma": 2.0}}),
    "hinge": (nn.MultiMarginLoss(), {"MultiClassHinge": {"margin": 1.0}}),
}
REGRESSION = {
    "mean squared error": (nn.MSELoss(), "MeanSquaredError"),
    "absolute error": (nn.L1Loss(), "AbsoluteError"),
    "Huber": (nn.HuberLoss(delta=0.5), {"Huber": {"delta": 0.5}}),
    "quantile": (quantile, {"Quantile": {"tau": 0.9}}),
}


def embedding():
    return mlp(64, 128, 128, 32)


METRIC = {
    "triplet, all": (embedding, triplets(lambda difference, margin: torch.ones_like(difference, dtype=torch.bool))),
    "triplet, hard": (embedding, triplets(lambda difference, margin: difference <= 0)),
    "triplet, semi-hard": (embedding, triplets(lambda difference, margin: (difference > 0) & (difference <= margin))),
    "triplet, batch-hard": (embedding, batch_hard),
    "triplet, distance-weighted": (embedding, distance_weighted),
    "contrastive": (embedding, contrastive),
    "supervised contrastive": (embedding, supervised_contrastive),
    "multi-similarity": (embedding, multi_similarity),
    "proxy anchor": (WithProxies, proxy_anchor),
    "ArcFace": (WithProxies, arc_face),
    "CosFace": (WithProxies, cos_face),
    "softmax and center": (WithHidden, Center()),
}


# Augmentations ------------------------------------------------------------------------------------------

CHANGES = {
    "crop with padding 4": (v2.RandomCrop(32, padding=4), [{"Crop": 4}]),
    "mirror": (v2.RandomHorizontalFlip(), ["Mirror"]),
    "flip": (v2.RandomVerticalFlip(), ["Flip"]),
    "resized crop": (v2.RandomResizedCrop(32, scale=(0.5, 1.0), antialias=False), [{"ResizedCrop": 0.5}]),
    "rotate 15": (v2.RandomRotation(15, interpolation=v2.InterpolationMode.BILINEAR), [{"Rotate": 15.0}]),
    "affine": (v2.RandomAffine(10, translate=(0.1, 0.1), scale=(0.9, 1.1), shear=5,
                               interpolation=v2.InterpolationMode.BILINEAR),
               [{"Affine": {"degrees": 10.0, "shift": 0.1, "scale": 0.1, "shear": 5.0}}]),
    "brightness and contrast": (v2.ColorJitter(0.3, 0.3), [{"Brightness": 0.3}, {"Contrast": 0.3}]),
    "gamma": (v2.Lambda(lambda image: v2.functional.adjust_gamma(image, random.uniform(0.7, 1.3))), [{"Gamma": 0.3}]),
    "hue and saturation": (v2.ColorJitter(saturation=0.3, hue=0.1), [{"Saturation": 0.3}, {"Hue": 0.1}]),
    "blur": (v2.GaussianBlur(5, (0.1, 1.0)), [{"Blur": 1.0}]),
    "noise": (v2.GaussianNoise(sigma=0.1, clip=False), [{"Noise": 0.1}]),
    "erasing": (v2.RandomErasing(1.0, (0.02, 0.3)), [{"Erase": 0.3}]),
    "crop, mirror, colour": (v2.Compose([v2.RandomCrop(32, padding=4), v2.RandomHorizontalFlip(),
                                         v2.ColorJitter(0.3, 0.3)]),
                             [{"Crop": 4}, "Mirror", {"Brightness": 0.3}, {"Contrast": 0.3}]),
    "RandAugment": (v2.RandAugment(2, 9), "RandAugment"),
}
# What mixes images, a batch at a time.
MIXES = {
    "mixup": (v2.MixUp(alpha=0.2, num_classes=10), [{"Mixup": 0.2}]),
    "CutMix": (v2.CutMix(alpha=1.0, num_classes=10), [{"CutMix": 1.0}]),
}


def cnn():
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32 * 64, 64), nn.ReLU(), nn.Linear(64, 10),
    )


def one_by_one(change):
    return lambda images, labels: (torch.stack([change(image) for image in images]), labels)


def image_steps(change, images, labels, generator):
    net = cnn()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    loss_of = nn.CrossEntropyLoss()
    start = time.perf_counter()
    for rows in cycle(IMAGES, BATCH, IMAGE_STEPS, generator):
        batch, targets = change(images[rows], labels[rows])
        optimizer.zero_grad()
        loss_of(net(batch), targets).backward()
        optimizer.step()
    return time.perf_counter() - start


def augmented(change, images, labels):
    start = time.perf_counter()
    change(images, labels)
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

    def loss_steps(loss_of, targets):
        return lambda: steps(make[-1], loss_of, mlp(64, 128, 128, 10), features, targets,
                             cycle(1438, BATCH, STEPS, generator))

    one_hot = nn.functional.one_hot(labels, 10).float()
    section("a step, by loss", GOAL, "us", 1e6 / STEPS, {
        name: (recipe(**momentum, loss=ours), loss_steps(loss_of, targets))
        for group, targets in ((LOSSES, labels), (REGRESSION, one_hot)) for name, (loss_of, ours) in group.items()})

    def metric_steps(net, loss_of):
        return lambda: steps(make[-1], loss_of, net(), features, labels, per_class(labels, 8, 8, STEPS, generator))

    section("a step, by metric loss", GOAL, "us", 1e6 / STEPS, {
        name: ({**recipe(**momentum, sampler={"PerClass": {"classes": 8, "each": 8}}), "kind": "metric", "loss": name},
               metric_steps(net, loss_of))
        for name, (net, loss_of) in METRIC.items()})

    images = torch.rand(IMAGES, 3, 32, 32, generator=generator)
    marks = torch.randint(10, (IMAGES,), generator=generator)
    changes = {name: (one_by_one(change), ours) for name, (change, ours) in CHANGES.items()} | MIXES
    section("a CNN's step, 32x32x3", GOAL, "ms", 1e3 / IMAGE_STEPS, {
        name: ({"kind": "images", "changes": ours,
                "recipe": {"length": {"Steps": IMAGE_STEPS}, "batch": BATCH, **momentum}},
               lambda change=change: image_steps(change, images, marks, generator))
        for name, (change, ours) in changes.items()})
    section("512 images, changes alone", 1.0, "ms", 1e3, {
        f"{name} alone": ({"kind": "augment", "changes": ours}, lambda change=change: augmented(change, images, marks))
        for name, (change, ours) in changes.items()})


if __name__ == "__main__":
    sys.exit(main())

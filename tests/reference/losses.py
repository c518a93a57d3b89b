"""Writes losses.json: values and gradients of losses, and the triplets that miners choose, by torch's autograd in f64.

    pip install --no-deps pytorch-metric-learning==2.9.0
    python tests/reference/losses.py

Metric losses and miners are those of pytorch-metric-learning, where it has them; the others are written here from
their papers.
"""

import json
import math
from pathlib import Path

import pytorch_metric_learning
import torch
from pytorch_metric_learning import distances, losses, miners, reducers
from torch import nn
from torch.nn import functional as F

torch.set_default_dtype(torch.float64)
DRAWS = torch.Generator().manual_seed(7)


def sample(*shape, scale=1.0):
    """Normal numbers that f32 holds exactly, in few digits."""
    return (torch.randn(*shape, generator=DRAWS) * scale * 64).round() / 64


def plain(tensor):
    return [float(f"{x:.7g}") for x in tensor.detach().flatten().tolist()]


def derive(function, x):
    x = x.clone().requires_grad_()
    value = function(x)
    if not value.requires_grad:
        return float(value), torch.zeros_like(x)
    (slopes,) = torch.autograd.grad(value, x)
    return float(value.detach()), slopes


# The standard losses, on the network's outputs.


def focal(z, classes, gamma, alpha=None):
    log = F.log_softmax(z, 1)[torch.arange(len(z)), classes]
    weight = 1.0 if alpha is None else torch.tensor(alpha)[classes]
    return (-weight * (1 - log.exp()) ** gamma * log).mean()


def pinball(z, y, tau):
    return torch.maximum(tau * (y - z), (tau - 1) * (y - z)).mean()


def standard():
    logits = sample(6, 5, scale=3.0)
    logits[0] = torch.tensor([30.0, -30.0, 0.0, 29.0, 10.0])
    classes = torch.tensor([3, 0, 4, 1, 2, 2])
    values = sample(6, 5, scale=2.0)
    shares = F.softmax(sample(6, 5), 1).float().double()
    one_hot = F.one_hot(classes, 5).double()
    weights = [0.5, 2.0, 1.0, 0.0, 3.0]
    w = torch.tensor(weights)
    of_classes, of_values, of_shares = (
        {"classes": classes.tolist()},
        {"values": plain(values)},
        {"shares": plain(shares)},
    )
    found = []
    for smoothing, class_weights in [(0.1, []), (0.0, weights), (0.3, weights)]:
        loss = nn.CrossEntropyLoss(weight=w if class_weights else None, label_smoothing=smoothing)
        name = {"CrossEntropy": {"smoothing": smoothing, "class_weights": class_weights}}
        found.append((name, of_classes, lambda z, loss=loss: loss(z, classes)))
        found.append((name, of_shares, lambda z, loss=loss: loss(z, shares)))
    for gamma, alpha in [(2.0, None), (0.5, weights), (0.0, None)]:
        name = {"Focal": {"gamma": gamma} | ({"alpha": alpha} if alpha else {})}
        found.append((name, of_classes, lambda z, g=gamma, a=alpha: focal(z, classes, g, a)))
    for margin in [1.0, 2.5]:
        loss = nn.MultiMarginLoss(margin=margin)
        found.append(({"MultiClassHinge": {"margin": margin}}, of_classes, lambda z, loss=loss: loss(z, classes)))
    for targets, y in [(of_values, values), (of_classes, one_hot)]:
        for delta in [1.0, 0.3]:
            loss = nn.HuberLoss(delta=delta)
            found.append(({"Huber": {"delta": delta}}, targets, lambda z, y=y, loss=loss: loss(z, y)))
        found.append(("AbsoluteError", targets, lambda z, y=y: nn.L1Loss()(z, y)))
        for tau in [0.1, 0.75]:
            found.append(({"Quantile": {"tau": tau}}, targets, lambda z, y=y, t=tau: pinball(z, y, t)))
    cases = []
    for name, targets, function in found:
        # Off the targets: an output at its own exactly has a slope by convention.
        z = logits + 1 / 128
        value, slopes = derive(function, z)
        case = {"loss": name, "outputs": 5, "logits": plain(z), "value": value}
        cases.append(case | targets | {"gradient": plain(slopes)})
    return cases


# Batches of embeddings.


def batches():
    several = torch.tensor([0, 1, 2, 3, 0, 1, 2, 0, 1, 4, 2, 0])
    close = sample(9, 4)
    close[3], close[7] = close[0], close[1]
    nothing = sample(6, 3)
    nothing[2] = 0
    return {
        "several classes": (sample(12, 5), several),
        "wide": (sample(10, 33), torch.arange(10) % 3),
        "large": (sample(8, 3, scale=8.0), torch.tensor([0, 0, 1, 1, 2, 2, 3, 3])),
        "one class": (sample(5, 4), torch.zeros(5, dtype=torch.long)),
        "all alone": (sample(5, 4), torch.arange(5)),
        "one example": (sample(1, 4), torch.tensor([2])),
        "duplicates": (close, torch.tensor([0, 0, 1, 0, 1, 1, 2, 2, 2])),
        "a zero vector": (nothing, torch.tensor([0, 0, 1, 1, 2, 2])),
    }


def euclidean(power=1, normalized=True):
    return distances.LpDistance(normalize_embeddings=normalized, p=2, power=power)


def triplets(few):
    """What is said of the loss in the test, the miner, the loss; for batches of an edge case half of them."""
    found = []
    for power, normalized in [(1, True), (2, False)] + ([] if few else [(2, True), (1, False)]):
        d = euclidean(power, normalized)
        for mine, miner in {
            "All": None,
            "Hard": miners.TripletMarginMiner(0.2, "hard", distance=d),
            "SemiHard": miners.TripletMarginMiner(0.2, "semihard", distance=d),
            "BatchHard": miners.BatchHardMiner(distance=d),
        }.items():
            for margin in [0.2, None]:
                if margin is None and mine in ("SemiHard", "Hard"):
                    continue
                for mean in ["positive", "all"]:
                    reducer = reducers.AvgNonZeroReducer() if mean == "positive" else reducers.MeanReducer()
                    loss = losses.TripletMarginLoss(
                        margin=margin or 0.0, smooth_loss=margin is None, distance=d, reducer=reducer
                    )
                    how = {"miner": mine, "margin": margin, "power": power, "normalized": normalized, "mean": mean}
                    found.append((how, miner, loss))
    return found


def contrastive(x, labels, margin, normalized):
    """Hadsell et al. 2006, equation 4, the mean over all pairs of two rows. The library's has distances where the paper
    has their squares, and takes the means of pairs of one class and of two apart."""
    x = F.normalize(x) if normalized else x
    total, pairs = 0.0 * x.sum(), 0
    for i in range(len(x)):
        for j in range(i):
            pairs += 1
            square = (x[i] - x[j]).square().sum()
            if labels[i] == labels[j]:
                total = total + 0.5 * square
            elif square == 0:
                total = total + 0.5 * margin**2
            else:
                total = total + 0.5 * F.relu(margin - square.sqrt()).square()
    return total / max(pairs, 1)


def center(x, labels, centers):
    return 0.5 * (x - centers[labels]).square().sum() / len(x)


def pml(loss, miner=None):
    def function(x, labels):
        chosen = miner(x.detach(), labels) if miner else None
        value = loss(x, labels, chosen)
        return value if torch.is_tensor(value) else torch.tensor(value)

    return function


def pairs():
    """Losses without numbers of their own."""
    found = [
        ({"Contrastive": {"margin": m, "normalized": n}}, lambda x, y, m=m, n=n: contrastive(x, y, m, n))
        for m in (1.0, 3.0)
        for n in (True, False)
    ]
    for t in (0.1, 0.5):
        found.append(({"SupervisedContrastive": {"temperature": t}}, pml(losses.SupConLoss(temperature=t))))
    ms = losses.MultiSimilarityLoss(alpha=2, beta=50, base=0.5)
    found.append(({"MultiSimilarity": {"epsilon": None}}, pml(ms)))
    found.append(({"MultiSimilarity": {"epsilon": 0.1}}, pml(ms, miners.MultiSimilarityMiner(0.1))))
    return found


def with_proxies(classes, width):
    """Losses that learn a row a class."""
    arc = losses.ArcFaceLoss(classes, width, margin=math.degrees(0.5), scale=16)
    wide = losses.ArcFaceLoss(classes, width, margin=math.degrees(1.2), scale=4)
    cos = losses.CosFaceLoss(classes, width, margin=0.35, scale=16)
    anchor = losses.ProxyAnchorLoss(classes, width, margin=0.1, alpha=32)
    return [
        ({"ProxyAnchor": {"margin": 0.1, "alpha": 32.0}}, anchor, "proxies"),
        ({"ArcFace": {"margin": 0.5, "scale": 16.0}}, arc, "W"),
        ({"ArcFace": {"margin": 1.2, "scale": 4.0}}, wide, "W"),
        ({"CosFace": {"margin": 0.35, "scale": 16.0}}, cos, "W"),
    ]


def metric():
    found = []
    for name, (x, labels) in batches().items():
        cases = []
        for how, miner, loss in triplets(few=name != "several classes"):
            value, slopes = derive(lambda x: pml(loss, miner)(x, labels), x)
            case = {"triplet": how, "value": value, "slopes": plain(slopes)}
            if miner is not None and how["margin"] is not None and how["mean"] == "all":
                case["chosen"] = torch.stack(miner(x, labels)).T.tolist()
            cases.append(case)
        for how, function in pairs():
            value, slopes = derive(lambda x: function(x, labels), x)
            cases.append({"loss": how, "value": value, "slopes": plain(slopes)})
        classes = int(labels.max()) + 2
        proxies = sample(classes, x.shape[1])
        for how, loss, which in with_proxies(classes, x.shape[1]):
            own = getattr(loss, which)
            own.data = (proxies if which == "proxies" else proxies.T).clone()
            own.grad = None
            own_x = x.clone().requires_grad_()
            value = loss(own_x, labels)
            value.backward()
            by_own = own.grad if which == "proxies" else own.grad.T
            case = {"loss": how, "value": float(value.detach()), "slopes": plain(own_x.grad), "by_own": plain(by_own)}
            cases.append(case)
        value, slopes = derive(lambda x: center(x, labels, proxies), x)
        cases.append({"loss": {"Center": {}}, "value": value, "slopes": plain(slopes)})
        found.append(
            {
                "name": name,
                "width": x.shape[1],
                "embeddings": plain(x),
                "labels": labels.tolist(),
                "own": plain(proxies),
                "cases": cases,
            }
        )
    return found


if __name__ == "__main__":
    golden = {
        "torch": torch.__version__.split("+")[0],
        "pytorch_metric_learning": pytorch_metric_learning.__version__,
        "standard": standard(),
        "metric": metric(),
    }
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
    print(f"{path.name}: {path.stat().st_size} bytes")

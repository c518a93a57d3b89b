"""Golden values for Inception-v3, from torchvision: logits, auxiliary logits and the 2,048 bottlenecks.

Run it to write inception.json beside it; toolkit/src/net/tests/inception.rs reads that. The weights are numbers that
both sides make (scatter.py), a stream for each tensor by its torchvision name: weights uniform in +-sqrt(6 / fan-in),
scales 1 + number / 4, shifts and running means number / 4, running variances 1 + number / 2. A number of an image is
four times that of its 23 x 23 block and twice that of its pixel, so that images differ also when averaged.
torchvision gives auxiliary logits in training only: here the head is called on what comes out of Mixed_6e.
Made with torch 2.15.0, torchvision 0.29.2, Python 3.11.
"""

import json
import math
from pathlib import Path

import torch
import torchvision

from scatter import scatter

IMAGES, SIDE, BLOCK = 4, 299, 23


def start(name, tensor, norms):
    """Fills a tensor in place, by its name."""
    values = torch.from_numpy(scatter(name, tensor.numel())).reshape(tensor.shape)
    layer, kind = name.rsplit(".", 1)
    if kind == "running_var":
        values = 1 + values / 2
    elif layer in norms and kind == "weight":
        values = 1 + values / 4
    elif kind != "weight":
        values = values / 4
    else:
        values = values * math.sqrt(6 / tensor[0].numel())
    tensor.copy_(values)


def images():
    blocks = torch.from_numpy(scatter("blocks", IMAGES * 13 * 13 * 3)).reshape(IMAGES, 13, 13, 3)
    pixels = torch.from_numpy(scatter("pixels", IMAGES * SIDE * SIDE * 3)).reshape(IMAGES, SIDE, SIDE, 3)
    wide = blocks.repeat_interleave(BLOCK, 1).repeat_interleave(BLOCK, 2)
    return (4 * wide + 2 * pixels).permute(0, 3, 1, 2)


def numbers(tensor):
    """Results, to seven digits."""
    return [float(f"{v:.7g}") for v in tensor.flatten().tolist()]


def main():
    model = torchvision.models.inception_v3(weights=None, init_weights=False, transform_input=True).double().eval()
    norms = {name for name, module in model.named_modules() if isinstance(module, torch.nn.BatchNorm2d)}
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                start(name, tensor, norms)
        seen = {}
        model.Mixed_6e.register_forward_hook(lambda _module, _input, output: seen.update(mixed_6e=output))
        model.avgpool.register_forward_hook(lambda _module, _input, output: seen.update(avgpool=output))
        logits = model(images())
        aux = model.AuxLogits(seen["mixed_6e"])
    for name, tensor in [("logits", logits), ("aux", aux), ("bottlenecks", seen["avgpool"])]:
        apart = (tensor - tensor.mean(0)).abs().max() / tensor.abs().max()
        print(f"{name}: to {tensor.abs().max():.3g}, apart {apart:.3g}, zero {(tensor == 0).double().mean():.3g}")
    golden = {
        "torchvision": torchvision.__version__.split("+")[0],
        "parameters": sum(p.numel() for p in model.parameters()),
        "tensors": [
            [name, list(tensor.shape)] for name, tensor in model.state_dict().items() if tensor.is_floating_point()
        ],
        "bottlenecks": numbers(seen["avgpool"]),
        "logits": numbers(logits),
        "aux_logits": numbers(aux),
    }
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
    print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()

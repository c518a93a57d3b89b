"""Golden values for layers on images, from PyTorch: outputs, and gradients by input and parameters.

Run it to write conv.json beside it; toolkit/src/net/tests/images.rs reads that. A case is the spec of a network.
Its layers are run here by torch's own functions, in float64, on numbers that both sides make (scatter.py): the
input x, the gradient from above, the parameters, and the running statistics (variances are 1 + number / 2).
Jook's images are height x width x channels, its weights kernel height x kernel width x channels in x channels
out; torch's tape permutes them, and so gives their gradients in that order.
Made with torch 2.15.0, Python 3.11.
"""

import json
from pathlib import Path

import torch
import torch.nn.functional as F

from scatter import scatter

torch.set_default_dtype(torch.float64)


def numbers(tensor):
    """Results, to seven digits."""
    return [float(f"{v:.7g}") for v in tensor.detach().flatten().tolist()]


def window(kernel, stride=(1, 1), padding=(0, 0), dilation=(1, 1)):
    return {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}


def conv(channels, kernel, groups=1, bias=True, **rest):
    fixed = {"init": "Zeros", "bias_init": "Zeros"}
    return {"Conv2d": {"channels": channels, "window": window(kernel, **rest), "groups": groups, "bias": bias} | fixed}


def max_pool(kernel, ceil=False, **rest):
    return {"MaxPool2d": {"window": window(kernel, **rest), "ceil": ceil}}


def avg_pool(kernel, ceil=False, count_include_pad=True, **rest):
    return {"AvgPool2d": {"window": window(kernel, **rest), "ceil": ceil, "count_include_pad": count_include_pad}}


def norm(momentum=0.1, epsilon=1e-5):
    return {"BatchNorm": {"momentum": momentum, "epsilon": epsilon}}


def layer_norm(epsilon=1e-5):
    return {"LayerNorm": {"epsilon": epsilon}}


def group_norm(groups, epsilon=1e-5):
    return {"GroupNorm": {"groups": groups, "epsilon": epsilon}}


def instance_norm(epsilon=1e-5):
    return {"InstanceNorm": {"epsilon": epsilon}}


def prelu(shared=False):
    return {"PRelu": {"shared": shared, "init": {"Constant": 0.25}}}


def embedding(vocabulary, width):
    return {"Embedding": {"vocabulary": vocabulary, "width": width, "init": {"Normal": 1.0}}}


def upsample(*factor):
    return {"Upsample": {"factor": factor}}


def dense(units):
    return {"Dense": {"units": units, "bias": True, "init": "Zeros", "bias_init": "Zeros"}}


ACTIVATIONS = {"Relu": torch.relu, "Tanh": torch.tanh}


class Tensors:
    """Hands out the parameters of the layers in order, from the numbers of one stream."""

    def __init__(self, name):
        self.name, self.leaves, self.learned = name, [], False

    def next(self, *shape):
        # A longer stream begins as a shorter one does.
        used = sum(leaf.numel() for leaf in self.leaves)
        count = torch.Size(shape).numel()
        values = torch.from_numpy(scatter(self.name, used + count)[used:])
        self.leaves.append(values.reshape(shape).requires_grad_(self.learned))
        return self.leaves[-1]


def run(layers, x, training, parameters, buffers):
    """What the layers make of x, N x C x H x W or N x C."""
    outputs = {"input": x}
    last = x
    for layer in layers:
        read = [outputs[name] for name in layer.get("from", [])] or [last]
        parameters.learned = not layer.get("frozen", False)
        x, kind = read[0], layer["kind"]
        kind, given = next(iter(kind.items())) if isinstance(kind, dict) else (kind, {})
        match kind:
            case "Conv2d":
                w, groups = given["window"], given["groups"]
                weight = parameters.next(*w["kernel"], x.shape[1] // groups, given["channels"])
                bias = parameters.next(given["channels"]) if given["bias"] else None
                weight = weight.permute(3, 2, 0, 1)
                last = F.conv2d(x, weight, bias, w["stride"], w["padding"], w["dilation"], groups)
            case "MaxPool2d":
                w = given["window"]
                last = F.max_pool2d(x, w["kernel"], w["stride"], w["padding"], w["dilation"], given["ceil"])
            case "AvgPool2d":
                w = given["window"]
                last = F.avg_pool2d(
                    x, w["kernel"], w["stride"], w["padding"], given["ceil"], given["count_include_pad"]
                )
            case "GlobalMaxPool":
                last = F.adaptive_max_pool2d(x, 1).flatten(1)
            case "LayerNorm":
                scale, shift = parameters.next(x.shape[1]), parameters.next(x.shape[1])
                last = F.layer_norm(x.movedim(1, -1), scale.shape, scale, shift, given["epsilon"]).movedim(-1, 1)
            case "GroupNorm":
                scale, shift = parameters.next(x.shape[1]), parameters.next(x.shape[1])
                last = F.group_norm(x, given["groups"], scale, shift, given["epsilon"])
            case "InstanceNorm":
                scale, shift = parameters.next(x.shape[1]), parameters.next(x.shape[1])
                last = F.instance_norm(x, weight=scale, bias=shift, eps=given["epsilon"])
            case "PRelu":
                last = F.prelu(x, parameters.next(1 if given["shared"] else x.shape[1]))
            case "Embedding":
                table = parameters.next(given["vocabulary"], given["width"])
                last = F.embedding(x.long(), table).movedim(-1, 1).unsqueeze(2)
            case "Upsample":
                last = F.interpolate(x, scale_factor=tuple(map(float, given["factor"])), mode="nearest")
            case "GlobalAvgPool":
                last = F.adaptive_avg_pool2d(x, 1).flatten(1)
            case "Flatten":
                last = x.permute(0, 2, 3, 1).flatten(1)
            case "BatchNorm":
                scale, shift = parameters.next(x.shape[1]), parameters.next(x.shape[1])
                mean = buffers.next(x.shape[1])
                variance = buffers.next(x.shape[1])
                variance.copy_(1 + variance / 2)
                constants = given["momentum"], given["epsilon"]
                last = F.batch_norm(
                    x, mean, variance, scale, shift, training and parameters.learned, *constants
                )
            case "Dense":
                weight, bias = parameters.next(x.shape[1], given["units"]), parameters.next(given["units"])
                last = x @ weight + bias
            case "Activation":
                last = ACTIVATIONS[given](x)
            case "Concat":
                last = torch.cat(read, 1)
            case "Add":
                last = torch.stack(read).sum(0)
            case "Affine":
                wide = (1, -1, 1, 1)
                last = x * torch.tensor(given["scale"]).reshape(wide) + torch.tensor(given["shift"]).reshape(wide)
        outputs[layer["name"]] = last
    return last


def case(name, rows, image, layers, training=True, vocabulary=None):
    """Runs the layers (kind; or kind, what it reads; or kind, what it reads, whether frozen) forward and backward.

    `image` is height x width x channels, or how many plain numbers. With a `vocabulary` x is made indices below it.
    """
    if isinstance(image, int):
        spec = {"input": image}
    else:
        height, width, channels = image
        spec = {"input": height * width * channels}
        spec["image"] = {"Image": {"height": height, "width": width, "channels": channels}}
    spec["layers"] = []
    for i, layer in enumerate(layers):
        kind, read, frozen = (layer + (False,))[:3] if isinstance(layer, tuple) else (layer, [], False)
        spec["layers"].append({"name": f"layer{i}", "kind": kind, "from": read, "frozen": frozen})
    parameters, buffers = Tensors("parameters"), Tensors("buffers")
    x = torch.from_numpy(scatter("x", rows * spec["input"]))
    if vocabulary:
        x = torch.floor((x + 1) / 2 * vocabulary)
    x.requires_grad_()
    first = x.reshape(rows, image) if isinstance(image, int) else x.reshape(rows, *image).permute(0, 3, 1, 2)
    y = run(spec["layers"], first, training, parameters, buffers)
    if y.dim() == 4:
        y = y.permute(0, 2, 3, 1)
    y.backward(torch.from_numpy(scatter("above", y.numel())).reshape(y.shape))
    # Of a frozen layer, and of one that the last does not need, there is none.
    gradients = [torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for leaf in parameters.leaves]
    given = {"vocabulary": vocabulary} if vocabulary else {}
    return given | {
        "name": name,
        "spec": spec,
        "rows": rows,
        "training": training,
        "y": numbers(y),
        "input_gradient": numbers(torch.zeros_like(x) if x.grad is None else x.grad),
        "gradients": [v for gradient in gradients for v in numbers(gradient)],
        "buffers_after": [v for leaf in buffers.leaves for v in numbers(leaf)],
    }


def filtered():
    """Kernels, channels and sizes for which there is a faster way than the plain sums, which rounds more."""
    return singles([
        ((8, 8, 16), 16, (3, 3), {"padding": (1, 1)}),
        ((7, 9, 16), 16, (3, 3), {}),
        ((5, 6, 16), 16, (3, 3), {"padding": (2, 2)}),
        ((4, 4, 32), 16, (3, 3), {"padding": (1, 1), "bias": False}),
        ((6, 7, 16), 16, (5, 5), {"padding": (2, 2)}),
        ((5, 8, 16), 16, (1, 7), {"padding": (0, 3)}),
        ((9, 4, 16), 16, (7, 1), {"padding": (3, 0)}),
        ((9, 4, 16), 32, (7, 1), {}),
    ])


def convolutions():
    """Convolutions by the plain sums."""
    return singles([
        # image, channels out, kernel, and stride, padding, dilation, groups, bias where not the usual
        ((5, 6, 3), 4, (1, 1), {}),
        ((5, 6, 3), 4, (1, 1), {"bias": False}),
        ((5, 6, 3), 4, (3, 3), {}),
        ((5, 6, 3), 4, (3, 3), {"padding": (1, 1)}),
        ((5, 6, 3), 4, (3, 3), {"padding": (1, 1), "bias": False}),
        ((5, 6, 3), 4, (3, 3), {"stride": (2, 2)}),
        ((5, 6, 3), 4, (3, 3), {"stride": (2, 2), "padding": (1, 1)}),
        ((5, 6, 3), 4, (3, 3), {"stride": (1, 2), "padding": (0, 1)}),
        ((5, 6, 3), 4, (3, 3), {"stride": (2, 1), "padding": (1, 0)}),
        ((5, 6, 3), 4, (3, 3), {"stride": (3, 3), "padding": (2, 2)}),
        ((5, 6, 3), 4, (3, 3), {"padding": (2, 2)}),
        ((5, 6, 3), 4, (3, 3), {"padding": (2, 2), "dilation": (2, 2)}),
        ((5, 6, 3), 4, (3, 3), {"dilation": (2, 2)}),
        ((5, 6, 3), 4, (3, 3), {"padding": (2, 1), "dilation": (2, 1)}),
        ((5, 6, 3), 4, (3, 3), {"padding": (1, 3), "dilation": (1, 3), "stride": (2, 2)}),
        ((5, 6, 3), 4, (3, 2), {"padding": (1, 1), "dilation": (2, 3), "stride": (2, 1)}),
        ((5, 6, 3), 4, (1, 3), {}),
        ((5, 6, 3), 4, (1, 3), {"padding": (0, 1)}),
        ((5, 6, 3), 4, (3, 1), {"padding": (1, 0)}),
        ((5, 6, 3), 4, (2, 4), {}),
        ((5, 6, 3), 4, (2, 4), {"padding": (1, 2)}),
        ((5, 6, 3), 4, (5, 5), {"padding": (2, 2)}),
        ((5, 6, 3), 4, (5, 6), {}),
        ((7, 7, 2), 3, (7, 1), {"padding": (3, 0)}),
        ((7, 7, 2), 3, (1, 7), {"padding": (0, 3)}),
        ((7, 7, 2), 3, (7, 7), {"padding": (3, 3), "stride": (2, 2)}),
        ((1, 9, 2), 3, (1, 3), {"padding": (0, 1)}),
        ((9, 1, 2), 3, (3, 1), {"stride": (2, 1)}),
        ((1, 1, 5), 7, (1, 1), {}),
        ((1, 1, 5), 7, (3, 3), {"padding": (1, 1)}),
        ((4, 4, 1), 1, (3, 3), {}),
        ((4, 4, 1), 5, (3, 3), {"padding": (1, 1)}),
        ((8, 8, 1), 6, (5, 5), {"padding": (2, 2)}),
        ((4, 5, 1), 3, (2, 2), {"stride": (2, 2)}),
        # Channels around the widths of a vector and of two.
        ((3, 4, 8), 8, (3, 3), {"padding": (1, 1)}),
        ((3, 4, 15), 5, (1, 1), {}),
        ((3, 4, 16), 16, (1, 1), {}),
        ((3, 3, 17), 15, (1, 1), {}),
        ((3, 3, 16), 8, (3, 3), {"padding": (1, 1)}),
        ((3, 3, 4), 17, (3, 3), {"padding": (1, 1)}),
        ((3, 3, 3), 32, (2, 2), {}),
        ((3, 3, 2), 33, (3, 3), {"padding": (1, 1)}),
        ((2, 3, 5), 49, (1, 1), {}),
        ((2, 2, 33), 7, (2, 2), {"padding": (1, 1), "stride": (2, 2)}),
        ((2, 2, 20), 5, (2, 2), {"padding": (1, 1), "dilation": (2, 2)}),
        # Groups.
        ((5, 6, 4), 6, (3, 3), {"groups": 2}),
        ((5, 6, 4), 6, (3, 3), {"groups": 2, "padding": (1, 1)}),
        ((5, 6, 4), 6, (3, 3), {"groups": 2, "stride": (2, 2), "padding": (1, 1)}),
        ((5, 6, 4), 6, (3, 2), {"groups": 2, "dilation": (2, 2), "padding": (1, 2)}),
        ((5, 6, 4), 8, (1, 1), {"groups": 4}),
        ((4, 4, 6), 3, (3, 3), {"groups": 3, "padding": (1, 1)}),
        ((3, 3, 34), 34, (2, 2), {"groups": 2, "bias": False}),
        ((3, 3, 6), 66, (1, 2), {"groups": 2}),
        # Depthwise.
        ((5, 6, 4), 4, (3, 3), {"groups": 4}),
        ((5, 6, 4), 4, (3, 3), {"groups": 4, "padding": (1, 1)}),
        ((5, 6, 4), 4, (3, 3), {"groups": 4, "padding": (1, 1), "bias": False}),
        ((5, 6, 4), 4, (3, 3), {"groups": 4, "stride": (2, 2), "padding": (1, 1)}),
        ((5, 6, 4), 8, (3, 3), {"groups": 4, "padding": (2, 2), "dilation": (2, 2)}),
        ((5, 6, 3), 9, (1, 3), {"groups": 3, "stride": (2, 1)}),
        ((4, 4, 18), 18, (3, 3), {"groups": 18, "padding": (1, 1)}),
        ((5, 5, 2), 2, (5, 5), {"groups": 2, "padding": (2, 2)}),
        ((5, 6, 16), 16, (3, 3), {"groups": 16, "padding": (1, 1)}),
        ((5, 6, 16), 16, (3, 3), {"groups": 16, "stride": (2, 2), "padding": (1, 1)}),
        ((7, 6, 32), 32, (5, 5), {"groups": 32, "padding": (2, 2), "bias": False}),
        ((7, 6, 32), 32, (5, 5), {"groups": 32, "stride": (2, 2), "padding": (2, 2)}),
        ((5, 6, 40), 40, (3, 3), {"groups": 40}),
        ((10, 9, 16), 16, (3, 3), {"groups": 16, "padding": (1, 1)}),
        ((5, 7, 71), 71, (3, 2), {"groups": 71, "stride": (1, 2), "padding": (1, 1), "dilation": (2, 1)}),
        ((3, 3, 112), 112, (3, 3), {"groups": 112, "stride": (3, 2), "padding": (3, 2)}),
        ((2, 2, 130), 130, (1, 1), {"groups": 130, "stride": (2, 2)}),
        # Strides past the kernel leave numbers that nothing reads.
        ((7, 8, 2), 3, (1, 1), {"stride": (2, 3)}),
        ((7, 8, 2), 3, (2, 2), {"stride": (3, 3)}),
        ((7, 8, 2), 3, (2, 2), {"stride": (4, 5), "padding": (1, 1)}),
        # Many pixels.
        ((9, 30, 2), 2, (3, 3), {"padding": (1, 1)}),
    ])


def singles(grid):
    """Single convolutions of two images each."""
    found = []
    for image, channels, kernel, rest in grid:
        height, width, inputs = image
        words = ", ".join(f"{k} {v}" for k, v in rest.items())
        name = f"conv {kernel} of {height}x{width}x{inputs} to {channels} {words}".strip()
        found.append(case(name, 2, image, [conv(channels, kernel, **rest)]))
    return found


def poolings():
    found = []
    grid = [
        ((5, 6, 3), (2, 2), {"stride": (2, 2)}),
        ((5, 6, 3), (3, 3), {"stride": (2, 2)}),
        ((5, 6, 3), (3, 3), {"stride": (2, 2), "padding": (1, 1)}),
        ((5, 6, 3), (3, 3), {"stride": (1, 1), "padding": (1, 1)}),
        ((5, 6, 3), (2, 3), {"stride": (2, 1), "padding": (1, 0)}),
        ((5, 6, 3), (3, 2), {"stride": (1, 2), "padding": (0, 1)}),
        ((5, 6, 3), (2, 2), {"stride": (2, 2), "ceil": True}),
        ((5, 6, 3), (3, 3), {"stride": (2, 2), "ceil": True}),
        ((5, 8, 2), (3, 3), {"stride": (2, 3), "padding": (1, 1), "ceil": True}),
        ((7, 7, 2), (2, 2), {"stride": (3, 3), "padding": (1, 1), "ceil": True}),
        ((4, 4, 17), (2, 2), {"stride": (2, 2)}),
        ((3, 1, 2), (3, 1), {}),
        ((5, 6, 1), (5, 6), {}),
    ]
    for image, kernel, rest in grid:
        name = f"of {kernel} {image} {rest}"
        found.append(case(f"max pool {name}", 2, image, [max_pool(kernel, **rest)]))
        for counted in (True, False):
            layer = avg_pool(kernel, count_include_pad=counted, **rest)
            found.append(case(f"average pool {name}, padding counted {counted}", 2, image, [layer]))
    for image, kernel, rest in [
        ((7, 8, 2), (3, 3), {"dilation": (2, 2)}),
        ((7, 8, 2), (2, 3), {"stride": (2, 2), "padding": (1, 1), "dilation": (3, 2)}),
        ((6, 9, 2), (3, 2), {"stride": (2, 3), "padding": (1, 1), "dilation": (2, 3), "ceil": True}),
    ]:
        found.append(case(f"max pool of {kernel} {image} {rest}", 2, image, [max_pool(kernel, **rest)]))
    for image in [(5, 6, 3), (1, 1, 4), (8, 8, 18)]:
        found.append(case(f"global average of {image}", 3, image, ["GlobalAvgPool"]))
    return found


def others():
    relu, tanh = {"Activation": "Relu"}, {"Activation": "Tanh"}
    affine = {"Affine": {"scale": [0.5, 2.0, -1.0], "shift": [0.25, 0.0, 1.0]}}
    same = {"padding": (1, 1)}
    found = []
    for training in (True, False):
        words = "training" if training else "evaluation"
        add = lambda name, rows, image, layers: found.append(case(f"{name}, {words}", rows, image, layers, training))
        add("batch norm", 2, (4, 5, 3), [norm()])
        add("batch norm of one image", 1, (4, 5, 3), [norm(0.3, 1e-3)])
        add("batch norm of 18 channels", 3, (2, 3, 18), [norm(0.05, 1e-2)])
        add(
            "conv, batch norm, relu, twice",
            2,
            (5, 5, 2),
            [conv(4, (3, 3), bias=False, **same), norm(), relu, conv(3, (3, 3), bias=False), norm(), relu],
        )
        add(
            "residual sum with a projection",
            2,
            (6, 6, 3),
            [
                conv(4, (3, 3), stride=(2, 2), bias=False, **same),
                norm(),
                relu,
                conv(4, (3, 3), bias=False, **same),
                norm(),
                (conv(4, (1, 1), stride=(2, 2), bias=False), ["input"]),
                norm(),
                ("Add", ["layer4", "layer6"]),
                relu,
                "GlobalAvgPool",
                dense(3),
            ],
        )
    found += [
        case("conv and relu, flattened", 3, (5, 6, 2), [conv(4, (3, 3)), relu, "Flatten", dense(3)]),
        case("relu twice", 2, (4, 4, 2), [conv(4, (3, 3), **same), relu, conv(3, (3, 3)), relu]),
        case("relu, then a max pool", 2, (6, 6, 2), [
            conv(4, (3, 3), **same), relu, max_pool((2, 2), stride=(2, 2)), conv(2, (2, 2)),
        ]),
        case("lenet", 2, (8, 8, 1), [
            conv(4, (5, 5), padding=(2, 2)), relu, max_pool((2, 2), stride=(2, 2)),
            conv(6, (3, 3), **same), relu, max_pool((2, 2), stride=(2, 2)),
            "Flatten", dense(9), relu, dense(4),
        ]),
        case("frozen batch norm", 2, (4, 4, 2), [conv(3, (3, 3), **same), (norm(), [], True), relu, conv(2, (1, 1))]),
        case("affine", 2, (4, 4, 3), [affine, conv(2, (3, 3)), tanh]),
        case("residual sum of a layer and the input", 2, (4, 5, 3), [
            conv(3, (3, 3), **same), relu, ("Add", ["input", "layer1"]), tanh,
        ]),
        case("a relu that two layers read", 2, (4, 5, 3), [
            conv(4, (3, 3), **same), relu,
            conv(4, (3, 3), **same), ("Add", ["layer1", "layer2"]), relu,
            conv(2, (1, 1)),
        ]),
        case("a layer and its relu both read", 2, (4, 5, 3), [
            conv(4, (3, 3), **same), relu, ("Concat", ["layer0", "layer1"]), conv(2, (1, 1)),
        ]),
        case("a sum of three", 2, (3, 3, 2), [
            conv(2, (1, 1)), conv(2, (3, 3), **same), ("Add", ["layer0", "layer1", "input"]),
        ]),
        case("a layer added to itself", 2, (3, 3, 2), [conv(2, (1, 1)), ("Add", ["layer0", "layer0"])]),
        case("concat of plain numbers", 2, (3, 4, 2), [
            conv(3, (2, 2)), "GlobalAvgPool", ("Flatten", ["layer0"]), ("Concat", ["layer2", "layer1"]), dense(2),
        ]),
        case("branches as in Inception", 2, (6, 6, 3), [
            (conv(4, (1, 1)), ["input"]), relu,
            (conv(2, (1, 1)), ["input"]), relu, conv(3, (5, 5), padding=(2, 2)), relu,
            (conv(3, (1, 1)), ["input"]), relu,
            conv(2, (1, 3), padding=(0, 1)), relu, conv(5, (3, 1), padding=(1, 0)), relu,
            (avg_pool((3, 3), padding=(1, 1)), ["input"]), conv(2, (1, 1)), relu,
            (max_pool((3, 3), padding=(1, 1)), ["input"]),
            ("Concat", ["layer1", "layer5", "layer11", "layer14", "layer15"]),
            conv(3, (3, 3), stride=(2, 2)), relu, "GlobalAvgPool", dense(4),
        ]),
        case("a concat of concats", 2, (4, 4, 2), [
            conv(3, (1, 1)), (conv(2, (3, 3), **same), ["layer0"]), (conv(2, (1, 3), padding=(0, 1)), ["layer0"]),
            ("Concat", ["layer1", "layer2"]), ("Concat", ["layer3", "layer0", "input"]), relu, conv(2, (2, 2)),
        ]),
        case("a side branch that nobody needs", 2, (4, 4, 2), [
            conv(3, (1, 1)), (conv(4, (3, 3)), ["layer0"]), relu, (conv(2, (3, 3)), ["layer0"]),
        ]),
    ]
    return found


def examples():
    """Norms by the statistics of an example alone, and what else small data needs."""
    tanh, same = {"Activation": "Tanh"}, {"padding": (1, 1)}
    return [
        case("layer norm", 5, 7, [layer_norm()]),
        case("layer norm of two numbers, of little variance", 3, 2, [layer_norm(0.5)]),
        case("layer norm of 33 numbers between layers", 4, 9, [dense(33), layer_norm(), tanh, dense(3)]),
        case("layer norm of an image", 2, (3, 4, 5), [layer_norm()]),
        case("layer norm of an image with 19 channels", 2, (2, 3, 19), [conv(19, (1, 1)), layer_norm(1e-3), tanh]),
        case("group norm", 4, 12, [group_norm(3)]),
        case("group norm of an image", 3, (3, 4, 6), [group_norm(2)]),
        case("group norm of an image in one group", 2, (3, 4, 5), [group_norm(1, 1e-3)]),
        case("group norm of an image between layers", 2, (5, 5, 2), [
            conv(24, (3, 3), **same), group_norm(8), tanh, conv(3, (3, 3)), "GlobalAvgPool", dense(3),
        ]),
        case("instance norm", 3, (3, 4, 5), [instance_norm()]),
        case("instance norm of 18 channels", 2, (2, 2, 3), [conv(18, (1, 1)), instance_norm(1e-3), tanh]),
        case("frozen layer norm", 3, 6, [dense(5), (layer_norm(), [], True), tanh, dense(2)]),
        case("frozen instance norm", 2, (3, 3, 2), [conv(4, (1, 1)), (instance_norm(), [], True), tanh]),
        case("prelu", 6, 5, [prelu()]),
        case("prelu of one slope", 6, 5, [prelu(shared=True)]),
        case("prelu of an image", 2, (3, 4, 3), [conv(4, (2, 2)), prelu(), conv(2, (2, 2))]),
        case("prelu of an image, one slope", 2, (3, 4, 3), [prelu(shared=True), conv(2, (2, 2))]),
        case("prelu of one channel", 2, (3, 4, 1), [prelu()]),
        case("frozen prelu", 4, 5, [dense(4), (prelu(), [], True), dense(2)]),
        case("embedding", 3, 4, [embedding(6, 5)], vocabulary=6),
        case("embedding, its mean", 3, 5, [embedding(7, 3), "GlobalAvgPool", dense(2)], vocabulary=7),
        case("embedding, flattened", 4, 2, [embedding(9, 3), "Flatten", dense(4), tanh, dense(2)], vocabulary=9),
        case("embedding, convolved", 3, 6, [
            embedding(5, 4), conv(3, (1, 3), padding=(0, 1)), {"Activation": "Relu"}, "GlobalMaxPool", dense(2),
        ], vocabulary=5),
        case("frozen embedding", 3, 4, [(embedding(6, 5), [], True), "GlobalAvgPool", dense(2)], vocabulary=6),
        case("two embeddings side by side", 3, 4, [
            (embedding(6, 5), ["input"]), (embedding(6, 2), ["input"]),
            ("Concat", ["layer0", "layer1"]), "GlobalAvgPool", dense(2),
        ], vocabulary=6),
        case("global max pool", 3, (5, 6, 3), ["GlobalMaxPool"]),
        case("global max pool of 18 channels behind relu", 2, (4, 4, 2), [
            conv(18, (3, 3), **same), {"Activation": "Relu"}, "GlobalMaxPool", dense(3),
        ]),
        case("upsample", 2, (3, 4, 3), [upsample(2, 2)]),
        case("upsample by different factors between layers", 2, (3, 2, 2), [
            conv(3, (2, 2)), upsample(3, 2), conv(2, (2, 2)),
        ]),
        case("norms and upsampling side by side", 2, (4, 4, 4), [
            (layer_norm(), ["input"]), (group_norm(2), ["input"]), (instance_norm(), ["input"]),
            (prelu(), ["input"]), (max_pool((2, 2), stride=(2, 2)), ["input"]), upsample(2, 2),
            ("Concat", ["layer0", "layer1", "layer2", "layer3", "layer5"]), conv(3, (1, 1)),
        ]),
    ]


if __name__ == "__main__":
    golden = {"torch": torch.__version__.split("+")[0]}
    golden |= {"convolutions": convolutions(), "filtered": filtered(), "poolings": poolings(), "others": others()}
    golden |= {"examples": examples()}
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
    counts = {name: len(cases) for name, cases in golden.items() if name != "torch"}
    print(f"{path.name}: {path.stat().st_size} bytes, {counts}")

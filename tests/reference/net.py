"""Golden values for networks, losses and initial weights, from PyTorch.

Run it to write net.json beside it; toolkit/src/net/tests/golden.rs and toolkit/src/loss/tests.rs read that.
Everything is computed in float64 from inputs rounded to float32, so that the file is the more exact side of
a comparison.
Made with torch 2.15.0, Python 3.11.
"""

import json
import math
from pathlib import Path

import torch
from torch import nn

torch.manual_seed(20261123)
torch.set_default_dtype(torch.float64)


def rounded(tensor):
    """Numbers that float32 holds exactly, as a flat list."""
    return [float(v) for v in tensor.detach().to(torch.float32).flatten()]


def numbers(tensor):
    """Results, to ten digits."""
    return [float(f"{v:.10g}") for v in tensor.detach().flatten().tolist()]


def sample(*shape, scale=1.0):
    return (torch.randn(*shape) * scale).to(torch.float32).to(torch.float64)


class Maxout(nn.Module):
    def __init__(self, k):
        super().__init__()
        self.k = k

    def forward(self, x):
        return x.unflatten(1, (-1, self.k)).amax(dim=2)


def dense(inputs, units):
    layer = nn.Linear(inputs, units)
    layer.weight.data = sample(units, inputs, scale=1.2 / math.sqrt(inputs))
    layer.bias.data = sample(units, scale=0.5)
    kind = {"Dense": {"units": units, "bias": True, "init": "Zeros", "bias_init": "Zeros"}}
    return layer, kind


def bare(inputs, units):
    layer, kind = dense(inputs, units)
    layer.bias = None
    kind["Dense"]["bias"] = False
    return layer, kind


def norm(width, momentum=0.1, epsilon=1e-5):
    layer = nn.BatchNorm1d(width, momentum=momentum, eps=epsilon)
    layer.weight.data = sample(width)
    layer.bias.data = sample(width)
    layer.running_mean.data = sample(width)
    layer.running_var.data = sample(width).abs() + 0.5
    return layer, {"BatchNorm": {"momentum": momentum, "epsilon": epsilon}}


def act(module, kind):
    return module, {"Activation": kind}


def parameters(layer):
    if isinstance(layer, nn.Linear):
        return [layer.weight.t()] + ([] if layer.bias is None else [layer.bias])
    if isinstance(layer, nn.BatchNorm1d):
        return [layer.weight, layer.bias]
    return []


def gradients(layer, frozen):
    if isinstance(layer, nn.Linear):
        found = [layer.weight.grad.t()] + ([] if layer.bias is None else [layer.bias.grad])
    elif isinstance(layer, nn.BatchNorm1d):
        found = [layer.weight.grad, layer.bias.grad]
    else:
        found = []
    return [torch.zeros_like(g) for g in found] if frozen else found


def buffers(layers):
    found = []
    for layer in layers:
        if isinstance(layer, nn.BatchNorm1d):
            found += rounded(layer.running_mean) + rounded(layer.running_var)
    return found


def flat(tensors, form):
    return [v for t in tensors for v in form(t)]


def network(name, rows, inputs, layers, frozen=(), training=True):
    """Runs the layers once, forward and backward, with a random gradient from above."""
    modules = [module for module, _ in layers]
    spec = {
        "input": inputs,
        "layers": [
            {"name": f"layer{i}", "kind": kind, "frozen": i in frozen} for i, (_, kind) in enumerate(layers)
        ],
    }
    case = {
        "name": name,
        "spec": spec,
        "training": training,
        "parameters": flat([p for m in modules for p in parameters(m)], rounded),
        "buffers": buffers(modules),
    }
    net = nn.Sequential(*modules)
    net.train(training)
    for i in frozen:
        modules[i].eval()
    x = sample(rows, inputs).requires_grad_()
    y = net(x)
    above = sample(*y.shape)
    y.backward(above)
    case |= {
        "x": rounded(x),
        "above": rounded(above),
        "y": numbers(y),
        "input_gradient": numbers(x.grad),
        "gradients": flat([g for i, m in enumerate(modules) for g in gradients(m, i in frozen)], numbers),
        "buffers_after": buffers(modules),
    }
    return case


def networks():
    relu = lambda: act(nn.ReLU(), "Relu")
    return [
        network("one dense layer", 5, 4, [dense(4, 3)]),
        network("relu", 9, 5, [dense(5, 19), relu(), dense(19, 17), relu(), dense(17, 4)]),
        network("no bias", 7, 6, [bare(6, 8), relu(), bare(8, 3)]),
        network("relu first and last", 6, 5, [relu(), dense(5, 4), relu()]),
        network("leaky relu", 8, 5, [dense(5, 9), act(nn.LeakyReLU(0.1), {"LeakyRelu": 0.1}), dense(9, 3)]),
        network("tanh", 8, 5, [dense(5, 9), act(nn.Tanh(), "Tanh"), dense(9, 3)]),
        network("sigmoid", 8, 5, [dense(5, 9), act(nn.Sigmoid(), "Sigmoid"), dense(9, 3)]),
        network("gelu", 11, 5, [dense(5, 19), act(nn.GELU(), "Gelu"), dense(19, 3)]),
        network("maxout", 8, 5, [dense(5, 12), act(Maxout(3), {"Maxout": 3}), dense(4, 3)]),
        network("identity", 4, 3, [dense(3, 4), act(nn.Identity(), "Identity"), dense(4, 2)]),
        network("batch norm in training", 10, 5, [dense(5, 7), norm(7), relu(), dense(7, 3)]),
        network(
            "batch norm in training, other constants",
            6,
            4,
            [norm(4, 0.3, 1e-3), dense(4, 7), act(nn.Tanh(), "Tanh"), norm(7, 0.05, 1e-2), dense(7, 3)],
        ),
        network("batch norm in evaluation", 10, 5, [dense(5, 7), norm(7), relu(), dense(7, 3)], training=False),
        network("frozen batch norm", 10, 5, [dense(5, 7), norm(7), relu(), dense(7, 3)], frozen={1}),
        network("frozen dense", 10, 5, [dense(5, 7), relu(), dense(7, 6), relu(), dense(6, 3)], frozen={2}),
        network("the first layers frozen", 10, 5, [dense(5, 7), norm(7), relu(), dense(7, 3)], frozen={0, 1}),
    ]


def losses():
    logits = sample(6, 5, scale=3.0)
    logits[0] = torch.tensor([300.0, -300.0, 0.0, 299.0, 100.0])
    classes = torch.tensor([3, 0, 4, 1, 2, 2])
    values = sample(6, 5)
    one_hot = nn.functional.one_hot(classes, 5).to(torch.float64)
    found = []
    for name, targets, function in [
        ("SoftmaxCrossEntropy", {"classes": classes.tolist()}, lambda z: nn.CrossEntropyLoss()(z, classes)),
        ("MeanSquaredError", {"classes": classes.tolist()}, lambda z: nn.MSELoss()(z, one_hot)),
        ("MeanSquaredError", {"values": rounded(values)}, lambda z: nn.MSELoss()(z, values)),
    ]:
        z = logits.clone().requires_grad_()
        value = function(z)
        value.backward()
        case = {"loss": name, "outputs": 5, "logits": rounded(logits), "value": float(value.detach())}
        found.append(case | targets | {"gradient": numbers(z.grad)})
    return found


def inits():
    """Moments of a matrix of 1,536 inputs and 512 units (PyTorch keeps it as units x inputs)."""
    inputs, units = 1536, 512
    laws = {
        "Zeros": nn.init.zeros_,
        "Constant": lambda w: nn.init.constant_(w, 0.25),
        "Normal": lambda w: nn.init.normal_(w, 0.0, 0.02),
        "Uniform": lambda w: nn.init.uniform_(w, -0.05, 0.05),
        "FanUniform": lambda w: nn.init.kaiming_uniform_(w, a=math.sqrt(5)),
        "XavierUniform": nn.init.xavier_uniform_,
        "XavierNormal": nn.init.xavier_normal_,
        "HeUniform": lambda w: nn.init.kaiming_uniform_(w, nonlinearity="relu"),
        "HeNormal": lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu"),
        "Word2Vec": lambda w: nn.init.uniform_(w, -0.5 / units, 0.5 / units),
    }
    arguments = {"Constant": 0.25, "Normal": 0.02, "Uniform": 0.05}
    found = []
    for name, law in laws.items():
        w = torch.empty(units, inputs)
        law(w)
        found.append(
            {
                "init": {name: arguments[name]} if name in arguments else name,
                "inputs": inputs,
                "units": units,
                "mean": float(w.mean()),
                "sd": float(w.std(unbiased=False)),
                "fourth": float((w - w.mean()).pow(4).mean()),
                "least": float(w.min()),
                "most": float(w.max()),
            }
        )
    return found


if __name__ == "__main__":
    golden = {"torch": torch.__version__.split("+")[0], "networks": networks(), "losses": losses(), "inits": inits()}
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
    print(f"{path.name}: {path.stat().st_size} bytes")

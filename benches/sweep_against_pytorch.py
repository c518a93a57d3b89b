"""Times PyTorch's two ways to train many networks 64-128-128-10 on a GPU: one after another, a step at a time; and all at
once, by torch.func's vmap with the step captured as a CUDA graph. Plain f32, SGD with momentum, 50 epochs of 1,437 examples;
what is timed is a part of the work, from which the whole is reckoned. `cuda-check --digits` times Jook's.

On a CPU it only checks itself: both ways must give the same losses.
"""

import argparse
import time

import torch
from torch.func import functional_call, grad_and_value, stack_module_state, vmap

EXAMPLES, EPOCHS = 1437, 50


def networks(count, device):
    torch.manual_seed(1)
    layer = torch.nn.Linear
    make = lambda: torch.nn.Sequential(
        layer(64, 128), torch.nn.ReLU(), layer(128, 128), torch.nn.ReLU(), layer(128, 10)
    )
    return [make().to(device) for _ in range(count)]


def one_after_another(nets, data, orders, rates, batch, steps):
    """Seconds a step, and the last losses."""
    features, labels = data
    losses = []
    wait()
    began = time.perf_counter()
    for net, order, rate in zip(nets, orders, rates):
        optimizer = torch.optim.SGD(net.parameters(), lr=float(rate), momentum=0.9)
        for step in range(steps):
            rows = batch_of(order, step, batch)
            optimizer.zero_grad(set_to_none=True)
            loss = torch.nn.functional.cross_entropy(net(features[rows]), labels[rows])
            loss.backward()
            optimizer.step()
        losses.append(loss.detach())
    wait()
    return (time.perf_counter() - began) / steps / len(nets), losses


def all_at_once(nets, data, orders, rates, batch, steps, device):
    """Seconds a step of all, and the last losses."""
    features, labels = data
    parameters, _ = stack_module_state(nets)
    parameters = {name: p.detach().clone() for name, p in parameters.items()}
    velocity = {name: torch.zeros_like(p) for name, p in parameters.items()}
    begin = {name: p.clone() for name, p in parameters.items()}
    shell = nets[0]

    def loss_of(own, x, y):
        return torch.nn.functional.cross_entropy(functional_call(shell, own, (x,)), y)

    gradient = vmap(grad_and_value(loss_of))
    rows = torch.zeros(len(nets), batch, dtype=torch.long, device=device)
    losses = torch.zeros(len(nets), device=device)

    def step():
        slopes, values = gradient(parameters, features[rows], labels[rows])
        losses.copy_(values)
        for name, p in parameters.items():
            velocity[name].mul_(0.9).add_(slopes[name])
            p.sub_(velocity[name] * rates.view(-1, *[1] * (p.dim() - 1)))

    run = step
    if device == "cuda":
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                step()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step()
        run = graph.replay
        for name in parameters:
            parameters[name].copy_(begin[name])
            velocity[name].zero_()
    wait()
    began = time.perf_counter()
    for number in range(steps):
        rows.copy_(torch.stack([batch_of(order, number, batch) for order in orders]) if device == "cpu"
                   else orders[:, number % (EXAMPLES // batch) * batch :][:, :batch])
        run()
    wait()
    return (time.perf_counter() - began) / steps, losses


def batch_of(order, step, batch):
    return order[step % (EXAMPLES // batch) * batch :][:batch]


def wait():
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--device", default="cuda")
    arguments.add_argument("--nets", type=int, default=512)
    arguments.add_argument("--steps", type=int, default=200)
    own = arguments.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = False
    device = own.device
    generator = torch.Generator().manual_seed(0)
    features = torch.rand(EXAMPLES, 64, generator=generator).to(device)
    labels = torch.randint(10, (EXAMPLES,), generator=generator).to(device)
    orders = torch.stack([torch.randperm(EXAMPLES, generator=generator) for _ in range(own.nets)]).to(device)
    rates = torch.linspace(0.01, 0.1, own.nets, device=device)
    data = (features, labels)
    for batch in (16, 32, 64):
        whole = EPOCHS * -(-EXAMPLES // batch)
        some = min(own.nets, 3)
        nets = networks(own.nets, device)
        one_after_another(networks(1, device), data, orders[:1], rates[:1], batch, 20)
        eager, first = one_after_another(networks(own.nets, device)[:some], data, orders, rates[:some], batch, own.steps)
        together, losses = all_at_once(nets, data, orders, rates, batch, own.steps, device)
        print(
            f"batch {batch}: one after another {eager * 1e6:.0f} us a step, {1 / (eager * whole):.2f} networks a second; "
            f"all at once {together * 1e6:.0f} us a step of {own.nets}, {own.nets / (together * whole):.1f} networks a second; "
            f"{own.nets} networks would take {eager * whole * own.nets:.1f} s and {together * whole:.3f} s"
        )
        apart = max(abs(float(a) - float(b)) for a, b in zip(first, losses[:some]))
        print(f"  last losses differ by {apart:.1e}")


if __name__ == "__main__":
    main()

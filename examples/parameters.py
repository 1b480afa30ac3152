"""Parameters: reach them by position, by name or all at once, choose their start, share them."""

import argparse
import copy

import torch
from torch import nn

import refnet


def block():
    """Return a small chain, 4 to 8 to 4."""
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 4), nn.ReLU())


def small(module):
    """Fill a linear layer with draws of standard deviation 0.01, its bias with 0."""
    if isinstance(module, nn.Linear):
        refnet.init.normal_(module.weight, std=0.01)
        refnet.init.zeros_(module.bias)


def constant(module):
    """Fill a linear layer's weights with 1: an example of what not to do."""
    if isinstance(module, nn.Linear):
        nn.init.constant_(module.weight, 1)
        refnet.init.zeros_(module.bias)


def access(net, x):
    """Print the ways to a parameter; return what they found."""
    last = net[2]
    print("of the last layer:", {name: tuple(p.shape) for name, p in last.state_dict().items()})
    print(type(last.bias).__name__, "of value", last.bias.detach().tolist())
    before = last.weight.grad
    net(x).sum().backward()
    print(f"gradient: {before} before backward, then of shape {tuple(last.weight.grad.shape)}")

    shapes = {name: tuple(p.shape) for name, p in net.named_parameters()}
    print("all:", shapes)
    by_name = net.get_parameter("2.bias")
    print("2.bias by name is that of net[2]:", by_name is last.bias)
    return {
        "shapes": shapes,
        "no_gradient_before": before is None,
        "gradient_shape": tuple(last.weight.grad.shape),
        "by_name_is_by_position": by_name is last.bias,
    }


def nested(x, device):
    """Print a net of four blocks and a layer; return the name of one weight deep inside."""
    blocks = nn.Sequential()
    for i in range(4):
        blocks.add_module(f"block {i}", block())
    net = nn.Sequential(blocks, nn.Linear(4, 1)).to(device)
    print(net)
    name = next(name for name, p in net.named_parameters() if p is net[0][1][2].weight)
    print(f"output {tuple(net(x).shape)}; the weight at net[0][1][2] has the name {name!r}")
    return {"nested_name": name, "nested_parameters": sum(p.numel() for p in net.parameters())}


def starts(net, x, device):
    """Give layers their start values; return what came of it."""
    net.apply(small)
    std = net[0].weight.std().item()
    print(f"small start: std {std:.4f}, biases {net[0].bias.count_nonzero().item()} not 0")

    net.apply(constant)
    net.zero_grad()
    net(x).sum().backward()
    equal = bool((net[0].weight.grad == net[0].weight.grad[0]).all())
    print(f"constant start: all 8 hidden units get the same gradient: {equal}, so never do it")

    refnet.init.xavier_uniform_(net[0].weight)  # one recipe here, another there
    nn.init.constant_(net[2].weight, 42)
    bound = (6 / (4 + 8)) ** 0.5
    largest = net[0].weight.abs().max().item()
    print(f"Xavier in the first layer: {largest:.3f} at most, bound {bound:.3f}")
    print("42 in the last:", net[2].weight.detach().tolist())
    return {
        "small_std": std,
        "constant_gradients_equal": equal,
        "xavier_largest": largest,
        "xavier_bound": bound,
        "last_weights": net[2].weight.unique().tolist(),
    }


def sharing(x, device):
    """Put one layer into two places; return what that means for values and gradients."""
    first, relu, last = nn.Linear(4, 8).to(device), nn.ReLU(), nn.Linear(8, 1).to(device)
    shared = nn.Linear(8, 8).to(device)
    net = nn.Sequential(first, relu, shared, relu, shared, relu, last)
    net(x).sum().backward()

    twins = copy.deepcopy(shared), copy.deepcopy(shared)  # the same values, but two layers
    for twin in twins:
        twin.zero_grad()
    nn.Sequential(first, relu, twins[0], relu, twins[1], relu, last)(x).sum().backward()
    added = twins[0].weight.grad + twins[1].weight.grad
    difference = ((shared.weight.grad - added).abs().max() / added.abs().max()).item()

    with torch.no_grad():
        net[2].weight[0, 0] = 100
    value, count = net[4].weight[0, 0].item(), len(list(net.parameters()))
    print(f"shared: net[2] is net[4] {net[2] is net[4]}, 100 there is {value:g} here")
    print(
        f"{count} parameter tensors; its gradient is the sum of both places', to {difference:.0e}"
    )
    return {"shared_value": value, "shared_tensors": count, "shared_gradient_error": difference}


def main(device="auto", seed=0):
    """Reach, set and share parameters, and print each step; return what was found."""
    refnet.seed_everything(seed)
    device = refnet.choose_device(device)
    x = torch.rand(2, 4).to(device)
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1)).to(device)
    return access(net, x) | nested(x, device) | starts(net, x, device) | sharing(x, device)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1 or auto")
    parser.add_argument("--seed", type=int, default=0, help="seed of start values and inputs")
    refnet.run_script(main, parser)

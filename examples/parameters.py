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
    shape = tuple(last.weight.grad.shape)
    print(f"gradient: {before} before backward, then of shape {shape}")

    shapes = {name: tuple(p.shape) for name, p in net.named_parameters()}
    print("all:", shapes)
    same = net.get_parameter("2.bias") is last.bias
    print("2.bias by name is that of net[2]:", same)
    return {
        "shapes": shapes,
        "no_gradient_before": before is None,
        "gradient_shape": shape,
        "by_name_is_by_position": same,
    }


def nested(x, device):
    """Print a net of four blocks and a layer; return the name of one weight deep inside."""
    blocks = nn.Sequential()
    for i in range(4):
        blocks.add_module(f"block {i}", block())
    net = nn.Sequential(blocks, nn.Linear(4, 1)).to(device)
    print(net)
    deep = net[0][1][2].weight
    name = next(name for name, p in net.named_parameters() if p is deep)
    print(f"output {tuple(net(x).shape)}; the weight at net[0][1][2] has the name {name!r}")
    count = sum(p.numel() for p in net.parameters())
    return {"nested_name": name, "nested_parameters": count}


def starts(net, x, device):
    """Give layers their start values; return what came of it."""
    first = net[0]
    last = net[2]
    net.apply(small)
    std = first.weight.std().item()
    print(f"small start: std {std:.4f}, biases {first.bias.count_nonzero().item()} not 0")

    net.apply(constant)
    net.zero_grad()
    net(x).sum().backward()
    gradient = first.weight.grad  # (8, 4), a row for each hidden unit
    equal = bool((gradient == gradient[0]).all())
    print(f"constant start: all 8 hidden units get the same gradient: {equal}, so never do it")

    refnet.init.xavier_uniform_(first.weight)  # one recipe here, another there
    nn.init.constant_(last.weight, 42)
    bound = (6 / (4 + 8)) ** 0.5
    largest = first.weight.abs().max().item()
    print(f"Xavier in the first layer: {largest:.3f} at most, bound {bound:.3f}")
    print("42 in the last:", last.weight.detach().tolist())
    return {
        "small_std": std,
        "constant_gradients_equal": equal,
        "xavier_largest": largest,
        "xavier_bound": bound,
        "last_weights": last.weight.unique().tolist(),
    }


def sharing(x, device):
    """Put one layer into two places; return what that means for values and gradients."""
    first = nn.Linear(4, 8).to(device)
    last = nn.Linear(8, 1).to(device)
    shared = nn.Linear(8, 8).to(device)
    relu = nn.ReLU()
    net = nn.Sequential(first, relu, shared, relu, shared, relu, last)
    net(x).sum().backward()

    one = copy.deepcopy(shared)  # the same values, but two layers
    two = copy.deepcopy(shared)
    one.zero_grad()
    two.zero_grad()
    nn.Sequential(first, relu, one, relu, two, relu, last)(x).sum().backward()
    added = one.weight.grad + two.weight.grad
    largest = (shared.weight.grad - added).abs().max() / added.abs().max()
    difference = largest.item()

    with torch.no_grad():
        net[2].weight[0, 0] = 100
    value = net[4].weight[0, 0].item()
    count = len(list(net.parameters()))
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

"""Start values: the variance of signals and gradients on their way through 20 layers.

Each layer multiplies the variance by a factor that the start values fix. Below 1 signals vanish,
above 1 they explode; Xavier's recipe (for linear layers and tanh) and He's (for ReLU) aim at 1.
"""

import argparse

import torch

import refnet
from refnet import errors, init

STARTS = {
    "zeros": init.zeros_,
    "N(0, 1)": lambda weight: init.normal_(weight, 1.0),
    "std 0.01": lambda weight: init.normal_(weight, 0.01),
    "torch": lambda weight: weight,  # as torch.nn.Linear starts: U(-k, k) with k = 1 / sqrt(D)
    "Xavier": init.xavier_normal_,
    "He": init.he_normal_,
}
ACTIVATIONS = {"linear": lambda z: z, "relu": torch.relu, "tanh": torch.tanh}


def through(start, activation, layers, width, batch_size, device):
    """Return the variances of all layers' sums z and of the gradients that come back to them."""
    f = ACTIVATIONS[activation]
    x = torch.randn(batch_size, width, dtype=torch.float64).to(device)  # (N, D), variance 1
    sums = []
    for _ in range(layers):
        layer = refnet.Linear(width, width, bias=False)
        start(layer.weight)
        layer.to(device).double()
        z = layer(x)  # (N, D) @ (D, D) -> (N, D)
        z.retain_grad()
        sums.append(z)
        x = f(z)
    # x.sum() would send back the same number everywhere; a random gradient of variance 1 does not
    dx = torch.randn(batch_size, width, dtype=torch.float64)
    x.backward(dx.to(device))
    forward = [z.var().item() for z in sums]
    backward = [z.grad.var().item() for z in sums]
    return forward, backward


def factor(first, last, steps):
    """Return the factor of one step if ``steps`` equal ones lead from ``first`` to ``last``."""
    return (last / first) ** (1 / steps) if first else 0.0


def table(title, variances, layers):
    """Print one line a layer, for every fifth of them, and one column a start value."""
    print(f"\n{title}\nlayer" + "".join(f"{name:>10}" for name in variances))
    for i in sorted({0, *range(4, layers, 5), layers - 1}):
        print(f"{i + 1:>5}" + "".join(f"{column[i]:>10.1e}" for column in variances.values()))


def main(device="auto", seed=0, activation="relu", layers=20, width=512, batch_size=256):
    """Send random data forward and a random gradient back; return all variances by start value."""
    errors.check_choice("initialization", "activation", activation, ACTIVATIONS)
    for name, size in (("layers", layers), ("width", width), ("batch_size", batch_size)):
        errors.check_int("initialization", name, size, 2)  # a variance takes two
    device = refnet.choose_device(device)
    forward = {}
    backward = {}
    for name, start in STARTS.items():
        refnet.seed_everything(seed)
        variances = through(start, activation, layers, width, batch_size, device)
        forward[name], backward[name] = variances

    print(f"{layers} layers of {width} units, {activation}, {batch_size} samples, in float64")
    table("variance of the sums z, forward", forward, layers)
    table("variance of the gradient of z, backward", backward, layers)
    steps = layers - 1
    factors = {name: factor(column[0], column[-1], steps) for name, column in forward.items()}
    back = {name: factor(column[-1], column[0], steps) for name, column in backward.items()}
    print("\nfactor of a layer" + "".join(f"{name:>10}" for name in factors))
    for title, row in (("forward", factors), ("backward", back)):
        print(f"{title:<17}" + "".join(f"{value:>10.3g}" for value in row.values()))
    return {"forward": forward, "backward": backward, "factor": factors, "factor_back": back}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1 or auto")
    parser.add_argument("--seed", type=int, default=0, help="seed of data and start values")
    parser.add_argument("--activation", default="relu", help="linear, relu or tanh")
    parser.add_argument("--layers", type=int, default=20, help="layers one after the other")
    parser.add_argument("--width", type=int, default=512, help="units of each layer")
    parser.add_argument("--batch-size", type=int, default=256, help="samples")
    refnet.run_script(main, parser)

"""XOR: a net with one hidden layer learns it in seconds; no linear model can.

How often it learns depends on the width and the activation function, so a hundred nets of each
kind are trained, side by side: torch.func makes one net of stacked weights of them.
"""

import argparse

import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn.functional import cross_entropy

import refnet
from refnet import errors

WIDTHS = (1, 2, 3, 4, 8)
ACTIVATIONS = ("relu", "sigmoid", "tanh", "cos")


def set_by_hand():
    """Return a net of two ReLU neurons that computes relu(s) - 2 relu(s - 1) for s = x1 + x2."""
    net = refnet.xor_net(hidden=2, activation="relu")
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[1.0, 1.0], [1.0, 1.0]]))  # both neurons see s,
        net[0].bias.copy_(torch.tensor([0.0, -1.0]))  # the second one less 1
        net[2].weight.copy_(torch.tensor([[0.0, 0.0], [1.0, -2.0]]))
        net[2].bias.copy_(torch.tensor([0.0, -0.5]))  # class 1 where the sum is above 0.5
    return net


def train_all(hidden, activation, seeds, steps=300, lr=0.5, momentum=0.9, device="cpu"):
    """Train one net for each seed, all at once; return whether each gets all four samples right."""
    data = refnet.XOR()
    x = data.x.to(device)  # (4, 2)
    y = data.y.to(device).repeat(len(seeds))  # (S * 4,)
    nets = []
    for seed in seeds:
        refnet.seed_everything(seed)
        nets.append(refnet.xor_net(hidden, activation).to(device))
    parameters, _ = stack_module_state(nets)  # S nets: every tensor is (S, ...)
    answers = vmap(lambda one: functional_call(nets[0], one, (x,)))  # -> (S, 4, 2)
    optimizer = torch.optim.SGD(parameters.values(), lr=lr, momentum=momentum)
    for _ in range(steps):
        optimizer.zero_grad()
        logits = answers(parameters).flatten(0, 1)  # (S * 4, 2)
        losses = cross_entropy(logits, y, reduction="sum") / 4
        losses.backward()  # the sum of S mean losses: each net gets the gradient of its own
        optimizer.step()
    guesses = answers(parameters).argmax(2).flatten()
    return (guesses == y).view(-1, 4).all(1).tolist()


def train_one(name, model, data, epochs, device):
    """Train a model on the four samples; print and return what it makes of them."""
    loader = refnet.Loader(data, refnet.SequentialSampler(data, batch_size=4))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    trainer = refnet.Trainer(model, optimizer, device=device, verbose=False)
    trainer.fit(loader, epochs=epochs)
    metrics = trainer.evaluate(loader)
    print(f"{name}: {metrics.correct} of {metrics.count} right, loss = {metrics.loss:.3f}")
    return metrics


def count_all(nets, seed, device):
    """Print and return how many of many nets learn XOR, for each activation and each width."""
    print(f"\nof {nets} nets of each kind this many learn XOR in 300 steps:")
    print("neurons" + "".join(f"{width:>5}" for width in WIDTHS))
    seeds = range(seed, seed + nets)
    solved = {}
    for kind in ACTIVATIONS:
        solved[kind] = {}
        for width in WIDTHS:
            learnt = train_all(width, kind, seeds, device=device)
            solved[kind][width] = sum(learnt)
        counts = solved[kind].values()
        print(f"{kind:<7}" + "".join(f"{count:>5}" for count in counts), flush=True)
    return solved


def main(device="auto", seed=0, hidden=4, activation="tanh", epochs=500, nets=100):
    """Train a linear model and a net on the four samples; count how many of many nets succeed."""
    errors.check_int("xor", "nets", nets, 1)
    device = refnet.choose_device(device)
    data = refnet.XOR()
    refnet.seed_everything(seed)
    linear = train_one("linear", nn.Linear(2, 2), data, epochs, device)
    refnet.seed_everything(seed)
    model = refnet.xor_net(hidden, activation)
    net = train_one("net", model, data, epochs, device)

    guesses = model(data.x.to(device)).cpu().argmax(1)
    for (a, b), label, guess in zip(data.x, data.y, guesses, strict=True):
        print(f"{a:.0f} xor {b:.0f} = {label}, the net says {guess}")

    guesses = set_by_hand()(data.x).argmax(1)
    right = int((guesses == data.y).sum())
    print(f"two neurons with weights set by hand: {right} of 4 right")
    return {
        "linear_correct": linear.correct,
        "linear_loss": linear.loss,
        "net_correct": net.correct,
        "net_loss": net.loss,
        "by_hand_correct": right,
        "solved": count_all(nets, seed, device),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1 or auto")
    parser.add_argument("--seed", type=int, default=0, help="seed of the (first) start values")
    parser.add_argument("--hidden", type=int, default=4, help="neurons in the hidden layer")
    parser.add_argument("--activation", default="tanh", help="relu, sigmoid, tanh or cos")
    parser.add_argument("--epochs", type=int, default=500, help="passes over the four samples")
    parser.add_argument("--nets", type=int, default=100, help="nets of each kind to count with")
    refnet.run_script(main, parser)

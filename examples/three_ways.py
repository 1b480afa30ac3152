"""The net 784-256-10 three times: by hand with matmul, with Module, with the Trainer.

All three begin with the same weights, see the same batches and take the same steps, so they must
arrive at the same numbers. They compute in float64, where rounding leaves no doubt about that.
"""

import argparse
from itertools import count, islice

import torch
from torch import nn
from torch.nn.functional import cross_entropy

import refnet
from refnet import errors


def passes(loader):
    """Yield the batches of one pass after another, without end, each in an order of its own."""
    for epoch in count():
        loader.set_epoch(epoch)
        yield from loader


def by_hand(loader, start, lr, steps):
    """Train with nothing but tensors and their gradients; return the losses and the weights."""
    W1, b1, W2, b2 = (start[name].clone().requires_grad_() for name in start)
    losses = []
    for x, y in islice(passes(loader), steps):
        z1 = x.flatten(1) @ W1.T + b1  # (N, 784) @ (784, 256) -> (N, 256)
        a1 = z1.clamp(min=0)  # ReLU
        z2 = a1 @ W2.T + b2  # (N, 256) @ (256, 10) -> (N, 10)
        right = z2.gather(1, y.unsqueeze(1)).squeeze(1)  # the logit of the right class, (N,)
        loss = (z2.logsumexp(1) - right).mean()  # minus the logarithm of its softmax
        loss.backward()
        with torch.no_grad():
            for parameter in (W1, b1, W2, b2):
                parameter -= lr * parameter.grad
                parameter.grad = None
        losses.append(loss.item())
    return losses, [W1, b1, W2, b2]


class Net(nn.Module):
    """The same net as a module: layers in __init__, their use in forward."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(784, 256)
        self.classifier = nn.Linear(256, 10)

    def forward(self, x):
        """Map pictures (N, 28, 28) to logits (N, 10)."""
        return self.classifier(torch.relu(self.fc(x.flatten(1))))


def with_module(loader, start, lr, steps):
    """Train a module with an optimizer and a loop; return the losses and the weights."""
    net = Net().to(next(iter(start.values())))
    net.load_state_dict(dict(zip(net.state_dict(), start.values(), strict=True)))
    optimizer = torch.optim.SGD(net.parameters(), lr=lr)
    losses = []
    for x, y in islice(passes(loader), steps):
        optimizer.zero_grad()
        loss = cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, list(net.parameters())


def with_trainer(loader, start, lr, steps):
    """Let the Trainer do all that; return the losses and the weights."""
    model = refnet.mlp(hidden=256).to(next(iter(start.values())))
    model.load_state_dict(start)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    trainer = refnet.Trainer(model, optimizer, device=loader.device, verbose=False)
    history = trainer.fit_steps(passes(loader), steps, every=1)
    return history.column("train_loss"), list(model.parameters())


def main(device="auto", seed=0, steps=100, batch_size=64, lr=0.01, data=None, or_sample=False):
    """Take the same steps in the three ways; return the losses and how far the ways are apart."""
    errors.check_int("three_ways", "steps", steps, 1)
    if errors.check_number("three_ways", "lr", lr, 0) == 0:
        raise ValueError("three_ways: expected lr above 0, got 0. Choose 0.01, for example.")
    refnet.seed_everything(seed)
    train = refnet.FashionMNIST(data, or_sample=or_sample)
    mean, std = train.images.double().mean(), train.images.double().std()
    order = refnet.RandomSampler(train, batch_size, seed=seed)
    device = refnet.choose_device(device)
    loader = refnet.Loader(train, order, lambda x: (x.double() - mean) / std, device)
    start = {name: p.to(device).double() for name, p in refnet.mlp(256).state_dict().items()}

    losses, weights = {}, {}
    for way in (by_hand, with_module, with_trainer):
        losses[way.__name__], weights[way.__name__] = way(loader, start, lr, steps)
    print("step" + "".join(f"{name:>20}" for name in losses))
    for i in sorted({0, *range(steps // 5 - 1, steps, max(1, steps // 5)), steps - 1}):
        print(f"{i:>4}" + "".join(f"{column[i]:>20.16f}" for column in losses.values()))

    first, *others = losses.values()
    apart = max(abs(a - b) for other in others for a, b in zip(first, other, strict=True))
    first, *others = weights.values()
    moved = max(
        (a - b).abs().max().item() for other in others for a, b in zip(first, other, strict=True)
    )
    print(f"the losses differ by {apart:.1e} at most, the weights at the end by {moved:.1e}")
    return {"losses": losses, "loss_difference": apart, "weight_difference": moved}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1 or auto")
    parser.add_argument("--seed", type=int, default=0, help="seed of start values and order")
    parser.add_argument("--steps", type=int, default=100, help="training steps")
    parser.add_argument("--batch-size", type=int, default=64, help="pictures a step")
    parser.add_argument("--lr", type=float, default=0.01, help="learning rate")
    parser.add_argument("--data", help="the only folder to look in; fetched into it if missing")
    parser.add_argument(
        "--or-sample",
        action="store_true",
        help="where the set cannot be had, train on the few thousand pictures that refnet carries",
    )
    refnet.run_script(main, parser)

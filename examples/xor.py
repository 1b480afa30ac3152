"""XOR: a net with one hidden layer learns it in seconds; no linear model can."""

import argparse

import torch
from torch import nn

import refnet


def main(device="auto", seed=0, hidden=4, activation="tanh", epochs=500):
    """Train a linear model and a net on the four samples; return how many each gets right."""
    data = refnet.XOR()
    loader = refnet.Loader(data, refnet.SequentialSampler(data, batch_size=4))
    numbers = {}
    for name in ("linear", "net"):
        refnet.seed_everything(seed)
        model = nn.Linear(2, 2) if name == "linear" else refnet.xor_net(hidden, activation)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
        trainer = refnet.Trainer(model, optimizer, device=device, verbose=False)
        trainer.fit(loader, epochs=epochs)
        metrics = trainer.evaluate(loader)
        print(f"{name}: {metrics.correct} of {metrics.count} right, loss = {metrics.loss:.3f}")
        numbers[f"{name}_correct"] = metrics.correct
        numbers[f"{name}_loss"] = metrics.loss

    logits = model(data.x.to(trainer.device)).cpu()
    for (a, b), label, guess in zip(data.x, data.y, logits.argmax(1), strict=True):
        print(f"{a:.0f} xor {b:.0f} = {label}, the net says {guess}")
    return numbers


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1 or auto")
    parser.add_argument("--seed", type=int, default=0, help="seed of the start values")
    parser.add_argument("--hidden", type=int, default=4, help="neurons in the hidden layer")
    parser.add_argument("--activation", default="tanh", help="relu, sigmoid, tanh or cos")
    parser.add_argument("--epochs", type=int, default=500, help="passes over the four samples")
    refnet.run_script(main, parser)

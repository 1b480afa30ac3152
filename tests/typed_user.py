"""A program as a user writes it: mypy --strict accepts it, so the types of the package hold."""

import torch

import refnet


def correct_of_four(epochs: int) -> int | None:
    """Return how many of the four points of XOR are right after so many epochs."""
    data = refnet.XOR()
    loader = refnet.Loader(data, refnet.SequentialSampler(data, batch_size=4))
    model: refnet.Sequential = refnet.xor_net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    trainer = refnet.Trainer(model, optimizer, verbose=False)
    history: refnet.History = trainer.fit(loader, epochs=epochs)
    metrics: refnet.Metrics = trainer.evaluate(loader)
    return metrics.correct if history[-1].train_loss < 1 else None

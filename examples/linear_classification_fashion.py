"""A linear classifier, 784-10, on the full Fashion-MNIST: what neural_network.py improves on."""

import argparse

import torch

import refnet


def main(device="auto", seed=0, epochs=5, batch_size=64, lr=0.01, data=None, or_sample=False):
    """Train the classifier on 60,000 pictures; return its accuracy on the other 10,000."""
    refnet.seed_everything(seed)
    train = refnet.FashionMNIST(data, or_sample=or_sample)
    test = refnet.FashionMNIST(data, train=False, or_sample=or_sample)
    pixels = train.images.float()
    normalize = refnet.Normalize(pixels.mean(), pixels.std())

    order = refnet.RandomSampler(train, batch_size, seed=seed)
    train_loader = refnet.Loader(train, order, normalize)
    test_loader = refnet.Loader(test, refnet.SequentialSampler(test, 1000), normalize)

    model = refnet.linear_classifier()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    trainer = refnet.Trainer(model, optimizer, device=device)
    history = trainer.fit(train_loader, test_loader, epochs=epochs)

    last = history.rows[-1]
    which = "the full set" if len(train) == 60_000 else "the embedded sample, NOT the full set"
    if trainer.rank == 0:  # of several processes under torchrun the first speaks
        print(f"test accuracy {last.val_acc:.4f} on {len(test)} pictures, trained on {which}")
    return {
        "test_accuracy": last.val_acc,
        "train_loss": last.train_loss,
        "train_samples": len(train),
        "test_samples": len(test),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1 or auto")
    parser.add_argument("--seed", type=int, default=0, help="seed of start values and order")
    parser.add_argument("--epochs", type=int, default=5, help="passes over the training set")
    parser.add_argument("--batch-size", type=int, default=64, help="pictures a step")
    parser.add_argument("--lr", type=float, default=0.01, help="learning rate")
    parser.add_argument("--data", help="the only folder to look in; fetched into it if missing")
    parser.add_argument(
        "--or-sample",
        action="store_true",
        help="where the set cannot be had, train on the few thousand pictures that refnet carries",
    )
    refnet.run_script(main, parser)

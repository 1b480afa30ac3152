"""A linear classifier, 784-10, on MNIST, the handwritten digits.

It differs from linear_classification_fashion.py in the data set alone. MNIST is in no Debian
package and refnet carries no sample of it: where its four files are missing and cannot be
fetched, the script stops and says which files they are and where to put them.
"""

import argparse

import torch

import refnet

FILES = (
    "train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, "
    "t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz"
)
ADDRESS = "https://ossci-datasets.s3.amazonaws.com/mnist/"


def load(data):
    """Return training and test set; where they are missing, say what to fetch and from where."""
    try:
        return refnet.MNIST(data), refnet.MNIST(data, train=False)
    except refnet.MissingDataError as error:
        how = f"By hand: put {FILES} from {ADDRESS} into a folder, and pass --data FOLDER."
        raise refnet.MissingDataError(f"{error} {how}") from error


def main(device="auto", seed=0, epochs=5, batch_size=64, lr=0.01, data=None):
    """Train the classifier on 60,000 pictures; return its accuracy on the other 10,000."""
    refnet.seed_everything(seed)
    train, test = load(data)
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
    which = "MNIST" if train.checked == "sha256" else "files in MNIST's form, NOT MNIST itself"
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
    refnet.run_script(main, parser)

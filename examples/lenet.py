"""LeNet, a convolutional net: taken apart on one picture, then trained on the full Fashion-MNIST.

The pictures of 28 x 28 are padded with black to the 32 x 32 that the net was made for.
"""

import argparse

import torch
from torch.nn.functional import mse_loss, one_hot, pad

import refnet


def padded(dataset):
    """Return the data set with pictures of shape (N, 1, 32, 32): one channel, a black border."""
    return refnet.ArrayDataset(pad(dataset.images.unsqueeze(1), (2, 2, 2, 2)), dataset.labels)


def graph(node, names, depth=0):
    """Return the lines of the graph that autograd recorded behind ``node``, from loss to input."""
    if node is None:  # a constant: no gradient flows there
        return []
    leaf = getattr(node, "variable", None)  # what a gradient is stored in: a parameter or the input
    lines = ["  " * depth + (node.name() if leaf is None else names[id(leaf)])]
    for before, _ in node.next_functions:
        lines += graph(before, names, depth + 1)
    return lines


def show_parameters(net):
    """Print the net and its parameters; return their shapes and how many numbers they hold."""
    print(net)
    for name, parameter in net.named_parameters():
        print(f"{name:<12} {tuple(parameter.shape)!s:<15} {parameter.numel():>6,}")
    shapes = {name: tuple(parameter.shape) for name, parameter in net.named_parameters()}
    total = sum(parameter.numel() for parameter in net.parameters())
    print(f"{len(shapes)} parameter tensors with {total:,} numbers in all")
    return shapes, total


def show_backward(net, x, label):
    """Walk the graph of one picture's loss, and fill the gradients; return graph and gradients."""
    x = x.clone().requires_grad_()  # for once the input wants a gradient too
    target = one_hot(label, 10).to(x.dtype)  # (1, 10): 1 at the right class
    logits = net(x)  # (1, 1, 32, 32) -> (1, 10)
    loss = mse_loss(logits, target)
    print(f"untrained logits {[round(z, 3) for z in logits[0].tolist()]}, loss {loss.item():.3f}")

    lines = graph(loss.grad_fn, {id(p): name for name, p in net.named_parameters()} | {id(x): "x"})
    print(*lines, sep="\n")

    net.zero_grad()  # torch adds gradients up: forget what is there
    before = net.conv1.bias.grad
    loss.backward()
    after = net.conv1.bias.grad.tolist()
    print(f"conv1.bias.grad is {before} before backward, then {[round(g, 4) for g in after]}")
    return {"graph": lines, "gradient_before": before, "gradient_after": after}


def compare_updates(net, lr=0.01):
    """Take one step with SGD; return how far any weight is from the same step by hand."""
    by_hand = [p.detach() - lr * p.grad for p in net.parameters()]  # the rule of SGD
    torch.optim.SGD(net.parameters(), lr=lr).step()  # the same, in place

    pairs = zip(net.parameters(), by_hand, strict=True)
    difference = max((a - b).abs().max().item() for a, b in pairs)
    print(f"one step by hand and one of optim.SGD differ by {difference:.1e} at most")
    return difference


def main(device="auto", seed=0, epochs=5, batch_size=64, lr=0.001, data=None, or_sample=False):
    """Take the net apart and train it; return its parameters, graph, update and accuracy."""
    refnet.seed_everything(seed)
    train = refnet.FashionMNIST(data, or_sample=or_sample)
    test = refnet.FashionMNIST(data, train=False, or_sample=or_sample)
    pixels = train.images.float()
    normalize = refnet.Normalize(pixels.mean(), pixels.std())
    train, test = padded(train), padded(test)

    net = refnet.LeNet()
    shapes, parameters = show_parameters(net)
    backward = show_backward(net, normalize(train.x[:1]), train.y[:1])
    difference = compare_updates(net)

    order = refnet.RandomSampler(train, batch_size, seed=seed)
    train_loader = refnet.Loader(train, order, normalize)
    test_loader = refnet.Loader(test, refnet.SequentialSampler(test, 1000), normalize)
    trainer = refnet.Trainer(net, torch.optim.Adam(net.parameters(), lr=lr), device=device)
    history = trainer.fit(train_loader, test_loader, epochs=epochs)

    last = history.rows[-1]
    which = "the full set" if len(train) == 60_000 else "the embedded sample, NOT the full set"
    print(f"test accuracy {last.val_acc:.4f} on {len(test)} pictures, trained on {which}")
    return {
        "parameters": parameters,
        "shapes": shapes,
        **backward,
        "update_difference": difference,
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
    parser.add_argument("--lr", type=float, default=0.001, help="learning rate of Adam")
    parser.add_argument("--data", help="the only folder to look in; fetched into it if missing")
    parser.add_argument(
        "--or-sample",
        action="store_true",
        help="where the set cannot be had, train on the few thousand pictures that refnet carries",
    )
    refnet.run_script(main, parser)

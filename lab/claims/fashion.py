"""Claims about nets on Fashion-MNIST, the full set: seconds to minutes each."""

import functools
import runpy
from pathlib import Path

from torch import nn, optim
from torch.nn.functional import cross_entropy

import refnet

EXAMPLES = Path(__file__).parents[2] / "examples"
STARTS = ("zeros", "normal", "small", "torch", "xavier")
RATES = (0.001, 0.01, 0.1, 1.0)
FLOOR = 1.461  # the least that cross_entropy can say to ten probabilities: ln(1 + 9 / e)


@functools.cache
def script(name):
    return runpy.run_path(str(EXAMPLES / name))


def gather(rows):
    """Turn a dict of numbers for each seed into one dict of lists, a number for each seed."""
    return {measure: [row[measure] for row in rows] for measure in rows[0]}


def example(seeds, device, name, **settings):
    """Run a whole script of the course with each seed."""
    rows = [script(name)["main"](device, seed, **settings) for seed in seeds]
    return gather([{key: row[key] for key in ("test_accuracy", "train_loss")} for row in rows])


def train(seed, device, lr, epochs, batch_size, batch_norm=False, softmax=False):
    """Train 784-256-10 by SGD with momentum, with batch norm or a softmax too many if wanted."""
    refnet.seed_everything(seed)
    train_set, test_set = refnet.FashionMNIST(), refnet.FashionMNIST(train=False)
    pixels = train_set.images.float()
    normalize = refnet.Normalize(pixels.mean(), pixels.std())
    order = refnet.RandomSampler(train_set, batch_size, seed=seed)
    train_loader = refnet.Loader(train_set, order, normalize)
    test_loader = refnet.Loader(test_set, refnet.SequentialSampler(test_set, 1000), normalize)

    hidden = refnet.fully_connected(784, 256, "relu", batch_norm)
    model = refnet.Sequential(nn.Flatten(), hidden, refnet.Linear(256, 10))
    optimizer = optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    loss = (lambda z, y: cross_entropy(z.softmax(1), y)) if softmax else cross_entropy
    history = refnet.Trainer(model, optimizer, loss, device).fit(train_loader, epochs=epochs)
    metrics = refnet.Trainer(model, optimizer, device=device).evaluate(test_loader)
    return {
        "test_accuracy": metrics.accuracy,
        "train_loss": history.rows[-1].train_loss,  # by the loss it was trained with
        "test_loss": metrics.loss,  # cross_entropy of the logits, whatever it was trained with
    }


def one_rate(seeds, device, **settings):
    return gather([train(seed, device, **settings) for seed in seeds])


def each_rate(seeds, device, rates, **settings):
    """Measure the test accuracy at several learning rates."""
    return {
        f"lr {lr}": [train(seed, device, lr, **settings)["test_accuracy"] for seed in seeds]
        for lr in rates
    }


def hidden_layer_is_better(at, i):
    return at("hidden", "test_accuracy")[i] > at("linear", "test_accuracy")[i]


def xavier_begins_best_and_zeros_never(at, i):
    losses = [at(start, "train_loss")[i] for start in ("xavier", "torch", "small", "normal")]
    zeros, normal, *others = (at(start, "test_accuracy")[i] for start in STARTS)
    return losses == sorted(losses) and zeros == 0.1 and normal < min(others)


def tuned_reaches_089_and_the_recipe_does_not(at, i):
    return at("tuned", "test_accuracy")[i] >= 0.89 > at("recipe", "test_accuracy")[i]


def batch_norm_is_better_at_each_rate(at, i):
    return all(at("batch norm", f"lr {lr}")[i] > at("plain", f"lr {lr}")[i] for lr in RATES)


def second_softmax_is_worse(at, i):
    (right, loss), (right_twice, loss_twice) = (
        (at(label, "test_accuracy")[i], at(label, "test_loss")[i]) for label in ("once", "twice")
    )
    floored = at("twice", "train_loss")[i] > FLOOR
    return floored and right_twice < right and loss_twice > loss


SGD = {"epochs": 5, "batch_size": 64, "lr": 0.01}
RECIPE = {"name": "mlp_recipe.py", "batch_size": 256}
NORM = {"rates": RATES, "epochs": 1, "batch_size": 64}
SEEDS = range(3)

CLAIMS = {
    "fashion": {
        "claim": "One hidden layer tells more of the test pictures right than a linear model.",
        "run": example,
        "settings": {
            "linear": {"name": "linear_classification_fashion.py", **SGD},
            "hidden": {"name": "neural_network.py", **SGD, "hidden": 256},
        },
        "seeds": SEEDS,
        "holds": hidden_layer_is_better,
    },
    "starts": {
        "claim": "From zeros a net learns nothing. Of the random starts Xavier's has the lowest "
        "training loss after two epochs, then come torch's, N(0, 0.01^2) and, far behind and worst "
        "on the test pictures too, N(0, 1).",
        "run": example,
        "settings": {start: {**RECIPE, "start": start, "epochs": 2} for start in STARTS},
        "seeds": SEEDS,
        "holds": xavier_begins_best_and_zeros_never,
    },
    "tuned": {
        "claim": "The tuned net reaches 0.89 within 10 epochs, the plain recipe does not.",
        "run": example,
        "settings": {
            "recipe": {**RECIPE, "epochs": 10},
            "tuned": {**RECIPE, "epochs": 10, "tune": True},
        },
        "seeds": SEEDS,
        "holds": tuned_reaches_089_and_the_recipe_does_not,
    },
    "batch-norm": {
        "claim": "After one epoch batch normalization is ahead at each learning rate.",
        "run": each_rate,
        "settings": {
            name: {**NORM, "batch_norm": name == "batch norm"} for name in ("plain", "batch norm")
        },
        "seeds": SEEDS,
        "holds": batch_norm_is_better_at_each_rate,
    },
    "softmax-twice": {
        "claim": "With a softmax before cross_entropy the loss of ten classes stays above 1.461, "
        "the probabilities are worse, and fewer test pictures are right.",
        "run": one_rate,
        "settings": {name: {**SGD, "softmax": name == "twice"} for name in ("once", "twice")},
        "seeds": SEEDS,
        "holds": second_softmax_is_worse,
    },
}

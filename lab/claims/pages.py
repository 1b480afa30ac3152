"""Claims of the pages on overfitting, optimizers, convolution and colour: seconds to minutes."""

import time

import torch
from torch import nn
from torch.nn.functional import cross_entropy, pad
from torch.optim.lr_scheduler import LinearLR

import refnet

OPTIMIZERS = {
    "SGD": lambda parameters: torch.optim.SGD(parameters, lr=0.01),
    "momentum": lambda parameters: torch.optim.SGD(parameters, lr=0.01, momentum=0.9),
    "Nesterov": lambda parameters: torch.optim.SGD(
        parameters, lr=0.01, momentum=0.9, nesterov=True
    ),
    "Adam": lambda parameters: torch.optim.Adam(parameters, lr=0.001),
}


def gather(rows):
    """Turn a dict of numbers for each seed into one dict of lists, a number for each seed."""
    return {measure: [row[measure] for row in rows] for measure in rows[0]}


def each_seed(run):
    """Let a function of one seed run with each."""
    return lambda seeds, device, **settings: gather(
        [run(seed, device, **settings) for seed in seeds]
    )


def score(model, x, y):
    """Return loss and accuracy of the model on one set, in evaluation."""
    model.eval()
    with torch.no_grad():
        logits = model(x)
    right = (logits.argmax(1) == y).float().mean().item()
    return cross_entropy(logits, y).item(), right


# Overfitting: 2,500 pictures, 30 epochs


def clothes(images, device):
    """Return training, validation and test pictures, normalized, with their labels."""
    sample = images <= 2500
    train = refnet.FashionMNIST(sample=sample)
    test = refnet.FashionMNIST(train=False, sample=True)
    mean, std = train.images[:images].float().mean(), train.images[:images].float().std()

    def part(data, where):
        x = (data.images[where].float() - mean) / std
        return x.to(device), data.labels[where].to(device)

    return part(train, slice(images)), part(train, slice(-500, None)), part(test, slice(None))


def move_and_mirror(x):
    """Move each batch by a pixel or none each way, and mirror every other picture."""
    dy, dx = torch.randint(-1, 2, (2,)).tolist()
    mirrored = torch.rand(len(x), 1, 1).to(x.device) < 0.5
    x = x.roll((dy, dx), (1, 2))
    return torch.where(mirrored, x.flip(2), x)


def remedy(seed, device, images=2500, dropout=0.0, decay=0.0, augment=False, stop=False, epochs=30):
    """Train 784-256-10; with ``stop`` return the best epoch by validation."""
    (x, y), validation, test = clothes(images, device)
    refnet.seed_everything(seed)
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Dropout(dropout), nn.Linear(256, 10)
    ).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.001, weight_decay=decay)
    rows = []
    for _ in range(epochs):
        model.train()
        for batch in torch.randperm(len(x)).to(device).split(64):
            inputs = move_and_mirror(x[batch]) if augment else x[batch]
            optimizer.zero_grad()
            cross_entropy(model(inputs), y[batch]).backward()
            optimizer.step()
        loss, _ = score(model, *validation)
        test_loss, test_accuracy = score(model, *test)
        rows.append(
            {
                "validation_loss": loss,
                "train_accuracy": score(model, x, y)[1],
                "test_loss": test_loss,
                "test_accuracy": test_accuracy,
            }
        )
    best = min(rows, key=lambda row: row["validation_loss"])
    return best if stop else rows[-1]


def each_remedy_lowers_the_loss(at, i):
    nothing = at("nothing", "test_loss")[i]
    others = ("early stopping", "weight decay", "dropout", "augmentation")
    return all(at(label, "test_loss")[i] < nothing - 0.05 for label in others)


def more_pictures_are_better(at, i):
    accuracies = [at(f"{images}", "test_accuracy")[i] for images in (250, 2500, 10000, 50000)]
    return accuracies == sorted(accuracies)


# Optimizers: three epochs on the full set


def optimized(seed, device, optimizer, schedule=False):
    """Train an MLP on the full set for three epochs with batches of 64."""
    refnet.seed_everything(seed)
    train, test = refnet.FashionMNIST(), refnet.FashionMNIST(train=False)
    pixels = train.images.float()
    normalize = refnet.Normalize(pixels.mean(), pixels.std())
    order = refnet.RandomSampler(train, 64, seed=seed)
    model = refnet.mlp(hidden=256)
    steps = OPTIMIZERS[optimizer](model.parameters())
    if schedule:
        falling = LinearLR(steps, start_factor=1.0, end_factor=0.01, total_iters=3 * len(order))
        steps.register_step_post_hook(lambda *_: falling.step())
    trainer = refnet.Trainer(model, steps, device=device, verbose=False)
    history = trainer.fit(refnet.Loader(train, order, normalize), epochs=3)
    metrics = trainer.evaluate(refnet.Loader(test, refnet.SequentialSampler(test, 1000), normalize))
    return {"test_accuracy": metrics.accuracy, "train_loss": history.rows[-1].train_loss}


def a_falling_rate_passes_the_benchmark(at, i):
    return at("SGD", "test_accuracy")[i] < 0.877 < at("Adam, schedule", "test_accuracy")[i]


# Convolution: linear model, MLP and LeNet like for like


MODELS = {"linear": refnet.linear_classifier, "mlp": refnet.mlp, "lenet": refnet.LeNet}


def like_for_like(seed, device, model, epochs):
    """Train one of the models on the full set: same pictures, order, optimizer and epochs."""
    refnet.seed_everything(seed)
    train, test = refnet.FashionMNIST(), refnet.FashionMNIST(train=False)
    pixels = train.images.float()
    mean, std = pixels.mean(), pixels.std()
    net = MODELS[model]()

    def prepared(data):
        images = (data.images.float() - mean) / std
        if model == "lenet":
            images = pad(images, (2, 2, 2, 2), value=images.min().item()).unsqueeze(1)
        return refnet.ArrayDataset(images, data.labels)

    train, test = prepared(train), prepared(test)
    trainer = refnet.Trainer(
        net, torch.optim.Adam(net.parameters(), lr=0.001), device=device, verbose=False
    )
    began = time.process_time()
    trainer.fit(refnet.Loader(train, refnet.RandomSampler(train, 64, seed=seed)), epochs=epochs)
    seconds = (time.process_time() - began) / epochs
    metrics = trainer.evaluate(refnet.Loader(test, refnet.SequentialSampler(test, 1000)))
    return {
        "test_accuracy": metrics.accuracy,
        "test_loss": metrics.loss,
        "parameters": sum(parameter.numel() for parameter in net.parameters()),
        "seconds": seconds,  # of the processor, for one epoch
    }


def each_step_is_better(at, i):
    accuracies = [at(model, "test_accuracy")[i] for model in MODELS]
    return accuracies == sorted(accuracies)


# Colour: the clothes of the sample, tinted


PALETTE = torch.tensor(
    [
        *([0.9, 0.2, 0.2], [0.2, 0.7, 0.2], [0.2, 0.3, 0.9], [0.9, 0.8, 0.2], [0.8, 0.3, 0.8]),
        *([0.2, 0.8, 0.8], [0.9, 0.5, 0.1], [0.5, 0.3, 0.9], [0.6, 0.4, 0.2], [0.6, 0.6, 0.6]),
    ]
)  # ten tints: red, green and blue from 0 to 1


def tinted(data, tint):
    """Return the pictures in colour, (N, 3, 32, 32), each in the given one of the ten tints."""
    grey = pad(data.images, (2, 2, 2, 2)).unsqueeze(1).float() / 255
    return grey * PALETTE[tint][:, :, None, None]


def lenet(channels):
    """Return LeNet's layers for pictures of 32 x 32 with so many channels."""
    return nn.Sequential(
        *(nn.Conv2d(channels, 6, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )


def coloured(seed, device, by_class, grey=False):
    """Train LeNet for 10 epochs on tinted clothes; test on clothes in tints drawn at random."""
    train = refnet.FashionMNIST(sample=True)
    test = refnet.FashionMNIST(train=False, sample=True)
    draw = torch.Generator().manual_seed(seed)
    tints = torch.randint(10, (len(train),), generator=draw)
    x = tinted(train, train.labels if by_class else tints)
    same = tinted(test, test.labels)
    free = tinted(test, torch.randint(10, (len(test),), generator=draw))
    if grey:
        x, same, free = (images.mean(1, keepdim=True) for images in (x, same, free))

    refnet.seed_everything(seed)
    model = lenet(1 if grey else 3)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    trainer = refnet.Trainer(model, optimizer, device=device, verbose=False)
    data = refnet.ArrayDataset(x, train.labels)
    trainer.fit(refnet.Loader(data, refnet.RandomSampler(data, 32, seed=seed)), epochs=10)
    return {
        "tinted_by_class": trainer.evaluate([(same, test.labels)]).accuracy,
        "tinted_at_random": trainer.evaluate([(free, test.labels)]).accuracy,
    }


def tint_by_class_deceives(at, i):
    trapped, honest = at("by class", "tinted_at_random")[i], at("random", "tinted_at_random")[i]
    return at("by class", "tinted_by_class")[i] > 0.95 and trapped < honest - 0.3


ADAM = {"optimizer": "Adam"}

CLAIMS = {
    "remedies": {
        "claim": "On 2,500 pictures early stopping, weight decay, dropout and augmentation each "
        "lower the test loss after 30 epochs by more than 0.05.",
        "run": each_seed(remedy),
        "settings": {
            "nothing": {},
            "early stopping": {"stop": True},
            "weight decay": {"decay": 1.0},
            "dropout": {"dropout": 0.5},
            "augmentation": {"augment": True},
            "all": {"decay": 1.0, "dropout": 0.2, "augment": True, "stop": True},
        },
        "seeds": range(5),
        "holds": each_remedy_lowers_the_loss,
    },
    "more-data": {
        "claim": "With 250, 2,500, 10,000 and 50,000 pictures the same net gets better each time.",
        "run": each_seed(remedy),
        "settings": {
            f"{images}": {"images": images, "stop": True, "epochs": 10 if images == 50000 else 30}
            for images in (250, 2500, 10000, 50000)
        },
        "seeds": range(3),
        "holds": more_pictures_are_better,
    },
    "optimizers": {
        "claim": "In three epochs plain SGD stays below 0.877, the benchmark's MLP; Adam with a "
        "learning rate that falls passes it.",
        "run": each_seed(optimized),
        "settings": {
            "SGD": {"optimizer": "SGD"},
            "momentum": {"optimizer": "momentum"},
            "Nesterov": {"optimizer": "Nesterov"},
            "Adam": ADAM,
            "Adam, schedule": {**ADAM, "schedule": True},
        },
        "seeds": range(3),
        "holds": a_falling_rate_passes_the_benchmark,
    },
    "convolution": {
        "claim": "Trained alike on the full set, an MLP is better than a linear model, and LeNet "
        "is better than both with fewer than a third of the MLP's parameters.",
        "run": each_seed(like_for_like),
        "settings": {model: {"model": model, "epochs": 5} for model in MODELS},
        "seeds": range(3),
        "holds": each_step_is_better,
    },
    "colour": {
        "claim": "A net trained on clothes tinted by class is nearly perfect on such clothes and "
        "far worse than one trained on random tints where the tint says nothing.",
        "run": each_seed(coloured),
        "settings": {
            "random": {"by_class": False},
            "by class": {"by_class": True},
            "by class, in grey": {"by_class": True, "grey": True},
        },
        "seeds": range(3),
        "holds": tint_by_class_deceives,
    },
}

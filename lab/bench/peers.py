"""One epoch of refnet's Trainer beside its peers and beside the limit, interleaved.

    python lab/bench/peers.py [--rounds 5] [--threads 1] [--tasks mlp-64 lenet] [--write]

Every column starts each round from the same start values and trains one epoch on the same images
of Fashion-MNIST, in the same order, with the same batch size and optimizer, then counts the right
answers on the same test images: both are timed, and accuracy and test loss stand beside the time.
The products alone are those of the layers' weights, forward and backward: what no trainer can do
without. A peer that has no such model (scikit-learn: no convolution, no cos, no endless stream) has
no entry.

The peers have an environment of their own: python -m tox run -e bench.
"""

import argparse
import functools
import itertools
import logging
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"

import numpy as np
import torch
from common import circumstances, interleave, ratio, spread, timed, whole_process, write
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import refnet

BARS = {"DataLoader": 1.4, "skorch": 1.5, "Lightning": 1.9, "Keras": 3.2}  # times refnet's time


class Cosine(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.cos()


def overfit_twin(activation: Callable[[], nn.Module], batch_norm: bool = False) -> nn.Module:
    layers: list[nn.Module] = []
    for a, b in ((2, 64), (64, 256), (256, 64)):
        layers += [nn.Linear(a, b), *([nn.BatchNorm1d(b)] if batch_norm else []), activation()]
    return nn.Sequential(*layers, nn.Linear(64, 2))


def lenet_twin() -> nn.Module:
    def pooled(a: int, b: int) -> list[nn.Module]:
        return [nn.Conv2d(a, b, 5), nn.ReLU(), nn.MaxPool2d(2)]

    dense = [nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)]
    return nn.Sequential(*pooled(1, 6), *pooled(6, 16), nn.Flatten(), *dense)


def mlp_twin() -> nn.Module:
    return nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))


@dataclass(frozen=True)
class Task:
    """A model in refnet and in torch.nn, and how it is trained: an epoch, or steps of a stream."""

    ours: Callable[[], nn.Module]
    twin: Callable[[], nn.Module]
    batch: int
    optimizer: Callable[..., torch.optim.Optimizer]
    lr: float
    steps: int = 0
    scale: float = 0.0  # r of the coordinates' range [-r, r]; 0: pixels
    peers: tuple[str, ...] = ("scikit-learn", "skorch", "Lightning", "Keras")


SGD, ADAM = torch.optim.SGD, torch.optim.Adam
IMAGES = functools.partial(Task, optimizer=SGD, lr=0.05)
STREAM = functools.partial(
    Task, batch=1024, optimizer=ADAM, lr=1e-3, steps=100, peers=("Lightning", "Keras")
)
TASKS = {
    "linear": IMAGES(refnet.linear_classifier, lambda: nn.Sequential(nn.Linear(784, 10)), 64),
    "mlp-64": IMAGES(refnet.mlp, mlp_twin, 64),
    "mlp-256": IMAGES(refnet.mlp, mlp_twin, 256),
    "lenet": IMAGES(refnet.LeNet, lenet_twin, 64, peers=("skorch", "Lightning", "Keras")),
    "overfit-relu": STREAM(refnet.overfit_net, lambda: overfit_twin(nn.ReLU), scale=1.0),
    "overfit-cos": STREAM(
        functools.partial(refnet.overfit_net, "cos"), lambda: overfit_twin(Cosine), scale=3.0
    ),
    "overfit-batch-norm": STREAM(
        functools.partial(refnet.overfit_net, batch_norm=True),
        lambda: overfit_twin(nn.ReLU, batch_norm=True),
    ),
}


class Data:
    """The samples of a task: training set or stream, and test set, the same for every column."""

    def __init__(self, task: Task, images: int) -> None:
        self.task = task
        if task.steps:
            self.picture = refnet.ImagePixels(refnet.draw_text())
            grid, labels = self.picture.grid()
            self.test_x, self.test_y = self._scaled(grid[::10]), labels[::10]
            return
        normalize = refnet.Normalize(72.94, 90.02)
        for name, train, count in (("train", True, images), ("test", False, images // 6)):
            data = refnet.FashionMNIST(train=train)
            x = normalize(data.images[:count])
            x = pad(x.unsqueeze(1), (2, 2, 2, 2)) if task.ours is refnet.LeNet else x.flatten(1)
            setattr(self, f"{name}_x", x)
            setattr(self, f"{name}_y", data.labels[:count])

    def _scaled(self, x: Tensor) -> Tensor:
        size = self.picture.height, self.picture.width
        r = self.task.scale
        return refnet.Rescale(size, -r, r)(x) if r else x.float()

    def stream(self) -> Iterator[tuple[Tensor, Tensor]]:
        for x, y in self.picture.batches(self.task.batch, seed=0):
            yield self._scaled(x), y

    def order(self, seed: int) -> Tensor:
        """The indices of the training samples as refnet's sampler shuffles them."""
        n = len(self.train_y)
        return next(iter(refnet.RandomSampler(n, n, seed)))

    def torch_loader(self, seed: int) -> DataLoader:
        """The training samples behind torch's DataLoader: shuffled, or a stream cut to length."""
        if not self.task.steps:
            samples = TensorDataset(self.train_x, self.train_y)
            # A list costs what shuffle=True does, which draws a permutation and makes it a list
            return DataLoader(samples, self.task.batch, sampler=self.order(seed).tolist())
        data = self

        class Endless(IterableDataset):
            def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
                return itertools.islice(data.stream(), data.task.steps)

        return DataLoader(Endless(), batch_size=None)

    def held_out(self) -> DataLoader:
        return DataLoader(TensorDataset(self.test_x, self.test_y), 1000)


class Column:
    """One way to train: ``start`` sets the start values, ``epoch`` is timed, accuracy and all."""

    model: nn.Module

    def __init__(self, task: Task, data: Data, state: dict[str, Tensor]) -> None:
        self.task, self.data, self.state = task, data, state
        self.accuracies: list[float] = []
        self.losses: list[float] = []
        self.seed = 0  # of the order of the samples: the number of the round

    def start(self) -> None:
        raise NotImplementedError

    def epoch(self) -> float:
        raise NotImplementedError

    def in_order(self, accuracy: float) -> float:
        """Return the accuracy of an epoch in the common order: that of the timed one, if it was."""
        return accuracy

    def logits(self) -> Tensor:
        return self.model.eval()(self.data.test_x)

    def seconds(self) -> float:
        self.seed = len(self.accuracies)
        self.start()
        began = time.perf_counter()
        accuracy = self.epoch()
        took = time.perf_counter() - began
        self.accuracies.append(round(self.in_order(accuracy), 6))  # some divide in float32
        with torch.no_grad():
            self.losses.append(cross_entropy(self.logits(), self.data.test_y).item())
        return took

    def _twin(self) -> tuple[nn.Module, torch.optim.Optimizer]:
        model = self.task.twin()
        model.load_state_dict(self.state)
        return model, self.task.optimizer(model.parameters(), lr=self.task.lr)


class Refnet(Column):
    def start(self) -> None:
        self.model = self.task.ours()
        own = self.model.state_dict()  # the same parameters in the same order under other names
        self.model.load_state_dict(dict(zip(own, self.state.values(), strict=True)))
        optimizer = self.task.optimizer(self.model.parameters(), lr=self.task.lr)
        self.trainer = refnet.Trainer(self.model, optimizer, device="cpu", verbose=False)
        test = refnet.ArrayDataset(self.data.test_x, self.data.test_y)
        self.test = refnet.Loader(test, refnet.SequentialSampler(test, 1000))
        if not self.task.steps:
            train = refnet.ArrayDataset(self.data.train_x, self.data.train_y)
            sampler = refnet.RandomSampler(train, self.task.batch, self.seed)
            self.train = refnet.Loader(train, sampler)

    def epoch(self) -> float:
        if self.task.steps:
            steps = self.task.steps
            history = self.trainer.fit_steps(self.data.stream(), steps, self.test, every=steps)
        else:
            history = self.trainer.fit(self.train, self.test, epochs=1)
        return history.rows[-1].val_acc


class BareLoop(Column):
    """The same arithmetic and nothing else: no statistics, no checks; batches by index."""

    def start(self) -> None:
        self.model, self.optimizer = self._twin()

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        if self.task.steps:
            yield from itertools.islice(self.data.stream(), self.task.steps)
        else:
            x, y = self.data.train_x, self.data.train_y
            for index in self.data.order(self.seed).split(self.task.batch):
                yield x[index], y[index]

    def epoch(self) -> float:
        for x, y in self.batches():
            self.optimizer.zero_grad()
            cross_entropy(self.model(x), y).backward()
            self.optimizer.step()
        return self.test()

    def test(self) -> float:
        self.model.eval()
        with torch.no_grad():
            pairs = zip(self.data.test_x.split(1000), self.data.test_y.split(1000), strict=True)
            correct = sum(int((self.model(x).argmax(1) == y).sum()) for x, y in pairs)
        return correct / len(self.data.test_y)


class UsualLoop(BareLoop):
    """The loop of most tutorials: DataLoader, and loss and accuracy read after each step."""

    def epoch(self) -> float:
        loss_sum = correct = count = 0.0
        for x, y in self.data.torch_loader(self.seed):
            self.optimizer.zero_grad()
            logits = self.model(x)
            loss = cross_entropy(logits, y)
            loss.backward()
            self.optimizer.step()
            loss_sum += loss.item() * len(y)
            correct += (logits.argmax(1) == y).sum().item()
            count += len(y)
        self.model.eval()
        correct = 0
        with torch.no_grad():
            for x, y in self.data.held_out():
                correct += (self.model(x).argmax(1) == y).sum().item()
        return correct / len(self.data.test_y)


class Order(np.random.RandomState):
    """Random numbers for scikit-learn, which shuffle as the samplers of the other columns do."""

    def __init__(self, data: Data, seed: int) -> None:
        super().__init__(seed)
        self.data, self.order_seed = data, seed

    def shuffle(self, indices: np.ndarray) -> None:
        indices[:] = self.data.order(self.order_seed)


class ScikitLearn(Column):
    """MLPClassifier with plain SGD; a hidden layer only where the task has one."""

    def start(self) -> None:
        from sklearn.neural_network import MLPClassifier

        weights = list(self.state.values())
        self.classifier = MLPClassifier(
            tuple(len(b) for b in weights[1:-1:2]),
            solver="sgd",
            alpha=0,
            batch_size=self.task.batch,
            learning_rate_init=self.task.lr,
            momentum=0,
            nesterovs_momentum=False,
            random_state=self.seed,
        )
        self.x, self.y = self.data.train_x.numpy(), self.data.train_y.numpy()
        self.classifier.partial_fit(
            self.x[: self.task.batch], self.y[: self.task.batch], classes=np.arange(10)
        )
        self.classifier.coefs_[:] = [
            np.ascontiguousarray(w.T) for w in map(Tensor.numpy, weights[::2])
        ]
        self.classifier.intercepts_[:] = [b.numpy().copy() for b in weights[1::2]]
        self.classifier.random_state = Order(self.data, self.seed)

    def epoch(self) -> float:
        self.classifier.partial_fit(self.x, self.y)
        return self.classifier.score(self.data.test_x.numpy(), self.data.test_y.numpy())

    def logits(self) -> Tensor:
        return torch.from_numpy(self.classifier.predict_log_proba(self.data.test_x.numpy()))


class Skorch(Column):
    def start(self) -> None:
        from skorch import NeuralNetClassifier
        from skorch.helper import predefined_split

        model, _ = self._twin()
        self.net = NeuralNetClassifier(
            model,
            criterion=nn.CrossEntropyLoss,
            optimizer=self.task.optimizer,
            lr=self.task.lr,
            batch_size=self.task.batch,
            iterator_train__sampler=self.data.order(self.seed).tolist(),
            iterator_valid__batch_size=1000,
            max_epochs=1,
            train_split=predefined_split(TensorDataset(self.data.test_x, self.data.test_y)),
            verbose=0,
        ).initialize()
        self.model = self.net.module_  # skorch copies the module: the copy keeps the start values
        self.x, self.y = self.data.train_x, self.data.train_y

    def epoch(self) -> float:
        self.net.partial_fit(TensorDataset(self.x, self.y), None)
        return self.net.history[-1, "valid_acc"]


class Lightning(Column):
    def start(self) -> None:
        import lightning

        for name in ("lightning.pytorch", "lightning.fabric"):
            logging.getLogger(name).setLevel(logging.ERROR)
        self.model, optimizer = self._twin()
        model = self.model

        class Module(lightning.LightningModule):
            def __init__(self) -> None:
                super().__init__()
                self.net = model

            def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
                x, y = batch
                logits = self.net(x)
                loss = cross_entropy(logits, y)
                accuracy = (logits.argmax(1) == y).float().mean()
                self.log_dict({"loss": loss, "acc": accuracy}, on_step=False, on_epoch=True)
                return loss

            def validation_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
                x, y = batch
                self.log("val_acc", (self.net(x).argmax(1) == y).float().mean(), batch_size=len(y))

            def configure_optimizers(self) -> torch.optim.Optimizer:
                return optimizer

        self.module = Module()
        self.trainer = lightning.Trainer(
            accelerator="cpu",
            max_epochs=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )

    def epoch(self) -> float:
        self.trainer.fit(self.module, self.data.torch_loader(self.seed), self.data.held_out())
        return float(self.trainer.callback_metrics["val_acc"])


class Keras(Column):
    def start(self) -> None:
        import keras

        keras.utils.set_random_seed(self.seed)
        keras.backend.clear_session()
        layers, first = keras.layers, {"data_format": "channels_first"}
        model = keras.Sequential([keras.Input(tuple(self.data.test_x.shape[1:]))])
        for module in self._twin()[0]:
            match module:
                case nn.Linear():
                    model.add(layers.Dense(module.out_features))
                case nn.Conv2d():
                    model.add(layers.Conv2D(module.out_channels, module.kernel_size, **first))
                case nn.BatchNorm1d():
                    model.add(layers.BatchNormalization(epsilon=module.eps, momentum=0.9))
                case nn.MaxPool2d():
                    model.add(layers.MaxPooling2D(module.kernel_size, **first))
                case nn.Flatten():  # "channels_first" would move the channels last
                    model.add(layers.Flatten())
                case _:
                    names = {nn.ReLU: "relu", Cosine: keras.ops.cos}
                    model.add(layers.Activation(names[type(module)]))
        start = [v.numpy() for k, v in self.state.items() if "num_batches" not in k]
        turn = {2: lambda w: w.T, 4: lambda w: w.transpose(2, 3, 1, 0)}
        model.set_weights([turn.get(w.ndim, lambda w: w)(w) for w in start])
        optimizers = {SGD: keras.optimizers.SGD, ADAM: keras.optimizers.Adam}
        optimizer = optimizers[self.task.optimizer](self.task.lr)
        if self.task.optimizer is ADAM:
            optimizer.epsilon = 1e-8  # torch's; Keras has 1e-7
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer, loss, metrics=["accuracy"])
        self.model = model
        self.test = self.data.test_x.numpy(), self.data.test_y.numpy()
        if not self.task.steps:
            self.train = self.data.train_x.numpy(), self.data.train_y.numpy()

    def epoch(self, shuffle: bool = True) -> float:
        if self.task.steps:
            given = {"x": self.data.stream(), "steps_per_epoch": self.task.steps}
        else:
            x, y = self.train
            given = {"x": x, "y": y, "batch_size": self.task.batch, "shuffle": shuffle}
        history = self.model.fit(
            **given, validation_data=self.test, validation_batch_size=1000, verbose=0
        )
        return history.history["val_accuracy"][-1]

    def in_order(self, accuracy: float) -> float:
        """Train again, untimed, on images put in order: while it shuffles, Keras takes no order."""
        if self.task.steps:
            return accuracy
        self.start()
        order = self.data.order(self.seed).numpy()
        self.train = self.train[0][order], self.train[1][order]
        return self.epoch(shuffle=False)


COLUMNS = {
    "refnet": Refnet,
    "bare loop": BareLoop,
    "DataLoader": UsualLoop,
    "scikit-learn": ScikitLearn,
    "skorch": Skorch,
    "Lightning": Lightning,
    "Keras": Keras,
}


def products(task: Task, data: Data) -> Callable[[], object]:
    """Return the products of the layers' weights alone, for one epoch: y, dW, and dx but the first.

    Convolutions are counted as the products they are: forward, and backward for weight and input.
    """
    model = task.twin().eval()
    x = torch.cat([y[:1] for y in [data.test_x]] * task.batch)
    calls: list[Callable[[], object]] = []
    for module in model:
        out = module(x)
        dy = torch.rand_like(out)
        inner = module is not model[0]
        if isinstance(module, nn.Linear):
            W, v = module.weight.detach(), x.detach()
            calls += [functools.partial(torch.mm, v, W.t()), functools.partial(torch.mm, dy.t(), v)]
            calls += [functools.partial(torch.mm, dy, W)] if inner else []
        elif isinstance(module, nn.Conv2d):
            W, v = module.weight.detach(), x.detach()
            calls.append(functools.partial(nn.functional.conv2d, v, W))
            gradient = torch.ops.aten.convolution_backward
            one, zero, mask = [1, 1], [0, 0], [inner, True, False]
            calls.append(
                functools.partial(gradient, dy, v, W, None, one, zero, one, False, zero, 1, mask)
            )
        x = out
    steps = task.steps or -(-len(data.train_y) // task.batch)

    def epoch() -> None:
        with torch.no_grad():
            for _ in range(steps):
                for call in calls:
                    call()

    return epoch


def measure(
    name: str, rounds: int, images: int, columns: list[str]
) -> dict[str, dict[str, dict[str, float]]]:
    """Measure one task; print its rows and return them: seconds, times refnet's, what it learnt."""
    task = TASKS[name]
    torch.manual_seed(0)
    data, state = Data(task, images), task.twin().state_dict()
    own = [c for c in columns if c in ("refnet", "bare loop", "DataLoader") or c in task.peers]
    contestants = {c: COLUMNS[c](task, data, state) for c in own}
    rows = {c: contestant.seconds for c, contestant in contestants.items()}
    times = interleave({**rows, "products": timed(products(task, data))}, rounds)
    result: dict[str, dict[str, dict[str, float]]] = {}
    for column, values in times.items():
        row = {"seconds": spread(values)}
        if "refnet" in times:
            row["by refnet"] = ratio(values, times["refnet"])
        if column in contestants:
            row["accuracy"] = spread(contestants[column].accuracies[1:])
            row["loss"] = spread(contestants[column].losses[1:])
        result[column] = row
        line = f"{name:<20}{column:<14}{row['seconds']['median']:>8.3f} s"
        for measured in list(row)[1:]:
            line += "  {}: {median:.3f} ({min:.3f}..{max:.3f})".format(measured, **row[measured])
        print(line, flush=True)
    return result


def alone(column: str, images: int) -> None:
    """Train one epoch of 784-256-10, images and test included: what each whole process does."""
    torch.set_num_threads(1)
    task = TASKS["mlp-64"]
    contestant = COLUMNS[column](task, Data(task, images), task.twin().state_dict())
    contestant.start()
    contestant.epoch()


def processes(columns: list[str], rounds: int, images: int) -> dict[str, dict[str, object]]:
    """Measure ``alone`` for each column in a process of its own: seconds, memory at its peak."""
    memory: dict[str, list[float]] = {column: [] for column in columns}

    def process(column: str) -> float:
        command = [sys.executable, "-c", f"import peers; peers.alone({column!r}, {images})"]
        seconds, peak = whole_process(command, PYTHONPATH=str(Path(__file__).parent))
        memory[column].append(peak)
        return seconds

    times = interleave({c: functools.partial(process, c) for c in columns}, rounds)
    return {
        c: {"process seconds": spread(times[c]), "peak MB": spread(memory[c][1:])} for c in columns
    }


def main(
    rounds: int = 5,
    threads: int = 1,
    images: int = 12_000,
    tasks: list[str] | None = None,
    columns: list[str] | None = None,
    keep: bool = False,
) -> dict[str, object]:
    """Measure the tasks, print a table, and return it; ``keep`` writes docs/results."""
    torch.set_num_threads(threads)
    warnings.filterwarnings("ignore", module="lightning|sklearn|keras")
    columns = columns or list(COLUMNS)
    summary: dict[str, dict[str, object]] = {c: {} for c in (*columns, "products")}
    for name in tasks or TASKS:
        for column, row in measure(name, rounds, images, columns).items():
            summary[column] |= {f"{name} {measured}": numbers for measured, numbers in row.items()}
    result = {**circumstances(rounds), "threads": threads, "images": images, "summary": summary}
    if keep:
        result["peers"] = {p: version(p) for p in ("scikit-learn", "skorch", "lightning", "keras")}
        if threads == 1:  # as many as the whole processes have: once is enough
            for column, row in processes(columns, rounds, images).items():
                summary[column] |= row
        write(f"peers-{threads}", result)
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="rounds of all columns (5)")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch (1)")
    parser.add_argument("--images", type=int, default=12_000, help="training images in an epoch")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, help="tasks to measure (all)")
    parser.add_argument("--columns", nargs="+", choices=COLUMNS, help="columns to measure (all)")
    parser.add_argument("--write", action="store_true", dest="keep", help="into docs/results")
    main(**vars(parser.parse_args()))

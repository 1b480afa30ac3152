"""The trainer beside a bare loop: an epoch of the MLP, and a step of OVERFIT, interleaved.

    python lab/bench/trainer.py [--rounds 5] [--threads 1] [--samples 60000] [--write]

Rows of the MLP (784-256-10, batch 64, SGD) over random images of Fashion-MNIST's size: refnet's
Trainer with its statistics and its Loader; a bare loop that gathers and normalises the same
batches, with no statistics; the two big matrix products alone, of the first layer's forward and
backward pass. Rows of OVERFIT (2-64-256-64-2, cos, batch 1024, Adam): Trainer.fit_steps and a bare
loop. Other libraries are in peers.py.
"""

import argparse
import itertools
from collections.abc import Callable, Iterator

import torch
from common import circumstances, interleave, ratio, spread, timed, write
from torch import Tensor
from torch.nn.functional import cross_entropy

import refnet

BATCH = 64
SCALE = refnet.Normalize(72.94, 90.02)
BARS = [  # row, beside which, at most so many times as long
    ("mlp refnet", "mlp bare loop", 1.10),
    ("mlp refnet", "mlp matrix products", 2.6),
    ("overfit refnet", "overfit bare loop", 1.10),
]


def mlp_trainer(device: str = "cpu") -> refnet.Trainer:
    model = refnet.mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    return refnet.Trainer(model, optimizer, device=device, verbose=False)


def mlp_data(samples: int) -> tuple[Tensor, Tensor, refnet.Loader]:
    """Return random images of Fashion-MNIST's size, their labels, and a loader of both."""
    images = torch.randint(0, 256, (samples, 28, 28), dtype=torch.uint8)
    labels = torch.randint(0, 10, (samples,))
    data = refnet.ArrayDataset(images, labels)
    return images, labels, refnet.Loader(data, refnet.RandomSampler(data, BATCH), SCALE)


def overfit_trainer(
    device: str = "cpu",
) -> tuple[refnet.Trainer, Iterator[tuple[Tensor, Tensor]]]:
    """Return a trainer of OVERFIT, and its endless stream, drawn on the device."""
    picture = refnet.ImagePixels(refnet.draw_text())
    scale = refnet.Rescale((picture.height, picture.width), -3, 3)
    model = refnet.overfit_net("cos")
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    stream = ((scale(x), y) for x, y in picture.batches(1024, seed=0, device=device))
    trainer = refnet.Trainer(model, optimizer, device=device, verbose=False)
    return trainer, stream


def epoch_of_bare_loop(images: Tensor, labels: Tensor) -> Callable[[], object]:
    model = refnet.mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

    def epoch() -> None:
        for index in torch.randperm(len(images)).split(BATCH):
            x, y = SCALE(images.index_select(0, index)), labels.index_select(0, index)
            optimizer.zero_grad()
            cross_entropy(model(x), y).backward()
            optimizer.step()

    return epoch


def matrix_products(samples: int) -> Callable[[], object]:
    x, w = torch.rand(BATCH, 784), torch.rand(256, 784)
    dy = torch.rand(BATCH, 256)

    def epoch() -> None:
        for _ in range(-(-samples // BATCH)):
            torch.mm(x, w.t())  # (N, D) @ (D, H), forward
            torch.mm(dy.t(), x)  # (H, N) @ (N, D), the gradient of the weight

    return epoch


def overfit_steps(steps: int, bare: bool) -> Callable[[], object]:
    trainer, stream = overfit_trainer()

    def loop() -> None:
        for x, y in itertools.islice(stream, steps):
            trainer.optimizer.zero_grad()
            cross_entropy(trainer.model(x), y).backward()
            trainer.optimizer.step()

    return loop if bare else lambda: trainer.fit_steps(stream, steps)


def main(
    rounds: int = 5, threads: int = 1, samples: int = 60_000, keep: bool = False
) -> dict[str, object]:
    """Measure all rows, print the table, and return it; ``keep`` writes docs/results."""
    torch.set_num_threads(threads)
    refnet.seed_everything(0)
    images, labels, loader = mlp_data(samples)
    trainer = mlp_trainer()
    steps = max(20, samples // 300)
    rows: dict[str, Callable[[], object]] = {
        "mlp refnet": lambda: trainer.fit(loader, epochs=1),
        "mlp bare loop": epoch_of_bare_loop(images, labels),
        "mlp matrix products": matrix_products(samples),
        "overfit refnet": overfit_steps(steps, bare=False),
        "overfit bare loop": overfit_steps(steps, bare=True),
    }
    times = interleave({name: timed(call) for name, call in rows.items()}, rounds)
    summary = {name: {"seconds": spread(values)} for name, values in times.items()}
    for name, row in summary.items():
        print("{:<24}{median:>9.3f} s  {min:.3f}..{max:.3f}".format(name, **row["seconds"]))
    for name, beside, bar in BARS:
        by = summary[name][f"by {beside}"] = ratio(times[name], times[beside])
        line = "{} / {}: {median:.2f} ({min:.2f}..{max:.2f})".format(name, beside, **by)
        print(f"{line}, bar <= {bar:.2f}: {'met' if by['median'] <= bar else 'MISSED'}")
    sizes = {"threads": threads, "samples": samples, "overfit_steps": steps}
    result = {**circumstances(rounds), **sizes, "summary": summary}
    if keep:
        write(f"trainer-{threads}", result)
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="rounds of all rows (5)")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch (1)")
    parser.add_argument("--samples", type=int, default=60_000, help="images in an epoch")
    parser.add_argument("--write", action="store_true", dest="keep", help="into docs/results")
    main(**vars(parser.parse_args()))

"""The trainer beside a bare loop: an epoch of the MLP, and a step of OVERFIT, interleaved.

    python bench/trainer.py [--rounds 5] [--threads 1] [--samples 60000] [--json FILE]

Every round runs each row once, one straight after the other, in an order that turns from round to
round; a ratio is the median of its rounds' ratios, so that a machine that is busy for a while slows
all rows alike. Rows of the MLP (784-256-10, batch 64, SGD) over random images of Fashion-MNIST's
size: refnet's Trainer with its statistics and its Loader; a bare loop that gathers and normalises
the same batches, with no statistics; the two big matrix products alone, of the first layer's
forward and backward pass. Two more rows, over float tensors and with an evaluation of a sixth of
the samples: refnet, and TensorDataset + DataLoader with the usual loop and its statistics. Rows of
OVERFIT (2-64-256-64-2, cos, batch 1024, Adam): Trainer.fit_steps and a bare loop.
"""

import argparse
import itertools
import json
import platform
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

import refnet

BATCH = 64
BARS = {  # row: (beside, at most so many times as long)
    "mlp refnet": ("mlp bare loop", 1.10),
    "mlp refnet ": ("mlp matrix products", 2.6),  # the blank tells the two rows apart
    "mlp DataLoader, tested": ("mlp refnet, tested", 1 / 1.4),  # at least 1.4 times as long
    "overfit refnet": ("overfit bare loop", 1.10),
}


def epoch_of_refnet(
    loader: refnet.Loader, validation: refnet.Loader | None = None
) -> Callable[[], object]:
    model = refnet.mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    trainer = refnet.Trainer(model, optimizer, device="cpu", verbose=False)
    return lambda: trainer.fit(loader, validation, epochs=1)


def epoch_of_bare_loop(
    images: Tensor, labels: Tensor, scale: refnet.Normalize
) -> Callable[[], object]:
    model = refnet.mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

    def epoch() -> None:
        for index in torch.randperm(len(images)).split(BATCH):
            x, y = scale(images.index_select(0, index)), labels.index_select(0, index)
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


def epoch_of_dataloader(train: TensorDataset, test: TensorDataset) -> Callable[[], object]:
    model = refnet.mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    batches = DataLoader(train, batch_size=BATCH, shuffle=True)
    held_out = DataLoader(test, batch_size=1000)

    def epoch() -> None:
        loss_sum, correct = 0.0, 0
        for x, y in batches:
            optimizer.zero_grad()
            logits = model(x)
            loss = cross_entropy(logits, y)
            loss.backward()
            optimizer.step()
            loss_sum += loss.item() * len(y)
            correct += int((logits.argmax(1) == y).sum())
        model.eval()
        with torch.no_grad():
            correct = sum(int((model(x).argmax(1) == y).sum()) for x, y in held_out)
        model.train()

    return epoch


def overfit_steps(steps: int, bare: bool) -> Callable[[], object]:
    picture = refnet.ImagePixels(refnet.draw_text())
    scale = refnet.Rescale((picture.height, picture.width), -3, 3)
    model = refnet.overfit_net("cos")
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    stream = ((scale(x), y) for x, y in picture.batches(1024, seed=0))
    trainer = refnet.Trainer(model, optimizer, device="cpu", verbose=False)

    def loop() -> None:
        for x, y in itertools.islice(stream, steps):
            optimizer.zero_grad()
            cross_entropy(model(x), y).backward()
            optimizer.step()

    return loop if bare else lambda: trainer.fit_steps(stream, steps)


def main(
    rounds: int = 5, threads: int = 1, samples: int = 60_000, json_file: Path | None = None
) -> dict[str, object]:
    """Measure all rows, print the table, and return it; write it to ``json_file`` where given."""
    torch.set_num_threads(threads)
    refnet.seed_everything(0)
    images = torch.randint(0, 256, (samples, 28, 28), dtype=torch.uint8)
    labels = torch.randint(0, 10, (samples,))
    scale = refnet.Normalize(72.94, 90.02)
    data = refnet.ArrayDataset(images, labels)
    loader = refnet.Loader(data, refnet.RandomSampler(data, BATCH), scale)
    pixels = scale(images).flatten(1)
    floats = refnet.ArrayDataset(pixels, labels)
    train = refnet.Loader(floats, refnet.RandomSampler(floats, BATCH))
    held_out = refnet.ArrayDataset(pixels[: samples // 6], labels[: samples // 6])
    test = refnet.Loader(held_out, refnet.SequentialSampler(held_out, 1000))
    steps = max(20, samples // 300)
    rows: dict[str, Callable[[], object]] = {
        "mlp refnet": epoch_of_refnet(loader),
        "mlp bare loop": epoch_of_bare_loop(images, labels, scale),
        "mlp matrix products": matrix_products(samples),
        "mlp refnet, tested": epoch_of_refnet(train, test),
        "mlp DataLoader, tested": epoch_of_dataloader(
            TensorDataset(pixels, labels), TensorDataset(held_out.x, held_out.y)
        ),
        "overfit refnet": overfit_steps(steps, bare=False),
        "overfit bare loop": overfit_steps(steps, bare=True),
    }
    times: dict[str, list[float]] = {name: [] for name in rows}
    for turn in range(rounds + 1):  # the first round warms up
        names = list(rows)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            start = time.perf_counter()
            rows[name]()
            if turn:
                times[name].append(time.perf_counter() - start)

    table = {}
    print(f"{'row':<24}{'seconds':>9}  min..max")
    for name, values in times.items():
        table[name] = {"median": statistics.median(values), "all": values}
        print(f"{name:<24}{statistics.median(values):>9.3f}  {min(values):.3f}..{max(values):.3f}")
    ratios = []
    for name, (beside, bar) in BARS.items():
        pairs = zip(times[name.strip()], times[beside], strict=True)
        each = sorted(a / b for a, b in pairs)
        ratio = statistics.median(each)
        met = ratio >= 1 / bar if bar < 1 else ratio <= bar
        sign, value = (">=", 1 / bar) if bar < 1 else ("<=", bar)
        print(
            f"{name.strip()} / {beside}: {ratio:.2f} ({each[0]:.2f}..{each[-1]:.2f}), "
            f"bar {sign} {value:.2f}: {'met' if met else 'MISSED'}"
        )
        row = {"row": name.strip(), "beside": beside, "ratio": ratio}
        ratios.append({**row, "bar": value, "at_least": bar < 1, "met": met})
    result: dict[str, object] = {
        "command": f"python bench/trainer.py --rounds {rounds} --threads {threads}",
        "samples": samples,
        "overfit_steps": steps,
        "torch": torch.__version__,
        "machine": refnet.devices.describe("cpu"),
        "python": platform.python_version(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "rows": table,
        "ratios": ratios,
    }
    if json_file:
        json_file.write_text(json.dumps(result, indent=1) + "\n")
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--samples", type=int, default=60_000, help="images in an epoch")
    parser.add_argument("--json", type=Path, dest="json_file", help="file to write")
    main(**vars(parser.parse_args()))

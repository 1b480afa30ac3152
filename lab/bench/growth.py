"""How time and memory grow: with samples, steps of a run, width of the net, processes.

    python lab/bench/growth.py [--rounds 5] [--write]

Samples: an epoch of batches of 64 from a file of 60,000, 600,000 and 6,000,000 images of 784 bytes,
read as a memmap in a process of its own (5 GB of disk, removed after). The memory that counts is
the process's own; pages of the file that the system keeps in memory are not in it. Steps: the same
memory at three moments of one run of the MLP. Width: a step of 784-H-10 at batch 64 beside a bare
loop and beside the products of its matrices alone.
Processes: an epoch of the MLP under torchrun with 1 to 4 processes (gloo), one thread each, whose
batch is 64 and whose batch is 1,024 images of all processes together.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from common import circumstances, interleave, ratio, spread, timed, write
from torch.nn.functional import cross_entropy
from trainer import mlp_data, mlp_trainer

import refnet

Table = dict[str, dict[str, dict[str, float]]]  # row, measure: median, min and max
SIZES = (60_000, 600_000, 6_000_000)
LOOKS = (1_000, 10_000, 100_000)  # steps of a run at which its memory is read
WIDTHS = (256, 512, 1024, 2048, 4096)
RANKS = (1, 2, 3, 4)
STEPS = 50  # of a round, for each width
IMAGES = 12_000  # of an epoch, for each number of processes


def own_memory() -> float:
    """Return this process's memory in MB, pages of files left out."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("RssAnon:")[1].split()[0]) / 1024


def read_epoch(path: str, n: int) -> None:
    """Print seconds and memory of an epoch over the file: the body of the child process."""
    torch.set_num_threads(1)
    pixels = np.memmap(path, np.uint8, "r", shape=(n, 784))
    data = refnet.ArrayDataset(pixels, np.arange(n) % 10)
    sampler = refnet.RandomSampler(n, 64)
    loader = refnet.Loader(data, sampler, refnet.Normalize(72.94, 90.02))
    start, most = time.perf_counter(), 0.0
    for step, _ in enumerate(loader):
        if step % 1000 == 0:
            most = max(most, own_memory())
    print(json.dumps({"seconds": time.perf_counter() - start, "memory_mb": most}))


def samples() -> Table:
    block = np.random.default_rng(0).integers(0, 256, (60_000, 784), np.uint8)
    rows: Table = {}
    for n in SIZES:
        with tempfile.NamedTemporaryFile(prefix="refnet-bench-") as file:
            for _ in range(n // len(block)):
                file.write(block.data)
            file.flush()
            command = [sys.executable, __file__, "--read", file.name, str(n)]
            row = json.loads(subprocess.check_output(command, text=True).splitlines()[-1])
        row["us_per_sample"] = 1e6 * row["seconds"] / n
        rows[f"{n} samples"] = {measured: spread([value]) for measured, value in row.items()}
        print(f"{n:>10} samples {row['seconds']:>8.2f} s {row['memory_mb']:>8.0f} MB", flush=True)
    return rows


def steps() -> Table:
    rows: Table = {}

    def look(step: int, _: object) -> None:
        if step in LOOKS:
            memory = own_memory()
            rows[f"{step} steps"] = {"memory_mb": spread([memory])}
            print(f"{step:>10} steps {memory:>17.1f} MB", flush=True)

    loader = mlp_data(64 * 100)[2]
    stream = itertools.chain.from_iterable(itertools.repeat(loader))
    mlp_trainer().fit_steps(stream, LOOKS[-1], every=LOOKS[0], callback=look)
    return rows


def width_rows(hidden: int) -> dict[str, Callable[[], object]]:
    """Return STEPS steps of each: refnet's Trainer, a bare loop, the products alone."""
    torch.manual_seed(0)
    x, y = torch.randn(64 * STEPS, 784), torch.randint(0, 10, (64 * STEPS,))
    data = refnet.ArrayDataset(x, y)
    loader = refnet.Loader(data, refnet.RandomSampler(data, 64))
    ours, bare = refnet.mlp(hidden), refnet.mlp(hidden)
    trainer = refnet.Trainer(
        ours, torch.optim.SGD(ours.parameters(), 0.01), device="cpu", verbose=False
    )
    optimizer = torch.optim.SGD(bare.parameters(), 0.01)
    batch, w, v = x[:64], torch.rand(hidden, 784), torch.rand(10, hidden)
    h, dh, dy = torch.rand(64, hidden), torch.rand(64, hidden), torch.rand(64, 10)

    def loop() -> None:
        for index in torch.randperm(len(y)).split(64):
            optimizer.zero_grad()
            cross_entropy(bare(x[index]), y[index]).backward()
            optimizer.step()

    def products() -> None:
        for _ in range(STEPS):
            torch.mm(batch, w.t()), torch.mm(h, v.t())  # forward: (64, 784) @ (784, H), ...
            torch.mm(dy.t(), h), torch.mm(dy, v), torch.mm(dh.t(), batch)  # backward

    return {
        "refnet": lambda: trainer.fit(loader, epochs=1),
        "bare loop": loop,
        "products": products,
    }


def widths(rounds: int) -> Table:
    rows: Table = {}
    for hidden in WIDTHS:
        calls = {name: timed(call) for name, call in width_rows(hidden).items()}
        times = interleave(calls, rounds)
        row = {f"{name} us": spread([1e6 * t / STEPS for t in v]) for name, v in times.items()}
        row |= {f"by {n}": ratio(times["refnet"], times[n]) for n in ("bare loop", "products")}
        rows[f"{hidden} units"] = row
        us, by = row["refnet us"]["median"], row["by bare loop"]["median"]
        print(f"{hidden:>10} units {us:>10.0f} us a step, {by:.2f} of a bare loop", flush=True)
    return rows


def train_epoch(batch: int) -> None:
    """Print the seconds of an epoch under torchrun: the body of each process."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    data = refnet.ArrayDataset(torch.randn(IMAGES, 784), torch.randint(0, 10, (IMAGES,)))
    loader = refnet.Loader(data, refnet.RandomSampler(data, batch))
    model = refnet.mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    trainer = refnet.Trainer(model, optimizer, device="cpu", verbose=False)
    trainer.fit(loader, epochs=1)
    start = time.perf_counter()
    trainer.fit(loader, epochs=1)
    if trainer.rank == 0:
        print(json.dumps({"seconds": time.perf_counter() - start}))


def ranks(rounds: int) -> Table:
    def epoch(processes: int, batch: int) -> float:
        run = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        command = [*run, f"--nproc-per-node={processes}", __file__, "--train", str(batch)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        out = subprocess.check_output(
            command, text=True, env=environment, stderr=subprocess.DEVNULL
        )
        return float(json.loads(out.splitlines()[-1])["seconds"])

    rows: Table = {f"{n} processes": {} for n in RANKS}
    for batch in (64, 1024):
        taken: dict[int, list[float]] = {n: [] for n in RANKS}
        for _ in range(rounds):
            for n in RANKS:
                taken[n].append(epoch(n, batch))
        for n in RANKS:
            row = rows[f"{n} processes"]
            row[f"batch {batch} seconds"] = spread(taken[n])
            row[f"batch {batch} speedup"] = ratio(taken[1], taken[n])
            seconds = statistics.median(taken[n])
            print(f"{n:>10} processes, batch {batch:>4} {seconds:>8.3f} s", flush=True)
    return rows


def main(rounds: int = 5, keep: bool = False) -> dict[str, object]:
    """Measure all four, print the rows, and return them; ``keep`` writes docs/results."""
    torch.set_num_threads(1)
    result = {
        **circumstances(rounds),
        "threads": 1,
        "summary": samples() | steps() | widths(rounds) | ranks(rounds),
    }
    if keep:
        write("growth", result)
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="rounds of widths and processes (5)")
    parser.add_argument("--write", action="store_true", dest="keep", help="into docs/results")
    parser.add_argument("--read", nargs=2, metavar=("FILE", "N"), help=argparse.SUPPRESS)
    parser.add_argument("--train", type=int, metavar="BATCH", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.read:
        read_epoch(arguments.read[0], int(arguments.read[1]))
    elif arguments.train:
        train_epoch(arguments.train)
    else:
        main(arguments.rounds, arguments.keep)

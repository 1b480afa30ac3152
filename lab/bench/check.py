"""A short fresh run of the bench against the bars of the project; exit code 1 names what is short.

    python lab/bench/check.py [--rounds 5]

It takes at most 3 minutes, so its ratios are rougher than those of the whole bench.
"""

import argparse
import sys
import time

import layers
import loader
import peers
import torch
import trainer

import refnet

LOAD_SECONDS = 1.5


def ratios(rounds: int) -> dict[str, tuple[float, str, float]]:
    """Measure every row with a bar: its ratio (or seconds), "<=" or ">=", and the bar."""
    rows: dict[str, tuple[float, str, float]] = {}
    start = time.perf_counter()
    refnet.FashionMNIST(), refnet.FashionMNIST(train=False)
    rows["load of Fashion-MNIST, seconds"] = time.perf_counter() - start, "<=", LOAD_SECONDS

    measured = trainer.main(rounds, samples=12_000)["summary"]
    for name, other, bar in trainer.BARS:
        rows[f"trainer: {name} / {other}"] = measured[name][f"by {other}"]["median"], "<=", bar
    beside = peers.measure("mlp-64", rounds, 12_000, ["refnet", *peers.BARS])
    for peer, bar in peers.BARS.items():
        rows[f"trainer: {peer} / refnet"] = beside[peer]["by refnet"]["median"], ">=", bar
    for row in layers.main(rounds=6 * rounds)["rows"]:
        if not row["layer"].startswith("written out"):
            name = f"layers: {row['layer']}, batch {row['batch']}, / torch.nn"
            rows[name] = row["ratio"], "<=", layers.BAR
    passes = loader.main(rounds=rounds)["summary"]
    for name, bar in loader.BARS.items():
        by = passes[name]["by refnet"]["median"]
        if name == "bare":
            rows["loader: refnet / bare indexing"] = 1 / by, "<=", bar
        else:
            rows[f"loader: {name} / refnet"] = by, ">=", bar
    return rows


def short(rows: dict[str, tuple[float, str, float]]) -> list[str]:
    """Return the rows that miss their bar."""
    return [
        f"{name}: {value:.3f}, bar {sign} {bar:.2f}"
        for name, (value, sign, bar) in rows.items()
        if not (value <= bar if sign == "<=" else value >= bar)
    ]


def main(rounds: int = 5) -> int:
    """Measure, print what falls short, and return the exit code."""
    torch.set_num_threads(1)
    rows = ratios(rounds)
    missed = short(rows)
    print(f"\n{len(rows) - len(missed)} of {len(rows)} rows meet their bar")
    for line in missed:
        print("short:", line)
    return bool(missed)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each part (5)")
    sys.exit(main(**vars(parser.parse_args())))

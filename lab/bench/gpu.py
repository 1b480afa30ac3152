"""The trainer on a GPU, beside the matrix products of its steps alone, interleaved.

    python lab/bench/gpu.py [--device cuda] [--steps 20000] [--rounds 5] [--write]

Rows of OVERFIT (2-64-256-64-2, cos, batch 1024, Adam), with its stream drawn on the device, and of
the MLP (784-256-10, batch 64, SGD), five epochs over random images of Fashion-MNIST's size. The
floor beside each: the matrix products of its steps alone, of forward and backward pass. Before
that both nets learn 500 steps on the CPU too, and the weights are compared. With --device cpu all
rows run there, to try this script.
"""

import argparse
import functools
import itertools
from collections.abc import Callable

import torch
from common import circumstances, interleave, ratio, spread, timed, write
from torch import nn
from trainer import mlp_data, mlp_trainer, overfit_trainer

import refnet

AGREE = 500  # steps on both devices
TOLERANCE = 1e-3  # of a weight after those: float32 sums in another order, carried on by each step


def difference(device: str, samples: int) -> dict[str, float]:
    """Return the largest difference of a weight after AGREE steps on the CPU and on ``device``."""
    nets: dict[str, list[nn.Module]] = {"overfit": [], "mlp": []}
    for where in ("cpu", device):
        refnet.seed_everything(0)
        trainer, _ = overfit_trainer(where)
        trainer.fit_steps(overfit_trainer()[1], AGREE)  # the points are drawn on the CPU for both
        nets["overfit"].append(trainer.model.cpu())
        refnet.seed_everything(0)
        trainer, loader = mlp_trainer(where), mlp_data(samples)[2]
        trainer.fit_steps(itertools.islice(itertools.cycle(loader), AGREE), AGREE)
        nets["mlp"].append(trainer.model.cpu())
    apart = {}
    for name, (one, other) in nets.items():
        pairs = zip(one.parameters(), other.parameters(), strict=True)
        apart[name] = max(float((p - q).detach().abs().max()) for p, q in pairs)
    return apart


def products(device: str, batch: int, sizes: list[int], steps: int) -> Callable[[], None]:
    """Return the products of the steps of a net of these sizes: outputs and gradients."""
    x = [torch.rand(batch, n, device=device) for n in sizes]
    w = [torch.rand(n, m, device=device) for m, n in itertools.pairwise(sizes)]

    def loop() -> None:
        for _ in range(steps):
            for n, weight in enumerate(w):
                torch.mm(x[n], weight.t())  # (N, D) @ (D, O)
                torch.mm(x[n + 1].t(), x[n])  # (O, N) @ (N, D)
                if n:
                    torch.mm(x[n + 1], weight)  # (N, O) @ (O, D)
        if device != "cpu":
            torch.cuda.synchronize()

    return loop


def main(
    device: str = "cuda",
    steps: int = 20_000,
    samples: int = 60_000,
    rounds: int = 5,
    keep: bool = False,
) -> dict[str, object]:
    """Measure all rows, print the table, and return it; ``keep`` writes docs/results."""
    apart = difference(device, samples)
    for name, value in apart.items():
        verdict = "agree" if value <= TOLERANCE else "DIFFER"
        print(f"{name}: after {AGREE} steps the weights {verdict} with the CPU's, by {value:.1e}")
    loader = mlp_data(samples)[2].to(device)
    overfit, stream = overfit_trainer(device)
    mlp = mlp_trainer(device)  # a fit ends by reading its sums, and so waits
    rows: dict[str, Callable[[], object]] = {
        "overfit trainer": functools.partial(overfit.fit_steps, stream, steps),
        "overfit products": products(device, 1024, [2, 64, 256, 64, 2], steps),
        "mlp trainer": functools.partial(mlp.fit, loader, epochs=5),
        "mlp products": products(device, 64, [784, 256, 10], 5 * len(loader)),
    }
    times = interleave({name: timed(call) for name, call in rows.items()}, rounds)
    summary = {}
    for name, values in times.items():
        net = name.split()[0]
        scale = 100_000 / steps if net == "overfit" else 1.0
        row = spread([scale * seconds for seconds in values])
        beside = ratio(values, times[f"{net} products"])
        summary[name] = {"seconds": row, f"by {net} products": beside}
        print("{:<20}{median:>9.3f} s  {min:.3f}..{max:.3f}".format(name, **row))
    sizes = {"steps": steps, "samples": samples, "overfit_seconds_for": 100_000, "mlp_epochs": 5}
    result = {**circumstances(rounds, device), **sizes, "difference": apart, "summary": summary}
    if keep:
        write("gpu", result)
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", help="cuda, or cpu to try the script (cuda)")
    parser.add_argument("--steps", type=int, default=20_000, help="steps of OVERFIT in a round")
    parser.add_argument("--samples", type=int, default=60_000, help="images in an epoch")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of all rows (5)")
    parser.add_argument("--write", action="store_true", dest="keep", help="into docs/results")
    main(**vars(parser.parse_args()))

"""Forward + backward of refnet's layers beside their twins in torch.nn, in interleaved rounds.

    python lab/bench/layers.py [--rounds 60] [--threads 1] [--device cpu] [--json FILE]

The rows "written out" are BatchNorm1d's formula in tensor operations, once differentiated by
autograd and once by hand: what the layer would cost if it did not call the fused kernel.

Each round times every row on both sides, one straight after the other, with the order swapped from
round to round; the ratio of a row is the median of its rounds' ratios, so that a machine that is
busy for a while slows both sides alike. On one thread of the CPU the clock is the process's own
CPU time, which stands still while other processes run. The bar is 1.05.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from common import circumstances
from torch import Tensor, nn

from refnet.layers.batchnorm import BatchNorm1d
from refnet.layers.linear import Linear
from refnet.layers.models import mlp, overfit_net

BAR = 1.05
BATCHES = (64, 1024)
ROUND_SECONDS = 0.01  # of each side in each round


def torch_mlp() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))


def torch_overfit_net() -> nn.Module:
    blocks = [
        nn.Sequential(nn.Linear(d, o), nn.BatchNorm1d(o), nn.ReLU())
        for d, o in [(2, 64), (64, 256), (256, 64)]
    ]
    return nn.Sequential(*blocks, nn.Linear(64, 2))


def normalized(x: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Return x moved to mean 0 and variance 1, and 1 / sqrt(var + eps)."""
    var, mean = torch.var_mean(x, 0, correction=0)
    scale = (var + eps).rsqrt()
    return (x - mean) * scale, scale


class WrittenOut(BatchNorm1d):
    """The formula in tensor operations; the running values, which cost more, are left out."""

    def forward(self, x: Tensor) -> Tensor:
        return normalized(x, self.eps)[0] * self.weight + self.bias


class ByHand(torch.autograd.Function):
    """The formula and its gradient in as few kernels as it takes."""

    @staticmethod
    def forward(ctx, x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
        x_hat, scale = normalized(x, eps)
        ctx.save_for_backward(x_hat, gamma, scale)
        return torch.addcmul(beta, x_hat, gamma)

    @staticmethod
    def backward(ctx, dy: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x_hat, gamma, scale = ctx.saved_tensors
        N, dgamma, dbeta = len(dy), (dy * x_hat).sum(0), dy.sum(0)
        dx = torch.addcmul(dy, x_hat, dgamma, value=-1 / N).sub_(dbeta, alpha=1 / N)
        return dx.mul_(gamma * scale), dgamma, dbeta, None


class WrittenOutBothWays(BatchNorm1d):
    def forward(self, x: Tensor) -> Tensor:
        return ByHand.apply(x, self.weight, self.bias, self.eps)


ROWS: dict[str, tuple[Callable[[], nn.Module], Callable[[], nn.Module], int]] = {
    "Linear(784, 256)": (lambda: Linear(784, 256), lambda: nn.Linear(784, 256), 784),
    "Linear(256, 10)": (lambda: Linear(256, 10), lambda: nn.Linear(256, 10), 256),
    "Linear(2, 64)": (lambda: Linear(2, 64), lambda: nn.Linear(2, 64), 2),
    "BatchNorm1d(64)": (lambda: BatchNorm1d(64), lambda: nn.BatchNorm1d(64), 64),
    "BatchNorm1d(256)": (lambda: BatchNorm1d(256), lambda: nn.BatchNorm1d(256), 256),
    "mlp()": (mlp, torch_mlp, 784),
    "overfit_net(batch_norm=True)": (
        lambda: overfit_net(batch_norm=True),
        torch_overfit_net,
        2,
    ),
    "written out, autograd": (lambda: WrittenOut(256), lambda: nn.BatchNorm1d(256), 256),
    "written out, both ways": (lambda: WrittenOutBothWays(256), lambda: nn.BatchNorm1d(256), 256),
}


def seconds(
    layer: nn.Module, x: Tensor, dy: Tensor, times: int, clock: Callable[[], float]
) -> float:
    """Return the seconds of one forward + backward, gradients with respect to x included."""
    wait = torch.cuda.synchronize if x.is_cuda else lambda: None
    wait()
    start = clock()
    for _ in range(times):
        x.grad = None
        layer.zero_grad()
        layer(x).backward(dy)
    wait()
    return (clock() - start) / times


def main(
    rounds: int = 60, threads: int = 1, device: str = "cpu", path: Path | None = None
) -> dict[str, object]:
    """Measure all rows, print the table, and return it; write it to ``path`` where given."""
    torch.set_num_threads(threads)
    clock = time.process_time if (device, threads) == ("cpu", 1) else time.perf_counter
    rows = []
    print(f"{'layer':<30}{'batch':>6}{'refnet us':>11}{'torch us':>10}{'ratio':>8}  spread")
    for name, (make, make_twin, columns) in ROWS.items():
        for batch in BATCHES:
            torch.manual_seed(0)
            sides = make().to(device), make_twin().to(device)
            x = torch.randn(batch, columns, device=device, requires_grad=True)
            dy = torch.randn_like(sides[0](x))
            once = max(seconds(side, x, dy, 5, clock) for side in sides)
            times = max(3, round(ROUND_SECONDS / once))
            taken: list[list[float]] = [[], []]
            for turn in range(rounds):
                for side in (0, 1) if turn % 2 else (1, 0):
                    taken[side].append(seconds(sides[side], x, dy, times, clock))
            ratios = sorted(ours / theirs for ours, theirs in zip(*taken, strict=True))
            row = {
                "layer": name,
                "batch": batch,
                "refnet_us": 1e6 * statistics.median(taken[0]),
                "torch_us": 1e6 * statistics.median(taken[1]),
                "ratio": statistics.median(ratios),
                "quartiles": [ratios[rounds // 4], ratios[-1 - rounds // 4]],
            }
            rows.append(row)
            print(
                f"{name:<30}{batch:>6}{row['refnet_us']:>11.1f}{row['torch_us']:>10.1f}"
                f"{row['ratio']:>8.3f}  {ratios[rounds // 4]:.3f} to {ratios[-1 - rounds // 4]:.3f}"
            )
    result: dict[str, object] = {
        "claim": f"refnet's layers take at most {BAR} times as long as torch.nn's",
        **circumstances(rounds, device),
        "threads": threads,
        "clock": clock.__name__,
        "rows": rows,
        "missed": [
            f"{row['layer']}, batch {row['batch']}"
            for row in rows
            if row["ratio"] > BAR and not row["layer"].startswith("written out")
        ],
    }
    if path:
        path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=60, help="rounds of both sides (60)")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch (1)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (cpu)")
    parser.add_argument("--json", dest="path", type=Path, help="file to write the result to")
    missed = main(**vars(parser.parse_args()))["missed"]
    print(f"above {BAR}: {missed}" if missed else f"no row above {BAR}")

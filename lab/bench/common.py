"""What the scripts of lab/bench/ share: rounds that interleave the rows, their table, and the file.

A machine that is busy for a while slows all rows of a round alike, so a ratio is the median of the
rounds' ratios, not the ratio of two medians.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import torch

import refnet

RESULTS = Path(__file__).parents[2] / "docs" / "results"
LAUNCHER = """
import os, subprocess, sys, time
start = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
seconds = time.perf_counter() - start
print([os.waitstatus_to_exitcode(status), seconds, usage.ru_maxrss / 1024])
"""


def interleave(rows: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Call each row once a round, first in turn; each returns the seconds that count."""
    times: dict[str, list[float]] = {name: [] for name in rows}
    names = list(rows)
    for turn in range(rounds + 1):  # the first round warms up
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            seconds = rows[name]()
            if turn:
                times[name].append(seconds)
    return times


def timed(call: Callable[[], object]) -> Callable[[], float]:
    """Return a function that calls ``call`` and returns the seconds it took."""

    def seconds() -> float:
        start = time.perf_counter()
        call()
        return time.perf_counter() - start

    return seconds


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return median, smallest and largest value."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def ratio(row: Sequence[float], beside: Sequence[float]) -> dict[str, float]:
    """Return median, smallest and largest of the rounds' ratios of two rows."""
    return spread([a / b for a, b in zip(row, beside, strict=True)])


def whole_process(command: Sequence[str], **variables: str) -> tuple[float, float]:
    """Run a command; return its wall time in seconds and its peak memory in MB.

    A small Python starts it and waits: a child begins with the peak of the process that it was
    forked from, which here has torch in its memory.
    """
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", LAUNCHER, *command],
        env={**os.environ, **variables},
        cwd=RESULTS.parents[1],
        stdout=subprocess.PIPE,
        text=True,
    )
    code, seconds, memory = json.loads(done.stdout.splitlines()[-1])
    if code:
        raise RuntimeError(f"{' '.join(command)}: exit code {code}")
    return seconds, memory


def circumstances(rounds: int, device: str = "cpu") -> dict[str, object]:
    """Return what a reader needs to judge the numbers: command, versions, device, load, date."""
    return {
        "command": " ".join(["python", f"lab/bench/{Path(sys.argv[0]).name}", *sys.argv[1:]]),
        "rounds": rounds,
        "torch": torch.__version__,
        "refnet": refnet.__version__,
        "python": platform.python_version(),
        "device": refnet.devices.describe(device),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),  # processes that were busy meanwhile, this included
        "date": datetime.now(UTC).date().isoformat(),
    }


def write(name: str, result: dict[str, object]) -> None:
    """Write docs/results/bench-<name>.json."""
    path = RESULTS / f"bench-{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {path.relative_to(RESULTS.parents[1])}")

"""Whole processes: what a reader waits for, and how much memory it takes.

    python lab/bench/whole.py [--rounds 5] [--pages] [--write]

Importing refnet beside importing torch; loading both parts of Fashion-MNIST; with ``--pages`` also
the run of every prompt of the pages and the build of the site in both languages, once each.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from common import circumstances, ratio, spread, whole_process, write

LOAD = "import refnet; refnet.FashionMNIST(), refnet.FashionMNIST(train=False)"
ROWS = {
    "python": "",
    "import numpy": "import numpy",
    "import torch": "import torch",
    "import refnet": "import refnet",
    "load Fashion-MNIST": LOAD,
}


def main(rounds: int = 5, pages: bool = False, keep: bool = False) -> dict[str, object]:
    """Measure all rows, print the table, and return it; ``keep`` writes docs/results."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ROWS}
    for turn in range(rounds + 1):  # the first round warms up
        for name, code in ROWS.items():
            row = whole_process([sys.executable, "-c", code])
            if turn:
                taken[name].append(row)
    rows: dict[str, dict[str, dict[str, float]]] = {}
    for name, values in taken.items():
        seconds, memory = zip(*values, strict=True)
        beside = [s for s, _ in taken["import torch"]]
        rows[name] = {
            "seconds": spread(seconds),
            "peak MB": spread(memory),
            "by import torch": ratio(seconds, beside),
        }
    if pages:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "docs"]
        seconds, memory = whole_process(command)
        rows["every prompt of the pages"] = {
            "seconds": spread([seconds]),
            "peak MB": spread([memory]),
        }
        with tempfile.TemporaryDirectory(prefix="refnet-bench-") as folder:
            command = [
                sys.executable,
                "docs/build.py",
                "--site",
                f"{folder}/site",
                "--work",
                folder,
            ]
            seconds, memory = whole_process(command)
            weight = sum(p.stat().st_size for p in Path(folder, "site").rglob("*") if p.is_file())
        rows["the site in both languages"] = {
            "seconds": spread([seconds]),
            "peak MB": spread([memory]),
            "site MB": spread([weight / 2**20]),
        }
    for name, row in rows.items():
        seconds, memory = row["seconds"]["median"], row["peak MB"]["median"]
        print(f"{name:<28}{seconds:>9.2f} s{memory:>9.0f} MB")
    result = {**circumstances(rounds), "threads": 1, "summary": rows}
    if keep:
        write("whole", result)
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="rounds of the quick rows (5)")
    parser.add_argument("--pages", action="store_true", help="pages and site too (minutes)")
    parser.add_argument("--write", action="store_true", dest="keep", help="into docs/results")
    main(**vars(parser.parse_args()))

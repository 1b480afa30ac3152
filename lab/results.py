"""The claims of the course about training, each measured over several seeds and kept as data.

Without names all of them are measured. Each is written, as soon as it is done, to a file of its
own: the claim in words, its settings and seeds, every number, mean and spread, where and when it
ran. The site shows these files. What is claimed and how it is measured stands in claims/.
"""

import argparse
import json
import os
import platform
import re
import runpy
import statistics
import time
from datetime import date
from pathlib import Path

import torch

import refnet
from refnet import errors
from refnet.devices import describe

LAB = Path(__file__).resolve().parent
OUT = LAB.parent / "docs" / "results"
CLAIMS = {}
for part in ("small", "fashion", "overfit", "pages"):
    CLAIMS |= runpy.run_path(str(LAB / "claims" / f"{part}.py"))["CLAIMS"]


def rounded(numbers):
    """Return the numbers with six digits that count."""
    return [number if isinstance(number, int) else float(f"{number:.6g}") for number in numbers]


def summary(numbers):
    """Return mean, standard deviation (over n - 1), least and greatest."""
    spread = statistics.stdev(numbers) if len(numbers) > 1 else 0.0
    mean, spread = rounded([statistics.fmean(numbers), spread])
    return {"mean": mean, "std": spread, "min": min(numbers), "max": max(numbers)}


def measure(claim, seeds, device):
    """Run all that a claim compares; return {label: {measure: [a number for each seed]}}."""
    values = {}
    for label, settings in claim["settings"].items():
        measured = claim["run"](seeds, device, **settings)
        values[label] = {key: rounded(numbers) for key, numbers in measured.items()}
    return values


def held(claim, values, seeds):
    """Say for how many of the seeds the claim holds."""
    holds = [claim["holds"](lambda a, b: values[a][b], i) for i in range(len(seeds))]
    return f"{sum(holds)} of {len(seeds)} seeds"


def record(name, seeds, device, out):
    """Measure one claim, and draw its pictures into ``out``; return all that its file says."""
    claim, began = CLAIMS[name], time.perf_counter()
    values = measure(claim, seeds, device)
    if "draw" in claim:
        claim["draw"](out, device)
    return {
        "claim": claim["claim"],
        "command": f"python lab/results.py {name}",
        "settings": claim["settings"],
        "seeds": list(seeds),
        "values": values,
        "summary": {
            label: {key: summary(numbers) for key, numbers in measured.items()}
            for label, measured in values.items()
        },
        "holds": held(claim, values, seeds),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "device": describe(device),
        "threads": torch.get_num_threads(),
        "date": date.today().isoformat(),
        "seconds": round(time.perf_counter() - began, 1),
        "files": claim.get("files", []),
    }


def write(content, path):
    """Write JSON, each list on one line; whoever reads meanwhile sees the old file or the new."""
    text = json.dumps(content, indent=1, ensure_ascii=False)
    text = re.sub(r"\[\n[^][{}]*\]", lambda match: json.dumps(json.loads(match[0])), text)
    partial = path.with_suffix(".part")
    partial.write_text(text + "\n", encoding="utf-8")
    os.replace(partial, path)


def main(names=(), device="cpu", seeds=None, threads=1, out=None, show=False):
    """Measure the claims and write their files; return what these say, by name."""
    for name in names:
        errors.check_choice("results", "name", name, CLAIMS)
    errors.check_int("results", "threads", threads, 1)
    if seeds is not None:
        errors.check_int("results", "seeds", seeds, 1)
    device = refnet.choose_device(device)
    if show:
        print("\n".join(f"{name}: {claim['claim']}" for name, claim in CLAIMS.items()))
        return {}

    folder = Path(out or (OUT if seeds is None else "runs/results"))
    folder.mkdir(parents=True, exist_ok=True)  # fails now rather than after the training
    before, contents = torch.get_num_threads(), {}
    torch.set_num_threads(threads)  # with another number of them the last digits differ
    try:
        for name in names or CLAIMS:
            chosen = CLAIMS[name]["seeds"] if seeds is None else range(seeds)
            contents[name] = record(name, chosen, device, folder)
            write(contents[name], folder / f"{name}.json")
            seconds, holds = contents[name]["seconds"], contents[name]["holds"]
            print(f"{name}: holds for {holds}, {seconds} s", flush=True)
    finally:
        torch.set_num_threads(before)
    return contents


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="claims to measure; all of them if none is named")
    parser.add_argument("--list", action="store_true", dest="show", help="name the claims and stop")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1 or auto")
    parser.add_argument("--seeds", type=int, help="how many seeds, if not as many as recorded")
    parser.add_argument("--threads", type=int, default=1, help="threads on the CPU")
    parser.add_argument("--out", help="folder; docs/results, but runs/results with --seeds")
    refnet.run_script(main, parser)

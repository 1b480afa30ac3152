"""One epoch of each trainer beside refnet's, read from the recorded bench."""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

FILE = Path(__file__).resolve().parents[1] / "results" / "bench-peers-1.json"
TRAINERS = ("refnet", "DataLoader", "skorch", "Lightning", "Keras")
TASKS = {"linear": "784-10", "mlp-64": "784-256-10", "lenet": "LeNet"}


def draw():
    summary = json.loads(FILE.read_text(encoding="utf-8"))["summary"]
    figure, axis = plt.subplots(layout="constrained")
    places = np.arange(len(TRAINERS))
    for number, (task, label) in enumerate(TASKS.items()):
        ratios = [summary[trainer][f"{task} by refnet"] for trainer in TRAINERS]
        middle, least, most = (
            np.array([ratio[key] for ratio in ratios]) for key in ("median", "min", "max")
        )
        ends = (middle - least, most - middle)
        axis.bar(places + 0.25 * (number - 1), middle, 0.23, yerr=ends, label=label)
    axis.axhline(1, color="gray", linestyle="--", linewidth=1)
    axis.set_xticks(places, labels=TRAINERS)
    axis.grid(axis="x", visible=False)
    axis.legend()
    return figure

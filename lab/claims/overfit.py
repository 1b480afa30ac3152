"""Claims about OVERFIT: three to twelve seconds for each net, and two minutes for the films."""

import functools
import runpy
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"
FILMS = "docs/results/overfit"
SCALED = ("relu-1", "tanh-1", "cos-1", "cos-3")
LEARNING = (*SCALED, "bn-relu-raw")
ALL = ("relu-raw", *LEARNING)
BANDS = ("missing_low", "missing_middle", "missing_high")
LONG = {"steps": 4000, "batch_size": 512, "lr": 0.001}
SHORT = {**LONG, "steps": 1000}


@functools.cache
def script():
    return runpy.run_path(str(EXAMPLES / "overfit_six.py"))


def train(seeds, device, configuration, measures, at, ways=None, **settings):
    """Train one configuration, in several ways if wanted; return some measures at some steps."""
    measured = {}
    for way, more in (ways or {"": {}}).items():
        result = script()["run"]((configuration,), seeds, device=device, **settings, **more)
        column = result["steps"].index
        for measure in measures:
            rows = result["values"][configuration][measure]
            for step in at:
                key = f"{measure} at {step}" + (f", {way}" if way else "")
                measured[key] = [row[column(step)] for row in rows]
    return measured


def draw(folder, device):
    """Write pictures, films and frames of seed 0 into ``folder``/overfit."""
    script()["run"](ALL, seeds=(0,), device=device, out=folder / "overfit", **LONG)


def settings(names, **more):
    """Return the settings of a claim, a label for each configuration."""
    return {name: {"configuration": name, **more} for name in names}


def cosine_leads_raw_fails_and_batch_norm_repairs_it(at, i):
    def iou(name, step):
        return at(name, f"iou at {step}")[i]

    slower = [name for name in SCALED if name != "cos-3"]
    leads = all(iou("cos-3", t) > iou(name, t) for name in slower for t in (25, 1000, 4000))
    fails = all(iou("relu-raw", t) < iou(name, t) for name in LEARNING for t in (100, 1000, 4000))
    first_and_last = all(iou("bn-relu-raw", t) > iou("relu-1", t) for t in (25, 4000))
    between = all(abs(iou("bn-relu-raw", t) - iou("relu-1", t)) < 0.03 for t in (400, 1000))
    return leads and fails and first_and_last and between


def low_frequencies_come_first(at, i):
    def missing(name, step):
        return [at(name, f"{band} at {step}")[i] for band in BANDS]

    early = [missing(name, 200) for name in LEARNING]
    late = [missing(name, 1000) for name in LEARNING]
    return all(low < 0.05 and min(others) > 0.6 for low, *others in early) and all(
        low < middle < high for low, middle, high in late
    )


def second_softmax_is_worse(at, i):
    def worse(name):
        once, twice = (at(name, f"true_loss at 1000, {way}")[i] for way in ("once", "twice"))
        return twice > once

    return all(map(worse, ALL)) and at("relu-raw", "iou at 1000, twice")[i] == 0


def wide_range_leads_with_both_starts(at, i):
    def leads(step, starts):
        narrow, wide = (at(name, f"iou at {step}, {starts}")[i] for name in ("cos-1", "cos-3"))
        return wide > narrow

    return all(leads(step, starts) for step in (25, 50, 1000) for starts in ("torch", "megengine"))


CLAIMS = {
    "overfit": {
        "claim": "The cosine on [-3, 3] is ahead of ReLU, tanh and the cosine on [-1, 1] at 25 "
        "steps and from 1,000 on; ReLU on raw coordinates is behind all others from 100 on; with "
        "batch normalization it is ahead of ReLU on [-1, 1] at 25 steps and at 4,000, and level "
        "at 400 and 1,000.",
        "run": train,
        "settings": settings(
            ALL, measures=("iou", "pixel_accuracy"), at=(25, 100, 400, 1000, 4000), **LONG
        ),
        "seeds": range(3),
        "holds": cosine_leads_raw_fails_and_batch_norm_repairs_it,
        "draw": draw,
        "files": [
            f"{FILMS}/{name}"
            for key in ALL
            for name in (f"{key}.png", f"{key}.webm", f"{key}-frames.png")
        ]
        + [f"{FILMS}/frames.json"],
    },
    "overfit-frequencies": {
        "claim": "All nets that learn have the low frequencies after 200 steps, but for less than "
        "5 % of their energy, when more than 60 % of the others is missing; after 1,000 more is "
        "missing of the middle ones than of the low, and of the high than of the middle.",
        "run": train,
        "settings": settings(LEARNING, measures=BANDS, at=(200, 1000), **SHORT),
        "seeds": range(3),
        "holds": low_frequencies_come_first,
    },
    "overfit-softmax": {
        "claim": "With a softmax before cross_entropy the probabilities are worse in all six nets, "
        "and ReLU on raw coordinates calls nothing a letter.",
        "run": train,
        "settings": settings(
            ALL,
            measures=("true_loss", "iou"),
            at=(1000,),
            ways={"once": {"twice": False}, "twice": {"twice": True}},
            **SHORT,
        ),
        "seeds": range(3),
        "holds": second_softmax_is_worse,
    },
    "overfit-starts": {
        "claim": "The cosine learns sooner on [-3, 3] than on [-1, 1], from torch's start values "
        "and from MegEngine's.",
        "run": train,
        "settings": settings(
            ("cos-1", "cos-3"),
            measures=("iou",),
            at=(25, 50, 1000),
            ways={"torch": {"starts": "torch"}, "megengine": {"starts": "megengine"}},
            **SHORT,
        ),
        "seeds": range(3),
        "holds": wide_range_leads_with_both_starts,
    },
}

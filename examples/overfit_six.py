"""OVERFIT in six ways: what the range, the activation function and batch normalization change."""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import refnet
from refnet import errors, plots

# name: activation, r where coordinates are mapped onto [-r, r] (0: they stay in pixels), batch norm
CONFIGURATIONS = {
    "relu-raw": ("relu", 0, False),
    "relu-1": ("relu", 1, False),
    "tanh-1": ("tanh", 1, False),
    "cos-1": ("cos", 1, False),
    "cos-3": ("cos", 3, False),
    "bn-relu-raw": ("relu", 0, True),
}
RECORD = (0, 25, 50, 100, 200, 400, 1000, 2000, 4000, 10_000, 20_000, 40_000)  # and the last step
FILM = (0, 5, 10, 15, 20, 25, 30, 40, 50, 60, 80)  # then ten times ROUND, a hundred times, ...
ROUND = (10, 12, 15, 20, 25, 30, 40, 50, 60, 80)
APART = 2  # looked at: every second pixel of every second row, a quarter of all
BANDS = {"low": (0, 4), "middle": (4, 12), "high": (12, 30)}  # waves in a picture width
SHADE = 5  # the slider's frames have greys of 0, 5, ..., 255: fewer bytes, and no eye sees it
SOURCES = {"steps": 100_000, "batch_size": 1024, "lr": 1e-4}


def softmax_first(logits, labels):
    """Return the sources' loss: a softmax in the net, and another in cross_entropy."""
    return cross_entropy(logits.softmax(1), labels)


def start_like_megengine(model):
    """Draw the weights anew from N(0, 1 / fan_in), and set every bias to 0."""
    for layer in model.modules():
        if isinstance(layer, refnet.Linear):
            nn.init.normal_(layer.weight, std=layer.in_features**-0.5)
            nn.init.zeros_(layer.bias)


def missing_energy(white, truth):
    """Return, for each band of frequency, the share of the picture's energy not yet learnt.

    ``white`` and ``truth``, shape (H, W), are the probability of "letter" and 0 or 1. An answer
    of the same grey everywhere misses all of it, 1; the true picture nothing, 0.
    """
    height, width = truth.shape
    up = torch.fft.fftfreq(height)[:, None]  # (H, 1), waves in a pixel
    across = torch.fft.fftfreq(width)  # (W,)
    waves = (up**2 + across**2).sqrt() * width  # (H, W)
    wrong = torch.fft.fft2(white - truth).abs() ** 2
    right = torch.fft.fft2(truth).abs() ** 2
    shares = {}
    for name, (low, high) in BANDS.items():
        band = (waves > low) & (waves < high)
        shares[name] = (wrong[band].sum() / right[band].sum()).item()
    return shares


def measure(logits, labels):
    """Return what an answer is worth: logits (H * W, 2), labels (H, W)."""
    white = picture(logits, labels.shape)
    answer = white > 0.5
    truth = labels.bool()
    worth = {
        "pixel_accuracy": (answer == truth).float().mean().item(),
        "iou": ((answer & truth).sum() / (answer | truth).sum()).item(),  # union: never empty
        "true_loss": cross_entropy(logits, labels.flatten()).item(),
    }
    for name, share in missing_energy(white, labels.float()).items():
        worth[f"missing_{name}"] = share
    return worth


def picture(logits, shape):
    """Return the probability of "letter" at each pixel, shape (H, W)."""
    return logits.softmax(1)[:, 1].reshape(shape)


def looks(steps, film):
    """Return the steps to look at: those to record, or those of a film, which hold them."""
    wanted = RECORD
    if film:
        wanted = FILM
        for power in range(1, 5):
            wanted += tuple(number * 10**power for number in ROUND)
    return [step for step in wanted if step < steps] + [steps]


def train(configuration, seed, pixels, steps, batch_size, lr, device, twice, starts, film):
    """Train one net; return its measures and its picture by step, at all the steps looked at."""
    activation, r, batch_norm = CONFIGURATIONS[configuration]
    refnet.seed_everything(seed)
    model = refnet.overfit_net(activation, batch_norm)
    if starts == "megengine":
        start_like_megengine(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    loss = softmax_first if twice else cross_entropy
    trainer = refnet.Trainer(model, optimizer, loss, device, verbose=False)

    size = (pixels.height, pixels.width)
    scale = refnet.Rescale(size, -r, r) if r else torch.Tensor.float
    batches = ((scale(x), y) for x, y in pixels.batches(batch_size, seed=seed))
    coordinates, _ = pixels.grid()
    grid = coordinates.reshape(*size, 2)[::APART, ::APART].flatten(0, 1)
    grid = scale(grid).to(trainer.device)
    labels = pixels.labels[::APART, ::APART]
    seen = set(looks(steps, film))
    measures = {}
    pictures = {}

    def look(step, model):
        if step in seen:
            logits = torch.cat([model(part).cpu() for part in grid.split(2**15)])
            measures[step] = measure(logits, labels)
            white = 255 * picture(logits, labels.shape)
            pictures[step] = white.round().byte().numpy()

    trainer.fit_steps(batches, steps, every=5, callback=look)
    return measures, pictures


def run(
    configurations=tuple(CONFIGURATIONS),
    seeds=(0, 1, 2),
    steps=4000,
    batch_size=512,
    lr=1e-3,
    height=300,
    width=1000,
    device="auto",
    twice=False,
    starts="torch",
    out=None,
):
    """Train each configuration with each seed; return what their answers are worth, by step.

    ``values[configuration][measure]`` is a list for each seed of a number for each of ``steps``.
    ``twice`` puts the sources' softmax before cross_entropy; ``starts="megengine"`` draws the
    start values as MegEngine does. Into the folder ``out`` go pictures and films of the first seed.
    """
    for name in configurations:
        errors.check_choice("overfit_six", "configuration", name, CONFIGURATIONS)
    errors.check_choice("overfit_six", "starts", starts, ("torch", "megengine"))
    pixels = refnet.ImagePixels(refnet.draw_text("OVERFIT", height, width))
    recorded = looks(steps, film=False)
    values = {}
    films = {}
    for name in configurations:
        rows = []
        for seed in seeds:
            film = out is not None and seed == seeds[0]
            measures, pictures = train(
                name, seed, pixels, steps, batch_size, lr, device, twice, starts, film
            )
            rows.append([measures[step] for step in recorded])
            print(f"{name}, seed {seed}: iou = {measures[steps]['iou']:.3f}", flush=True)
            if film:
                films[name] = (measures, pictures)
        values[name] = {}
        for key in rows[0][0]:
            values[name][key] = [[at[key] for at in row] for row in rows]
    if out is not None:
        write_films(films, Path(out))
    return {"seeds": list(seeds), "steps": recorded, "values": values}


def write_films(films, folder):
    """Write each last picture, each film, and what a slider needs: all frames, one above another.

    ``frames.json`` says which frame of ``<name>-frames.png`` belongs to which step.
    """
    content = {"steps": [], "configurations": [], "iou": {}}
    for name, (measures, pictures) in films.items():
        frames = list(pictures.values())
        last = plots.write_png(frames[-1], folder / f"{name}.png")
        film = plots.write_film(frames, folder / f"{name}.webm", fps=8)
        small = [np.uint8(np.round(frame[::2, ::2] / SHADE) * SHADE) for frame in frames]
        sheet = plots.write_png(np.concatenate(small), folder / f"{name}-frames.png")
        height, width = small[0].shape
        configuration = {
            "key": name,
            "file": sheet.name,
            "film": film.name,
            "picture": last.name,
            "width": width,
            "height": height,
            "frames": len(frames),
        }
        content["configurations"].append(configuration)
        content["iou"][name] = [round(at["iou"], 3) for at in measures.values()]
        content["steps"] = list(pictures)
    (folder / "frames.json").write_text(json.dumps(content) + "\n", encoding="utf-8")


def main(
    device="auto",
    seeds=1,
    steps=4000,
    batch_size=512,
    lr=1e-3,
    sources=False,
    out="runs/overfit_six",
):
    """Train all six with as many seeds; write pictures and films of the first; return ``run``'s."""
    seeds = range(errors.check_int("overfit_six", "seeds", seeds, 1))
    Path(out).mkdir(parents=True, exist_ok=True)  # fails now rather than after the training
    settings = {"steps": steps, "batch_size": batch_size, "lr": lr}
    if sources:
        settings = SOURCES
    result = run(seeds=seeds, device=device, out=out, **settings)
    print(f"pictures and films are in {out}")
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1 or auto")
    parser.add_argument("--seeds", type=int, default=1, help="nets of each kind")
    parser.add_argument("--steps", type=int, default=4000, help="training steps")
    parser.add_argument("--batch-size", type=int, default=512, help="coordinates a step")
    parser.add_argument("--lr", type=float, default=1e-3, help="learning rate of Adam")
    parser.add_argument(
        "--sources",
        action="store_true",
        help="100,000 steps of 1,024 coordinates at a learning rate of 0.0001: hours without a GPU",
    )
    parser.add_argument("--out", default="runs/overfit_six", help="folder of pictures and films")
    refnet.run_script(main, parser)

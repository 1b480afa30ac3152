"""OVERFIT: a net learns the picture of a word, from coordinates to black or white."""

import argparse
from pathlib import Path

import numpy as np
import torch

import refnet
from refnet import plots


def main(
    device="auto",
    seed=0,
    text="OVERFIT",
    image=None,
    activation="cos",
    range=3.0,
    batch_norm=False,
    steps=4000,
    batch_size=1024,
    lr=1e-3,
    every=200,
    out="runs/overfit",
):
    """Learn the word (or the picture); write three files into the folder ``out``.

    These are prediction.png, the net's last picture; convergence.png, its picture at the start,
    after a tenth and a quarter of the steps and at the end; and convergence.webm, a film of all.
    ``range`` is r where the coordinates are mapped onto [-r, r], and 0 where they stay in pixels.
    """
    refnet.seed_everything(seed)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)  # fails now rather than after the training
    picture = refnet.ImagePixels(refnet.draw_text(text) if image is None else image)
    size = (picture.height, picture.width)
    scale = refnet.Rescale(size, -range, range) if range else torch.Tensor.float

    grid, labels = picture.grid()
    pixels = refnet.ArrayDataset(scale(grid), labels)
    every_pixel = refnet.Loader(pixels, refnet.SequentialSampler(pixels, batch_size=2**15))
    batches = ((scale(x), y) for x, y in picture.batches(batch_size, seed=seed))

    model = refnet.overfit_net(activation, batch_norm)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    trainer = refnet.Trainer(model, optimizer, device=device)

    frames = []

    def keep_a_frame(step, model):
        frames.append(plots.prediction_picture(model, pixels.x.to(trainer.device), *size))

    history = trainer.fit_steps(
        batches, steps, validation=every_pixel, every=every, callback=keep_a_frame
    )

    last = history.rows[-1]
    background = 1 - labels.float().mean().item()  # the accuracy of "all background"
    if trainer.rank == 0:  # of several processes the first writes
        plots.write_png(frames[-1], folder / "prediction.png")
        a, b, c, d = (frames[i] for i in (0, len(frames) // 10, len(frames) // 4, -1))
        plots.write_png(np.block([[a, b], [c, d]]), folder / "convergence.png")
        plots.write_film(frames, folder / "convergence.webm")
        right = f"{last.val_acc:.4f} of all pixels right ({background:.4f} are background)"
        print(f"{right}; see {folder}")
    return {"pixel_accuracy": last.val_acc, "background": background, "frames": len(frames)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1 or auto")
    parser.add_argument("--seed", type=int, default=0, help="seed of start values and batches")
    parser.add_argument("--text", default="OVERFIT", help="the word to learn, in any script")
    parser.add_argument("--image", help="learn this picture instead of a word")
    parser.add_argument("--activation", default="cos", help="relu, tanh or cos")
    parser.add_argument(
        "--range", type=float, default=3.0, help="r: coordinates go onto [-r, r]; 0: raw pixels"
    )
    parser.add_argument("--batch-norm", action="store_true", help="normalise between the layers")
    parser.add_argument("--steps", type=int, default=4000, help="training steps")
    parser.add_argument("--batch-size", type=int, default=1024, help="coordinates a step")
    parser.add_argument("--lr", type=float, default=1e-3, help="learning rate of Adam")
    parser.add_argument("--every", type=int, default=200, help="steps between two film frames")
    parser.add_argument(
        "--out", default="runs/overfit", help="folder for the pictures and the film"
    )
    refnet.run_script(main, parser)

"""From a trained net to files that run without its Python code: a .pt2 and an ONNX file."""

import argparse
from pathlib import Path

import torch
from torch.nn.functional import pad

import refnet
from refnet import deploy
from refnet.errors import check_choice

NETS = {"lenet": refnet.LeNet, "mlp": refnet.mlp}


def main(device="auto", seed=0, net="lenet", epochs=3, checkpoint=None, out="runs/deploy"):
    """Train the net (or load it), export it, and compare the files on 1,000 test pictures.

    ``checkpoint`` is a file, or a folder of which the newest is taken, as neural_network.py saves
    it for ``mlp``. The inputs of the files are those of the net: normalised pictures.
    """
    refnet.seed_everything(seed)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)  # fails now rather than after the training
    check_choice("deploy.py", "net", net, NETS)
    train, test = (refnet.FashionMNIST(train=part, sample=True) for part in (True, False))
    pixels = train.images.float()
    normalize = refnet.Normalize(pixels.mean(), pixels.std())

    def prepare(images):
        x = normalize(images)
        return pad(x.unsqueeze(1), (2, 2, 2, 2)) if net == "lenet" else x  # 28 x 28 to 32 x 32

    train_loader = refnet.Loader(train, refnet.RandomSampler(train, 64, seed=seed), prepare)
    test_loader = refnet.Loader(test, refnet.SequentialSampler(test, 1000), prepare)
    model = NETS[net]()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    trainer = refnet.Trainer(model, optimizer, device=device)
    if checkpoint is None:
        trainer.fit(train_loader, test_loader, epochs)
    else:
        newest = refnet.latest_checkpoint(checkpoint) if Path(checkpoint).is_dir() else checkpoint
        refnet.load_checkpoint(newest or checkpoint, model)
    accuracy = trainer.evaluate(test_loader).accuracy
    print(f"{net}: {accuracy:.3f} of {len(test)} test pictures right")

    model = model.cpu()
    x = prepare(test.images)
    files = [
        deploy.export(model, x[:1], folder / f"{net}.pt2"),
        deploy.to_onnx(model, x[:1], folder / f"{net}.onnx"),
    ]
    differences = {}
    for path in files:
        # float32: the same sums in another order, over logits of size 10
        differences[path.suffix] = deploy.check_parity(model, path, x, tolerance=1e-4)
        print(f"{path}: {path.stat().st_size:,} bytes, the same {len(x)} classes as the net")
    return {"accuracy": accuracy, "differences": differences, "files": files, "samples": len(x)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1 or auto")
    parser.add_argument("--seed", type=int, default=0, help="seed of start values and order")
    parser.add_argument("--net", default="lenet", help="lenet or mlp")
    parser.add_argument("--epochs", type=int, default=3, help="passes over 3,000 pictures")
    parser.add_argument("--checkpoint", help="load this file, or the newest of this folder")
    parser.add_argument("--out", default="runs/deploy", help="folder for the two files")
    refnet.run_script(main, parser)

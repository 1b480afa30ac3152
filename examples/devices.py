"""Devices: which there are, how tensors and nets get there, and what has to lie together."""

import argparse

import torch
from torch import nn

import refnet
from refnet.devices import describe


def try_gpu(i=0):
    """Return GPU number i where there is one, else the CPU: quiet, so only for what may be slow."""
    gpus = [device for device in refnet.all_devices() if device.type == "cuda"]
    if i < len(gpus):
        return gpus[i]
    return torch.device("cpu")


def what_there_is():
    """Print every device of this machine; return their names, and what a missing one says."""
    names = [str(device) for device in refnet.all_devices()]
    for name in names:
        print(describe(name))
    print(f"try_gpu(): {try_gpu()}, try_gpu(10): {try_gpu(10)}")
    missing = f"cuda:{len(names) - 1}"  # one past the last
    try:
        refnet.choose_device(missing)
        sentence = ""
    except ValueError as error:
        sentence = str(error)
        print(sentence)
    return names, sentence


def tensors(device, other):
    """Make tensors on two devices and bring them together; return the findings."""
    print(f"torch.tensor([1, 2, 3]) lies on {torch.tensor([1, 2, 3]).device}")
    x = torch.ones(2, 3, device=device)  # made there, not made here and sent
    y = torch.rand(2, 3, device=other)
    z = y.to(device)  # a copy over the bus, if the devices differ: slow, so seldom
    stays = z.to(device) is z  # there already: nothing is copied
    print(f"x on {x.device}, y on {y.device}, x + y.to(x.device) on {(x + z).device}")
    print(f"moved to where it lies already, a tensor stays the same object: {stays}")

    # "meta", tensors without numbers, stands in for the second device where there is none
    elsewhere = y
    if y.device == x.device:
        elsewhere = y.to("meta")
    try:
        x + elsewhere
        refused = False
    except RuntimeError as error:
        refused = True
        print(f"x + y with x on {x.device} and y on {elsewhere.device}: {error}")
    return stays, refused


def net(device):
    """Move a net to the device; return where its parameters and its output are."""
    model = nn.Sequential(nn.Linear(3, 1)).to(device)  # .to moves a module in place
    y = model(torch.ones(2, 3, device=device))
    print(f"net on {model[0].weight.device}, its output on {y.device}")
    back = y.detach().cpu().numpy()  # NumPy reads the CPU's memory only
    print(f"back on the CPU as an array of shape {back.shape}")
    return str(model[0].weight.device), str(y.device), back.tolist()


def main(device="auto", seed=0):
    """Look at the devices, and compute on the chosen one; return what was found."""
    refnet.seed_everything(seed)
    device = refnet.choose_device(device)
    names, sentence = what_there_is()
    print(f"computing on {device}")
    others = [other for other in refnet.all_devices() if other != device]
    farthest = [device, *others][-1]
    stays, refused = tensors(device, farthest)
    weight_on, output_on, back = net(device)
    return {
        "device": str(device),
        "devices": names,
        "missing_device_says": sentence,
        "try_gpu": str(try_gpu()),
        "try_gpu_10": str(try_gpu(10)),
        "stays_the_same_object": stays,
        "mixed_devices_refused": refused,
        "weight_on": weight_on,
        "output_on": output_on,
        "output": back,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1 or auto")
    parser.add_argument("--seed", type=int, default=0, help="seed of start values and inputs")
    refnet.run_script(main, parser)

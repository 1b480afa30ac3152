"""Save and load: tensors, lists, dicts, parameters, and a checkpoint that notices damage."""

import argparse

import torch
from torch import nn

import refnet


class MLP(nn.Module):
    """A net to save: 20 inputs, 256 hidden units, 10 outputs."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(20, 256)
        self.output = nn.Linear(256, 10)

    def forward(self, x):
        """Map rows (N, 20) to (N, 10)."""
        return self.output(torch.relu(self.hidden(x)))


class Hostile:
    """An object whose loading would call a function of its maker's choice, here print."""

    def __reduce__(self):
        return print, ("this line must never be printed",)


def tensors(folder):
    """Save a tensor, a list and a dict, and read them back; return whether all came back equal."""
    x = torch.arange(4)
    y = torch.zeros(4)
    torch.save(x, folder / "x.pt")
    torch.save([x, y], folder / "list.pt")
    torch.save({"x": x, "y": y}, folder / "dict.pt")
    # a file is a program for the unpickler: weights_only lets it build plain values, no more
    x2 = torch.load(folder / "x.pt", weights_only=True)
    a, b = torch.load(folder / "list.pt", weights_only=True)
    named = torch.load(folder / "dict.pt", weights_only=True)
    pairs = [(x, x2), (x, a), (y, b), (x, named["x"]), (y, named["y"])]
    equal = all(torch.equal(saved, loaded) for saved, loaded in pairs)
    print(f"tensor {x2.tolist()}, list of {a.tolist()} and {b.tolist()}, dict of {sorted(named)}")
    return equal


def parameters(folder, device):
    """Save a net's parameters and load them into another net; return whether both agree."""
    net = MLP().to(device)
    x = torch.randn(2, 20).to(device)
    torch.save(net.state_dict(), folder / "mlp.params")  # names and tensors, not the class

    clone = MLP().to(device)  # begins with other values
    before = torch.equal(clone(x), net(x))
    saved = torch.load(folder / "mlp.params", map_location=device, weights_only=True)
    clone.load_state_dict(saved)
    clone.eval()
    after = torch.equal(clone(x), net(x))
    print(f"the clone agrees with the net before loading: {before}, after: {after}")
    return before, after


def checkpoint(folder, device):
    """Save a run that can go on, flip one bit of the file; return what loading says to each."""
    net = MLP().to(device)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    net(torch.randn(2, 20).to(device)).square().mean().backward()
    optimizer.step()  # from now on the optimizer has a momentum to keep
    path = refnet.save_checkpoint(folder / "run.pt", net, optimizer, state={"step": 1})

    twin = MLP().to(device)
    again = torch.optim.SGD(twin.parameters(), lr=0.1, momentum=0.9)
    step = refnet.load_checkpoint(path, twin, again)["step"]
    saved = net.hidden.weight
    loaded = twin.hidden.weight
    momentum = optimizer.state[saved]["momentum_buffer"]
    same = torch.equal(loaded, saved)
    same = same and torch.equal(again.state[loaded]["momentum_buffer"], momentum)
    print(f"checkpoint of step {step}: weights and momentum are back: {same}")

    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    damaged = folder / "damaged.pt"
    damaged.write_bytes(content)
    try:
        refnet.load_checkpoint(damaged, twin)
        found = False
    except refnet.CheckpointError as error:
        found = True
        print(f"one bit flipped: {error}")
    return same, found


def hostile(folder):
    """Save an object that would run code when loaded; return whether it was refused."""
    torch.save(Hostile(), folder / "hostile.pt")
    try:
        torch.load(folder / "hostile.pt", weights_only=True)
    except Exception as error:  # pickle.UnpicklingError, at present
        print(f"refused: {type(error).__name__}")
        return True
    return False


def main(device="auto", seed=0, out="runs/save-load"):
    """Write files into the folder ``out`` and read them back; return what came back."""
    refnet.seed_everything(seed)
    device = refnet.choose_device(device)
    folder = refnet.errors.check_path("save_load", "out", out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        got = f"{out} ({error.strerror})"
        do = "Choose another one with --out."
        sentence = refnet.errors.sentence("save_load", "a folder that can be written", got, do)
        raise ValueError(sentence) from error
    equal = tensors(folder)
    before, after = parameters(folder, device)
    same, found = checkpoint(folder, device)
    return {
        "tensors_equal": equal,
        "clone_equal_before": before,
        "clone_equal_after": after,
        "checkpoint_equal": same,
        "damage_found": found,
        "hostile_refused": hostile(folder),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1 or auto")
    parser.add_argument("--seed", type=int, default=0, help="seed of start values and inputs")
    parser.add_argument("--out", default="runs/save-load", help="folder for the files")
    refnet.run_script(main, parser)

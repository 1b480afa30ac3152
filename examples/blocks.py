"""Blocks and layers of one's own: what a Module is, from a chain of layers to a loop in forward."""

import argparse

import torch
from torch import nn

import refnet


class MLP(nn.Module):
    """A block with two layers: stored in __init__, used in forward."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(20, 256)
        self.out = nn.Linear(256, 10)

    def forward(self, x):
        """Map rows (N, 20) to (N, 10)."""
        return self.out(torch.relu(self.hidden(x)))


class Chain(nn.Module):
    """A Sequential from scratch: each layer is kept under a name, and names are strings."""

    def __init__(self, *layers):
        super().__init__()
        for i, layer in enumerate(layers):
            self.add_module(str(i), layer)

    def forward(self, x):
        """Hand the output of each layer to the next; a layer given twice is run twice."""
        for layer in self._modules.values():
            x = layer(x)
        return x


class ChainKeyedByLayers(Chain):
    """The same, as it is often shown, with each layer as its own name. Wrong: see main."""

    def __init__(self, *layers):
        super().__init__()
        for layer in layers:
            self._modules[layer] = layer


class FixedHidden(nn.Module):
    """A layer used twice, a matrix that is never trained, and a loop that depends on the data."""

    def __init__(self):
        super().__init__()
        self.register_buffer("fixed", torch.rand(20, 20))  # saved and moved, but no parameter
        self.linear = nn.Linear(20, 20)

    def forward(self, x):
        """Map rows (N, 20) to one number of size 1 at most."""
        x = torch.relu(self.linear(x) @ self.fixed + 1)
        x = self.linear(x)
        if not x.isfinite().all():  # half of infinity is infinity: the loop would never end
            raise ValueError("FixedHidden: expected finite sums, got inf or nan. Scale x down.")
        while x.abs().sum() > 1:
            x = x / 2  # a new tensor: the graph may still need the old one
        return x.sum()


class Nested(nn.Module):
    """A block that holds a chain and a layer."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU())
        self.linear = nn.Linear(32, 16)

    def forward(self, x):
        """Map rows (N, 20) to (N, 16)."""
        return self.linear(self.net(x))


class Centered(nn.Module):
    """A layer without parameters: only a rule."""

    def forward(self, x):
        """Return x with its mean, not its sum, taken away: the mean of the result is 0."""
        return x - x.mean()


class OwnLinear(nn.Module):
    """A layer with parameters: tensors wrapped in nn.Parameter."""

    def __init__(self, in_units, out_units):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(in_units, out_units))
        self.bias = nn.Parameter(torch.randn(out_units))

    def forward(self, x):
        """Map rows (N, in_units) to (N, out_units)."""
        return torch.relu(x @ self.weight + self.bias)


class Detached(OwnLinear):
    """The same with ``.data``, out of autograd's sight. Wrong: it never learns."""

    def forward(self, x):
        """Return the same numbers as OwnLinear, without a graph behind them."""
        return torch.relu(x @ self.weight.data + self.bias.data)


def chains(x, device):
    """Hand a batch through a block and its chains; return what came out, and what can be saved."""
    mlp = MLP().to(device)
    chain = Chain(mlp.hidden, nn.ReLU(), mlp.out)
    library = nn.Sequential(mlp.hidden, nn.ReLU(), mlp.out)
    y = mlp(x)
    same = torch.equal(y, chain(x)) and torch.equal(y, library(x))
    print(f"block {tuple(y.shape)}, a chain of the same layers gives the same numbers: {same}")

    wrong = ChainKeyedByLayers(nn.Linear(20, 256), nn.ReLU(), nn.Linear(256, 10)).to(device)
    print(f"a chain keyed by its layers computes: {tuple(wrong(x).shape)}")
    try:
        wrong.state_dict()
        saved = True
    except TypeError as error:
        saved = False
        print(f"but it cannot be saved: {error}")
    shared = nn.Linear(20, 20).to(device)
    once = torch.equal(ChainKeyedByLayers(shared, shared)(x), shared(x))
    twice = torch.equal(Chain(shared, shared)(x), shared(shared(x)))
    print(f"given one layer twice, it runs it once: {once}; the right chain runs it twice: {twice}")
    return {
        "block_shape": tuple(y.shape),
        "chains_equal": same,
        "wrong_chain_saved": saved,
        "wrong_chain_runs_shared_layer_once": once,
        "chain_runs_shared_layer_twice": twice,
    }


def loop(x, device):
    """Run a loop in forward, and blocks in a chain; return the result and what is trained."""
    fixed = FixedHidden().to(device)
    z = fixed(x)
    z.backward()
    trained = [name for name, _ in fixed.named_parameters()]
    saved = list(fixed.state_dict())
    print(f"loop in forward: {z.item():.4f}; trained {trained}, saved {saved}")
    try:
        fixed(x / 0)
        refused = False
    except ValueError as error:
        refused = True
        print(error)

    nested = nn.Sequential(Nested(), nn.Linear(16, 20), FixedHidden()).to(device)
    print(f"blocks in a chain: {nested(x).item():.4f}")
    print(nested)
    return {
        "loop_result": z.item(),
        "trained": trained,
        "saved": saved,
        "infinite_input_refused": refused,
    }


def layers(device):
    """Run layers without and with parameters; return what they give, and which can learn."""
    row = Centered()(torch.tensor([1.0, 2, 3, 4, 5], device=device))
    net = nn.Sequential(nn.Linear(8, 128), Centered()).to(device)
    mean = net(torch.rand(4, 8).to(device)).mean().item()
    print(f"centered {row.tolist()}; mean of a centered layer {mean:.0e}")

    own = nn.Sequential(OwnLinear(64, 8), OwnLinear(8, 1)).to(device)
    detached = nn.Sequential(Detached(64, 8), Detached(8, 1)).to(device)
    rows = torch.rand(2, 64).to(device)
    learns = own(rows).requires_grad
    never = detached(rows).requires_grad
    print(f"layer with parameters: a graph for the gradient {learns}; through .data {never}")
    return {
        "centered": row.tolist(),
        "centered_mean": mean,
        "own_layer_has_graph": learns,
        "detached_layer_has_graph": never,
    }


def main(device="auto", seed=0):
    """Run each block once and print what comes out; return the shapes and the findings."""
    refnet.seed_everything(seed)
    device = refnet.choose_device(device)
    x = torch.rand(2, 20).to(device)
    return chains(x, device) | loop(x, device) | layers(device)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1 or auto")
    parser.add_argument("--seed", type=int, default=0, help="seed of start values and inputs")
    refnet.run_script(main, parser)

"""Four activation functions, solid, and their derivatives by autograd, dashed."""

import matplotlib.pyplot as plt
import torch

CURVES = {
    r"$\sigma(z)$": torch.sigmoid,
    r"$\tanh(z)$": torch.tanh,
    r"$\mathrm{ReLU}(z)$": torch.relu,
    r"$\cos(z)$": torch.cos,
}


def draw():
    figure, axes = plt.subplots(2, 2, figsize=(7.2, 4.6), sharex=True, layout="constrained")
    for i, (axis, (name, function)) in enumerate(zip(axes.flat, CURVES.items(), strict=True)):
        z = torch.linspace(-6, 6, 600, requires_grad=True)  # an even number: it leaves out 0
        a = function(z)
        (slope,) = torch.autograd.grad(a.sum(), z)
        axis.plot(z.detach(), a.detach(), color=f"C{i}", label=name)
        axis.plot(z.detach(), slope, "--", color="black", linewidth=1.3, label="derivative")
        axis.set_ylim(-1.25, 1.25 if name != r"$\mathrm{ReLU}(z)$" else 3)
        axis.legend(loc="upper left", fontsize=10)
        axis.set_xticks([-6, -3, 0, 3, 6])
    for axis in axes[1]:
        axis.set_xlabel("$z$")
    return figure

"""The weights of a linear classifier, one picture for each class, trained on the sample."""

import matplotlib.pyplot as plt
import torch

import refnet


def draw():
    train = refnet.FashionMNIST(sample=True)
    pixels = train.images.float()
    normalize = refnet.Normalize(pixels.mean(), pixels.std())
    refnet.seed_everything(0)
    model = refnet.linear_classifier()
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    loader = refnet.Loader(train, refnet.RandomSampler(train, batch_size=64), normalize)
    refnet.Trainer(model, optimizer, device="cpu", verbose=False).fit(loader, epochs=10)
    weights = model[1].weight.detach().reshape(10, 28, 28)
    limit = weights.abs().quantile(0.998).item()

    figure, axes = plt.subplots(2, 5, figsize=(7.2, 3.2), layout="constrained")
    for label, axis in enumerate(axes.flat):
        image = axis.imshow(weights[label], cmap="RdBu_r", vmin=-limit, vmax=limit)
        axis.set_title(train.classes[label], fontsize=10)
        axis.set(xticks=[], yticks=[])
        axis.grid(visible=False)
        axis.spines[:].set_visible(False)
    figure.colorbar(image, ax=axes, shrink=0.8)
    return figure

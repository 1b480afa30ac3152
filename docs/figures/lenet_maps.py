"""The first feature maps of a LeNet that has learnt the sample of Fashion-MNIST."""

import matplotlib.pyplot as plt
import torch
from torch.nn.functional import pad

import refnet


def prepare(dataset):
    images = pad(dataset.images, (2, 2, 2, 2)).unsqueeze(1)  # (N, 1, 32, 32)
    return refnet.ArrayDataset((images.float() - 72.94) / 90.02, dataset.labels)


def draw():
    train, test = (prepare(refnet.FashionMNIST(train=t, sample=True)) for t in (True, False))
    refnet.seed_everything(0)
    model = refnet.LeNet()
    loader = refnet.Loader(train, refnet.RandomSampler(train, batch_size=32))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    refnet.Trainer(model, optimizer, device="cpu", verbose=False).fit(loader, epochs=5)

    picture = test.x[(test.y == 9).nonzero()[0]]  # (1, 1, 32, 32), an ankle boot
    with torch.no_grad():
        maps = torch.relu(model.conv1(picture))[0]  # (6, 28, 28)
    figure, axes = plt.subplots(1, 7, figsize=(8.4, 1.5), layout="constrained")
    for axis, image, title in zip(axes, [picture[0, 0], *maps], ["$x$", *"012345"], strict=True):
        axis.imshow(image, cmap="gray")
        axis.set_title(title, fontsize=10)
        axis.set_axis_off()
    return figure

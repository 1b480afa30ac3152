"""How often a linear classifier takes one class for another, on the sample's test pictures."""

import torch

import refnet
from refnet import plots


def draw():
    train, test = refnet.FashionMNIST(sample=True), refnet.FashionMNIST(train=False, sample=True)
    pixels = train.images.float()
    normalize = refnet.Normalize(pixels.mean(), pixels.std())
    refnet.seed_everything(0)
    model = refnet.linear_classifier()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    loader = refnet.Loader(train, refnet.RandomSampler(train, batch_size=64), normalize)
    refnet.Trainer(model, optimizer, device="cpu", verbose=False).fit(loader, epochs=10)
    with torch.no_grad():
        answers = model(normalize(test.images)).argmax(1)
    figure = plots.confusion_matrix(test.labels, answers)
    axis = figure.axes[0]
    axis.grid(visible=False)
    axis.set_xticks(range(10), [str(label) for label in range(10)], rotation=0)
    axis.yaxis.label.set_rotation(0)
    figure.set_size_inches(5, 4.6)
    return figure

"""A model of torch.compile goes through trainer, checkpoint and export like any other."""

import shutil

import pytest
import torch
from torch import nn

import refnet
from refnet import Trainer, deploy


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))


def batches():
    x = torch.randn(48, 4, generator=torch.Generator().manual_seed(1))
    return list(zip(x.split(8), x[:, :3].argmax(1).split(8), strict=True))


def learnt(model, epochs, **settings):
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    return Trainer(model, sgd, device="cpu", verbose=False).fit(
        batches(), batches(), epochs=epochs, **settings
    )


def same_run(compiled, folder):
    """Learn by a compiled model, go on by another, and compare with the plain one."""
    plain = net()
    expected = learnt(plain, 4)
    learnt(compiled, 2, checkpoint=folder)
    history = learnt(compiled, 4, checkpoint=folder, resume=True)
    # float32 sums in another order, carried through 24 steps
    losses = [row.val_loss for row in history]
    assert losses == pytest.approx([row.val_loss for row in expected], rel=1e-4)
    again = net()
    refnet.load_checkpoint(refnet.latest_checkpoint(folder), again)
    for p, q in zip(again.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=0, atol=1e-4)
    return again


def test_a_model_compiled_without_a_compiler_trains_and_is_saved(tmp_path):
    same_run(torch.compile(net(), backend="aot_eager"), tmp_path)


@pytest.mark.skipif(not shutil.which("g++"), reason="needs a C++ compiler")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_model_of_the_real_compiler_trains_is_saved_and_is_exported(tmp_path):
    compiled = torch.compile(net())
    again = same_run(compiled, tmp_path)
    x = batches()[0][0]
    path = deploy.export(again, x, tmp_path / "net.pt2")
    assert path.exists()
    torch.testing.assert_close(compiled(x), again(x), rtol=0, atol=1e-5)

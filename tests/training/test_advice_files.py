"""The advice of the errors about files mends it: checkpoints, histories, exported nets."""

import re

import numpy as np
import pytest
import torch
from torch import nn

import refnet
from refnet import CheckpointError, DataError, History, deploy, load_checkpoint, save_checkpoint
from refnet.training.checkpoint import latest_checkpoint
from refnet.training.record import Row


def net_and_optimizer(width=4):
    net = refnet.Linear(width, 3)
    return net, torch.optim.SGD(net.parameters(), lr=0.1)


def trainer_of(folder, resume=False, net=None):
    net = net or refnet.Linear(4, 3)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    return refnet.Trainer(
        net, nn.CrossEntropyLoss(), optimizer, device="cpu", checkpoint=folder, resume=resume
    )


BATCHES = [(torch.rand(8, 4), torch.arange(8) % 3)] * 2


# ------------------------------------------------------------------ checkpoints


def test_names_that_the_file_needs_itself_are_renamed(tmp_path):
    net, _ = net_and_optimizer()
    with pytest.raises(CheckpointError, match="Rename them"):
        save_checkpoint(tmp_path / "a.pt", net, state={"model": 1})
    save_checkpoint(tmp_path / "a.pt", net, state={"my_model": 1})
    assert load_checkpoint(tmp_path / "a.pt")["my_model"] == 1


def test_a_numpy_value_in_the_state_is_turned_into_a_plain_one(tmp_path):
    net, _ = net_and_optimizer()
    accuracy = np.float64(0.5)
    with pytest.raises(CheckpointError, match=r"'accuracy': 'float64'.*Turn NumPy values"):
        save_checkpoint(tmp_path / "a.pt", net, state={"accuracy": accuracy})
    save_checkpoint(tmp_path / "a.pt", net, state={"accuracy": float(accuracy)})
    assert load_checkpoint(tmp_path / "a.pt")["accuracy"] == 0.5


def test_after_weights_of_nan_a_lower_rate_gives_some_that_are_saved(tmp_path):
    for lr, finite in ((1e38, False), (0.1, True)):
        net = refnet.Linear(4, 3)
        optimizer = torch.optim.SGD(net.parameters(), lr=lr)
        for x, y in BATCHES * 3:
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x), y).backward()
            optimizer.step()
        if finite:
            assert save_checkpoint(tmp_path / "a.pt", net).exists()
        else:
            with pytest.raises(CheckpointError, match="choose a lower learning rate"):
                save_checkpoint(tmp_path / "a.pt", net)


def test_a_path_that_cannot_be_written_gives_way_to_another(tmp_path):
    net, _ = net_and_optimizer()
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="a file that can be written"):
        save_checkpoint(tmp_path / "file" / "a.pt", net)
    assert save_checkpoint(tmp_path / "folder" / "a.pt", net).exists()


def test_the_model_and_the_optimizer_that_were_saved_are_built(tmp_path):
    net, optimizer = net_and_optimizer()
    path = save_checkpoint(tmp_path / "a.pt", net, optimizer)
    with pytest.raises(CheckpointError, match=r"of another size.*Build the model that was saved"):
        load_checkpoint(path, refnet.Linear(5, 3))
    other = refnet.Linear(4, 3)
    with pytest.raises(CheckpointError, match=r"SGD saved.*Build the optimizer that was saved"):
        load_checkpoint(path, other, torch.optim.Adam(other.parameters()))
    load_checkpoint(path, other, torch.optim.SGD(other.parameters(), lr=1.0))
    assert torch.equal(other.weight, net.weight)


def test_an_older_checkpoint_takes_the_place_of_a_damaged_or_newer_one(tmp_path):
    net, _ = net_and_optimizer()
    good = save_checkpoint(tmp_path / "checkpoint-0000-000000001.pt", net)
    bad = save_checkpoint(tmp_path / "checkpoint-0001-000000002.pt", net)
    bad.write_bytes(bad.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"latest_checkpoint\(folder\) finds the newest"):
        load_checkpoint(bad)
    with pytest.warns(UserWarning, match="passed over a checkpoint"):
        assert latest_checkpoint(tmp_path) == good
    load_checkpoint(good, refnet.Linear(4, 3))


def test_a_file_of_torch_save_is_read_by_torch_load(tmp_path):
    net, _ = net_and_optimizer()
    path = tmp_path / "plain.pt"
    torch.save(net.state_dict(), path)
    with pytest.raises(CheckpointError, match=r"written by torch\.save") as caught:
        load_checkpoint(path)
    call = re.search(r"Use (torch\.load\(.*\))\.$", str(caught.value))[1]
    refnet.Linear(4, 3).load_state_dict(eval(call, {"torch": torch, "path": path}))


def test_a_folder_of_an_earlier_run_is_resumed_or_another_is_named(tmp_path):
    trainer_of(tmp_path / "run").fit(BATCHES, epochs=1)
    with pytest.raises(CheckpointError, match="Pass resume=True, or another folder"):
        trainer_of(tmp_path / "run").fit(BATCHES, epochs=2)
    assert len(trainer_of(tmp_path / "run", resume=True).fit(BATCHES, epochs=2)) == 2
    assert len(trainer_of(tmp_path / "other").fit(BATCHES, epochs=2)) == 2


def test_nan_in_a_file_is_no_matter_for_an_older_one(tmp_path):
    net, _ = net_and_optimizer()
    good = save_checkpoint(tmp_path / "a.pt", net)
    content = load_checkpoint(good)
    content["model"]["weight"][0, 0] = torch.nan
    from refnet.training.checkpoint import fill

    with pytest.raises(CheckpointError, match=r"nan in weight\. Go back to an older checkpoint"):
        fill(content, net, None)
    load_checkpoint(good, net)


# ------------------------------------------------------------------ histories


def history():
    return History([Row(epoch=0, step=2, train_loss=0.5, train_acc=0.75)])


def test_a_column_is_one_of_those_named():
    with pytest.raises(ValueError, match=r"History\.column: expected epoch, step") as caught:
        history().column("accuracy")
    named = str(caught.value).partition("expected ")[2].partition(", got")[0].split(", ")
    assert "train_acc" in named
    assert all(len(history().column(name)) == 1 for name in named)


@pytest.mark.parametrize("write", ["to_json", "to_csv"])
def test_a_history_is_written_to_another_path(tmp_path, write):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="Choose another path"):
        getattr(history(), write)(tmp_path / "file" / "a.txt")
    getattr(history(), write)(tmp_path / "folder" / "a.txt")
    assert "0.75" in (tmp_path / "folder" / "a.txt").read_text()


def test_what_is_no_history_is_written_by_to_json(tmp_path):
    path = tmp_path / "history.json"
    history().to_csv(path)
    with pytest.raises(DataError, match=r"Write one with History\.to_json"):
        History.from_json(path)
    history().to_json(path)
    assert History.from_json(path) == history()


def test_a_full_disk_leaves_the_history_that_was_there(small_disk):
    path = small_disk / "history.json"
    history().to_json(path)
    long = History([Row(epoch=0, step=n, train_loss=0.5, train_acc=0.75) for n in range(5000)])
    with pytest.raises(DataError, match="full disk"):
        long.to_json(path)
    assert History.from_json(path) == history()
    assert [found.name for found in small_disk.iterdir()] == ["history.json"]


# ------------------------------------------------------------------ exported nets


class Then(nn.Module):
    """A layer, then a function of what it gives."""

    def __init__(self, function):
        super().__init__()
        self.layer, self.function = nn.Linear(4, 4), function

    def forward(self, x):
        return self.function(self.layer(x))


def lower_gamma(x):
    return torch.special.gammainc(torch.ones_like(x), x.abs())  # 1 - exp(-|x|)


@pytest.mark.parametrize(
    "function", [lower_gamma, torch.digamma, torch.special.bessel_j0, torch.special.airy_ai]
)
def test_what_onnx_lacks_is_exported_by_torch(tmp_path, function):
    net, x = Then(function), torch.rand(3, 4)
    with pytest.raises(ValueError, match=r"operators that ONNX has.*or use deploy\.export"):
        deploy.to_onnx(net, x, tmp_path / "net.onnx")
    assert not (tmp_path / "net.onnx").exists()
    path = deploy.export(net, x, tmp_path / "net.pt2")
    assert deploy.check_parity(net, path, x) < 1e-5


def test_the_same_function_in_operators_that_onnx_has(tmp_path):
    net, x = Then(lower_gamma), torch.rand(3, 4)
    wanted = net(x)
    net.function = lambda value: 1 - torch.exp(-value.abs())
    path = deploy.to_onnx(net, x, tmp_path / "net.onnx")
    assert deploy.check_parity(net, path, x) < 1e-5
    assert torch.allclose(net(x), wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("wrong", "right", "advice"),
    [
        (
            lambda x: x if x.sum() > 0 else -x,
            lambda x: torch.where(x.sum() > 0, x, -x),
            "Write choices as torch.where",
        ),
        (
            lambda x: torch.as_tensor(np.tanh(x.detach().numpy())),
            torch.tanh,
            "no NumPy",
        ),
    ],
    ids=["choice", "numpy"],
)
def test_a_forward_pass_is_written_in_operations_of_torch(tmp_path, wrong, right, advice):
    net, x = Then(wrong), torch.rand(3, 4)
    with pytest.raises(ValueError, match=advice):
        deploy.export(net, x, tmp_path / "net.pt2")
    net.function = right
    path = deploy.export(net, x, tmp_path / "net.pt2")
    assert deploy.check_parity(net, path, x) < 1e-5


def test_an_example_and_a_name_as_the_sentences_say(tmp_path):
    net, x = nn.Linear(4, 3), torch.rand(4)
    with pytest.raises(TypeError, match=r"example\[None\]"):
        deploy.export(net, x, tmp_path / "net.pt2")
    with pytest.raises(ValueError, match=r"Name it net\.pt2") as caught:
        deploy.export(net, x[None], tmp_path / "net.pth")
    name = re.search(r"Name it (\S+)\.$", str(caught.value))[1]
    with pytest.raises(ValueError, match=r"Write it first, with deploy\.export"):
        deploy.check_parity(net, tmp_path / name, x[None])
    path = deploy.export(net, x[None], tmp_path / name)
    with pytest.raises(ValueError, match="Export the model again, with an example of the sizes"):
        deploy.check_parity(nn.Linear(5, 3), path, torch.rand(2, 5))
    net.weight.data += 1
    with pytest.raises(ValueError, match="Export the model again"):
        deploy.check_parity(net, path, x[None])
    assert deploy.check_parity(net, deploy.export(net, x[None], path), x[None]) < 1e-5


def test_logits_that_are_large_pass_with_the_tolerance_that_is_named(tmp_path):
    net = nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 3))
    net[2].weight.data *= 1e6
    x = torch.rand(64, 4)
    path = deploy.to_onnx(net, x, tmp_path / "net.onnx")
    with pytest.raises(ValueError, match="rounding: pass tolerance=") as caught:
        deploy.check_parity(net, path, x)
    tolerance = float(re.search(r"tolerance=(\S+)\.$", str(caught.value))[1])
    deploy.check_parity(net, path, x, tolerance)

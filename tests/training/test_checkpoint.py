"""Checkpoints: never half written, never loaded damaged, never a program in disguise."""

import errno
import io
import os
import pickle
import resource
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import refnet
from refnet import CheckpointError, latest_checkpoint, load_checkpoint, save_checkpoint
from refnet.training import checkpoint
from refnet.training.checkpoint import CheckpointFolder


def net(hidden=3):
    torch.manual_seed(hidden)
    return nn.Sequential(nn.Linear(2, hidden), nn.BatchNorm1d(hidden), nn.Linear(hidden, 2))


def trained(model):
    """Return an optimizer with a momentum for each parameter."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.randn(5, 2)).square().mean().backward()
    optimizer.step()
    return optimizer


def same(a, b):
    return all(torch.equal(a[name], b[name]) for name in a) and a.keys() == b.keys()


@pytest.fixture
def saved(tmp_path):
    model = net()
    return save_checkpoint(tmp_path / "net.pt", model, trained(model), {"step": 7})


def test_what_is_saved_comes_back_bit_for_bit(tmp_path):
    model, twin = net(), net()
    optimizer = trained(model)
    path = save_checkpoint(tmp_path / "new" / "net.pt", model, optimizer, {"step": 7, "t": [1.5]})
    other = torch.optim.SGD(twin.parameters(), lr=0.5, momentum=0.9)
    content = load_checkpoint(path, twin, other)
    assert same(model.state_dict(), twin.state_dict())
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(optimizer.state[p]["momentum_buffer"], other.state[q]["momentum_buffer"])
    assert (content["step"], content["t"], other.param_groups[0]["lr"]) == (7, [1.5], 0.1)


def test_nothing_but_the_checkpoint_is_left_in_the_folder(saved):
    assert [path.name for path in saved.parent.iterdir()] == ["net.pt"]


# Damage: promise 9. The file is split into about 40 places, so that each of its records is hit.
@pytest.mark.parametrize("part", range(40))
def test_a_flipped_bit_anywhere_is_found(saved, part):
    data = bytearray(saved.read_bytes())
    data[part * (len(data) - 1) // 39] ^= 1 << part % 8
    saved.write_bytes(data)
    with pytest.raises(CheckpointError, match="whole checkpoint of refnet"):
        load_checkpoint(saved)


@pytest.mark.parametrize("part", range(20))
def test_a_truncated_file_is_found(saved, part):
    data = saved.read_bytes()
    saved.write_bytes(data[: part * (len(data) - 1) // 19])
    with pytest.raises(CheckpointError, match="do not match their sha256"):
        load_checkpoint(saved)


def test_a_file_of_torch_save_is_not_called_damaged(tmp_path):
    torch.save(net().state_dict(), tmp_path / "net.pt")
    words = r"whole checkpoint of refnet, got .*net.pt, written by torch.save. Use torch.load\(path"
    with pytest.raises(CheckpointError, match=words):
        load_checkpoint(tmp_path / "net.pt")


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"<!DOCTYPE html><html>404</html>", b"PK\x03\x04" + bytes(5000)]
)
def test_a_file_that_is_no_checkpoint_is_found(saved, data):
    saved.write_bytes(data)
    with pytest.raises(CheckpointError, match="whole checkpoint of refnet") as caught:
        load_checkpoint(saved)
    assert str(saved) in str(caught.value)


@pytest.mark.parametrize("junk", [b"\0", b"\n", b"junk" * 1000])
def test_appended_junk_is_found(saved, junk):
    saved.write_bytes(saved.read_bytes() + junk)
    with pytest.raises(CheckpointError, match="do not match"):
        load_checkpoint(saved)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"none\.pt, which is no file"):
        load_checkpoint(tmp_path / "none.pt")
    with pytest.raises(CheckpointError, match=r"which is a folder.*latest_checkpoint"):
        load_checkpoint(tmp_path)


def sealed(payload):
    """Return a payload with the checksum that refnet writes, as a forger would."""
    import hashlib

    return payload + checkpoint._MARK + hashlib.sha256(payload).hexdigest().encode() + b"\n"


class Hostile:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (self.mark,)


def test_a_hostile_pickle_never_runs(tmp_path):
    mark, path = str(tmp_path / "mark"), tmp_path / "net.pt"
    buffer = io.BytesIO()
    torch.save({"format": 1, "model": {"weight": Hostile(mark)}}, buffer)
    for payload in (buffer.getvalue(), pickle.dumps(Hostile(mark))):
        path.write_bytes(sealed(payload))
        with pytest.raises(CheckpointError, match="whole checkpoint"):
            load_checkpoint(path)
    assert not Path(mark).exists()
    torch.load(buffer.seek(0) or buffer, weights_only=False)  # the same bytes do harm elsewhere
    assert Path(mark).exists()


def test_every_torch_load_of_the_package_reads_weights_only():
    sources = Path(refnet.__file__).parent.rglob("*.py")
    calls = [
        line for path in sources for line in path.read_text().split("\n") if "torch.load(" in line
    ]
    assert calls
    assert all("weights_only=True" in line for line in calls)


def test_a_newer_format_is_refused(tmp_path):
    buffer = io.BytesIO()
    torch.save({"format": checkpoint.FORMAT + 1, "model": {}}, buffer)
    (tmp_path / "net.pt").write_bytes(sealed(buffer.getvalue()))
    with pytest.raises(CheckpointError, match=r"format 1, got format 2 .* Install a newer refnet"):
        load_checkpoint(tmp_path / "net.pt")


def test_another_architecture_is_named_part_by_part(saved):
    other = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 2, bias=False), nn.Linear(2, 2))
    before = {name: value.clone() for name, value in other.state_dict().items()}
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(saved, other)
    text = str(caught.value)
    assert "missing: 3.weight, 3.bias" in text
    assert "unexpected: 1.weight, 1.bias, 1.running_mean" in text
    assert "of another size: 0.weight (3, 2) for (4, 2)" in text
    assert same(before, other.state_dict())


def test_another_kind_of_optimizer_is_refused_before_anything_changes(saved):
    model = net(3)
    nn.init.zeros_(model[0].weight)
    with pytest.raises(
        CheckpointError, match=r"expected Adam over the same parameters, got .*SGD saved"
    ):
        load_checkpoint(saved, model, torch.optim.Adam(model.parameters()))
    with pytest.raises(
        CheckpointError, match="expected SGD over the same parameters, got ValueError"
    ):
        load_checkpoint(saved, model, torch.optim.SGD(model[0].parameters(), lr=0.1))
    assert not model[0].weight.any()


def compiled(model):
    return torch.compile(model, backend="eager")  # the names do not depend on the backend


@pytest.mark.parametrize("wrap", [compiled, nn.DataParallel], ids=["_orig_mod.", "module."])
def test_the_names_of_a_wrapped_model_fit(tmp_path, wrap):
    model, twin = net(), net(3)
    nn.init.ones_(model[0].weight)
    path = save_checkpoint(tmp_path / "net.pt", wrap(model))
    load_checkpoint(path, twin)
    assert same(model.state_dict(), twin.state_dict())
    load_checkpoint(save_checkpoint(path, model), wrap(twin))


def test_nan_weights_are_neither_saved_nor_loaded(tmp_path, monkeypatch):
    model, path = net(), tmp_path / "net.pt"
    with torch.no_grad():
        model[0].weight[0, 0] = float("nan")
    with pytest.raises(CheckpointError, match=r"got nan in 0\.weight. .*lower learning rate"):
        save_checkpoint(path, model)
    assert not path.exists()
    monkeypatch.setattr(checkpoint, "_refuse_nan", lambda *_: None)
    save_checkpoint(path, model)
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match=r"got nan in 0\.weight. Go back"):
        load_checkpoint(path, net())


@pytest.mark.parametrize("value", [np.float64(1), Path("a"), object(), lambda x: x])
def test_state_that_could_not_be_loaded_is_not_saved(tmp_path, value):
    kind = type(value).__name__
    words = (
        f"^save_checkpoint: expected plain .* in state, got {{'value': '{kind}'}}. Turn .*such.$"
    )
    with pytest.raises(CheckpointError, match=words):
        save_checkpoint(tmp_path / "net.pt", net(), state={"value": value})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["format", "model", "optimizer", "optimizer_kind"])
def test_state_cannot_take_the_names_of_the_files_own_parts(tmp_path, name):
    words = f"names of your own in state, got {name}. Rename them"
    with pytest.raises(CheckpointError, match=words):
        save_checkpoint(tmp_path / "net.pt", net(), state={"step": 7, name: "mine"})
    assert not list(tmp_path.iterdir())


def test_a_path_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match=r"a file that can be written, got .*file"):
        save_checkpoint(tmp_path / "file" / "net.pt", net())


# Promise 8: a crash or a full disk never costs the checkpoint that was there before.


# One process imports torch and forks the 30 writers; importing it 30 times would take a minute.
FORKER = """
import os, sys, torch, refnet
torch.set_num_threads(1)
model = torch.nn.Linear(100, 1000)
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        for n in range(100000):
            torch.nn.init.constant_(model.weight, n)
            refnet.save_checkpoint(sys.argv[1], model, state={"n": n})
            if n == 0:
                os.write(1, f"{os.getpid()}\\n".encode())
    os.waitpid(pid, 0)
"""


def test_kill_minus_9_at_any_moment_leaves_a_whole_checkpoint(tmp_path):
    path = tmp_path / "net.pt"
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", FORKER, str(path)]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as child:
        for wait in np.random.default_rng(0).uniform(0, 0.02, 30):  # a save takes about 5 ms
            child.stdin.write("go\n")
            child.stdin.flush()
            pid = int(child.stdout.readline())  # comes when the first save is done
            time.sleep(wait)
            os.kill(pid, signal.SIGKILL)
            content = load_checkpoint(path)
            assert bool((content["model"]["weight"] == content["n"]).all())
        child.stdin.close()


def test_a_full_disk_leaves_the_checkpoint_from_before(saved):
    before = saved.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, hard))
    try:
        with pytest.raises(CheckpointError, match="what was there is still good"):
            save_checkpoint(saved, net(300))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_a_disk_that_is_really_full_leaves_the_checkpoint_from_before(small_disk):
    saved = save_checkpoint(small_disk / "net.pt", torch.nn.Linear(200, 200))  # 160 kB of 300
    before = saved.read_bytes()
    with pytest.raises(CheckpointError, match=r"got .*net.pt \(a full disk\).*is still good"):
        save_checkpoint(saved, torch.nn.Linear(200, 200))
    assert saved.read_bytes() == before
    assert [path.name for path in small_disk.iterdir()] == [saved.name]


def test_a_folder_that_cannot_be_synced_costs_neither_the_file_nor_a_descriptor(
    tmp_path, monkeypatch
):
    real, lent = os.fsync, []

    def fsync(file):
        if stat.S_ISDIR(os.fstat(file).st_mode):
            lent.append(file)
            raise OSError(errno.EINVAL, "Invalid argument")
        real(file)

    monkeypatch.setattr(os, "fsync", fsync)
    path = save_checkpoint(tmp_path / "net.pt", net(), state={"step": 7})
    assert load_checkpoint(path)["step"] == 7
    with pytest.raises(OSError, match="Bad file descriptor"):  # it is closed
        os.fstat(lent[0])


def test_latest_checkpoint_is_the_newest_whole_one(tmp_path):
    for epoch, step in ((1, 10), (2, 20), (10, 100)):
        save_checkpoint(tmp_path / f"checkpoint-{epoch:04d}-{step:09d}.pt", net())
    assert latest_checkpoint(tmp_path).name == "checkpoint-0010-000000100.pt"
    bad = tmp_path / "checkpoint-0010-000000100.pt"
    bad.write_bytes(bad.read_bytes()[:-1])
    with pytest.warns(UserWarning, match=r"passed over.*checkpoint-0010-000000100"):
        assert latest_checkpoint(tmp_path).name == "checkpoint-0002-000000020.pt"


def test_a_folder_without_checkpoints_has_no_latest(tmp_path):
    assert latest_checkpoint(tmp_path) is None
    assert latest_checkpoint(tmp_path / "missing") is None


def test_the_folder_keeps_the_newest_three_and_deletes_older_ones(tmp_path):
    model = net()
    with CheckpointFolder(tmp_path / "run", resume=False) as folder:
        for step in range(1, 6):
            folder.save(model, trained(model), step, 10 * step, {})
    names = sorted(path.stem for path in (tmp_path / "run").glob("*.pt"))
    assert names == [f"checkpoint-{n:04d}-{10 * n:09d}" for n in (3, 4, 5)]


def test_the_folder_keeps_a_readers_own_checkpoint(tmp_path):
    model = net()
    with CheckpointFolder(tmp_path, resume=False) as folder:
        save_checkpoint(tmp_path / "checkpoint-best.pt", model)
        for step in range(1, 6):
            folder.save(model, trained(model), step, 10 * step, {})
    assert len(list(tmp_path.glob("checkpoint-0*.pt"))) == 3
    assert (tmp_path / "checkpoint-best.pt").exists()


def test_two_runs_in_one_folder_are_told_apart(tmp_path):
    with (
        CheckpointFolder(tmp_path, resume=False),
        pytest.raises(CheckpointError, match="can write, got one that another run has open"),
        CheckpointFolder(tmp_path, resume=True),
    ):
        pass
    save_checkpoint(tmp_path / "checkpoint-0001-000000010.pt", net())
    with (
        pytest.raises(
            CheckpointError, match=r"without checkpoints, got checkpoint-0001.*resume=True"
        ),
        CheckpointFolder(tmp_path, resume=False),
    ):
        pass
    with CheckpointFolder(tmp_path, resume=True):  # the lock of the failed try is gone
        pass


def test_what_a_killed_save_left_behind_is_cleared(tmp_path):
    (tmp_path / ".checkpoint-0001-000000010.99.tmp.pt").write_text("half")
    (tmp_path / ".checkpoint-0001-000000010.pt.99.tmp").write_text("as older versions named it")
    with CheckpointFolder(tmp_path, resume=False):
        assert not list(tmp_path.glob(".checkpoint-*"))


def test_a_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "run").write_text("")
    with (
        pytest.raises(CheckpointError, match="that this run can write, got FileExistsError"),
        CheckpointFolder(tmp_path / "run", resume=False),
    ):
        pass


@pytest.fixture
def no_superuser():
    """Work as another user meanwhile: the superuser can write to any folder."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    yield
    os.seteuid(before)


@pytest.fixture
def read_only(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir(mode=0o555)
    for parent in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        parent.chmod(0o755)  # pytest makes them for their owner alone
    return folder


def test_a_read_only_folder_is_named(read_only, no_superuser):
    with (
        pytest.raises(CheckpointError, match="that this run can write, got PermissionError"),
        CheckpointFolder(read_only, resume=False),
    ):
        pass
    with pytest.raises(
        CheckpointError, match=r"that can be written, got .*net.pt \(Permission denied\)"
    ):
        save_checkpoint(read_only / "net.pt", net())


def test_a_checkpoint_that_names_cuda_loads_where_there_is_none(tmp_path, monkeypatch):
    model, twin = net(), net(3)
    nn.init.ones_(model[0].weight)
    monkeypatch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
    path = save_checkpoint(tmp_path / "net.pt", model)
    monkeypatch.undo()
    load_checkpoint(path, twin)
    assert same(model.state_dict(), twin.state_dict())


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_a_checkpoint_from_cuda_loads_on_the_cpu(tmp_path):
    model, twin = net().cuda(), net(3)
    load_checkpoint(save_checkpoint(tmp_path / "net.pt", model), twin)
    assert twin[0].weight.device.type == "cpu"
    assert same(model.cpu().state_dict(), twin.state_dict())

"""Several processes under torchrun learn and count what one process learns and counts.

Run by torchrun, this file is also the program of each process: see ``main`` at its end.
"""

import atexit
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import distributed
from torch.utils.data import BatchSampler, DataLoader, DistributedSampler, Subset

import refnet
from refnet import Loader, RandomSampler, SequentialSampler, Trainer

COUNTS = (1, 7, 100, 10_000)


def data(n, seed=1):
    x = torch.randn(n, 4, generator=torch.Generator().manual_seed(seed))
    return refnet.ArrayDataset(x, x[:, :3].argmax(1))


def make_trainer(verbose=False):
    torch.manual_seed(int(os.environ.get("RANK", "0")))  # the trainer takes those of the first
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
    return Trainer(
        model, torch.optim.SGD(model.parameters(), lr=0.1), device="cpu", verbose=verbose
    )


def train_loader(n=22):
    """Return batches of 7, 7, 7 and 1: with 2 and 3 processes shares are unequal, and empty."""
    samples = data(n)
    return Loader(samples, RandomSampler(samples, batch_size=7, seed=3))


def learn_and_count():
    """Return all that must not depend on the number of processes."""
    run, stream = make_trainer(), make_trainer()
    history = run.fit(train_loader(), epochs=2)
    gradients = torch.cat([p.grad.flatten() for p in run.model.parameters()])
    whole = data(60)  # of plain batches each process takes its part by itself
    plain = stream.fit_steps(iter(zip(whole.x.split(7), whole.y.split(7), strict=True)), 9, every=4)
    counts = []
    for n in COUNTS:
        samples = data(n)
        metrics = run.evaluate(Loader(samples, SequentialSampler(samples, batch_size=64)))
        counts.append((metrics.correct, metrics.count))
    return {
        "gradients": gradients,
        "weights": torch.cat([p.detach().flatten() for p in run.model.parameters()]),
        "stream": torch.cat([p.detach().flatten() for p in stream.model.parameters()]),
        "loss": [row.train_loss for row in (*history, *plain)],
        "accuracy": [row.train_acc for row in (*history, *plain)],
        "counts": counts,
    }


class Rows(torch.nn.Module):
    """The usual way to flatten, which torch refuses for a batch of 0 samples."""

    def forward(self, x):
        return x.view(x.size(0), -1)


FEW = ("in order", "own data set", "DataLoader", "plain batches")


def learn_few_and_count(case):
    """Return what comes of five samples in batches of 4 and 1: one process has no share of the 1.

    The model of "plain batches" takes no batch of 0 samples: they are only counted.
    """
    run, samples = make_trainer(), data(5)
    loader = {
        "in order": Loader(samples, SequentialSampler(5, batch_size=4)),
        "own data set": Loader(Subset(samples, range(5)), RandomSampler(5, batch_size=4)),
        "DataLoader": DataLoader(samples, batch_size=4),
        "plain batches": list(zip(samples.x.split(4), samples.y.split(4), strict=True)),
    }[case]
    if case == "plain batches":
        run.model.insert(0, Rows())
    else:
        run.fit(loader, epochs=2)
    metrics = run.evaluate(loader)
    weights = torch.cat([p.detach().flatten() for p in run.model.parameters()])
    return {"weights": weights, "counts": (metrics.correct, metrics.count)}


def torchrun(mode, folder, *options, **environment):
    """Start this file under torchrun; return its exit code and all that it wrote."""
    command = [sys.executable, "-W", "ignore", "-m", "torch.distributed.run", *options]
    return subprocess.Popen(
        [*command, __file__, mode, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
    )


def finish(process, timeout=100):
    try:
        out, err = process.communicate(timeout=timeout)
    finally:
        process.kill()
    return process.returncode, out, err


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return str(s.getsockname()[1])


def agrees(got, expected):
    # float32: the shares are added up in another order
    for name in ("gradients", "weights", "stream"):
        torch.testing.assert_close(got[name], expected[name], rtol=0, atol=1e-6)
    assert got["loss"] == pytest.approx(expected["loss"], abs=1e-6)
    assert got["accuracy"] == expected["accuracy"]
    assert got["counts"] == expected["counts"]


# Promise 13
@pytest.mark.parametrize("world", [2, 3])
def test_several_processes_learn_and_count_what_one_does(tmp_path, world):
    process = torchrun("learn", tmp_path, "--standalone", f"--nproc-per-node={world}")
    code, out, err = finish(process)
    assert code == 0, err
    agrees(torch.load(tmp_path / "result.pt", weights_only=True), learn_and_count())
    assert out.count("Epoch = 0") == 1  # rank 0 alone speaks
    # gloo's threads are gone before Python ends: one that still lets go of a tensor then aborts
    assert out.count("threads of gloo at the end: 0") == world
    assert "\r" not in err


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """Return what two processes make of few samples, in one start for all cases."""
    folder = tmp_path_factory.mktemp("few")
    options = ["--standalone", "--nproc-per-node=2"]
    code, _, err = finish(torchrun(",".join(FEW), folder, *options, REFNET_TIMEOUT="10"))
    assert code == 0, err
    return torch.load(folder / "result.pt", weights_only=True)


@pytest.mark.parametrize("case", FEW)
def test_fewer_samples_than_processes_are_learnt_and_counted_as_by_one(few, case):
    got, expected = few[case], learn_few_and_count(case)
    # float32: the shares are added up in another order
    torch.testing.assert_close(got["weights"], expected["weights"], rtol=0, atol=1e-6)
    assert got["counts"] == expected["counts"]
    assert got["counts"][1] == 5


class Branches(torch.nn.Module):
    """A net with batch normalization, a layer never used, and a scale that rank 0 alone uses."""

    def __init__(self):
        super().__init__()
        self.net = torch.nn.Sequential(
            torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU(), torch.nn.Linear(8, 3)
        )
        self.unused = torch.nn.Linear(4, 3)
        self.scale = torch.nn.Parameter(torch.ones(3))

    def forward(self, x):
        logits = self.net(x)
        alone = self.training and os.environ.get("RANK") == "0"
        return logits * self.scale if alone else logits


def learn_branches(folder):
    """Return what fit reported last, and what the model that was saved then gives."""
    torch.manual_seed(0)
    model = Branches()
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    run = Trainer(model, sgd, device="cpu", verbose=False)
    samples = data(60)
    loader = Loader(samples, RandomSampler(samples, batch_size=20, seed=3))
    whole = Loader(samples, SequentialSampler(samples, batch_size=60))
    history = run.fit(loader, whole, epochs=3, checkpoint=folder / "branches")
    return {
        "reported": [history[-1].val_loss, history[-1].val_acc],
        "unused": model.unused.weight.detach(),
        "unused gradient": model.unused.weight.grad is None,
        "scale": model.scale.detach(),
        "weights": torch.cat([p.detach().flatten() for p in run.model.parameters()]),
    }


def test_batch_norm_and_unused_layers_train_and_what_is_reported_is_that_of_what_is_saved(tmp_path):
    options = ["--standalone", "--nproc-per-node=3"]
    code, _, err = finish(torchrun("branches", tmp_path, *options))
    assert code == 0, err
    results = [torch.load(tmp_path / f"branches-{n}.pt", weights_only=True) for n in range(3)]
    torch.manual_seed(0)
    start = Branches()
    saved = Branches()
    refnet.load_checkpoint(refnet.latest_checkpoint(tmp_path / "branches"), saved)
    samples = data(60)
    with torch.no_grad():
        logits = saved.eval()(samples.x)
    loss = torch.nn.functional.cross_entropy(logits, samples.y)
    accuracy = (logits.argmax(1) == samples.y).double().mean()
    for result in results:
        assert torch.equal(result["weights"], results[0]["weights"])
        assert torch.equal(result["unused"], start.unused.weight)
        assert result["unused gradient"]
        assert not torch.equal(result["scale"], start.scale)
        assert result["reported"] == pytest.approx([float(loss), float(accuracy)], abs=1e-5)


LOADERS = {
    "list": lambda samples: list(zip(samples.x.split(3), samples.y.split(3), strict=True)),
    "Loader": lambda samples: Loader(samples, RandomSampler(samples, batch_size=3)),
    "Loader of indices": lambda samples: Loader(samples, torch.arange(8).split(3)),
    "DataLoader": lambda samples: DataLoader(samples, batch_size=3, shuffle=True),
    "DataLoader of shares": lambda samples: DataLoader(
        samples, batch_size=3, sampler=DistributedSampler(samples)
    ),
    "DataLoader of batches of shares": lambda samples: DataLoader(
        samples, batch_sampler=BatchSampler(DistributedSampler(samples), 3, drop_last=False)
    ),
}


@pytest.mark.parametrize("kind", LOADERS)
def test_each_sample_goes_to_one_process(monkeypatch, kind):
    samples, model = data(8), torch.nn.Linear(4, 3)
    run = Trainer(model, torch.optim.SGD(model.parameters(), lr=0.1), device="cpu")
    run.world = 2
    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "get_world_size", lambda: 2)
    seen = []
    for rank in (0, 1):
        monkeypatch.setattr(distributed, "get_rank", lambda rank=rank: rank)
        torch.manual_seed(0)  # all processes draw the same order
        run.rank = rank
        loader = LOADERS[kind](samples)
        seen += [x for x, _ in run._checked(loader, loader)]
    assert sorted(torch.cat(seen).tolist()) == sorted(samples.x.tolist())


def test_two_machines_learn_and_count_what_one_does(tmp_path):
    options = ["--nnodes=2", "--nproc-per-node=1", "--master-addr=127.0.0.1"]
    options += [f"--master-port={free_port()}"]
    agents = [torchrun("learn", tmp_path, *options, f"--node-rank={rank}") for rank in (0, 1)]
    ends = [finish(agent) for agent in agents]
    assert [code for code, _, _ in ends] == [0, 0], ends
    agrees(torch.load(tmp_path / "result.pt", weights_only=True), learn_and_count())
    assert [out.count("Epoch = 0") for _, out, _ in ends] == [1, 0]


# Promise 14
def test_a_dead_process_stops_all_and_is_named(tmp_path):
    start = time.monotonic()
    code, out, err = finish(torchrun("die", tmp_path, "--standalone", "--nproc-per-node=2"))
    assert code != 0
    assert "rank      : 1" in err
    assert "SIGKILL" in err
    assert "finished" not in out
    assert time.monotonic() - start < 60  # REFNET_TIMEOUT's default


def test_a_hanging_process_stops_all_within_the_timeout(tmp_path):
    process = torchrun("hang", tmp_path, "--standalone", "--nproc-per-node=2", REFNET_TIMEOUT="2")
    code, out, err = finish(process)
    assert code != 0
    assert "Timed out waiting 2000ms" in err
    assert "finished" not in out


def test_a_restarted_run_goes_on_from_its_last_checkpoint(tmp_path):
    options = ["--standalone", "--nproc-per-node=2", "--max-restarts=1"]
    code, out, err = finish(torchrun("die", tmp_path, *options))
    assert code == 0, err
    whole = make_trainer()
    history = whole.fit(train_loader(), epochs=4)
    again = make_trainer().model
    saved = refnet.load_checkpoint(refnet.latest_checkpoint(tmp_path / "run"), again)
    for p, q in zip(again.parameters(), whole.model.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=0, atol=1e-6)
    assert [row[1] for row in saved["rows"]] == [row.step for row in history]
    assert out.count("finished") == 2
    assert out.count("Epoch = 1") == 1  # epochs 0 and 1 were not done twice


def test_sigterm_saves_and_stops_every_process(tmp_path):
    process = torchrun("long", tmp_path, "--standalone", "--nproc-per-node=2")
    while "ready" not in (line := process.stdout.readline()):
        assert line, process.stderr.read()
    process.send_signal(signal.SIGTERM)
    code, out, err = finish(process)
    assert code != 0
    assert "finished" not in out
    path = refnet.latest_checkpoint(tmp_path / "run")
    assert path is not None, err
    assert refnet.load_checkpoint(path)["step"] >= 8


class Hooked(Loader):
    """A loader that calls ``hook(step)`` before each batch."""

    hook, n = staticmethod(lambda n: None), 0

    def __iter__(self):
        for pair in super().__iter__():
            self.n += 1
            self.hook(self.n)
            yield pair


def count_threads():
    names = [path.read_text() for path in Path("/proc/self/task").glob("*/comm")]
    print(f"threads of gloo at the end: {sum('gloo' in name for name in names)}", flush=True)


def main(mode, folder):
    torch.set_num_threads(1)
    atexit.register(count_threads)  # before the trainer's own: it is called after it
    rank, first_life = int(os.environ["RANK"]), os.environ.get("TORCHELASTIC_RESTART_COUNT") == "0"
    if set(mode.split(",")) <= set(FEW):
        result = {case: learn_few_and_count(case) for case in mode.split(",")}
        if rank == 0:
            torch.save(result, folder / "result.pt")
        return
    if mode == "branches":
        torch.save(learn_branches(folder), folder / f"branches-{rank}.pt")
        return
    if mode == "learn":
        main.trainer = make_trainer(verbose=True)  # it lives to the end, as in a script
        main.trainer.fit(train_loader(), epochs=1)
        result = learn_and_count()
        if rank == 0:
            torch.save(result, folder / "result.pt")
        return
    samples = data(22)
    loader = Hooked(samples, RandomSampler(samples, batch_size=7, seed=3))

    def hook(n):
        if n == 10 and rank == 1 and first_life and mode == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if n == 10 and rank == 1 and mode == "hang":
            time.sleep(8)  # four times the timeout of that test
        if n == 10 and rank == 0 and mode == "long":
            print("ready", flush=True)

    loader.hook = hook
    epochs = 1_000_000 if mode == "long" else 4
    make_trainer(verbose=mode != "long").fit(
        loader, epochs=epochs, checkpoint=folder / "run", resume=True
    )
    print("finished", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))

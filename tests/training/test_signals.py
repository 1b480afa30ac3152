"""Ctrl-C and SIGTERM: the step is finished, all is saved, and the run goes on from there later."""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import torch
from torch.nn.functional import cross_entropy

import refnet
from refnet import Trainer


def net(seed=0):
    torch.manual_seed(seed)
    return torch.nn.Sequential(
        torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Dropout(0.5), torch.nn.Linear(8, 3)
    )


def trainer(seed=0):
    model = net(seed)
    return Trainer(model, torch.optim.Adam(model.parameters(), 0.01), device="cpu", verbose=False)


class Batches:
    """Seven batches in an order that depends on the epoch; ``hook(n)`` comes before the n-th."""

    def __init__(self, hook=lambda n: None):
        self.hook, self.n, self.epoch = hook, 0, 0

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __iter__(self):
        x = torch.randn(50, 4, generator=torch.Generator().manual_seed(1))
        order = torch.randperm(50, generator=torch.Generator().manual_seed(self.epoch))
        for index in order.split(8):
            self.n += 1
            self.hook(self.n)
            yield x[index], x[index, :3].argmax(1)


class Shuffling(Batches):
    """torch's own DataLoader, whose order comes from the global random numbers."""

    def __iter__(self):
        x = torch.randn(50, 4, generator=torch.Generator().manual_seed(1))
        data = torch.utils.data.TensorDataset(x, x[:, :3].argmax(1))
        for pair in torch.utils.data.DataLoader(data, batch_size=8, shuffle=True):
            self.n += 1
            self.hook(self.n)
            yield pair


def at(step, number):
    return lambda n: os.kill(os.getpid(), number) if n == step else None


def outcome(run, history):
    rows = [(r.epoch, r.step, r.train_loss, r.train_acc, r.val_loss, r.val_acc) for r in history]
    moments = [state["exp_avg"] for state in run.optimizer.state.values()]
    return [*run.model.state_dict().values(), *moments], rows


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a[0], b[0], strict=True)) and a[1] == b[1]


ENDS = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: SystemExit}


@pytest.mark.parametrize("loader", [Batches, Shuffling])
@pytest.mark.parametrize("number", ENDS)
@pytest.mark.parametrize("step", [1, 7, 8, 13])
def test_a_signal_saves_in_the_middle_of_an_epoch_and_the_run_goes_on_bit_for_bit(
    tmp_path, number, step, loader
):
    torch.manual_seed(0)
    whole = trainer()
    torch.manual_seed(3)
    expected = outcome(whole, whole.fit(loader(), Batches(), epochs=3))
    first = trainer()
    torch.manual_seed(3)
    with pytest.raises(ENDS[number]) as caught:
        first.fit(loader(at(step, number)), Batches(), epochs=3, checkpoint=tmp_path)
    if number == signal.SIGTERM:
        assert caught.value.code == 143
    name = f"checkpoint-{(step - 1) // 7:04d}-{step:09d}.pt"
    assert refnet.latest_checkpoint(tmp_path).name == name
    second = trainer(seed=9)
    history = second.fit(loader(), Batches(), epochs=3, checkpoint=tmp_path, resume=True)
    assert same(outcome(second, history), expected)


def stream(hook=lambda n: None):
    return itertools.chain.from_iterable(Batches(hook) for _ in itertools.count())


@pytest.mark.parametrize("step", [3, 10, 11, 25])
def test_a_signal_in_a_run_over_steps_loses_no_row(tmp_path, step):
    whole, first, second = trainer(), trainer(), trainer(seed=9)
    torch.manual_seed(3)
    expected = outcome(whole, whole.fit_steps(stream(), 25, every=10))
    torch.manual_seed(3)
    count = itertools.count(1)
    hook = at(step, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        first.fit_steps(stream(lambda n: hook(next(count))), 25, every=10, checkpoint=tmp_path)
    history = second.fit_steps(stream(), 25, every=10, checkpoint=tmp_path, resume=True)
    assert [row.step for row in history] == [10, 20, 25]
    assert same(outcome(second, history), expected)


@pytest.mark.parametrize(("steps", "every", "rows"), [(25, 5, [15, 20, 25]), (10, 20, [15])])
def test_a_run_over_steps_goes_on_with_smaller_settings(tmp_path, steps, every, rows):
    count, hook = itertools.count(1), at(15, signal.SIGINT)
    batches = stream(lambda n: hook(next(count)))
    with pytest.raises(KeyboardInterrupt):
        trainer().fit_steps(batches, 25, every=20, checkpoint=tmp_path)
    history = trainer().fit_steps(stream(), steps, every=every, checkpoint=tmp_path, resume=True)
    assert [row.step for row in history] == rows


def test_a_signal_saves_no_weights_that_are_not_finite(tmp_path):
    model = torch.nn.Linear(4, 3)
    sgd = torch.optim.SGD(model.parameters(), lr=3e38)  # float32 ends at 3.4e38
    run = Trainer(model, sgd, lambda *pair: 100 * cross_entropy(*pair), "cpu", verbose=False)
    with pytest.raises((refnet.DivergedError, KeyboardInterrupt)) as caught:
        run.fit(Batches(at(1, signal.SIGINT)), epochs=1, checkpoint=tmp_path)
    assert str(caught.value).startswith("step 1: expected finite weights")
    assert refnet.latest_checkpoint(tmp_path) is None


def test_a_signal_without_a_folder_stops_all_the_same():
    run = trainer()
    with pytest.raises(KeyboardInterrupt):
        run.fit(Batches(at(2, signal.SIGINT)), epochs=3)


def test_a_signal_in_the_last_validation_stops_after_all_is_saved(tmp_path):
    run = trainer()
    with pytest.raises(SystemExit):
        run.fit(Batches(), Batches(at(7, signal.SIGTERM)), epochs=1, checkpoint=tmp_path)
    assert refnet.latest_checkpoint(tmp_path).name == "checkpoint-0001-000000007.pt"


def test_a_second_signal_stops_a_loader_that_hangs():
    def hang(n):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        trainer().fit(Batches(hang), epochs=1)
    assert time.monotonic() - start < 30  # at once, not after the minute


@pytest.mark.parametrize("error", [None, RuntimeError])
def test_the_handlers_from_before_come_back(error):
    before = [signal.getsignal(number) for number in ENDS]

    def hook(n):
        assert signal.getsignal(signal.SIGTERM) != before[1]
        if error:
            raise error

    if error:
        with pytest.raises(error):
            trainer().fit(Batches(hook), epochs=1)
    else:
        trainer().fit(Batches(hook), epochs=1)
    assert [signal.getsignal(number) for number in ENDS] == before


def test_outside_the_main_thread_training_works_without_handlers():
    result = []
    thread = threading.Thread(target=lambda: result.append(trainer().fit(Batches(), epochs=1)))
    thread.start()
    thread.join(60)
    assert len(result[0]) == 1


SCRIPT = """
import argparse, os, sys, time, torch, refnet
sys.path.insert(0, sys.argv.pop(1))
import test_signals as t

def main(folder):
    def hook(n):
        if n == 5:
            print("ready", flush=True)
        time.sleep(0.001)
    t.trainer().fit(t.Batches(hook), epochs=100000, checkpoint=folder, resume=True)

parser = argparse.ArgumentParser()
parser.add_argument("folder")
refnet.run_script(main, parser)
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_script_saves_and_exits_with_the_code_of_its_signal(tmp_path, number, code):
    here = os.path.dirname(__file__)
    command = [sys.executable, "-c", SCRIPT, here, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "ready\n"
        child.send_signal(number)
        assert child.wait(timeout=60) == code
    path = refnet.latest_checkpoint(tmp_path)
    assert refnet.load_checkpoint(path)["step"] >= 4


SPAWNED = """
import sys, time, torch, refnet
from torch.utils.data import DataLoader, TensorDataset
sys.path.insert(0, sys.argv[1])
import test_signals as t

if __name__ == "__main__":
    torch.set_num_threads(1)
    loader = DataLoader(t.Slow(), batch_size=8, num_workers=1, multiprocessing_context=sys.argv[2])
    try:
        t.trainer().fit(loader, epochs=1, checkpoint=sys.argv[3])
    except KeyboardInterrupt:
        print("stopped", flush=True)
        sys.exit(130)
"""


class Slow(torch.utils.data.Dataset):
    """Fifty samples; the worker process waits for long before the 30th."""

    def __len__(self):
        return 50

    def __getitem__(self, index):
        if index == 29:
            print("waiting", flush=True)
            time.sleep(600)
        return torch.full((4,), index / 50), index % 3


@pytest.mark.parametrize("context", ["spawn", "forkserver"])
def test_ctrl_c_saves_the_last_whole_step_while_processes_of_a_loader_are_waited_for(
    tmp_path, context
):
    script = tmp_path / "script.py"
    script.write_text(SPAWNED)
    command = [sys.executable, str(script), os.path.dirname(__file__), context, str(tmp_path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    ) as child:
        assert child.stdout.readline() == "waiting\n"
        time.sleep(0.5)  # the three batches before it are learnt meanwhile, and the fourth awaited
        os.killpg(child.pid, signal.SIGINT)  # as a terminal does: to all processes of the program
        try:
            out, err = child.communicate(timeout=60)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
    assert child.returncode == 130, err
    assert out == "stopped\n"
    assert refnet.load_checkpoint(refnet.latest_checkpoint(tmp_path))["step"] == 3

"""The trainer: it does what a loop by hand does, and says what is wrong before it is too late."""

import hashlib
import itertools
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import refnet
from refnet import DivergedError, Trainer

NAN = float("nan")


def net(seed=0, dropout=0.0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, 3)
    )


def samples(n=50, seed=1):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 4, generator=generator)
    return x, x[:, :3].argmax(1)


def batches(n=50, size=8):
    x, y = samples(n)
    return list(zip(x.split(size), y.split(size), strict=True))


def trainer(model=None, lr=0.1, **settings):
    model = model or net()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    return Trainer(model, optimizer, device="cpu", **{"verbose": False, **settings})


def weights(model):
    return torch.cat([value.flatten().double() for value in model.state_dict().values()])


def test_fit_is_the_loop_by_hand_bit_for_bit():
    model, twin = net(dropout=0.5), net(dropout=0.5)
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.1, momentum=0.9)
    torch.manual_seed(2)
    for x, y in batches() * 3:
        optimizer.zero_grad()
        cross_entropy(twin(x), y).backward()
        optimizer.step()
    torch.manual_seed(2)
    trainer(model).fit(batches(), epochs=3)
    assert torch.equal(weights(model), weights(twin))


def test_a_row_holds_the_means_over_all_samples_before_their_step():
    model = net()
    history = trainer(model, lr=1e-30).fit(batches(), batches(20), epochs=1)
    twin, loss, correct = net(), 0.0, 0
    for xb, yb in batches():
        logits = twin(xb)
        loss += cross_entropy(logits, yb).item() * len(yb)
        correct += int((logits.argmax(1) == yb).sum())
    row = history[-1]
    assert row.train_loss == pytest.approx(loss / 50, rel=1e-6)  # float32 losses, summed in double
    assert row.train_acc == correct / 50
    assert (row.epoch, row.step) == (0, 7)
    assert row.val_acc == trainer(model).evaluate(batches(20)).accuracy


def test_the_printed_lines_are_those_of_the_course(capfd):
    trainer(verbose=True).fit(batches(), batches(20), epochs=2)
    out, err = capfd.readouterr()
    number = r"\d\.\d{3}"
    line = rf"train_loss = {number}, train_acc = {number}, val_acc = {number}\n"
    assert re.fullmatch(rf"Epoch = 0, {line}Epoch = 1, {line}", out)
    assert err == ""  # no progress bar, no carriage return: nobody is watching a terminal


def test_without_validation_the_line_leaves_it_out(capfd):
    history = trainer(verbose=True).fit(batches(), epochs=1)
    assert "val_acc" not in capfd.readouterr().out
    assert history[0].val_acc is history[0].val_loss is None


def test_a_terminal_gets_a_progress_bar(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    trainer(verbose=True).fit(batches(), epochs=1)
    assert "0/7" in capsys.readouterr().err


def test_verbose_false_is_silent(capfd):
    trainer().fit(batches(), batches(), epochs=2)
    assert capfd.readouterr() == ("", "")


class Stream(IterableDataset):
    """torch's kind of data set without a length."""

    def __iter__(self):
        return zip(*samples(), strict=True)


@pytest.mark.parametrize("kind", ["list", "DataLoader", "DataLoader of a stream", "Loader"])
def test_any_iterable_of_batches_will_do(kind):
    x, y = samples()
    data = refnet.ArrayDataset(x, y)
    train = {
        "list": batches(),
        "DataLoader": DataLoader(TensorDataset(x, y), batch_size=8),
        "DataLoader of a stream": DataLoader(Stream(), batch_size=8),
        "Loader": refnet.Loader(data, refnet.SequentialSampler(data, batch_size=8)),
    }[kind]
    model = net()
    trainer(model).fit(train, epochs=2)
    twin = net()
    trainer(twin).fit(batches(), epochs=2)
    assert torch.equal(weights(model), weights(twin))


def test_each_epoch_is_told_to_the_loader():
    class Epochs(list):
        seen = ()

        def set_epoch(self, epoch):
            self.seen += (epoch,)

    train = Epochs(batches())
    trainer().fit(train, epochs=3)
    assert train.seen == (0, 1, 2)


def test_a_loss_of_ones_own_is_used():
    def squared(logits, y):
        return (logits - nn.functional.one_hot(y, 3)).square().mean()

    history = trainer(loss=squared).fit(batches(), epochs=20)
    assert history[-1].train_loss < history[0].train_loss < 2


def test_evaluate_counts_every_sample_once_whatever_the_batch_size():
    model = trainer()
    x, y = samples()
    model.fit(batches(), epochs=1)
    whole = model.evaluate([(x, y)])
    for size in (1, 7, 50):
        metrics = model.evaluate(batches(size=size))
        assert (metrics.correct, metrics.count) == (whole.correct, 50)
        assert metrics.loss == pytest.approx(whole.loss, rel=1e-6)  # float32, other batch sizes
    assert whole.accuracy == whole.correct / 50


def test_evaluate_leaves_mode_statistics_and_gradients_as_they_were():
    model = net()
    model.train()
    model[1].eval()  # a frozen BatchNorm stays frozen
    before = weights(model)
    trainer(model).evaluate(batches())
    assert [m.training for m in model] == [True, False, True, True, True]
    assert torch.equal(weights(model), before)
    assert all(p.grad is None for p in model.parameters())


def test_evaluate_puts_the_mode_back_after_an_error():
    model = net()
    with pytest.raises(ValueError, match="labels in"):
        trainer(model).evaluate([(torch.zeros(2, 4), torch.tensor([0, 3]))])
    assert all(m.training for m in model.modules())


def test_fit_steps_makes_a_row_each_every_steps_and_at_the_end():
    seen = []

    def callback(step, model):
        seen.append((step, model.training, torch.is_grad_enabled()))

    endless = itertools.cycle(batches())
    history = trainer().fit_steps(endless, 25, batches(20), every=10, callback=callback)
    assert [row.step for row in history] == [10, 20, 25]
    assert all(row.epoch is None and row.val_acc is not None for row in history)
    assert seen == [(step, False, False) for step in (0, 10, 20, 25)]


def test_fit_steps_prints_the_step(capfd):
    trainer(verbose=True).fit_steps(itertools.cycle(batches()), 4, every=2)
    assert [line.split(",")[0] for line in capfd.readouterr().out.splitlines()] == [
        "Step = 2",
        "Step = 4",
    ]


def test_fit_steps_takes_no_batch_too_many():
    stream = itertools.cycle(batches())
    trainer().fit_steps(stream, 6, every=4)
    assert next(stream)[0].shape == (2, 4)  # the seventh batch of the list is the short one


def test_a_stream_that_ends_early_is_named():
    with pytest.raises(ValueError, match="expected 8 batches, got only 7"):
        trainer().fit_steps(iter(batches()), 8)


X, Y = torch.zeros(2, 4), torch.tensor([0, 1])


@pytest.mark.parametrize(
    ("batch", "error", "parts"),
    [
        ((X, Y[:, None]), ValueError, ["y of shape (N,)", "y (2, 1)", "y.flatten()"]),
        ((X, torch.eye(3)[:2]), ValueError, ["y of shape (N,)", "y (2, 3)", "y.argmax(1)"]),
        ((X, Y.float()), TypeError, ["torch.int64", "torch.float32", "y.long()"]),
        ((X, Y.bool()), TypeError, ["torch.int64", "torch.bool", "y.long()"]),
        ((X, Y.int()), TypeError, ["torch.int64", "torch.int32", "y.long()"]),
        ((X, torch.tensor([0, 3])), ValueError, ["labels in 0..2", "0..3", "Number the classes"]),
        ((X, torch.tensor([-1, 0])), ValueError, ["labels in 0..2", "-1..0"]),
        ((X, torch.tensor([-100, 0])), ValueError, ["labels in 0..2", "-100..0"]),
        ((X, Y[:1]), ValueError, ["as many samples as labels", "x (2, 4), y (1,)"]),
        ((X[:0], Y[:0]), ValueError, ["at least one sample", "x (0, 4)"]),
        ((X.byte(), Y), TypeError, ["torch.float32", "torch.uint8", "x.to(torch.float32)"]),
        ((X.double(), Y), TypeError, ["torch.float32", "torch.float64"]),
        ((X.half(), Y), TypeError, ["torch.float32", "torch.float16"]),
        ((X.numpy(), Y), TypeError, ["x as a tensor", "ndarray", "torch.as_tensor(x)"]),
        ((X, Y.numpy()), TypeError, ["y as a tensor", "ndarray", "torch.as_tensor(y)"]),
        ((X + NAN, Y), ValueError, ["finite inputs", "nan or inf in x"]),
        ((X / 0 + 1 / torch.zeros(()), Y), ValueError, ["finite inputs"]),
        (
            (X[:, 0], Y),
            ValueError,
            ["expected x of shape (N, ...)", "x (2,), y (2,)", "x[:, None]"],
        ),
        ((torch.zeros(2, 5), Y), ValueError, ["optimizer take, got x (2, 5)", "torch says"]),
        ((X, Y + 0.37), TypeError, ["torch.float32", "numbers of shape (2, 3)", "pass y[:, None]"]),
        ((torch.zeros(2, 3, 4), Y), ValueError, ["x (2, 3, 4)"]),
        ((X, Y, Y), TypeError, ["a pair (x, y)", "tuple"]),
        (X, TypeError, ["a pair (x, y)", "Tensor", "Pass a list of batches: [(x, y)]."]),
    ],
)
@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_a_wrong_batch_is_named(method, batch, error, parts):
    model = trainer()
    with pytest.raises(error, match=r"^\w+: expected .*, got .*\. ") as caught:
        getattr(model, method)([batch])
    assert all(part in str(caught.value) for part in parts), str(caught.value)


@pytest.mark.parametrize("label", [-1, 3])
def test_a_label_out_of_range_is_found_in_any_batch_before_its_step(label):
    train, model = batches(), net()
    train[4][1][0] = label
    twin = net()
    trainer(twin).fit(batches()[:4], epochs=1)
    with pytest.raises(ValueError, match="labels in"):
        trainer(model).fit(train, epochs=1)
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(p, q)


@pytest.mark.parametrize("batch", [1, 49, 50, 69])
def test_a_label_that_torch_ignores_in_silence_is_found_before_the_row(batch, tmp_path):
    train = [(x, y.clone()) for x, y in batches() * 10]
    train[batch][1][0] = -100
    with pytest.raises(ValueError, match=r"labels in 0..2, got -100..\d"):
        trainer().fit(train, epochs=1, checkpoint=tmp_path)
    assert refnet.latest_checkpoint(tmp_path) is None


class Large(nn.Linear):
    """A model for which a GPU has no room."""

    def forward(self, x):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")


@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_too_little_memory_stays_the_error_that_torch_makes_of_it(method):
    with pytest.raises(torch.OutOfMemoryError, match=r"^CUDA out of memory"):
        getattr(trainer(Large(4, 3)), method)(batches())


def test_logits_of_another_shape_are_named():
    model = nn.Sequential(nn.Linear(4, 1), nn.Flatten(0))
    with pytest.raises(ValueError, match=re.escape("logits of shape (8, C), got (8,)")):
        trainer(model).fit(batches())


class Returns(nn.Linear):
    """A model whose ``forward`` returns something of its own."""

    def __init__(self, value):
        super().__init__(4, 3)
        self.value = value

    def forward(self, x):
        return self.value and (super().forward(x), self.value)


@pytest.mark.parametrize(("value", "kind"), [(None, "NoneType"), (1, "tuple")])
@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_a_model_that_returns_no_tensor_is_named(method, value, kind):
    words = rf"^model: expected logits of shape \(8, C\), got {kind}. .* end in return\?$"
    with pytest.raises(TypeError, match=words):
        getattr(trainer(Returns(value)), method)(batches())


def test_a_loss_without_a_mean_is_named():
    with pytest.raises(ValueError, match=r"a tensor of shape \(\), got \(8,\). Take the mean"):
        trainer(loss=nn.CrossEntropyLoss(reduction="none")).fit(batches())


def test_a_loss_that_returns_a_float_is_named():
    with pytest.raises(TypeError, match=r"^loss: .* shape \(\), got float. .*without .item"):
        trainer(loss=lambda logits, y: cross_entropy(logits, y).item()).fit(batches())


@pytest.mark.parametrize("loss", [None, "cross_entropy", nn.CrossEntropyLoss])
def test_a_loss_that_cannot_be_called_on_logits_is_refused_at_once(loss):
    with pytest.raises(TypeError, match=r"^Trainer: expected loss to be a function, got"):
        trainer(loss=loss)


def frozen():
    return net().requires_grad_(False)


@pytest.mark.parametrize(
    ("model", "loss", "words"),
    [
        (frozen, cross_entropy, r"Is every layer frozen, .* torch says: element 0"),
        (net, lambda logits, y: cross_entropy(logits, y).detach(), "Is every layer frozen"),
        (net, nn.CrossEntropyLoss(torch.ones(2)), "torch says: weight tensor"),
    ],
    ids=["frozen", "detached", "weights"],
)
def test_what_loss_and_gradient_refuse_is_not_blamed_on_the_model(model, loss, words):
    expected = r"^batch: expected one that model, loss and optimizer take, got x \(8, 4\). "
    with pytest.raises(ValueError, match=expected + words):
        trainer(model(), loss=loss).fit(batches())


@pytest.mark.parametrize("loader", [[], iter(())])
def test_no_batches_at_all_are_named(loader, tmp_path):
    with pytest.raises(ValueError, match="at least one batch, got none"):
        trainer().fit(loader, checkpoint=tmp_path)
    assert refnet.latest_checkpoint(tmp_path) is None
    with pytest.raises(ValueError, match="at least one batch, got none"):
        trainer().evaluate(loader)


@pytest.mark.parametrize("loader", [None, 5])
def test_a_loader_that_is_none_is_named(loader):
    with pytest.raises(TypeError, match=r"batches \(x, y\), got "):
        trainer().fit(loader)


@pytest.mark.parametrize(
    ("lr", "error"),
    [
        (0, ValueError),
        (0.0, ValueError),
        (NAN, ValueError),
        (float("inf"), ValueError),
        (-0.1, ValueError),
        ("0.1", TypeError),
        (None, TypeError),
        (torch.zeros(()), ValueError),
    ],
)
def test_a_learning_rate_that_cannot_learn_is_refused(lr, error):
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    optimizer.param_groups[0]["lr"] = lr
    with pytest.raises(error, match="Trainer: expected lr"):
        Trainer(model, optimizer, device="cpu")


def test_a_learning_rate_that_became_wrong_later_is_refused():
    model = trainer()
    model.optimizer.param_groups[0]["lr"] = NAN
    with pytest.raises(ValueError, match="expected lr"):
        model.fit(batches())


@pytest.mark.parametrize(
    ("value", "error"),
    [(0, ValueError), (-1, ValueError), (1.5, TypeError), (True, TypeError), ("8", TypeError)],
)
@pytest.mark.parametrize(
    ("name", "run"),
    [
        ("epochs", lambda value: trainer().fit(batches(), epochs=value)),
        ("steps", lambda value: trainer().fit_steps(iter(batches()), value)),
        ("every", lambda value: trainer().fit_steps(iter(batches()), 1, every=value)),
    ],
    ids=["epochs", "steps", "every"],
)
def test_a_wrong_number_of_epochs_or_steps_is_named(name, run, value, error):
    with pytest.raises(error, match=f"expected {name} to be a whole number, 1 or more, got"):
        run(value)


def test_an_optimizer_of_another_model_is_named():
    with pytest.raises(ValueError, match=r"an optimizer of this model, .*model.parameters\(\)"):
        Trainer(net(), torch.optim.SGD(net().parameters(), lr=0.1), device="cpu")


def test_model_and_optimizer_must_be_what_they_are_called():
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(TypeError, match="expected model to be a torch Module, got <class"):
        Trainer(nn.Linear, optimizer)
    with pytest.raises(TypeError, match="expected optimizer to be a torch Optimizer, got 'sgd'"):
        Trainer(model, "sgd")


def test_resume_without_a_folder_is_named():
    with pytest.raises(ValueError, match="a folder to resume from, got checkpoint=None"):
        trainer().fit(batches(), resume=True)


# Promise 15: nan or inf stops the run with its step, and the last good checkpoint stays.
@pytest.mark.parametrize("bad", [1, 48, 49, 50, 51, 97])  # around the looks, each 50 steps
@pytest.mark.parametrize("value", [NAN, float("inf"), 3e38])
def test_a_poisoned_batch_stops_the_run_with_its_step(bad, value):
    stream = [(x.clone(), y) for x, y in itertools.islice(itertools.cycle(batches(48)), 98)]
    stream[bad][0][:] = value
    with pytest.raises(DivergedError, match=rf"^step {bad + 1}: expected a finite loss"):
        trainer(nn.Linear(4, 3)).fit(stream)


def test_a_huge_learning_rate_stops_the_run_and_keeps_the_last_good_checkpoint(tmp_path):
    good = {}

    def explode(n):
        if n == 9:  # the second step of the second epoch
            good.update({path: path.read_bytes() for path in tmp_path.glob("*.pt")})
            run.optimizer.param_groups[0]["lr"] = 1e30

    run = trainer(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)))
    with pytest.raises(DivergedError, match=r"^step \d+: expected .*Lower the learning rate"):
        run.fit(Shuffled(explode), epochs=3, checkpoint=tmp_path)
    assert [path.name for path in good] == ["checkpoint-0001-000000007.pt"]
    assert {path: path.read_bytes() for path in tmp_path.glob("*.pt")} == good


def test_weights_that_became_infinite_in_the_last_step_are_found(tmp_path):
    model = nn.Linear(4, 3)
    run = trainer(model, lr=3e38)
    unscaled = [(1e3 * samples()[0], samples()[1])]
    with (
        pytest.warns(UserWarning, match=r"^Trainer: expected a first loss near ln 3 = 1.10,"),
        pytest.raises(DivergedError, match=r"^step 1: expected finite weights.* in weight"),
    ):
        run.fit(unscaled, epochs=1, checkpoint=tmp_path)
    assert refnet.latest_checkpoint(tmp_path) is None


def test_evaluate_names_the_batch_whose_loss_is_not_finite():
    data = batches()
    data[2][0][0, 0] = NAN
    with pytest.raises(DivergedError, match=r"^batch 3: expected a finite loss"):
        trainer().evaluate(data)


# Promise 10: interrupted and resumed = uninterrupted, bit for bit.
class Shuffled:
    """A loader whose order depends on (seed, epoch), like refnet's; it calls ``hook`` each step."""

    def __init__(self, hook=lambda n: None):
        self.hook, self.n, self.epoch = hook, 0, 0

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __len__(self):
        return 7

    def __iter__(self):
        x, y = samples()
        order = torch.randperm(50, generator=torch.Generator().manual_seed(self.epoch))
        for index in order.split(8):
            self.n += 1
            self.hook(self.n)
            yield x[index], y[index]


def outcome(model, history):
    rows = [(r.epoch, r.step, r.train_loss, r.train_acc, r.val_loss, r.val_acc) for r in history]
    return weights(model.model), rows


class StoppedError(Exception):
    pass


def test_a_run_stopped_by_an_error_goes_on_from_its_last_epoch(tmp_path):
    def stop(n):
        if n == 17:
            raise StoppedError

    torch.manual_seed(5)
    whole = trainer(net(dropout=0.5))
    expected = outcome(whole, whole.fit(Shuffled(), batches(20), epochs=4))
    first = trainer(net(dropout=0.5))
    with pytest.raises(StoppedError):
        first.fit(Shuffled(stop), batches(20), epochs=4, checkpoint=tmp_path)
    assert refnet.latest_checkpoint(tmp_path).name == "checkpoint-0002-000000014.pt"
    second = trainer(net(seed=9, dropout=0.5))  # other start values: all must come from the file
    history = second.fit(Shuffled(), batches(20), epochs=4, checkpoint=tmp_path, resume=True)
    got = outcome(second, history)
    assert torch.equal(got[0], expected[0])
    assert got[1] == expected[1]


class Full:
    """A standard output on a full disk."""

    def write(self, text):
        raise OSError(28, "No space left on device")

    def flush(self):
        raise OSError(28, "No space left on device")


def one_epoch(method, **settings):
    """Fit for as many steps as an epoch has; return the outcome and the random state after it."""
    torch.manual_seed(5)
    run = trainer(net(dropout=0.5), verbose=settings.pop("verbose", False))
    own = {"epochs": 1} if method == "fit" else {"steps": 7}
    result = outcome(run, getattr(run, method)(Shuffled(), **own, **settings))
    return *result, torch.get_rng_state().tolist()


def stumble(step, model):
    if step:
        raise StoppedError


@pytest.mark.parametrize(
    ("method", "what"),
    [
        ("fit", "validation"),
        ("fit", "print"),
        ("fit_steps", "validation"),
        ("fit_steps", "print"),
        ("fit_steps", "callback"),
    ],
)
def test_an_error_after_the_steps_costs_none_of_them(method, what, tmp_path, monkeypatch):
    x, y = samples()
    wrong, error = {
        "validation": ({"validation": DataLoader([(x[0, :2], y[0])])}, ValueError),
        "print": ({"verbose": True}, OSError),
        "callback": ({"callback": stumble}, StoppedError),
    }[what]
    good = {"validation": DataLoader([(x[0], y[0])])} if what == "validation" else {}
    expected = one_epoch(method, **good)
    with monkeypatch.context() as patch:
        if what == "print":
            patch.setattr(sys, "stdout", Full())
        with pytest.raises(error):
            one_epoch(method, checkpoint=tmp_path, **wrong)
    assert refnet.latest_checkpoint(tmp_path).stem.endswith("-000000007")
    monkeypatch.setattr(Trainer, "training_step", None)  # no step is taken again
    got = one_epoch(method, checkpoint=tmp_path, resume=True, **good)
    assert torch.equal(got[0], expected[0])
    assert got[1:] == expected[1:]


def test_what_a_callback_changes_is_saved_with_its_row(tmp_path):
    def run(steps, **settings):
        one = trainer(net())

        def lower(step, _):
            one.optimizer.param_groups[0]["lr"] = 0.1 / (1 + step)

        stream = itertools.chain.from_iterable(itertools.repeat(batches()))
        return outcome(one, one.fit_steps(stream, steps, every=7, callback=lower, **settings))

    expected = run(14)
    run(7, checkpoint=tmp_path)
    got = run(14, checkpoint=tmp_path, resume=True)
    assert torch.equal(got[0], expected[0])
    assert got[1] == expected[1]


def test_a_validation_loss_of_nan_saves_nothing(tmp_path):
    x, y = samples()
    with pytest.raises(DivergedError):
        trainer().fit(batches(), [(x, y), (x * NAN, y)], epochs=1, checkpoint=tmp_path)
    assert refnet.latest_checkpoint(tmp_path) is None


def test_resume_of_a_finished_run_does_nothing_more(tmp_path):
    first = trainer()
    expected = outcome(first, first.fit(batches(), epochs=2, checkpoint=tmp_path, resume=True))
    again = trainer(net(seed=9))
    got = outcome(again, again.fit(batches(), epochs=2, checkpoint=tmp_path, resume=True))
    assert torch.equal(got[0], expected[0])
    assert got[1] == expected[1]


def test_resume_goes_back_to_the_newest_whole_checkpoint_and_says_so(tmp_path):
    whole = trainer()
    expected = outcome(whole, whole.fit(batches(), epochs=3, checkpoint=tmp_path))
    newest = refnet.latest_checkpoint(tmp_path)
    newest.write_bytes(newest.read_bytes()[:-100])
    again = trainer(net(seed=9))
    with pytest.warns(UserWarning, match=f"passed over.*{newest.name}"):
        history = again.fit(batches(), epochs=3, checkpoint=tmp_path, resume=True)
    assert torch.equal(outcome(again, history)[0], expected[0])
    assert len(history) == 3


def test_a_checkpoint_of_the_other_loop_is_refused_before_anything_changes(tmp_path):
    trainer().fit(batches(), epochs=1, checkpoint=tmp_path)
    run = trainer(net(seed=9))
    with pytest.raises(refnet.CheckpointError, match=r"of Trainer.fit_steps, got one of fit\."):
        run.fit_steps(iter(batches()), 3, checkpoint=tmp_path, resume=True)
    assert torch.equal(weights(run.model), weights(net(seed=9)))
    assert not run.optimizer.state


def test_a_second_run_in_a_folder_with_checkpoints_is_refused(tmp_path):
    trainer().fit(batches(), epochs=1, checkpoint=tmp_path)
    with pytest.raises(refnet.CheckpointError, match="Pass resume=True, or another folder"):
        trainer().fit(batches(), epochs=1, checkpoint=tmp_path)


KILLED = """
import os, random, signal, sys
import torch
sys.path.insert(0, sys.argv[1])
import test_trainer as t
from refnet import latest_checkpoint

torch.set_num_threads(1)
folder = sys.argv[2]

def run(hook, **settings):
    torch.manual_seed(5)
    trainer = t.trainer(t.net(dropout=0.5))
    return t.outcome(trainer, trainer.fit(t.Shuffled(hook), t.batches(20), epochs=12, **settings))

expected = run(lambda n: None)
dice, kills = random.Random(0), 0
for _ in range(10):
    at = dice.randrange(1, 14)  # an epoch has 7 steps, so ten runs cannot reach the end
    pid = os.fork()
    if pid == 0:
        run(lambda n: n == at and os.kill(os.getpid(), signal.SIGKILL),
            checkpoint=folder, resume=True)
        os._exit(0)
    kills += os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
weights, rows = run(lambda n: None, checkpoint=folder, resume=True)
print(kills, bool(torch.equal(weights, expected[0])), rows == expected[1])
"""


def test_a_run_killed_at_random_steps_ends_with_the_same_bytes(tmp_path):
    command = [sys.executable, "-c", KILLED, str(__file__).rpartition("/")[0], str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert result.stdout.split() == ["10", "True", "True"], result.stderr


# Promise 19: the memory of a run does not grow with its steps.
MEMORY = """
import itertools, os, sys
import torch
sys.path.insert(0, sys.argv[1])
import test_trainer as t

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

torch.set_num_threads(1)
run, data = t.trainer(), itertools.cycle(t.batches())
run.fit_steps(data, 1000)
first = resident()
run.fit_steps(data, 5000)
print(resident() - first)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc, which is Linux's")
def test_memory_does_not_grow_with_the_steps():
    command = [sys.executable, "-c", MEMORY, str(__file__).rpartition("/")[0]]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert int(result.stdout) < 1_000_000  # bytes; a scalar tensor kept each step: over 2 million


# Promise 12
SEEDED = """
import sys
sys.path.insert(0, sys.argv[1])
import test_trainer as t
print(t.seeded_weights())
"""


def seeded_weights():
    refnet.seed_everything(3)
    model = trainer(net(dropout=0.5))
    model.fit(Shuffled(), epochs=2)
    return hashlib.sha256(weights(model.model).numpy().tobytes()).hexdigest()


def test_two_processes_with_one_seed_end_with_the_same_weights():
    command = [sys.executable, "-c", SEEDED, str(__file__).rpartition("/")[0]]
    other = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert other.stdout.strip() == seeded_weights() == seeded_weights()


def test_the_optimizer_keeps_its_parameters_when_the_model_moves():
    model = net()
    parameters = list(model.parameters())
    run = trainer(model)
    run.fit(batches(), epochs=1)
    assert all(a is b for a, b in zip(parameters, run.model.parameters(), strict=True))


@pytest.mark.data
def test_the_mlp_reaches_the_accuracy_of_the_course_after_one_epoch():
    data = refnet.FashionMNIST(train=True, download=False)
    test = refnet.FashionMNIST(train=False, download=False)
    scale = refnet.Normalize(72.94, 90.02)  # mean and spread of the training pixels
    refnet.seed_everything(0)
    model = refnet.mlp()
    run = Trainer(model, torch.optim.SGD(model.parameters(), lr=0.01), device="cpu", verbose=False)
    history = run.fit(
        refnet.Loader(data, refnet.RandomSampler(data, 64), scale),
        refnet.Loader(test, refnet.SequentialSampler(test, 1000), scale),
        epochs=1,
    )
    assert history[0].val_acc > 0.80  # 0.81 in the course


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_cuda_agrees_with_the_cpu():
    on_cpu, model = net(), net()
    trainer(on_cpu).fit(batches(), epochs=3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    run = Trainer(model, optimizer, device="cuda", verbose=False)
    run.fit(batches(), epochs=3)
    # float32 sums in another order, carried through 21 steps
    torch.testing.assert_close(weights(model).cpu(), weights(on_cpu), rtol=0, atol=1e-4)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_nan_on_cuda_names_the_same_step():
    data = [(x + (NAN if n == 3 else 0), y) for n, (x, y) in enumerate(batches())]
    model = net()
    run = Trainer(model, torch.optim.SGD(model.parameters(), 0.1), device="cuda", verbose=False)
    with pytest.raises(DivergedError, match=r"^step 4: "):
        run.fit(data)

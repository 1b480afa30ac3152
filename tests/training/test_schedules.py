"""Schedules: part of the run, saved and resumed, at the rates of a run that never stopped."""

import itertools

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler as schedules
from torch.optim.swa_utils import SWALR

import refnet
from refnet import Trainer

KINDS = {
    "LambdaLR": lambda o: schedules.LambdaLR(o, lambda n: min(1, n / 3)),  # a warm-up from 0
    "MultiplicativeLR": lambda o: schedules.MultiplicativeLR(o, lambda n: 0.9),
    "StepLR": lambda o: schedules.StepLR(o, 3),
    "MultiStepLR": lambda o: schedules.MultiStepLR(o, [2, 5]),
    "ConstantLR": lambda o: schedules.ConstantLR(o, total_iters=4),
    "LinearLR": lambda o: schedules.LinearLR(o, total_iters=6),
    "ExponentialLR": lambda o: schedules.ExponentialLR(o, 0.9),
    "PolynomialLR": lambda o: schedules.PolynomialLR(o, total_iters=10),
    "CosineAnnealingLR": lambda o: schedules.CosineAnnealingLR(o, 7),
    "CosineAnnealingWarmRestarts": lambda o: schedules.CosineAnnealingWarmRestarts(o, 3),
    "CyclicLR": lambda o: schedules.CyclicLR(o, 0.01, 0.1, step_size_up=3),
    "OneCycleLR": lambda o: schedules.OneCycleLR(o, 0.1, total_steps=40),
    "ReduceLROnPlateau": lambda o: schedules.ReduceLROnPlateau(o, "max", factor=0.5, patience=0),
    "SWALR": lambda o: SWALR(o, swa_lr=0.01, anneal_epochs=5),
    "SequentialLR": lambda o: schedules.SequentialLR(
        o, [schedules.LinearLR(o, total_iters=3), schedules.CosineAnnealingLR(o, 10)], [3]
    ),
    "ChainedScheduler": lambda o: schedules.ChainedScheduler(
        [schedules.LinearLR(o, total_iters=5), schedules.ExponentialLR(o, 0.9)], o
    ),
    "ChainedScheduler of a SequentialLR": lambda o: schedules.ChainedScheduler(
        [
            schedules.SequentialLR(o, [schedules.StepLR(o, 2), schedules.MultiStepLR(o, [1])], [3]),
            schedules.LinearLR(o, total_iters=5),
        ],
        o,
    ),
}


def test_every_schedule_of_torch_is_tried():
    named = set(schedules.__all__) - {"LRScheduler"}
    assert named <= set(KINDS)


def stream():
    """Return endless batches of two samples in another order each time."""
    generator = torch.Generator().manual_seed(1)
    while True:
        x = torch.randn(2, 4, generator=generator)
        yield x, x[:, :3].argmax(1)


class Rates:
    """Seven batches a pass; it notes the learning rate at which each is learnt."""

    def __init__(self, optimizer):
        self.optimizer = optimizer
        self.seen = []

    def __len__(self):
        return 5

    def __iter__(self):
        for pair in itertools.islice(stream(), 5):
            self.seen.append(self.optimizer.param_groups[0]["lr"])
            yield pair


def start(kind, each="auto"):
    torch.manual_seed(0)
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    schedule = KINDS[kind](optimizer)
    run = Trainer(
        model, optimizer, device="cpu", verbose=False, schedule=schedule, schedule_each=each
    )
    return run, Rates(optimizer)


@pytest.mark.parametrize("each", ["epoch", "step"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_resumed_run_has_the_rates_and_weights_of_a_whole_one(kind, each, tmp_path):
    if (kind, each) == ("ReduceLROnPlateau", "step"):
        each = "auto"
    whole, rates = start(kind, each)
    whole.fit(rates, epochs=8)
    resumed = []
    for epochs in (3, 4, 8):  # ended twice, and gone on with by a new trainer
        part, seen = start(kind, each)
        part.fit(seen, epochs=epochs, checkpoint=tmp_path, resume=True)
        resumed += seen.seen
    assert resumed == rates.seen
    assert len(set(rates.seen)) > 1  # else nothing was tried
    assert torch.equal(part.model.weight, whole.model.weight)


def rates_of(run, steps, **settings):
    """Run over steps; return the learning rate of each."""
    seen = []
    step = run.training_step

    def noted(x, y):
        seen.append(run.optimizer.param_groups[0]["lr"])
        return step(x, y)

    run.training_step = noted
    run.fit_steps(stream(), steps, every=4, **settings)
    return seen


@pytest.mark.parametrize("kind", ["SequentialLR", "OneCycleLR", "ChainedScheduler"])
def test_a_stream_resumed_in_the_middle_has_the_rates_of_a_whole_run(kind, tmp_path):
    expected = rates_of(start(kind)[0], 20)
    first = rates_of(start(kind)[0], 10, checkpoint=tmp_path)
    second = rates_of(start(kind)[0], 20, checkpoint=tmp_path, resume=True)
    assert first + second == expected
    assert len(set(expected)) > 3


def test_a_warm_up_from_zero_trains():
    run, rates = start("LambdaLR", "step")
    before = run.model.weight.clone()
    run.fit(rates, epochs=1)
    assert rates.seen[:2] == [0.0, pytest.approx(0.1 / 3)]
    assert not torch.equal(run.model.weight, before)


@pytest.mark.parametrize(
    ("kind", "rhythm", "different"),
    [("StepLR", "auto", 3), ("StepLR", "step", 5), ("OneCycleLR", "auto", 40)],
)
def test_a_schedule_is_stepped_each_epoch_unless_it_is_made_for_steps(kind, rhythm, different):
    run, rates = start(kind, rhythm)
    run.fit(rates, epochs=8)
    assert len(set(rates.seen)) >= different
    changes = [n for n, pair in enumerate(itertools.pairwise(rates.seen), 1) if len(set(pair)) > 1]
    if rhythm == "auto" and kind == "StepLR":
        assert changes == [15, 30]  # after three epochs of five steps each


def test_a_plateau_is_judged_by_the_validation_loss():
    run, rates = start("ReduceLROnPlateau")
    run.schedule = schedules.ReduceLROnPlateau(run.optimizer, factor=0.5, patience=0)
    x = torch.eye(4)
    wrong = [(x, torch.tensor([1, 2, 0, 0]))]  # its loss rises while the training loss falls
    history = run.fit(rates, wrong, epochs=4)
    losses = history.column("val_loss")
    halved = sum(b >= min(losses[: n + 1]) for n, b in enumerate(losses[1:]))
    assert run.optimizer.param_groups[0]["lr"] == pytest.approx(0.1 * 0.5**halved)
    assert halved > 0


@pytest.mark.parametrize("epochs", [9, 8])
def test_a_one_cycle_past_its_end_is_told_before_the_run(epochs):
    run, rates = start("OneCycleLR")  # of 40 steps
    if epochs == 8:
        run.fit(rates, epochs=8)
        return
    with pytest.raises(ValueError, match=r"OneCycleLR of 45 steps, .* one of 40. .*total_steps=45"):
        run.fit(rates, epochs=9)
    assert rates.seen == []


def test_a_chain_with_a_one_cycle_past_its_end_is_told_too():
    run, _ = start("StepLR")
    one = schedules.OneCycleLR(run.optimizer, 0.1, total_steps=3)
    run.schedule = schedules.ChainedScheduler([one], run.optimizer)
    with pytest.raises(ValueError, match="OneCycleLR of 4 steps"):
        run.fit_steps(stream(), 4)


def test_a_checkpoint_of_another_schedule_is_refused_before_anything_changes(tmp_path):
    run, rates = start("StepLR")
    run.fit(rates, epochs=1, checkpoint=tmp_path)
    other, rates = start("CosineAnnealingLR")
    before = other.model.weight.clone()
    with pytest.raises(refnet.CheckpointError, match=r"run with CosineAnnealingLR, .* StepLR"):
        other.fit(rates, epochs=2, checkpoint=tmp_path, resume=True)
    assert torch.equal(other.model.weight, before)


class Remembering:
    """A function with a memory that no checkpoint could hold."""

    def __init__(self):
        self.seen = object()

    def __call__(self, n):
        return 1.0


def test_a_schedule_that_could_not_be_loaded_is_refused_before_the_first_step(tmp_path):
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    schedule = schedules.LambdaLR(optimizer, Remembering())
    run = Trainer(model, optimizer, device="cpu", verbose=False, schedule=schedule)
    before = model.weight.clone()
    with pytest.raises(
        refnet.CheckpointError,
        match=r"^Trainer: expected plain values and tensors in the schedule, ",
    ):
        run.fit_steps(stream(), 3, checkpoint=tmp_path)
    assert torch.equal(model.weight, before)


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"schedule": "cosine"}, TypeError, "schedule to be one of torch.optim.lr_scheduler"),
        ({"schedule_each": "batch"}, ValueError, "one of auto, epoch, step"),
        ({"schedule_each": 1}, TypeError, "one of auto, epoch, step"),
    ],
)
def test_a_wrong_schedule_is_named(settings, error, words):
    model = nn.Linear(4, 3)
    with pytest.raises(error, match=words):
        Trainer(model, torch.optim.SGD(model.parameters(), 0.1), **settings)


def test_a_schedule_of_another_optimizer_is_named():
    model = nn.Linear(4, 3)
    first = torch.optim.SGD(model.parameters(), 0.1)
    second = torch.optim.SGD(model.parameters(), 0.1)
    with pytest.raises(ValueError, match=r"a schedule of its optimizer, got one of another"):
        Trainer(model, second, schedule=schedules.StepLR(first, 3))


def test_a_plateau_cannot_be_judged_each_step():
    with pytest.raises(ValueError, match="'step' with ReduceLROnPlateau"):
        start("ReduceLROnPlateau", "step")

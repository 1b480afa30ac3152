"""Runs as people make them: loops around fit, callbacks, samplers and generators of torch's own."""

import copy
import itertools
import pickle
import warnings

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.utils.data import BatchSampler, DataLoader, DistributedSampler, TensorDataset

import refnet
from refnet import Trainer
from refnet.training.trainer import generators_of


def samples(n=50, seed=1):
    x = torch.randn(n, 4, generator=torch.Generator().manual_seed(seed))
    return x, x[:, :3].argmax(1)


def batches(n=50, size=8):
    x, y = samples(n)
    return list(zip(x.split(size), y.split(size), strict=True))


def trainer(model=None, lr=0.1, **settings):
    torch.manual_seed(0)
    model = model or nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    return Trainer(model, optimizer, device="cpu", **{"verbose": False, **settings})


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def rows(history):
    return [(r.epoch, r.step, r.train_loss, r.val_loss, r.val_acc) for r in history]


class StoppedError(Exception):
    pass


def test_without_a_device_the_best_there_is_computes(monkeypatch):
    model = nn.Linear(4, 3)
    monkeypatch.setenv("REFNET_DEVICE", "cpu")
    run = Trainer(model, torch.optim.SGD(model.parameters(), lr=0.1))
    assert (run.device, run.verbose) == (torch.device("cpu"), True)


def test_a_run_over_steps_after_one_over_epochs_is_another_run():
    run, seen = trainer(), []
    run.fit(batches(), epochs=2)
    history = run.fit_steps(batches(), 3, callback=lambda step, _: seen.append(step))
    assert [(row.epoch, row.step) for row in history] == [(None, 3)]
    assert seen == [0, 3]


def test_evaluate_asks_the_loader_for_its_device_and_names_what_is_none():
    x, y = samples()
    data = refnet.ArrayDataset(x, y)
    loader = refnet.Loader(data, refnet.SequentialSampler(data, 8))
    trainer().evaluate(loader)
    assert loader.device == torch.device("cpu")
    with pytest.raises(TypeError, match=r"^Trainer: expected batches \(x, y\), got int\. Pass a"):
        trainer().evaluate(5)


# fit in a loop goes on counting
def test_fit_in_a_loop_is_one_run(tmp_path):
    x, y = samples()
    data = refnet.ArrayDataset(x, y)
    loader = refnet.Loader(data, refnet.RandomSampler(data, 8))
    whole, part = trainer(), trainer()
    expected = whole.fit(loader, batches(), epochs=4)
    for _ in range(4):
        history = part.fit(loader, batches(), epochs=1, checkpoint=tmp_path)
    assert rows(history) == rows(expected)
    assert [row.epoch for row in history] == [0, 1, 2, 3]
    assert torch.equal(weights(part.model), weights(whole.model))
    seconds = [row.seconds for row in history]
    assert seconds == sorted(seconds)


def test_an_error_after_the_only_step_does_not_cost_it(tmp_path):
    with pytest.raises(TypeError):
        trainer().fit(batches()[:1], [None], epochs=1, checkpoint=tmp_path)
    content = refnet.load_checkpoint(refnet.latest_checkpoint(tmp_path))
    assert (content["step"], content["rows"]) == (1, [])


def test_a_run_of_one_step_goes_on_too():
    run = trainer()
    for _ in range(2):
        history = run.fit(batches()[:1], epochs=1)
    assert [(row.epoch, row.step) for row in history] == [(0, 1), (1, 2)]


def test_fit_steps_in_a_loop_goes_on_with_stream_and_count():
    whole, part = trainer(), trainer()
    expected = whole.fit_steps(itertools.cycle(batches()), 20, every=5)
    stream = (pair for pair in itertools.cycle(batches()))
    seen = []
    for _ in range(2):
        callback = lambda step, _: seen.append(step)  # noqa: E731
        history = part.fit_steps(stream, 10, every=5, callback=callback)
    assert rows(history) == rows(expected)
    assert seen == [0, 5, 10, 15, 20]
    assert torch.equal(weights(part.model), weights(whole.model))


def test_a_fit_after_an_error_goes_on_with_the_epoch_that_was_not_finished():
    def broken():
        yield from batches()[:3]
        raise StoppedError

    run = trainer()
    run.fit(batches(), epochs=1)
    with pytest.raises(StoppedError):
        run.fit(broken(), epochs=1)
    history = run.fit(batches(), epochs=1)
    assert [(row.epoch, row.step) for row in history] == [(0, 7), (1, 17)]
    twin = trainer()
    twin.fit([*batches(), *batches()[:3], *batches()], epochs=1)
    assert torch.equal(weights(run.model), weights(twin.model))


# callbacks
def test_a_callback_gets_each_row_and_the_model_in_evaluation_mode():
    seen = []

    def callback(row, model):
        seen.append((row.epoch, row.val_acc, model.training, torch.is_grad_enabled()))

    history = trainer().fit(batches(), batches(), epochs=2, callback=callback)
    assert seen == [(row.epoch, row.val_acc, False, False) for row in history]


def test_a_callback_ends_a_run_which_is_saved_as_ended(tmp_path):
    run = trainer()
    history = run.fit(batches(), epochs=9, checkpoint=tmp_path, callback=lambda r, m: r.epoch == 2)
    assert [row.epoch for row in history] == [0, 1, 2]
    again = trainer()
    history = again.fit(batches(), epochs=9, checkpoint=tmp_path, resume=True)
    assert len(history) == 3
    assert torch.equal(weights(again.model), weights(run.model))


@pytest.mark.parametrize(("at", "steps"), [(0, 0), (4, 4), (6, 6)])
def test_a_callback_ends_a_run_over_steps(at, steps):
    run = trainer()
    stream = itertools.cycle(batches())
    history = run.fit_steps(stream, 20, every=2, callback=lambda step, _: step == at)
    assert [row.step for row in history] == list(range(2, steps + 1, 2))


def test_early_stopping_in_three_lines():
    losses = []

    def stop_early(row, model):
        losses.append(row.val_loss)
        return len(losses) > 3 and min(losses[-3:]) > min(losses)

    x, _ = samples()
    noise = [(x, torch.randint(0, 3, (50,)))]
    history = trainer(lr=0.5).fit(batches(), noise, epochs=200, callback=stop_early)
    assert len(history) < 200
    assert min(losses[-3:]) > min(losses)


def test_what_a_callback_returns_is_told_where_it_is_no_yes_or_no():
    with pytest.raises(TypeError, match="callback: expected True, False or None, got Tensor"):
        trainer().fit(batches(), callback=lambda row, model: torch.zeros(2))
    with pytest.warns(UserWarning, match=r"got 'a.png'. It counts as true and ends the run"):
        history = trainer().fit(batches(), callback=lambda row, model: "a.png")
    assert len(history) == 1


# gradient clipping
def test_gradients_are_clipped_by_the_optimizers_own_hook():
    run, free = trainer(), trainer()
    norms = []

    def clip(optimizer, args, kwargs):
        nn.utils.clip_grad_norm_(run.model.parameters(), max_norm=0.01)
        norms.append(nn.utils.get_total_norm([p.grad for p in run.model.parameters()]))

    run.optimizer.register_step_pre_hook(clip)
    run.fit(batches(), epochs=1)
    free.fit(batches(), epochs=1)
    assert len(norms) == 7
    assert max(norms) <= 0.01 + 1e-6  # float32
    start = weights(trainer().model)
    assert (weights(run.model) - start).norm() < 0.1 * (weights(free.model) - start).norm()


# where the epoch and the order of torch's loaders come from
class Epochs(DistributedSampler):
    """A sampler of torch's that wants the epoch, for one process of one."""

    def __init__(self, data):
        super().__init__(data, num_replicas=1, rank=0, seed=3)


class Wrapped(DataLoader):
    """A loader of one's own around torch's."""


PLACES = {
    "sampler": lambda data: DataLoader(data, batch_size=8, sampler=Epochs(data)),
    "sampler of a batch sampler": lambda data: DataLoader(
        data, batch_sampler=BatchSampler(Epochs(data), 8, drop_last=False)
    ),
    "batch sampler in a batch sampler": lambda data: refnet.Loader(
        data, BatchSampler(Epochs(data), 8, drop_last=False)
    ),
    "subclass": lambda data: Wrapped(data, batch_size=8, sampler=Epochs(data)),
}


class Rolled(torch.utils.data.Dataset):
    """A data set whose inputs depend on the epoch."""

    def __init__(self):
        self.x, self.y = samples()
        self.epochs = []

    def set_epoch(self, epoch):
        self.epochs.append(epoch)

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        return self.x[i].roll(self.epochs[-1]), self.y[i]


def test_a_data_set_learns_the_epoch_too():
    data = Rolled()
    trainer().fit(DataLoader(data, 8), epochs=3)
    assert data.epochs == [0, 1, 2]


@pytest.mark.parametrize("place", PLACES)
def test_a_sampler_learns_the_epoch_wherever_it_sits(place):
    x, y = samples()
    run = trainer()
    seen = []
    run.training_step = lambda x, y: (seen.append(x), Trainer.training_step(run, x, y))[1]
    run.fit(PLACES[place](refnet.ArrayDataset(x, y)), epochs=3)
    orders = [torch.cat(seen[n : n + 7]) for n in (0, 7, 14)]
    assert all(sorted(order.tolist()) == sorted(x.tolist()) for order in orders)
    assert not any(torch.equal(a, b) for a, b in itertools.combinations(orders, 2))


class OneGenerator:
    """What a run with DataLoaders and one generator of its own needs."""

    def __init__(self):
        self.generator = torch.Generator().manual_seed(7)
        data = TensorDataset(*samples())
        self.train = DataLoader(data, batch_size=8, shuffle=True, generator=self.generator)
        self.validation = DataLoader(data, batch_size=8)


def test_the_generators_of_loaders_are_found_once():
    parts = OneGenerator()
    assert generators_of([parts.train, parts.validation, None]) == [parts.generator]


@pytest.mark.parametrize("stop", ["between epochs", "in an epoch"])
def test_a_dataloader_with_a_generator_goes_on_with_equal_weights(stop, tmp_path):
    whole, first, second = trainer(), trainer(), trainer()
    parts = OneGenerator()
    expected = whole.fit(parts.train, parts.validation, epochs=4)
    parts = OneGenerator()
    if stop == "between epochs":
        first.fit(parts.train, parts.validation, epochs=2, checkpoint=tmp_path)
    else:
        steps = itertools.count(1)
        step = first.training_step

        def stopping(x, y):
            if next(steps) == 10:
                first._signal._note(2, None)  # as Ctrl-C does
            return step(x, y)

        first.training_step = stopping
        with pytest.raises(KeyboardInterrupt):
            first.fit(parts.train, parts.validation, epochs=4, checkpoint=tmp_path)
        assert refnet.load_checkpoint(refnet.latest_checkpoint(tmp_path))["step"] == 10
    parts = OneGenerator()
    history = second.fit(parts.train, parts.validation, epochs=4, checkpoint=tmp_path, resume=True)
    assert torch.equal(weights(second.model), weights(whole.model))
    assert rows(history) == rows(expected)


def test_a_generator_that_is_missing_after_a_resume_is_told(tmp_path):
    parts = OneGenerator()
    trainer().fit(parts.train, epochs=1, checkpoint=tmp_path)
    plain = DataLoader(TensorDataset(*samples()), batch_size=8, shuffle=True)
    with pytest.warns(UserWarning, match="1 generators in the loaders, as were saved, got 0"):
        trainer().fit(plain, epochs=2, checkpoint=tmp_path, resume=True)


# optimizers that do not fit the model
def test_a_layer_replaced_after_the_optimizer_was_built_is_named():
    model = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 3))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    run = Trainer(model, optimizer, device="cpu", verbose=False)
    model[1] = nn.Linear(8, 3)
    for start in (lambda: Trainer(model, optimizer), lambda: run.fit(batches())):
        with pytest.raises(ValueError, match=r"in place of 1.weight, 1.bias. Build it again"):
            start()


def test_a_layer_that_the_optimizer_does_not_hold_is_named_and_can_be_frozen():
    model = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 3))
    optimizer = torch.optim.SGD(model[1].parameters(), 0.1)
    with pytest.warns(UserWarning, match=r"got one without 0.weight, 0.bias. They stay"):
        Trainer(model, optimizer, device="cpu", verbose=False)
    model[0].requires_grad_(False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run = Trainer(model, optimizer, device="cpu", verbose=False)
    before = model[0].weight.clone()
    run.fit(batches(), epochs=1)
    assert torch.equal(model[0].weight, before)


def test_an_optimizer_that_needs_a_closure_is_named():
    model = nn.Linear(4, 3)
    with pytest.raises(TypeError, match=r"whose step needs no closure, got LBFGS. Take Adam"):
        Trainer(model, torch.optim.LBFGS(model.parameters()))


@pytest.mark.parametrize("rate", [torch.tensor(0.1), torch.tensor(0.1, dtype=torch.float64)])
def test_a_tensor_will_do_as_learning_rate(rate, tmp_path):
    model = nn.Linear(4, 3)
    run = Trainer(model, torch.optim.Adam(model.parameters(), rate), device="cpu", verbose=False)
    history = run.fit(batches(), epochs=9, checkpoint=tmp_path)
    assert history[-1].train_loss < history[0].train_loss


def test_one_group_of_parameters_may_rest_at_a_rate_of_zero():
    model = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 3))
    groups = [{"params": model[0].parameters(), "lr": 0.0}, {"params": model[1].parameters()}]
    before = model[0].weight.clone()
    run = Trainer(model, torch.optim.SGD(groups, 0.1), device="cpu", verbose=False)
    history = run.fit(batches(), epochs=5)
    assert torch.equal(model[0].weight, before)
    assert history[-1].train_loss < history[0].train_loss


# what models hold beside plain tensors
class Counting(nn.Linear):
    """A layer with a state of its own beside tensors."""

    def __init__(self, value=None):
        super().__init__(4, 3)
        self.value = value

    def get_extra_state(self):
        return self.value

    def set_extra_state(self, value):
        self.value = value


def test_extra_state_comes_back(tmp_path):
    trainer(Counting({"calls": [1, 2]})).fit(batches(), epochs=1, checkpoint=tmp_path)
    model = Counting()
    trainer(model).fit(batches(), epochs=1, checkpoint=tmp_path, resume=True)
    assert model.value == {"calls": [1, 2]}


def test_extra_state_that_could_not_be_loaded_is_named_before_the_first_step(tmp_path):
    run = trainer(Counting(object()))
    before = weights(run.model)
    words = r"plain values and tensors in the extra state .*'_extra_state': 'object'"
    with pytest.raises(refnet.CheckpointError, match=words):
        run.fit(batches(), checkpoint=tmp_path)
    assert torch.equal(weights(run.model), before)
    with pytest.raises(refnet.CheckpointError, match=words):
        refnet.save_checkpoint(tmp_path / "net.pt", run.model)


def lazy():
    return nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(3))


def test_lazy_layers_are_saved_and_resumed(tmp_path):
    whole = trainer(lazy())
    expected = whole.fit(batches(), epochs=3)
    trainer(lazy()).fit(batches(), epochs=1, checkpoint=tmp_path)
    second = trainer(lazy())
    history = second.fit(batches(), epochs=3, checkpoint=tmp_path, resume=True)
    assert torch.equal(weights(second.model), weights(whole.model))
    assert rows(history) == rows(expected)


def test_a_lazy_layer_that_has_seen_no_batch_is_named(tmp_path):
    with pytest.raises(refnet.CheckpointError, match=r"got 0.weight.* Run one batch"):
        refnet.save_checkpoint(tmp_path / "net.pt", lazy())


def test_a_buffer_that_is_meant_to_hold_nan_is_saved_and_loaded(tmp_path):
    def masked():
        model = nn.Sequential(nn.Linear(4, 3))
        model.register_buffer("unknown", torch.tensor([1.0, float("nan")]))
        return model

    trainer(masked()).fit(batches(), epochs=1, checkpoint=tmp_path)
    again = masked()
    again.unknown.zero_()
    refnet.load_checkpoint(refnet.latest_checkpoint(tmp_path), again)
    assert again.unknown[1].isnan()
    with torch.no_grad():
        again[0].weight[0, 0] = float("nan")
    with pytest.raises(refnet.CheckpointError, match=r"nan in 0.weight"):
        refnet.save_checkpoint(tmp_path / "net.pt", again)


def test_a_model_with_weight_norm_is_saved_and_resumed(tmp_path):
    def normed():
        return nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 3)))

    whole = trainer(normed())
    whole.fit(batches(), epochs=3)
    trainer(normed()).fit(batches(), epochs=1, checkpoint=tmp_path)
    second = trainer(normed())
    second.fit(batches(), epochs=3, checkpoint=tmp_path, resume=True)
    assert torch.equal(weights(second.model), weights(whole.model))


def test_a_trained_model_can_be_copied_and_pickled():
    run = trainer()
    run.fit(batches(), epochs=1)
    for twin in (copy.deepcopy(run.model), pickle.loads(pickle.dumps(run.model))):
        assert torch.equal(weights(twin), weights(run.model))


def test_a_group_added_to_the_optimizer_comes_back(tmp_path):
    def build():
        run = trainer()
        run.model.append(nn.Linear(3, 3))
        run.optimizer.add_param_group({"params": run.model[3].parameters(), "lr": 0.01})
        return run

    whole, second = build(), build()
    whole.fit(batches(), epochs=3)
    build().fit(batches(), epochs=1, checkpoint=tmp_path)
    second.fit(batches(), epochs=3, checkpoint=tmp_path, resume=True)
    assert torch.equal(weights(second.model), weights(whole.model))
    with pytest.raises(refnet.CheckpointError, match="parts of the model"):
        trainer().fit(batches(), epochs=4, checkpoint=tmp_path, resume=True)


def test_an_average_of_the_weights_is_kept_by_a_hook_of_the_optimizer():
    run = trainer()
    average = torch.optim.swa_utils.AveragedModel(run.model)
    run.optimizer.register_step_post_hook(lambda *_: average.update_parameters(run.model))
    run.fit(batches(), epochs=2)
    assert int(average.n_averaged) == 14
    assert not torch.equal(weights(average.module), weights(run.model))


# autocast around both: its cache would hold the weights of the first evaluation
def test_evaluate_inside_autocast_sees_the_weights_of_now():
    run = trainer()
    with torch.autocast("cpu", torch.bfloat16):
        before = run.evaluate(batches())
        with torch.no_grad():
            run.model[2].bias += torch.tensor([10.0, 0.0, 0.0])
        after = run.evaluate(batches())
    assert after.loss > before.loss + 1


# autocast around fit: its cache would hold the weights of the first step
def test_a_run_inside_autocast_learns_as_one_with_autocast_in_the_model():
    class Inside(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))

        def forward(self, x):
            with torch.autocast("cpu", torch.bfloat16):
                return self.net(x)

    torch.manual_seed(0)
    inside = Inside()
    run = trainer(copy.deepcopy(inside.net))
    expected = trainer(inside).fit(batches(), batches(), epochs=5)
    with torch.autocast("cpu", torch.bfloat16):
        history = run.fit(batches(), batches(), epochs=5)
    assert history[-1].train_loss < 0.8 * history[0].train_loss
    # the loss of one is taken in bfloat16's autocast, that of the other outside it
    assert history[-1].train_loss == pytest.approx(expected[-1].train_loss, rel=0.02)


# a loss far above that of guessing
def raw_pixels():
    x = torch.randint(0, 256, (64, 28, 28)).float()
    return (x / 255, x / 255 / 0.001), torch.randint(0, 10, (64,))


def test_a_first_loss_far_above_guessing_is_told_once_with_what_was_seen():
    (scaled, raw), y = raw_pixels()
    torch.manual_seed(0)
    model = refnet.mlp()
    run = Trainer(model, torch.optim.SGD(model.parameters(), 1e-9), device="cpu", verbose=False)
    words = r"near ln 10 = 2.30, .* got \d+\.?\d*. Its inputs lie in 0..1000:"
    with pytest.warns(UserWarning, match=words) as seen:
        run.fit([(raw, y)] * 60, epochs=2)
    assert len(seen) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fresh = refnet.mlp()
        sgd = torch.optim.SGD(fresh.parameters(), 1e-9)
        Trainer(fresh, sgd, device="cpu", verbose=False).fit([(scaled, y)], epochs=1)
        sums = nn.CrossEntropyLoss(reduction="sum")  # 64 times as large, as it should be
        Trainer(fresh, sgd, sums, "cpu", verbose=False).fit([(scaled, y)], epochs=1)
        wide = torch.nn.Linear(4, 1)
        sgd = torch.optim.SGD(wide.parameters(), 1e-9)
        numbers = Trainer(wide, sgd, mse_loss, "cpu", verbose=False)
        numbers.fit([(torch.randn(8, 4), 1000 * torch.randn(8, 1))], epochs=1)


# names
def test_the_names_of_losses_are_those_of_functions_and_classes():
    from functools import partial

    from refnet.training.checks import name_of

    assert name_of(partial(cross_entropy, label_smoothing=0.1)) == "cross_entropy"
    assert name_of(nn.MSELoss()) == "MSELoss"


# Checkpoints of the first refnet, whose runs had neither schedules nor generators nor numbers
def saved_by_the_first_refnet(path, steps, pass_length, kind="fit"):
    """Take ``steps`` steps by hand, and save them in the first format."""
    by_hand = trainer()
    began = torch.get_rng_state()
    rows, sums = [], [0.0, 0.0, 0.0, 0]  # of loss and correct, samples, batches
    for step, (x, y) in enumerate(itertools.islice(itertools.cycle(batches()), steps), 1):
        loss, output = by_hand.training_step(x, y)
        sums[0] += len(y) * float(loss)
        sums[1] += float((output.argmax(1) == y).sum())
        sums[2] += float(len(y))
        sums[3] += 1
        if step % pass_length == 0:
            epoch = step // pass_length - 1
            rows.append([epoch, step, sums[0] / sums[2], sums[1] / sums[2], None, None, 1.5])
            sums = [0.0, 0.0, 0.0, 0]
    state = {
        "kind": kind,
        "order": [began],
        "epoch": steps // pass_length,
        "batch": steps % pass_length,
        "step": steps,
        "sums": sums,
        "rows": rows,
        "now": [torch.get_rng_state()],
        "seconds": 2.0,
    }
    refnet.save_checkpoint(path, by_hand.model, by_hand.optimizer, state)


@pytest.mark.parametrize("steps", [3, 7, 10])  # in the first pass, at its end, in the second
def test_a_checkpoint_of_the_first_refnet_goes_on_bit_for_bit(tmp_path, steps):
    saved_by_the_first_refnet(tmp_path / f"checkpoint-0000-{steps:09d}.pt", steps, 7)
    whole, resumed = trainer(), trainer()
    expected = whole.fit(batches(), epochs=3)
    history = resumed.fit(batches(), epochs=3, checkpoint=tmp_path, resume=True)
    assert torch.equal(weights(resumed.model), weights(whole.model))
    assert rows(history) == rows(expected)
    assert [row.train_acc for row in history] == [row.train_acc for row in expected]


def test_the_last_row_of_a_run_over_steps_of_the_first_refnet_has_its_accuracy(tmp_path):
    path = tmp_path / "checkpoint-0000-000000005.pt"
    saved_by_the_first_refnet(path, 5, 7, "fit_steps")  # stopped before its last row was written
    expected = trainer().fit_steps(batches(), 5)
    history = trainer().fit_steps(batches(), 5, checkpoint=tmp_path, resume=True)
    assert history[-1].train_acc == expected[-1].train_acc > 0


def test_a_checkpoint_of_the_first_refnet_is_refused_by_the_other_loop(tmp_path):
    saved_by_the_first_refnet(tmp_path / "checkpoint-0000-000000003.pt", 3, 7)
    expected = r"^resume=True: expected a checkpoint of Trainer.fit_steps, got one of fit\. Choose "
    with pytest.raises(refnet.CheckpointError, match=expected):
        trainer().fit_steps(batches(), 7, checkpoint=tmp_path, resume=True)


def test_a_schedule_is_not_resumed_from_a_checkpoint_of_the_first_refnet(tmp_path):
    saved_by_the_first_refnet(tmp_path / "checkpoint-0000-000000003.pt", 3, 7)
    run = trainer()
    run.schedule = torch.optim.lr_scheduler.StepLR(run.optimizer, 1)
    before = weights(run.model)
    expected = r"expected a checkpoint of a run with StepLR, got one with no schedule\. Pass the"
    with pytest.raises(refnet.CheckpointError, match=expected):
        run.fit(batches(), epochs=3, checkpoint=tmp_path, resume=True)
    assert torch.equal(weights(run.model), before)

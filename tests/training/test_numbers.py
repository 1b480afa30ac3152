"""Numbers as targets: any loss of torch, losses alone, and what would go wrong in silence."""

import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from refnet import DivergedError, Trainer, plots
from refnet.training.record import Row

NAN = float("nan")


def points(n=40, seed=1):
    x = torch.randn(n, 4, generator=torch.Generator().manual_seed(seed))
    return x, x[:, :1] - 2 * x[:, 1:2]


def trainer(loss=functional.mse_loss, outputs=1, **settings):
    torch.manual_seed(0)
    model = nn.Linear(4, outputs)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return Trainer(model, optimizer, loss, "cpu", **{"verbose": False, **settings})


LOSSES = [
    functional.mse_loss,
    functional.l1_loss,
    functional.smooth_l1_loss,
    functional.huber_loss,
    nn.MSELoss(),
    lambda output, y: (output - y).square().mean(),
]


@pytest.mark.parametrize("loss", LOSSES)
def test_a_line_is_learnt_by_any_loss(loss):
    x, y = points()
    run = trainer(loss)
    history = run.fit([(x, y)], [(x, y)], epochs=300)
    assert history[-1].val_loss < 0.05 * history[0].val_loss
    assert run.model.weight.tolist() == [pytest.approx([1, -2, 0, 0], abs=0.15)]


def test_the_weights_are_those_of_the_loop_by_hand():
    x, y = points()
    run, twin = trainer(), trainer()
    for xb, yb in list(zip(x.split(7), y.split(7), strict=True)) * 3:
        twin.optimizer.zero_grad()
        functional.mse_loss(twin.model(xb), yb).backward()
        twin.optimizer.step()
    run.fit(list(zip(x.split(7), y.split(7), strict=True)), epochs=3)
    assert torch.equal(run.model.weight, twin.model.weight)


def test_rows_hold_losses_alone_and_lines_are_printed_without_accuracies(capsys):
    x, y = points()
    history = trainer(verbose=True).fit([(x, y)], [(x, y)], epochs=1)
    row = history[0]
    assert row.train_acc is row.val_acc is None
    line = r"Epoch = 0, train_loss = \d\.\d{3}, val_loss = \d\.\d{3}\n"
    assert re.fullmatch(line, capsys.readouterr().out)
    assert str(Row(None, 7, 0.5, None, None, None, 1.0)) == "Step = 7, train_loss = 0.500"


def test_the_loss_of_an_evaluation_is_the_mean_over_all_samples():
    x, y = points()
    run = trainer()
    metrics = run.evaluate(list(zip(x.split(7), y.split(7), strict=True)))
    expected = functional.mse_loss(run.model(x), y).item()
    assert metrics.loss == pytest.approx(expected, rel=1e-6)  # float32 sums in another order
    assert (metrics.accuracy, metrics.correct, metrics.count) == (None, None, 40)


def test_an_accuracy_asked_of_a_regression_is_refused_and_a_loss_is_there(tmp_path):
    x, y = points()
    history = trainer().fit([(x, y)], [(x, y)], epochs=2)
    for name in ("train_acc", "val_acc"):
        with pytest.raises(ValueError, match=f"'{name}' of a run that learnt numbers. Ask for"):
            history.column(name)
    assert len(history.column("val_loss")) == 2
    history.to_csv(tmp_path / "history.csv")
    history.to_json(tmp_path / "history.json")
    assert type(history).from_json(tmp_path / "history.json") == history


def test_the_history_of_a_regression_can_be_drawn():
    x, y = points()
    history = trainer().fit([(x, y)], [(x, y)], epochs=2)
    assert plots.curves(history).axes[0].lines


def test_a_stopped_regression_goes_on_bit_for_bit(tmp_path):
    x, y = points()
    batches = list(zip(x.split(7), y.split(7), strict=True))
    whole, first, second = trainer(), trainer(), trainer()
    expected = whole.fit(batches, batches, epochs=4)
    first.fit(batches, batches, epochs=2, checkpoint=tmp_path)
    history = second.fit(batches, batches, epochs=4, checkpoint=tmp_path, resume=True)
    assert torch.equal(second.model.weight, whole.model.weight)
    assert history.column("val_loss") == expected.column("val_loss")


def test_several_labels_a_sample_train():
    x, _ = points()
    labels = (x[:, :3] > 0).float()
    run = trainer(functional.binary_cross_entropy_with_logits, outputs=3)
    history = run.fit([(x, labels)], epochs=800)
    assert ((run.model(x) > 0) == (labels > 0)).float().mean() > 0.95
    assert history[-1].train_acc is None


def test_probabilities_of_classes_train_and_one_hot_rows_are_told_to_be_classes():
    x, _ = points()
    soft = torch.randn(40, 3, generator=torch.Generator().manual_seed(2)).softmax(1)
    history = trainer(functional.cross_entropy, outputs=3).fit([(x, soft)], epochs=50)
    assert history[-1].train_loss < history[0].train_loss
    hot = functional.one_hot(soft.argmax(1), 3).float()
    with pytest.raises(ValueError, match=r"one-hot rows, y \(40, 3\). Pass y.argmax\(1\)"):
        trainer(functional.cross_entropy, outputs=3).fit([(x, hot)])
    with pytest.raises(ValueError, match="rows that add up to 1, got sums of"):
        trainer(functional.cross_entropy, outputs=3).fit([(x, (x[:, :3] > 0).float())])


@pytest.mark.parametrize("kind", [np.float64, np.float16])
def test_numbers_of_another_precision_become_those_of_the_weights(kind):
    x, y = points()
    run, twin = trainer(), trainer()
    rounded = torch.as_tensor(y.numpy().astype(kind))
    run.fit([(x, rounded)], epochs=2)
    twin.fit([(x, rounded.float())], epochs=2)
    assert torch.equal(run.model.weight, twin.model.weight)


X, Y = points(4)


@pytest.mark.parametrize(
    ("y", "loss", "error", "words"),
    [
        (Y[:, 0], functional.mse_loss, ValueError, r"shape \(4, 1\), got y \(4,\) .*y\[:, None\]"),
        (Y[:, :, None], functional.mse_loss, ValueError, r"\(4, 1, 1\) .*y.reshape\(\(-1, 1\)\)"),
        (Y.repeat(1, 2), functional.mse_loss, ValueError, "as many outputs as a sample has"),
        (Y.long()[:, 0], functional.mse_loss, ValueError, r"pass y.float\(\)\[:, None\]"),
        (Y.long(), functional.mse_loss, ValueError, r"for numbers y.float\(\)"),
        (Y * NAN, functional.mse_loss, ValueError, "finite targets, got nan or inf in y"),
        (Y / 0, functional.mse_loss, ValueError, "finite targets"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_targets_that_would_go_wrong_in_silence_are_named(method, y, loss, error, words):
    with pytest.raises(error, match=words):
        getattr(trainer(loss), method)([(X, y)])


def test_a_flat_output_and_a_column_of_numbers_are_named():
    model = nn.Sequential(nn.Linear(4, 1), nn.Flatten(0))
    run = Trainer(model, torch.optim.SGD(model.parameters(), 0.1), functional.mse_loss, "cpu")
    with pytest.raises(ValueError, match=r"shape \(4,\), got y \(4, 1\) .*Pass y.flatten\(\)"):
        run.fit([(X, Y)])
    with pytest.raises(ValueError, match=r"got \(4,\) for y of whole numbers.*pass y.float\(\);"):
        run.fit([(X, Y.long()[:, 0])])


@pytest.mark.parametrize("loss", [functional.mse_loss, nn.L1Loss()])
def test_classes_for_a_loss_of_numbers_are_named(loss):
    with pytest.raises(TypeError, match=r"numbers of the output's shape \(4, 3\) for \w+, got"):
        trainer(loss, outputs=3).fit([(X, torch.tensor([0, 1, 2, 0]))])


def test_a_shape_that_changes_in_a_later_batch_is_found():
    with pytest.raises(ValueError, match=r"got y \(4,\)"):
        trainer().fit([(X, Y), (X, Y[:, 0])])


def test_nan_in_a_later_batch_stops_the_run_with_its_step():
    with pytest.raises(DivergedError, match=r"^step 2: expected a finite loss"):
        trainer().fit([(X, Y), (X, Y * NAN)])


def test_a_data_set_in_place_of_a_loader_is_named():
    with pytest.raises(TypeError, match="Put the data set into a Loader or DataLoader"):
        trainer().fit(torch.utils.data.TensorDataset(X, Y))

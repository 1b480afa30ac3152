"""The advice of the trainer's errors, followed: its own code is run, and the case then works."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

import refnet
from refnet import Trainer

X = torch.randn(12, 4, generator=torch.Generator().manual_seed(1))
CLASSES = X[:, :3].argmax(1)
NUMBERS = X.sum(1)


def fit(pair, outputs=3, loss=functional.cross_entropy, model=None):
    model = model or nn.Linear(4, outputs)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = pair if isinstance(pair, DataLoader | TensorDataset) else [pair]
    return Trainer(model, optimizer, loss, "cpu", verbose=False).fit(loader, epochs=2)


MSE = functional.mse_loss
BCE = functional.binary_cross_entropy_with_logits
# targets, loss, outputs, and the code in the advice
ADVICE = [
    (CLASSES[:, None], functional.cross_entropy, 3, "y.flatten()"),
    (functional.one_hot(CLASSES), functional.cross_entropy, 3, "y.argmax(1)"),
    (functional.one_hot(CLASSES).float(), functional.cross_entropy, 3, "y.argmax(1)"),
    (CLASSES.float(), functional.cross_entropy, 3, "y.long()"),
    (CLASSES.int(), functional.cross_entropy, 3, "y.long()"),
    (CLASSES > 0, functional.cross_entropy, 3, "y.long()"),
    (CLASSES.numpy(), functional.cross_entropy, 3, "torch.as_tensor(y)"),
    (CLASSES.tolist(), functional.cross_entropy, 3, "torch.as_tensor(y)"),
    (list(CLASSES), functional.cross_entropy, 3, "torch.stack(y)"),
    (NUMBERS, MSE, 1, "y[:, None]"),
    (NUMBERS[:, None, None], MSE, 1, "y.reshape((-1, 1))"),
    (NUMBERS.long(), MSE, 1, "y.float()[:, None]"),
    (NUMBERS.long()[:, None], MSE, 1, "y.float()"),
    ((X[:, :3] > 0).long(), BCE, 3, "y.float()"),
    (X[:, :3] > 0, BCE, 3, "y.float()"),
    (CLASSES, MSE, 3, "torch.nn.functional.one_hot(y, 3).float()"),
]


@pytest.mark.parametrize(("y", "loss", "outputs", "advice"), ADVICE)
def test_targets_changed_by_the_code_of_the_advice_train(y, loss, outputs, advice):
    with pytest.raises((TypeError, ValueError)) as caught:
        fit((X, y), outputs, loss)
    assert advice in str(caught.value)
    changed = eval(advice, {"x": X, "y": y, "torch": torch, "np": np})
    assert len(fit((X, changed), outputs, loss)) == 2


@pytest.mark.parametrize(
    ("x", "advice"),
    [
        (X.numpy(), "torch.as_tensor(x)"),
        (list(X), "torch.stack(x)"),
        (X.double(), "x.to(torch.float32)"),
        (X.abs().byte(), "x.to(torch.float32)"),
    ],
)
def test_inputs_changed_by_the_code_of_the_advice_train(x, advice):
    with pytest.raises(TypeError) as caught:
        fit((x, CLASSES))
    assert advice in str(caught.value)
    changed = eval(advice, {"x": x, "torch": torch})
    assert len(fit((changed, CLASSES))) == 2


def test_one_input_a_sample_gets_an_axis_of_its_own():
    with pytest.raises(ValueError, match=r"x\[:, None\]"):
        fit((X[:, 0], CLASSES))
    assert len(fit((X[:, 0][:, None], CLASSES), model=nn.Linear(1, 3))) == 2


def test_a_picture_of_pillows_becomes_an_array_first():
    picture = Image.new("L", (4, 12))
    with pytest.raises(TypeError, match=r"torch.as_tensor\(np.array\(x\)\)"):
        fit((picture, CLASSES))
    pixels = torch.as_tensor(np.array(picture))
    with pytest.raises(TypeError, match=r"x.to\(torch.float32\), scaled"):
        fit((pixels, CLASSES))
    assert len(fit((pixels.to(torch.float32) / 255, CLASSES))) == 2


def test_a_dict_gives_two_of_its_values():
    loader = [{"image": X, "label": CLASSES}]
    with pytest.raises(TypeError) as caught:
        fit(loader[0])
    advice = "((b['image'], b['label']) for b in loader)"
    assert advice in str(caught.value)
    model = nn.Linear(4, 3)
    run = Trainer(model, torch.optim.SGD(model.parameters(), 0.1), device="cpu", verbose=False)
    assert len(run.fit(eval(advice, {"loader": loader}), epochs=1)) == 1


@pytest.mark.parametrize("data", [TensorDataset(X, CLASSES), DataLoader(range(3), batch_size=None)])
def test_a_data_set_is_put_into_a_loader(data):
    with pytest.raises(TypeError):
        fit(data)
    assert len(fit(DataLoader(TensorDataset(X, CLASSES), batch_size=4))) == 2


def test_single_samples_are_put_into_a_loader():
    with pytest.raises(TypeError, match="put the data set into a Loader or DataLoader"):
        fit((X[0], 1))
    with pytest.raises(ValueError, match="put the data set into a Loader or DataLoader"):
        fit((X[0], CLASSES[0]))


def test_a_batch_is_put_into_a_list():
    model = nn.Linear(4, 3)
    run = Trainer(model, torch.optim.SGD(model.parameters(), 0.1), device="cpu", verbose=False)
    with pytest.raises(TypeError, match=r"Pass a list of batches: \[\(x, y\)\]"):
        run.fit((X, CLASSES))
    assert len(run.fit([(X, CLASSES)], epochs=1)) == 1


def test_the_mean_of_the_losses_trains():
    with pytest.raises(ValueError, match="Take the mean over the batch"):
        fit((X, CLASSES), loss=nn.CrossEntropyLoss(reduction="none"))
    assert len(fit((X, CLASSES), loss=lambda o, y: functional.cross_entropy(o, y).mean())) == 2


def test_the_loss_without_item_trains():
    with pytest.raises(TypeError, match=r"without .item\(\) or float\(\)"):
        fit((X, CLASSES), loss=lambda o, y: functional.cross_entropy(o, y).item())
    assert len(fit((X, CLASSES), loss=functional.cross_entropy)) == 2


def test_probabilities_that_do_not_add_up_get_the_loss_for_several_labels():
    several = (X[:, :3] > 0).float()
    with pytest.raises(ValueError, match="use binary_cross_entropy_with_logits"):
        fit((X, several))
    assert len(fit((X, several), loss=BCE)) == 2


def test_an_output_of_pixels_is_flattened():
    wide = nn.Sequential(nn.Unflatten(1, (2, 2)), nn.Linear(2, 2))
    with pytest.raises(ValueError, match=r"one output for each class, after an nn.Flatten\(\)"):
        fit((X, CLASSES), model=wide)
    assert len(fit((X, CLASSES), model=wide.append(nn.Flatten()))) == 2


def test_classes_are_numbered_from_0():
    with pytest.raises(ValueError, match="Number the classes from 0"):
        fit((X, CLASSES + 1))
    assert len(fit((X, CLASSES + 1 - 1))) == 2
    assert len(fit((X, CLASSES + 1), outputs=4)) == 2


def test_a_hook_that_returns_nothing_clips():
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    hook = optimizer.register_step_pre_hook(
        lambda *_: nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    )
    run = Trainer(model, optimizer, device="cpu", verbose=False)
    with pytest.raises(ValueError, match="Let the hook of the optimizer return nothing"):
        run.fit([(X, CLASSES)])
    hook.remove()

    def clip(optimizer, args, kwargs):
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)

    optimizer.register_step_pre_hook(clip)
    assert len(run.fit([(X, CLASSES)], epochs=1)) == 1


def test_an_optimizer_built_after_the_last_change_trains_the_new_layer():
    model = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model[1] = nn.Linear(8, 3)
    with pytest.raises(ValueError, match=r"Build it again from model.parameters\(\)"):
        Trainer(model, optimizer)
    before = model[1].weight.clone()
    fit((X, CLASSES), model=model)
    assert not torch.equal(model[1].weight, before)


def test_a_one_cycle_of_the_length_it_is_told_trains():
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    one_cycle = torch.optim.lr_scheduler.OneCycleLR
    short = one_cycle(optimizer, 0.1, total_steps=4)
    with pytest.raises(ValueError, match="Build it with total_steps=5"):
        Trainer(model, optimizer, device="cpu", verbose=False, schedule=short).fit([(X, CLASSES)])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    right = one_cycle(optimizer, 0.1, total_steps=5)
    run = Trainer(model, optimizer, device="cpu", verbose=False, schedule=right)
    assert len(run.fit([(X, CLASSES)])) == 5


def test_a_lazy_layer_is_saved_after_one_batch(tmp_path):
    model = nn.Sequential(nn.LazyLinear(3))
    with pytest.raises(refnet.CheckpointError, match="Run one batch through the model first"):
        refnet.save_checkpoint(tmp_path / "net.pt", model)
    model(X)
    refnet.save_checkpoint(tmp_path / "net.pt", model)
    again = nn.Sequential(nn.LazyLinear(3))
    refnet.load_checkpoint(tmp_path / "net.pt", again)
    assert torch.equal(again(X), model(X))


def test_a_column_of_losses_is_there_where_accuracies_are_not():
    history = fit((X, NUMBERS[:, None]), 1, MSE)
    with pytest.raises(ValueError, match="Ask for 'train_loss'"):
        history.column("train_acc")
    assert len(history.column("train_loss")) == 2


@pytest.mark.parametrize("loss", [functional.cross_entropy, nn.CrossEntropyLoss()])
def test_a_softmax_before_a_loss_that_takes_it_itself_is_named_and_left_out(loss):
    layer = nn.Linear(4, 3)
    with pytest.warns(UserWarning, match=r"^Trainer: expected logits, .*Leave the softmax out"):
        fit((X, CLASSES), loss=loss, model=nn.Sequential(layer, nn.Softmax(dim=1)))
    assert len(fit((X, CLASSES), loss=loss, model=layer)) == 2  # a warning would be an error


@pytest.mark.parametrize("loss", [functional.nll_loss, nn.NLLLoss()])
@pytest.mark.parametrize("cure", ["nn.LogSoftmax(dim=1)", "cross_entropy"])
def test_logits_for_a_loss_that_takes_logarithms_of_probabilities_are_named(loss, cure):
    layer = nn.Linear(4, 3)
    with pytest.warns(UserWarning, match="expected logarithms of probabilities") as caught:
        fit((X, CLASSES), loss=loss, model=layer)
    assert cure in str(caught[0].message)
    if cure == "cross_entropy":
        loss = functional.cross_entropy
    else:
        layer = nn.Sequential(layer, eval(cure))
    assert len(fit((X, CLASSES), loss=loss, model=layer)) == 2


def test_logits_that_are_all_positive_are_no_probabilities():
    layer = nn.Linear(4, 3)
    with torch.no_grad():
        layer.bias += 20
    assert len(fit((X, CLASSES), model=layer)) == 2


def test_a_model_and_an_optimizer_in_the_wrong_order_change_places():
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(TypeError, match=r"got one of type SGD. Pass the model first") as caught:
        Trainer(optimizer, model)
    assert "\n" not in str(caught.value)
    trainer = Trainer(model, optimizer, device="cpu", verbose=False)
    assert len(trainer.fit([(X, CLASSES)], epochs=2)) == 2

"""The scripts of examples/ that take the course's chapters apart, each claim at its smallest size.

The full runs, several minutes of them, are the scripts with their defaults; here the sizes are the
smallest that still prove the claim.
"""

import gzip
import inspect
import re
import runpy
import struct
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

import refnet

EXAMPLES = Path(__file__).parents[1] / "examples"
MNIST_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def script(name):
    return runpy.run_path(str(EXAMPLES / name))


def main_of(name):
    return script(name)["main"]


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a script in this process as the command line would; return exit code, stdout, stderr."""

    def run(name, *arguments):
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        code = 0
        try:
            runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        except SystemExit as stop:
            code = stop.code
        return code, *capsys.readouterr()

    return run


@pytest.fixture(scope="session")
def mnist_folder(tmp_path_factory):
    """A folder with four files in MNIST's format: refnet's sample of clothes, again and again."""
    folder = tmp_path_factory.mktemp("mnist")
    for train, part, times in ((True, "train", 20), (False, "t10k", 10)):
        sample = refnet.FashionMNIST(train=train, sample=True)
        for kind, array in (("images-idx3", sample.images), ("labels-idx1", sample.labels)):
            # the same picture 20 times in a row is what gzip packs best
            items = np.repeat(array.numpy().astype(np.uint8), times, axis=0)
            head = bytes([0, 0, 8, items.ndim]) + struct.pack(f">{items.ndim}I", *items.shape)
            path = folder / f"{part}-{kind}-ubyte.gz"
            path.write_bytes(gzip.compress(head + items.tobytes(), 1, mtime=0))
    return folder


@pytest.fixture
def no_data(tmp_path, monkeypatch):
    """An empty folder to look in, and no network."""
    monkeypatch.setenv("REFNET_OFFLINE", "1")
    return tmp_path


# linear_classification.py


def test_the_mnist_script_trains_on_files_in_mnists_format(mnist_folder, capsys):
    numbers = main_of("linear_classification.py")(data=mnist_folder, epochs=1)
    assert (numbers["train_samples"], numbers["test_samples"]) == (60_000, 10_000)
    assert numbers["test_accuracy"] > 0.7  # 0.77 to 0.78 over three seeds; guessing has 0.1
    out = capsys.readouterr().out
    assert re.search(r"^Epoch = 0, train_loss = .*, val_acc = 0\.\d{3}$", out, re.MULTILINE)
    assert "NOT MNIST itself" in out  # these files have other bytes than the published ones


def test_the_two_linear_scripts_differ_in_the_data_set_and_the_epochs_alone():
    fashion = inspect.getsource(main_of("linear_classification_fashion.py"))
    digits = inspect.getsource(main_of("linear_classification.py"))
    digits = digits.replace("refnet.MNIST", "refnet.FashionMNIST").replace("epochs=20", "epochs=5")
    named = re.compile(r"^    which = .*\n", re.MULTILINE)  # the name of the set, for the last line
    assert len(named.findall(digits)) == len(named.findall(fashion)) == 1
    assert named.sub("", digits) == named.sub("", fashion)


def test_without_mnist_the_script_names_its_four_files_and_where_to_get_them(run, no_data):
    code, _, err = run("linear_classification.py", "--data", no_data)
    assert code == 2
    assert err.count("\n") == 1
    assert all(f"{name}.gz" in err for name in MNIST_FILES)
    assert "https://ossci-datasets.s3.amazonaws.com/mnist/" in err
    assert str(no_data) in err


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_mnist_script_passes_0_89_on_the_sample_that_refnet_carries(no_data, seed):
    with pytest.warns(UserWarning, match="embedded sample"):
        numbers = main_of("linear_classification.py")("cpu", seed, data=no_data, or_sample=True)
    assert (numbers["train_samples"], numbers["test_samples"]) == (3000, 1000)
    assert numbers["test_accuracy"] > 0.89


def test_a_half_set_of_mnist_is_reported_by_the_name_of_what_is_missing(run, no_data, mnist_folder):
    for name in MNIST_FILES[:3]:
        (no_data / f"{name}.gz").write_bytes((mnist_folder / f"{name}.gz").read_bytes())
    code, _, err = run("linear_classification.py", "--data", no_data)
    assert code == 2
    assert "expected a file t10k-labels-idx1-ubyte[.gz]" in err


# lenet.py


@pytest.fixture(scope="module")
def lenet(tmp_path_factory):
    """The numbers of the script, from one short run on the sample."""
    main, folder = main_of("lenet.py"), tmp_path_factory.mktemp("nothing")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REFNET_OFFLINE", "1")
        with pytest.warns(UserWarning, match="embedded sample"):
            return main(device="cpu", epochs=1, data=folder, or_sample=True)


def test_lenet_has_61706_parameters_in_10_tensors(lenet):
    assert (lenet["parameters"], len(lenet["shapes"])) == (61_706, 10)
    assert lenet["shapes"]["conv1.weight"] == (6, 1, 5, 5)


def test_the_update_by_hand_is_that_of_sgd(lenet):
    # weights below 0.35 in float32: one rounding is at most 2^-26 = 1.5e-8, and there are two
    assert lenet["update_difference"] <= 3e-8


def test_the_graph_of_lenet_leads_from_the_loss_to_the_input(lenet):
    lines = lenet["graph"]
    assert lines[0] == "MseLossBackward0"
    steps, end = [], next(i for i, line in enumerate(lines) if line.strip() == "x")
    for line in lines[: end + 1]:  # of what stands at each depth, the last leads to x
        steps[(len(line) - len(line.lstrip())) // 2 :] = [line.strip()]
    short = [re.sub(r"(WithIndices)?Backward\d+$", "", step) for step in steps]
    first, *rest = short[::-1]
    assert first == "x"
    assert rest == [
        *["Convolution", "Relu", "MaxPool2D"] * 2,
        "View",
        *["Addmm", "Relu"] * 2,
        "Addmm",
        "MseLoss",
    ]
    assert {line.strip() for line in lines} >= set(lenet["shapes"])  # all ten parameters are there


def test_one_backward_fills_the_gradients_that_were_none(lenet):
    assert lenet["gradient_before"] is None
    assert len(lenet["gradient_after"]) == 6
    assert any(lenet["gradient_after"])


@pytest.mark.data
def test_lenet_passes_0_82_in_its_first_epoch_on_the_full_set():
    numbers = main_of("lenet.py")(epochs=1)
    assert (numbers["train_samples"], numbers["test_samples"]) == (60_000, 10_000)
    assert numbers["test_accuracy"] > 0.82


# mlp_recipe.py


@pytest.mark.data
def test_the_tuned_mlp_is_ahead_of_the_recipe_after_two_epochs():
    recipe = main_of("mlp_recipe.py")(epochs=2)
    tuned = main_of("mlp_recipe.py")(epochs=2, tune=True)
    assert recipe["test_samples"] == tuned["test_samples"] == 10_000
    assert recipe["test_accuracy"] > 0.7
    assert tuned["test_accuracy"] > max(0.86, recipe["test_accuracy"])


def test_the_recipe_begins_with_weights_of_standard_deviation_0_01():
    scale, model, optimizer = script("mlp_recipe.py")["recipe"](start="small")
    for i in (1, 3):
        weight = model[i].weight
        # the standard deviation of n draws is known to 1 / sqrt(2 n): four times that
        assert weight.std().item() == pytest.approx(0.01, rel=4 / (2 * weight.numel()) ** 0.5)
    assert (scale.mean, scale.std) == (0, 255)
    assert optimizer.param_groups[0]["lr"] == 0.1


@pytest.mark.data
def test_the_scale_of_the_start_values_decides_how_the_recipe_begins():
    main = main_of("mlp_recipe.py")
    loss = {start: main(epochs=1, start=start)["train_loss"] for start in ("normal", "torch")}
    zeros = main(epochs=1, start="zeros")
    assert loss["torch"] < 1  # ln 10 = 2.3 is the loss of one who knows nothing
    assert loss["normal"] > 2.3  # certain and wrong at first: worse than that on the average
    # ReLU passes nothing on: only the last biases move, and one class is named for all pictures
    assert zeros["train_loss"] > 2.3
    assert zeros["test_accuracy"] == 0.1


def test_the_tuned_steps_shrink_to_a_hundredth():
    sample = refnet.FashionMNIST(sample=True)
    _, model, optimizer = script("mlp_recipe.py")["tuned"](sample, steps=10)
    rates = []
    for _ in range(10):
        model(sample.images[:8].float()).sum().backward()
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
    assert rates == sorted(rates, reverse=True)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.01 * rates[0])


# initialization.py


@pytest.mark.parametrize(("activation", "kept"), [("linear", 1.0), ("relu", 0.5)])
def test_each_layer_multiplies_the_variance_by_what_the_formula_says(activation, kept):
    width = 256
    numbers = main_of("initialization.py")("cpu", 0, activation, width=width, batch_size=64)
    wanted = {
        "zeros": 0,
        "N(0, 1)": kept * width,
        "std 0.01": kept * width * 1e-4,
        "torch": kept / 3,
        "Xavier": kept,
        "He": kept * 2,
    }
    # each layer's product is a mean over 256 units, off by some 12 %; the mean over 19 by 3 %
    assert numbers["factor"] == pytest.approx(wanted, rel=0.1)
    assert numbers["factor_back"] == pytest.approx(wanted, rel=0.1)
    assert all(len(column) == 20 for column in numbers["forward"].values())


def test_he_keeps_the_variance_through_20_layers_of_relu_where_std_0_01_loses_it():
    numbers = main_of("initialization.py")("cpu", width=256, batch_size=64)
    for way in ("forward", "backward"):
        he, small = numbers[way]["He"], numbers[way]["std 0.01"]
        assert 1 / 5 < he[-1] / he[0] < 5  # 20 layers of 256 units: within a factor of 2, mostly
        assert min(small) < 1e-20 * max(small)


def test_xavier_keeps_the_sums_of_tanh_in_sight():
    numbers = main_of("initialization.py")("cpu", 0, "tanh", width=256, batch_size=64)
    assert numbers["forward"]["Xavier"][-1] > 1e-3  # 0.03: falls, since tanh flattens, but slowly
    assert numbers["forward"]["torch"][-1] < 1e-8


# blocks.py, parameters.py, save_load.py, devices.py, three_ways.py


def test_blocks_shows_what_is_right_and_what_goes_wrong(capsys):
    numbers = main_of("blocks.py")("cpu")
    assert numbers["block_shape"] == (2, 10)
    assert numbers["chains_equal"]
    assert not numbers["wrong_chain_saved"]
    assert numbers["wrong_chain_runs_shared_layer_once"]
    assert numbers["chain_runs_shared_layer_twice"]
    assert abs(numbers["loop_result"]) <= 1
    assert numbers["trained"] == ["linear.weight", "linear.bias"]
    assert "fixed" in numbers["saved"]
    assert numbers["infinite_input_refused"]
    assert numbers["centered"] == [-2, -1, 0, 1, 2]
    assert abs(numbers["centered_mean"]) < 1e-6  # 512 float32 values below 2
    assert numbers["own_layer_has_graph"]
    assert not numbers["detached_layer_has_graph"]
    assert "(2): FixedHidden(" in capsys.readouterr().out  # the nested net is printed


def test_parameters_are_reached_set_and_shared(capsys):
    numbers = main_of("parameters.py")("cpu")
    assert numbers["shapes"] == {
        "0.weight": (8, 4),
        "0.bias": (8,),
        "2.weight": (1, 8),
        "2.bias": (1,),
    }
    assert numbers["no_gradient_before"]
    assert numbers["gradient_shape"] == (1, 8)
    assert numbers["by_name_is_by_position"]
    assert numbers["nested_name"] == "0.block 1.2.weight"
    assert numbers["nested_parameters"] == 4 * (40 + 36) + 5
    assert numbers["small_std"] == pytest.approx(0.01, rel=0.5)  # 32 draws: off by 12 %, times 4
    assert numbers["constant_gradients_equal"]
    assert numbers["xavier_largest"] <= numbers["xavier_bound"]
    assert numbers["last_weights"] == [42]
    assert (numbers["shared_value"], numbers["shared_tensors"]) == (100, 6)
    assert numbers["shared_gradient_error"] < 1e-6  # float32: one addition apart
    assert "(block 3): Sequential(" in capsys.readouterr().out


def test_all_that_was_saved_is_loaded_and_what_is_damaged_or_hostile_is_not(tmp_path, capsys):
    numbers = main_of("save_load.py")("cpu", out=tmp_path / "new folder")
    assert numbers == {
        "tensors_equal": True,
        "clone_equal_before": False,
        "clone_equal_after": True,
        "checkpoint_equal": True,
        "damage_found": True,
        "hostile_refused": True,
    }
    assert "must never be printed" not in capsys.readouterr().out


def test_devices_shows_the_cpu_and_what_a_missing_gpu_says():
    numbers = main_of("devices.py")("cpu")
    assert numbers["devices"][0] == "cpu"
    assert numbers["device"] == numbers["weight_on"] == numbers["output_on"] == "cpu"
    assert f"'cuda:{len(numbers['devices']) - 1}'" in numbers["missing_device_says"]
    assert numbers["try_gpu_10"] == "cpu"
    assert numbers["stays_the_same_object"]
    assert numbers["mixed_devices_refused"]


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_devices_computes_on_the_gpu():
    numbers = main_of("devices.py")("cuda")
    assert numbers["weight_on"] == numbers["output_on"] == numbers["try_gpu"] == "cuda:0"


def test_by_hand_with_module_and_with_the_trainer_are_the_same_numbers(no_data):
    with pytest.warns(UserWarning, match="embedded sample"):
        numbers = main_of("three_ways.py")("cpu", steps=40, data=no_data, or_sample=True)
    hand, module, trainer = numbers["losses"].values()
    assert module == trainer  # the same operations in the same order
    # float64: losses near 2 are rounded to 2e-16, and 40 steps did not let more come of it
    assert numbers["loss_difference"] < 1e-13
    assert numbers["weight_difference"] < 1e-14
    assert np.mean(hand[-10:]) < 0.8 * np.mean(hand[:10])  # and they learn


def test_the_three_ways_see_another_order_in_each_pass():
    data = refnet.XOR()
    loader = refnet.Loader(data, refnet.RandomSampler(data, batch_size=4))
    labels = [y.tolist() for _, y in islice(script("three_ways.py")["passes"](loader), 8)]
    assert all(sorted(batch) == [0, 0, 1, 1] for batch in labels)
    assert len({tuple(batch) for batch in labels}) > 1  # all eight equal by chance: 1 in 280,000


# wrong input


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("linear_classification.py", ["--epochs", 0], ["epochs", "0"]),
        ("linear_classification.py", ["--lr", "nan"], ["lr", "nan"]),
        ("lenet.py", ["--epochs", 0], ["epochs", "0"]),
        ("lenet.py", ["--batch-size", 0], ["batch_size", "0"]),
        ("lenet.py", ["--device", "gpu"], ["'gpu'", "'cuda'"]),
        ("mlp_recipe.py", ["--epochs", 0], ["epochs", "0"]),
        ("mlp_recipe.py", ["--epochs", -1, "--tuned"], ["epochs", "-1"]),
        ("mlp_recipe.py", ["--batch-size", 0], ["batch_size", "0"]),
        ("mlp_recipe.py", ["--start", "xaver"], ["'xaver'", "'xavier'"]),
        ("initialization.py", ["--activation", "rleu"], ["'rleu'", "'relu'"]),
        ("initialization.py", ["--layers", 1], ["layers", "1"]),
        ("initialization.py", ["--width", 0], ["width", "0"]),
        ("initialization.py", ["--batch-size", 1], ["batch_size", "1"]),
        ("blocks.py", ["--seed", -1], ["seed", "-1"]),
        ("parameters.py", ["--device", "cuda0"], ["'cuda0'", "'cuda:0'"]),
        ("save_load.py", ["--out", ""], ["out"]),
        ("devices.py", ["--device", "cuda:99"], ["'cuda:99'"]),
        ("three_ways.py", ["--steps", 0], ["steps", "0"]),
        ("three_ways.py", ["--lr", "inf"], ["lr", "inf"]),
        ("three_ways.py", ["--lr", 0], ["lr", "0"]),
    ],
)
def test_wrong_input_is_one_sentence_and_exit_code_2(
    name, arguments, words, run, no_data, mnist_folder, recwarn
):
    if name == "linear_classification.py":
        arguments = [*arguments, "--data", mnist_folder]
    elif name in ("lenet.py", "mlp_recipe.py", "three_ways.py"):
        arguments = [*arguments, "--data", no_data, "--or-sample"]
    code, _, err = run(name, *arguments)
    assert code == 2
    assert err.startswith(f"{name}: ")
    assert err.count("\n") == 1
    assert all(word in err for word in words), err


@pytest.mark.parametrize("name", ["lenet.py", "mlp_recipe.py", "three_ways.py"])
def test_without_data_the_script_says_how_to_get_it(name, run, no_data):
    code, _, err = run(name, "--data", no_data)
    assert code == 2
    assert "dataset-fashion-mnist" in err


def test_a_folder_that_cannot_be_made_is_one_sentence_and_exit_code_2(run, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    code, _, err = run("save_load.py", "--out", tmp_path / "file")
    assert code == 2
    assert "file" in err
    assert "--out" in err
    assert err.count("\n") == 1

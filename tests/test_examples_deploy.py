"""examples/deploy.py, and the runs of neural_network.py whose checkpoints it reads."""

import os
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import refnet

SCRIPT = Path(__file__).parents[1] / "examples" / "deploy.py"
main = runpy.run_path(str(SCRIPT))["main"]
NETWORK = SCRIPT.with_name("neural_network.py")


@pytest.fixture
def on_the_sample(tmp_path, monkeypatch):
    """Arguments that let neural_network.py find no data and take the embedded sample."""
    monkeypatch.setenv("REFNET_OFFLINE", "1")
    (tmp_path / "empty").mkdir()
    return {"device": "cpu", "data": str(tmp_path / "empty"), "or_sample": True}


@pytest.mark.filterwarnings("ignore:NOT the full set")
def test_a_run_killed_and_resumed_ends_as_one_without_a_stop_and_is_exported(
    tmp_path, on_the_sample, capsys
):
    train = runpy.run_path(str(NETWORK))["main"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    expected = train(epochs=8, checkpoint=whole, **on_the_sample)
    command = [sys.executable, "-W", "ignore", NETWORK, "--epochs=8", "--or-sample"]
    command += ["--device=cpu", "--data", on_the_sample["data"], "--checkpoint", killed]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        for line in child.stdout:
            if line.startswith("Epoch = 1"):  # so the checkpoint of epoch 0 is there
                child.kill()
    assert child.returncode == -signal.SIGKILL
    assert 1 <= refnet.load_checkpoint(refnet.latest_checkpoint(killed))["epoch"] < 8

    capsys.readouterr()
    assert train(epochs=8, checkpoint=killed, resume=True, **on_the_sample) == expected
    assert "Epoch = 0" not in capsys.readouterr().out

    saved = [refnet.load_checkpoint(refnet.latest_checkpoint(run)) for run in (whole, killed)]
    assert all(torch.equal(saved[0]["model"][k], saved[1]["model"][k]) for k in saved[0]["model"])
    numbers = main(device="cpu", net="mlp", checkpoint=killed, out=tmp_path)
    assert numbers["accuracy"] == expected["test_accuracy"]


@pytest.mark.filterwarnings("ignore:NOT the full set")
def test_torchrun_prints_once_and_counts_as_one_process_does(tmp_path, on_the_sample):
    command = [sys.executable, "-W", "ignore", "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node=2", NETWORK, "--epochs=1", "--or-sample", "--device=cpu"]
    command += ["--checkpoint", tmp_path / "run"]
    done = subprocess.run(
        [*map(str, command), "--data", on_the_sample["data"]],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Epoch = 0") == 1
    assert done.stdout.count("test accuracy") == 1
    numbers = main(device="cpu", net="mlp", checkpoint=tmp_path / "run", out=tmp_path)
    assert f"test accuracy {numbers['accuracy']:.4f} on 1000 pictures" in done.stdout


@pytest.mark.parametrize("net", ["lenet", "mlp"])
def test_a_net_is_trained_and_its_files_put_every_test_picture_into_its_class(net, tmp_path):
    numbers = main(device="cpu", net=net, epochs=2, out=tmp_path / "new")
    assert [path.name for path in numbers["files"]] == [f"{net}.pt2", f"{net}.onnx"]
    assert all(path.parent == tmp_path / "new" and path.exists() for path in numbers["files"])
    assert numbers["samples"] == 1000
    assert numbers["accuracy"] > 0.6  # 0.68 to 0.71 for lenet over three seeds; guessing: 0.1


@pytest.mark.parametrize("folder", [True, False])
def test_a_checkpoint_is_exported_as_it_was_saved(folder, tmp_path):
    refnet.seed_everything(7)
    saved = refnet.mlp()
    path = refnet.save_checkpoint(tmp_path / "checkpoint-0001-000000001.pt", saved)
    given = tmp_path if folder else path
    numbers = main(device="cpu", net="mlp", checkpoint=given, out=tmp_path)
    run = torch.export.load(numbers["files"][0]).module()
    x = torch.rand(5, 28, 28)
    torch.testing.assert_close(run(x), saved(x), rtol=0, atol=1e-5)  # float32


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--net", "lennet"], ["'lennet'", "'lenet'"]),
        (["--epochs", "0"], ["epochs", "0"]),
        (["--device", "gpu"], ["'gpu'", "'cuda'"]),
        (["--checkpoint", "nowhere.pt"], ["nowhere.pt", "no file"]),
        (["--checkpoint", "."], ["a whole checkpoint"]),
        (["--checkpoint", "mlp.pt"], ["conv1.weight"]),
        (["--epochs", "1", "--net", "mlp", "--out", "mlp.pt"], ["mlp.pt"]),
    ],
)
def test_wrong_input_is_one_sentence_and_exit_code_2(
    arguments, words, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    refnet.save_checkpoint("mlp.pt", refnet.mlp())
    monkeypatch.setattr(sys, "argv", ["deploy.py", *arguments])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    err = capsys.readouterr().err
    assert stop.value.code == 2
    assert err.startswith("deploy.py: ")
    assert err.count("\n") == 1
    assert all(word in err for word in words), err

"""Devices: the right one is chosen, and a wrong name is told what was meant."""

import random

import numpy as np
import pytest
import torch

from refnet import devices, processes
from refnet.devices import all_devices, choose_device, describe, seed_everything

CUDA = torch.cuda.is_available()


def words(caught, *parts):
    assert all(part in str(caught.value) for part in parts), str(caught.value)


def test_auto_is_the_best_there_is(monkeypatch):
    monkeypatch.delenv("REFNET_DEVICE", raising=False)
    assert choose_device().type == ("cuda" if CUDA else "cpu")


def test_auto_follows_the_environment(monkeypatch):
    monkeypatch.setenv("REFNET_DEVICE", "cpu")
    assert choose_device("auto") == torch.device("cpu")


def test_a_given_device_wins_over_the_environment(monkeypatch):
    monkeypatch.setenv("REFNET_DEVICE", "cuda:7")
    assert choose_device("cpu") == choose_device(torch.device("cpu")) == torch.device("cpu")


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("gpu", ["'gpu'", "Did you mean 'cuda'?"]),
        ("GPU", ["'GPU'", "Did you mean 'cuda'?"]),
        ("cdua", ["'cdua'", "Did you mean"]),
        ("meta", ["'meta'", "'cpu', 'cuda'"]),
        ("cpu:1", ["'cpu:1'", "one device"]),
        ("cuda:first", ["'cuda:first'", "Did you mean 'cuda'?"]),
        ("cuda:-1", ["'cuda:-1'", "Did you mean 'cuda'?"]),
        ("", ["''", "Did you mean"]),
        (torch.device("meta"), ["'meta'"]),
    ],
)
def test_an_unknown_device_is_named_with_the_nearest_one(name, parts):
    with pytest.raises(ValueError, match="choose_device: expected") as caught:
        choose_device(name)
    words(caught, *parts)


@pytest.mark.skipif(CUDA, reason="says what happens without CUDA")
@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:9"])
def test_cuda_without_cuda_says_so(name):
    with pytest.raises(ValueError, match="no CUDA here") as caught:
        choose_device(name)
    words(caught, repr(name), "Use 'cpu'")


def test_a_misspelt_environment_variable_is_named(monkeypatch):
    monkeypatch.setenv("REFNET_DEVICE", "gppu")
    with pytest.raises(ValueError, match="REFNET_DEVICE: expected") as caught:
        choose_device("auto")
    words(caught, "'gppu'")


@pytest.mark.parametrize("name", [None, 0, b"cpu"])
def test_a_device_that_is_no_name_is_a_type_error(name):
    with pytest.raises(TypeError, match="choose_device: expected 'auto'"):
        choose_device(name)


def test_more_ranks_than_gpus_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(ValueError, match="more processes than GPUs") as caught:
        choose_device("cuda")
    words(caught, "local rank 2", "at most 2 processes")


def test_each_rank_of_a_machine_gets_its_own_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert choose_device("cuda") == torch.device("cuda", 1)
    assert all_devices() == [torch.device(name) for name in ("cpu", "cuda:0", "cuda:1")]
    with pytest.raises(ValueError, match="'cuda:9'"):
        choose_device("cuda:9")


def test_describe_names_the_device_and_its_threads():
    assert describe("cpu").startswith("cpu: ")
    assert f"{torch.get_num_threads()} of" in describe("cpu")


def test_one_seed_gives_the_same_numbers_everywhere():
    draws = []
    for seed in (3, np.int64(3)):
        seed_everything(seed)
        draws.append((random.random(), float(np.random.rand()), float(torch.rand(()))))
    assert draws[0] == draws[1]


@pytest.mark.parametrize(
    ("seed", "error"), [(-1, ValueError), (2**32, ValueError), ("0", TypeError), (1.0, TypeError)]
)
def test_a_wrong_seed_is_named(seed, error):
    with pytest.raises(error, match="seed_everything: expected seed") as caught:
        seed_everything(seed)
    words(caught, repr(seed) if isinstance(seed, str) else str(seed))


def test_the_random_state_comes_back():
    before = devices.random_state(torch.device("cpu"))
    first = torch.rand(3)
    devices.set_random_state(torch.device("cpu"), before)
    assert torch.equal(first, torch.rand(3))


@pytest.mark.parametrize("text", ["soon", "0", "-5", "1.5"])
def test_a_wrong_timeout_is_named(monkeypatch, text):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("REFNET_TIMEOUT", text)
    with pytest.raises(ValueError, match="REFNET_TIMEOUT: expected a whole number of seconds"):
        processes.start_distributed(torch.device("cpu"))


@pytest.mark.cuda
@pytest.mark.skipif(not CUDA, reason="needs an NVIDIA GPU")
def test_the_gpu_is_described_with_its_memory():
    assert "GiB" in describe("cuda:0")

"""The bench: its arithmetic, what it writes, and a check that fails when a row falls short."""

import json
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BENCH = ROOT / "lab" / "bench"


@pytest.fixture
def bench(monkeypatch):
    """Load a script of lab/bench/ as Python would run it, with its neighbours to import."""
    monkeypatch.syspath_prepend(str(BENCH))
    return lambda name: runpy.run_path(str(BENCH / f"{name}.py"))


def test_a_ratio_is_that_of_the_rounds_and_not_of_two_medians(bench):
    common = bench("common")
    row, beside = [2.0, 20.0, 3.0], [1.0, 10.0, 2.0]  # the machine was busy in the second round
    assert common["ratio"](row, beside) == {"median": 2.0, "min": 1.5, "max": 2.0}
    assert common["spread"](row) == {"median": 3.0, "min": 2.0, "max": 20.0}


def test_each_round_calls_every_row_once_and_begins_with_another(bench):
    calls = []
    rows = {name: lambda name=name: calls.append(name) or float(len(calls)) for name in "abc"}
    times = bench("common")["interleave"](rows, rounds=2)
    assert calls == [*"abc", *"bca", *"cab"]
    assert times == {
        "a": [6.0, 8.0],
        "b": [4.0, 9.0],
        "c": [5.0, 7.0],
    }  # the first round is warm-up


def test_a_whole_process_is_timed_with_its_own_memory(bench):
    whole_process = bench("common")["whole_process"]
    small = whole_process([sys.executable, "-c", ""])
    large = whole_process([sys.executable, "-c", "x = bytearray(100 * 2**20)"])
    assert large[1] - small[1] == pytest.approx(100, abs=5)  # MB
    assert small[0] > 0
    with pytest.raises(RuntimeError, match="exit code 3"):
        whole_process([sys.executable, "-c", "raise SystemExit(3)"])


@pytest.mark.parametrize(
    ("row", "missed"),
    [
        ((1.09, "<=", 1.10), False),
        ((1.11, "<=", 1.10), True),
        ((1.41, ">=", 1.40), False),
        ((1.39, ">=", 1.40), True),
        ((float("nan"), "<=", 1.10), True),
    ],
)
def test_a_row_past_its_bar_falls_short(bench, row, missed):
    assert bool(bench("check")["short"]({"some row": row})) is missed


@pytest.mark.parametrize(
    ("task", "images"), [("overfit-cos", 0), pytest.param("mlp-64", 1200, marks=pytest.mark.data)]
)
def test_the_columns_start_equal_and_end_alike(bench, task, images):
    peers = bench("peers")
    columns = ["refnet", "bare loop", "DataLoader"]
    rows = peers["measure"](task, 1, images, columns)
    accuracy = {rows[column]["accuracy"]["median"] for column in columns}
    assert len(accuracy) == 1  # the same samples in the same order: the same answer to each
    losses = [rows[column]["loss"]["median"] for column in columns]
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-5)  # rounding over a hundred steps
    assert rows["products"]["seconds"]["median"] < rows["refnet"]["seconds"]["median"]


@pytest.mark.parametrize(
    "name", ["peers-1", "peers-2", "loader", "trainer-1", "trainer-2", "growth", "whole"]
)
def test_a_recorded_run_says_how_it_was_made_and_its_numbers_are_in_order(name):
    path = ROOT / "docs" / "results" / f"bench-{name}.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["command"].split()[:2] == ["python", f"lab/bench/{name.partition('-')[0]}.py"]
    assert {"torch", "python", "device", "cores", "load", "date", "rounds"} <= set(content)
    numbers = [n for row in content["summary"].values() for n in row.values()]
    assert numbers
    assert all(0 <= n["min"] <= n["median"] <= n["max"] for n in numbers)


def test_each_whole_process_is_measured_in_every_round(bench):
    processes, taken = bench("peers")["processes"], []

    def whole_process(command, **variables):
        taken.append(command[-1])
        return float(len(taken)), 100.0 + len(taken)

    processes.__globals__["whole_process"] = whole_process
    rows = processes(["refnet", "Keras"], rounds=2, images=600)
    first = ["refnet" in call for call in taken]
    assert first == [True, False, False, True, True, False]  # the first round is warm-up
    assert rows["Keras"] == {
        "process seconds": {"median": 4.5, "min": 3.0, "max": 6.0},
        "peak MB": {"median": 104.5, "min": 103.0, "max": 106.0},
    }


def test_the_bench_for_a_gpu_runs_without_one_and_then_both_devices_agree(bench):
    main = bench("gpu")["main"]
    main.__globals__["AGREE"] = 5
    result = main("cpu", steps=3, samples=128, rounds=1)
    assert result["difference"] == {"overfit": 0.0, "mlp": 0.0}
    for net in ("overfit", "mlp"):
        rows = {name for name in result["summary"] if name.startswith(net)}
        assert rows == {f"{net} trainer", f"{net} products"}
        trainer, products = (result["summary"][f"{net} {part}"] for part in ("trainer", "products"))
        quotient = trainer["seconds"]["median"] / products["seconds"]["median"]
        assert trainer[f"by {net} products"]["median"] == pytest.approx(quotient, rel=0.01)

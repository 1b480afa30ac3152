"""History: the printed line, and every file it writes can be read back."""

import builtins
import csv
import json

import pytest

from refnet import DataError, History
from refnet.training.record import Row

ROWS = [
    Row(0, 938, 0.7, 0.77, 0.6, 0.81, 1.5),
    Row(1, 1876, 0.5, 0.83, None, None, 3.0),
]


def test_an_epoch_prints_as_in_the_course():
    line = "Epoch = 0, train_loss = 0.700, train_acc = 0.770, val_acc = 0.810"
    assert str(ROWS[0]) == line


def test_what_was_not_measured_is_left_out_of_the_line():
    assert str(ROWS[1]) == "Epoch = 1, train_loss = 0.500, train_acc = 0.830"


def test_a_row_of_a_run_over_steps_names_the_step():
    assert str(Row(None, 2000, 0.25, 0.9, None, None, 1.0)).startswith("Step = 2000, train_loss")


def test_csv_has_a_line_a_row_and_nothing_where_nothing_was_measured(tmp_path):
    path = tmp_path / "runs" / "history.csv"
    History(ROWS).to_csv(path)
    lines = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    assert [line["step"] for line in lines] == ["938", "1876"]
    assert lines[0]["val_acc"] == "0.81"
    assert lines[1]["val_acc"] == ""


def test_json_comes_back_equal(tmp_path):
    path = tmp_path / "history.json"
    History(ROWS).to_json(path)
    assert History.from_json(path) == History(ROWS)
    assert json.loads(path.read_text())["rows"][1]["val_loss"] is None


@pytest.mark.parametrize("text", ["", "{}", "<html>", '{"rows": [{"epoch": 1}]}', "[1]"])
def test_a_file_that_is_no_history_is_a_data_error(tmp_path, text):
    path = tmp_path / "history.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"History.from_json: expected a history in JSON, got .*"):
        History.from_json(path)


def test_a_missing_history_is_a_data_error(tmp_path):
    with pytest.raises(DataError, match="FileNotFoundError"):
        History.from_json(tmp_path / "none.json")


@pytest.mark.parametrize("method", ["to_csv", "to_json"])
def test_a_path_that_cannot_be_written_is_named(tmp_path, method):
    with pytest.raises(DataError, match=f"History.{method}: expected a file that can be written"):
        getattr(History(ROWS), method)(tmp_path)


def test_a_history_is_a_sequence_of_rows():
    history = History(list(ROWS))
    assert (len(history), history[-1], list(history)) == (2, ROWS[1], ROWS)
    assert history.column("val_acc") == [0.81, None]


def test_an_unknown_column_is_named():
    with pytest.raises(ValueError, match=r"train_loss.*got 'accuracy'"):
        History(ROWS).column("accuracy")


def test_tensorboard_missing_says_what_to_install(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith(("torch.utils.tensorboard", "tensorboard")):
            raise ModuleNotFoundError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match="pip install tensorboard"):
        History(ROWS).to_tensorboard(tmp_path)


def test_tensorboard_reads_the_rows_back(tmp_path):
    History(ROWS).to_tensorboard(tmp_path)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path)).Reload()
    assert [event.step for event in events.Scalars("train_loss")] == [938, 1876]
    assert len(events.Scalars("val_acc")) == 1

"""The metrics log: JSON lines, each there as soon as it is written."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from mlpcli.errors import OutputError
from mlpcli.training.log import MetricsLog


def test_each_event_is_a_line_that_can_be_read_at_once(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "log.jsonl"
    log = MetricsLog(path, resumed=False)
    log.write("start", {"data": "λ.csv"})
    assert json.loads(path.read_text()) == {"event": "start", "data": "λ.csv"}
    log.write("epoch", {"epoch": 1, "val_loss": None})
    log.close()
    lines = path.read_text().splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["start", "epoch"]
    assert lines[1] == '{"event": "epoch", "epoch": 1, "val_loss": null}'


def test_without_a_path_nothing_is_written(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    log = MetricsLog(None, resumed=False)
    log.write("start", {})
    log.close()
    assert os.listdir(tmp_path) == []


def test_a_new_run_keeps_the_log_of_another(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    for text in ("first", "second", "third"):
        log = MetricsLog(path, resumed=False)
        log.write(text, {})
        log.close()
    assert json.loads(path.read_text()) == {"event": "third"}
    assert json.loads((tmp_path / "log.jsonl~").read_text()) == {"event": "second"}


def test_a_resumed_run_continues_the_log(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    for resumed in (True, True):
        log = MetricsLog(path, resumed=resumed)
        log.write("start", {})
        log.close()
    assert path.read_text() == '{"event": "start"}\n' * 2
    assert os.listdir(tmp_path) == ["log.jsonl"]


def test_a_log_that_cannot_be_written_is_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path, reason in (
        (tmp_path, "Is a directory"),
        (tmp_path / "file" / "log.jsonl", "File exists"),
        (tmp_path / "file" / "deeper" / "log.jsonl", "Not a directory"),
    ):
        with pytest.raises(OutputError) as error:
            MetricsLog(path, resumed=False)
        assert str(error.value) == f"{path}: cannot be written: {reason}"
    assert os.listdir(tmp_path) == ["file"]


def test_a_full_disk_is_told_once_and_closing_is_quiet() -> None:
    log = MetricsLog(Path("/dev/full"), resumed=False)
    with pytest.raises(OutputError) as error:
        log.write("start", {})
    assert str(error.value) == "/dev/full: cannot be written: No space left on device"
    log.close()


def test_numbers_that_json_does_not_have_are_refused(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "log.jsonl", resumed=False)
    with pytest.raises(ValueError, match="not JSON compliant"):
        log.write("epoch", {"val_loss": float("nan")})
    log.close()

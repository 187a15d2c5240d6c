"""The metrics log: JSON lines, each there as soon as it is written."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpcli.errors import OutputError
from mlpcli.training.log import MetricsLog


def test_each_event_is_a_line_that_can_be_read_at_once(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "log.jsonl"
    log = MetricsLog(path, resumed=None)
    log.write("start", {"data": "λ.csv"})
    assert json.loads(path.read_text()) == {"event": "start", "data": "λ.csv"}
    log.write("epoch", {"epoch": 1, "val_loss": None})
    log.close()
    lines = path.read_text().splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["start", "epoch"]
    assert lines[1] == '{"event": "epoch", "epoch": 1, "val_loss": null}'


def test_without_a_path_nothing_is_written(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    log = MetricsLog(None, resumed=None)
    log.write("start", {})
    log.close()
    assert os.listdir(tmp_path) == []


def test_a_new_run_keeps_the_log_of_another(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    for text in ("first", "second", "third"):
        log = MetricsLog(path, resumed=None)
        log.write(text, {})
        log.close()
    assert json.loads(path.read_text()) == {"event": "third"}
    assert json.loads((tmp_path / "log.jsonl~").read_text()) == {"event": "second"}


def test_a_resumed_run_continues_the_log(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    for done in (0, 1):
        log = MetricsLog(path, resumed=done)
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
            MetricsLog(path, resumed=None)
        assert str(error.value) == f"{path}: cannot be written: {reason}"
    assert os.listdir(tmp_path) == ["file"]


def test_a_full_disk_is_told_once_and_closing_is_quiet() -> None:
    log = MetricsLog(Path("/dev/full"), resumed=None)
    with pytest.raises(OutputError) as error:
        log.write("start", {})
    assert str(error.value) == "/dev/full: cannot be written: No space left on device"
    log.close()


def test_numbers_that_json_does_not_have_are_refused(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "log.jsonl", resumed=None)
    with pytest.raises(ValueError, match="not JSON compliant"):
        log.write("epoch", {"val_loss": float("nan")})
    log.close()


# A run that was killed and goes on


def lines_of(*epochs: int) -> str:
    return '{"event": "start"}\n' + "".join(
        f'{{"event": "epoch", "epoch": {epoch}, "val_loss": null}}\n' for epoch in epochs
    )


@pytest.mark.parametrize(
    ("found", "done", "mended"),
    [
        (lines_of(1, 2, 3), 3, lines_of(1, 2, 3)),
        (lines_of(1, 2, 3), 2, lines_of(1, 2)),
        (lines_of(1, 2, 3), 0, lines_of()),
        (lines_of(1, 2) + lines_of(3, 4), 3, lines_of(1, 2) + lines_of(3)),
        (lines_of(1, 2, 3, 4) + '{"event": "end"}\n', 2, lines_of(1, 2)),
        (lines_of(1, 2)[:-30], 1, lines_of(1)),
        (lines_of(1, 2)[:-1], 2, lines_of(1, 2)),
        (lines_of(1) + "{", 1, lines_of(1)),
        ('{"event": "st', 1, ""),
        ("", 1, ""),
        ("a note", 1, "a note\n"),
        ('{"mine": 1}\n{"mine": 2', 1, '{"mine": 1}\n{"mine": 2\n'),
        ('{"event": "epoch", "epoch": "9"}\n', 1, '{"event": "epoch", "epoch": "9"}\n'),
        ('{"event": "epoch", "epoch": [[\n', 1, '{"event": "epoch", "epoch": [[\n'),
    ],
)
def test_each_epoch_is_in_the_log_once_and_no_line_is_cut(
    tmp_path: Path, found: str, done: int, mended: str
) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(found)
    log = MetricsLog(path, resumed=done)
    log.write("epoch", {"epoch": done + 1})
    log.close()
    assert path.read_text() == mended + f'{{"event": "epoch", "epoch": {done + 1}}}\n'
    epochs_went = found.count("\n") > mended.count("\n")
    assert log.kept == (tmp_path / "log.jsonl~" if epochs_went else None)
    if epochs_went:
        assert (tmp_path / "log.jsonl~").read_text() == found
    assert set(os.listdir(tmp_path)) <= {"log.jsonl", "log.jsonl~"}


def test_a_file_of_one_long_line_is_appended_to_and_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    line = b'{"event": "' + b"x" * (50 << 20)
    path.write_bytes(line)
    tracemalloc.start()
    try:
        MetricsLog(path, resumed=1).close()
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
    assert path.read_bytes() == line + b"\n"


@given(st.binary(max_size=60) | st.binary(max_size=20).map(b'{"event": "epoch"'.__add__))
def test_whatever_is_in_the_file_it_is_appended_to(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("log") / "log.jsonl"
    path.write_bytes(content)
    log = MetricsLog(path, resumed=1)
    log.write("end", {})
    log.close()
    *before, last, empty = path.read_bytes().split(b"\n")
    assert (last, empty) == (b'{"event": "end"}', b"")
    if b"{" not in content:
        assert b"\n".join(before) == content.removesuffix(b"\n")


WRITES_ON = """
import sys
from pathlib import Path
from mlpcli.training.log import MetricsLog
log = MetricsLog(Path("log.jsonl"), resumed=eval(sys.argv[1]))
for epoch in (1, 2):
    log.write("epoch", {"epoch": epoch})
print(flush=True)
sys.stdin.read()
log.write("epoch", {"epoch": 3})
"""


@pytest.mark.parametrize("first", [None, 0])
@pytest.mark.parametrize("second", [None, 1, 5])
def test_a_log_that_another_run_writes_is_refused_and_left_alone(
    tmp_path: Path, first: int | None, second: int | None
) -> None:
    path = tmp_path / "log.jsonl"
    if first == 0:
        path.write_text('{"event": "start"}\n')
    with subprocess.Popen(
        [sys.executable, "-c", WRITES_ON, str(first)],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"\n"
        content, there = path.read_bytes(), sorted(os.listdir(tmp_path))
        with pytest.raises(OutputError) as refused:
            MetricsLog(path, resumed=second)
        assert str(refused.value) == (
            f"{path}: another run is writing it; wait for its end, or name another --log"
        )
        assert (path.read_bytes(), sorted(os.listdir(tmp_path))) == (content, there)
        other.communicate(timeout=60)
    log = MetricsLog(path, resumed=1)
    log.write("epoch", {"epoch": 2})
    log.close()
    events = [json.loads(line) for line in path.read_text().splitlines()]
    assert [event["epoch"] for event in events if event["event"] == "epoch"] == [1, 2]


def test_without_locks_a_log_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.lockf", none)
    path = tmp_path / "log.jsonl"
    for resumed in (None, 0):
        log = MetricsLog(path, resumed=resumed)
        log.write("epoch", {"epoch": 1})
        log.close()
    assert path.read_text() == '{"event": "epoch", "epoch": 1}\n'

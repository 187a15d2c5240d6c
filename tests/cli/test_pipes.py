"""Pipes where files are read: refused or read, but never waited for without end."""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

NO_FILE = "it is a pipe or a device, not a file"
SILENT = "nothing came from this pipe or device for 5 seconds"

READING = [
    ("train --data pipe.csv", SILENT),
    ("train --data rows.csv --val-data pipe.csv", SILENT),
    ("train --config pipe.toml --print-config", SILENT),
    ("evaluate model.npz --data pipe.csv", SILENT),
    ("predict model.npz pipe.csv", SILENT),
    ("predict model.npz pipe.npy", NO_FILE),
    ("predict model.npz pipe.png", NO_FILE),
    ("predict model.npz pipe-images-idx3-ubyte", NO_FILE),
    ("train --data pipe.npz", NO_FILE),
    ("train --data arrays", NO_FILE),
    ("evaluate pipe.npz", NO_FILE),
    ("show pipe.npz", NO_FILE),
    ("gradcheck pipe.npz", NO_FILE),
    ("export pipe.npz page.html", NO_FILE),
    ("train --resume pipe.npz", NO_FILE),
    ("train --data rows.csv --init-from pipe.npz", NO_FILE),
]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Five seconds are over at once; whoever waits longer fails."""
    real = select.select

    def at_once(*lists_and_time: object) -> object:
        assert lists_and_time[3] == 5
        return real(*lists_and_time[:3], 0.05)  # type: ignore[arg-type]

    def fail(*_: object) -> None:
        raise AssertionError("it waits")

    monkeypatch.setattr(select, "select", at_once)
    signal.signal(signal.SIGALRM, fail)
    signal.alarm(30)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)


def write_rows(path: str) -> None:
    lines = [f"{i},{i % 7},{'ab'[i % 2]}\n" for i in range(100)]
    Path(path).write_text("".join(lines), encoding="ascii")


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("command", "reason"), READING, ids=[words for words, _ in READING])
def test_a_pipe_that_nobody_writes_to_is_refused(mlp, command: str, reason: str) -> None:
    write_rows("rows.csv")
    mlp.ok("train", "--data", "digits", "--epochs", "1", "-q")
    Path("arrays").mkdir()
    words = [word for word in command.split() if word.startswith("pipe")]
    pipe = words[0] if words else "arrays/X.npy"
    os.mkfifo(pipe)
    result = mlp(*command.split())
    assert (result.code, result.err.splitlines()[-1:]) == (
        3,
        [f"mlp: {pipe}: cannot be read: {reason}"],
    )


@pytest.mark.parametrize("name", ["pipe.csv", "config"])
def test_a_pipe_that_is_written_to_is_read(mlp, name: str) -> None:
    os.mkfifo(name)
    config = '[train]\nepochs = 2\n[data]\ndata = "spiral"\n'
    write = (
        threading.Timer(0.5, write_rows, [name])
        if name == "pipe.csv"
        else threading.Timer(0.5, Path(name).write_text, [config])
    )
    write.start()
    flags = ["--data", name, "--epochs", "2"] if name == "pipe.csv" else ["--config", f"./{name}"]
    assert mlp.ok("train", *flags, "--json").json["epochs"] == 2
    write.join()


def test_a_substituted_command_is_a_config(mlp) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"[train]\nepochs = 3\n")
    os.close(writing)
    assert "epochs = 3" in mlp.ok("train", "--config", f"/dev/fd/{reading}", "--print-config").out
    os.close(reading)

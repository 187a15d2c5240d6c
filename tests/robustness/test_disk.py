"""Disks that are full, read-only or fail: one line, nothing left behind, what was there is whole.

They are real ones, small and in memory, which only root on Linux can mount.
"""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from mlpcli import files

TRAIN = ("train", "--data", "digits", "--hidden", "8", "--epochs", "3", "-q")
LARGE = ("train", "--data", "digits", "--hidden", "900", "--epochs", "2", "-q")  # 800 kB to write
FULL = "No space left on device"


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A disk of its own, for as long as the block runs."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux can mount a small disk")
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if (result := subprocess.run(command, capture_output=True, check=False)).returncode:
        pytest.skip(f"no disk can be mounted here: {result.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        os.chdir(folder.parent)
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def disk(mlp, tmp_path: Path) -> Iterator[Path]:
    """A disk of 400 kB that is the working folder."""
    with mounted(tmp_path / "disk", "size=400k,mode=755") as folder:
        os.chdir(folder)
        yield folder


def fill(folder: Path, leave: int = 0) -> Path:
    """Fill the disk up, but for some bytes."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    if leave:
        os.truncate(filler, filler.stat().st_size - leave)
    return filler


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_disk_without_room_for_the_first_checkpoint(mlp, disk: Path, write_old) -> None:
    old = write_old(Path("model.npz"))
    assert mlp.error(*LARGE) == (1, f"model.npz: cannot be written: {FULL}")
    assert everything(disk) == {str(disk / "model.npz"): old}


def test_a_disk_that_fills_up_while_it_trains_costs_nothing(
    mlp, disk: Path, checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlp.ok(*TRAIN, "-o", "../whole.npz")
    mlp.ok(*TRAIN, "--stop-after", "1")
    before = Path("model.npz").read_bytes()
    filler = fill(disk, leave=4096)
    assert mlp.error("train", "--resume", "model.npz", "-q") == (
        1,
        f"model.npz: cannot be written: {FULL}; resume with: mlp train --resume model.npz",
    )
    assert everything(disk) == {
        str(disk / "model.npz"): before,
        str(filler): filler.read_bytes(),
    }
    filler.unlink()
    mlp.ok("train", "--resume", "model.npz", "-q")
    checkpoints.assert_same("../whole.npz", "model.npz")


def test_a_full_disk_under_the_log_costs_nothing(mlp, disk: Path, checkpoints) -> None:
    plan = mlp.once(*TRAIN, "--epochs", "40")  # 14 kB, which is more than is left of a block
    os.chdir(disk.parent)
    mlp.ok(*plan, "-o", "whole.npz")
    fill(disk)
    code, said = mlp.error(*plan, "--log", "disk/log.jsonl")
    assert code == 1
    assert said == f"disk/log.jsonl: cannot be written: {FULL}"
    (disk / "filler").unlink()
    mlp.ok(*plan, "--log", "disk/log.jsonl", "--stop-after", "1")
    fill(disk)
    said = mlp.error("train", "--resume", "model.npz", "--log", "disk/log.jsonl", "-q")[1]
    assert said.startswith(f"disk/log.jsonl: cannot be written: {FULL}; resume with: mlp train ")
    (disk / "filler").unlink()
    mlp.ok("train", "--resume", "model.npz", "--log", "disk/log.jsonl", "-q")
    checkpoints.assert_same("whole.npz", "model.npz")


def test_the_checkpoint_of_another_run_that_cannot_be_copied_stays_where_it_is(
    mlp, disk: Path, monkeypatch: pytest.MonkeyPatch, write_old
) -> None:
    """On a file system without links, where keeping it takes room."""

    def no_links(*_: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    old = write_old(Path("model.npz"), padding=250_000)
    assert mlp.error(*TRAIN) == (1, f"model.npz~: cannot be written: {FULL}")
    assert everything(disk) == {str(disk / "model.npz"): old}


OUTPUTS: dict[str, Callable[[str], tuple[str, ...]]] = {
    "train": lambda folder: (*LARGE, "-o", f"{folder}/model.npz"),
    "predict": lambda folder: ("predict", "digits.npz", "X.csv", "-o", f"{folder}/table.csv"),
    "report": lambda folder: ("evaluate", "digits.npz", "--report", f"{folder}/report.html"),
    "curves": lambda folder: ("show", "digits.npz", "--curves", f"{folder}/curves.png"),
    "weights": lambda folder: ("show", "digits.npz", "--weights", f"{folder}/weights.png"),
}


def make_inputs(mlp) -> None:
    os.chdir(mlp.folder)
    mlp.ok(*TRAIN, "-o", "digits.npz")
    Path("X.csv").write_text((",".join("0" * 64) + "\n") * 20_000)


@pytest.mark.parametrize("output", OUTPUTS)
def test_whatever_does_not_fit_on_the_disk_is_not_there(
    mlp, disk: Path, output: str, write_old
) -> None:
    make_inputs(mlp)
    arguments = OUTPUTS[output]("disk")
    target = Path(arguments[-1])
    write_old(target)
    fill(disk, leave=4096)
    before = everything(disk)
    code, said = mlp.error(*arguments)
    assert (code, said) == (1, f"{target}: cannot be written: {FULL}")
    assert everything(disk) == before


def test_an_export_that_does_not_fit_leaves_the_earlier_one(mlp, disk: Path) -> None:
    make_inputs(mlp)
    mlp.ok("export", "digits.npz", "disk/model.py")
    fill(disk, leave=4096)
    before = everything(disk)
    mlp.ok(*LARGE, "-o", "large.npz")
    said = mlp.error("export", "large.npz", "disk/model.py")
    assert said == (1, f"disk/model.py: cannot be written: {FULL}")
    assert everything(disk) == before


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_read_only_disk_is_told_at_once(
    mlp, disk: Path, output: str, monkeypatch: pytest.MonkeyPatch, write_old
) -> None:
    make_inputs(mlp)
    arguments = OUTPUTS[output]("disk")
    target = Path(arguments[-1])
    old = write_old(target)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    code, said = mlp.error(*arguments)
    assert (code, said) == (1, f"{target}: cannot be written: Read-only file system")
    assert everything(disk) == {str(disk / target.name): old}


def test_a_model_on_a_read_only_disk_can_be_used(mlp, disk: Path) -> None:
    mlp.ok(*TRAIN, "--stop-after", "1")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    mlp.ok("evaluate", "model.npz")
    mlp.ok("show", "model.npz")
    mlp.ok("train", "--resume", "model.npz", "-o", "../resumed.npz", "-q")


def test_a_disk_without_room_for_another_file(mlp, tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=1m,nr_inodes=3") as folder:
        os.chdir(folder)
        mlp.ok(*TRAIN, "--stop-after", "1")
        Path("last").touch()
        before = everything(folder)
        code, said = mlp.error("train", "--resume", "model.npz", "-q")
        assert (code, said) == (1, f"model.npz: cannot be written: {FULL}")
        assert everything(folder) == before


@pytest.mark.parametrize("number", [errno.EDQUOT, errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_quota_or_a_fault_that_shows_when_the_file_is_closed(
    mlp, number: int, call: str, monkeypatch: pytest.MonkeyPatch, write_old
) -> None:
    """File systems on a network tell of a quota only then."""

    def fail(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    old = write_old(Path("model.npz"))
    monkeypatch.setattr(files.os, call, fail)
    assert mlp.error(*TRAIN) == (1, f"model.npz: cannot be written: {os.strerror(number)}")
    assert Path("model.npz").read_bytes() == old
    assert {"model.npz"} <= set(os.listdir()) <= {"model.npz", "model.npz~"}

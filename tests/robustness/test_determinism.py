"""The same seed and thread count give the same bytes, wherever and however a run is started."""

from __future__ import annotations

from pathlib import Path

import pytest

EVERYTHING = (
    *("--hidden", "40,20", "--dropout", "0.3", "--input-dropout", "0.1", "--optimizer", "adam"),
    *("--class-weight", "balanced", "--max-norm", "2", "--label-smoothing", "0.1", "--epochs", "6"),
    "-q",
)

ENVIRONMENTS = (
    {"PYTHONHASHSEED": "0"},
    {"PYTHONHASHSEED": "4711", "LC_ALL": "C", "TZ": "Asia/Kathmandu"},
    {"PYTHONHASHSEED": "random", "LC_ALL": "C.UTF-8", "PADDING": "x" * 5001},  # moves the stack
    {"PYTHONMALLOC": "malloc", "MALLOC_PERTURB_": "165"},  # memory that is not zero
)


def finish(process) -> None:
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert out


@pytest.mark.parametrize("data", ["digits", "points.csv"])
def test_processes_folders_and_environments_make_no_difference(
    mlp, points: Path, checkpoints, tmp_path: Path, data: str
) -> None:
    first = None
    for number, environment in enumerate(ENVIRONMENTS):
        folder = tmp_path / f"folder{'_' * 40 * number}"
        folder.mkdir()
        source = data if data == "digits" else points if number % 2 else f"../{points.name}"
        arguments = ("train", "--data", source, *EVERYTHING, "--threads", 1)
        finish(mlp.process(*arguments, folder=folder, **environment))
        first = first or folder / "model.npz"
        checkpoints.assert_same(first, folder / "model.npz")
    assert checkpoints.meta(first)["threads"] == 1


@pytest.mark.two_cores
def test_a_run_with_two_threads_is_repeated_and_resumed_to_the_same_bytes(mlp, checkpoints) -> None:
    """Wide enough for the matrix products to be shared out."""
    plan = ("--data", "digits", "--hidden", "300", "--epochs", "2", "-q", "--threads", "2")
    finish(mlp.process("train", *plan, "-o", "whole.npz"))
    finish(mlp.process("train", *plan, "-o", "again.npz"))
    finish(mlp.process("train", *plan, "-o", "parts.npz", "--stop-after", "1"))
    finish(mlp.process("train", "--resume", "parts.npz", "-q", "--threads", "2"))
    checkpoints.assert_same("whole.npz", "again.npz")
    checkpoints.assert_same("whole.npz", "parts.npz")
    assert checkpoints.meta("parts.npz")["threads"] == 2

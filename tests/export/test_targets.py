"""What `mlp export` takes for a target, and what it refuses before it does anything."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def model(mlp) -> Path:
    mlp.ok("train", "--data", "digits", "--hidden", 4, "--epochs", 1, "-q")
    return mlp.folder / "model.npz"


@pytest.mark.parametrize("last", ["model.npz", "other.npz", "model.pkl", "onnx", "model.onnx.gz"])
def test_a_last_word_that_is_no_target_is_refused(mlp, last: str) -> None:
    assert mlp.error("export", "model.npz", last) == (
        2,
        f"{last}: cannot be the target; that comes last and ends in .html, .onnx, .py, "
        "as in mlp export model.npz model.onnx",
    )


def test_a_shells_star_does_not_overwrite_a_model(mlp, model: Path) -> None:
    before = model.read_bytes()
    code, text = mlp.error("export", *sorted(mlp.folder.iterdir()))
    assert (code, text.split(";")[0]) == (2, f"{model}: cannot be the target")
    assert model.read_bytes() == before


def test_a_target_alone_is_answered_by_what_is_missing(mlp) -> None:
    assert mlp.error("export", "model.onnx") == (
        2,
        "no model to export to model.onnx; name it first: mlp export model.npz model.onnx",
    )


def test_a_model_that_is_the_target_is_refused_under_any_name(mlp, model: Path) -> None:
    model.rename("model.py")
    Path("link.py").symlink_to("model.py")
    before = Path("model.py").read_bytes()
    for target in ("model.py", "link.py", "./model.py"):
        code, text = mlp.error("export", "model.py", target)
        assert code == 2
        assert text.endswith("is the model itself; name another target")
    assert Path("model.py").read_bytes() == before

"""What `mlp export` takes for a target, and what it refuses before it does anything."""

from __future__ import annotations

import importlib.util
import shlex
import sys
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


def test_what_export_has_not_made_is_not_replaced(mlp, model: Path) -> None:
    Path("train.py").write_text("print('mine')\n")
    code, text = mlp.error("export", model, "train.py")
    assert (code, text) == (
        1,
        "train.py: is there already, and mlp export has not made it; remove it, or name another "
        "target",
    )
    assert Path("train.py").read_text(encoding="utf-8") == "print('mine')\n"


def test_an_earlier_export_and_an_empty_file_are_replaced(mlp, model: Path) -> None:
    Path("model.py").touch()
    mlp.ok("export", model, "model.py")
    first = Path("model.py").read_bytes()
    mlp.ok("train", "--data", "digits", "--hidden", 5, "--epochs", 1, "-q")
    mlp.ok("export", model, "model.py")
    assert Path("model.py").read_bytes() != first


def test_folders_of_the_target_are_made(mlp, model: Path) -> None:
    mlp.ok("export", model, "new/folder/model.py")
    assert sorted(path.name for path in Path("new/folder").iterdir()) == ["model.py"]


@pytest.mark.parametrize("target", ["model.py", "MODEL.PY"])
def test_what_was_made_is_said_for_people_and_for_scripts(mlp, model: Path, target: str) -> None:
    assert mlp.ok("export", "model.npz", target).out == (
        f"{target} written, {Path(target).stat().st_size:,} bytes\n"
    )
    outcome = mlp.ok("export", "model.npz", target, "--json")
    assert outcome.json == {"target": target, "kind": "py", "bytes": Path(target).stat().st_size}
    assert outcome.err == ""


def test_a_target_that_is_a_folder_is_refused(mlp, model: Path) -> None:
    Path("model.py").mkdir()
    assert mlp.error("export", model, "model.py") == (
        1,
        "model.py: is a folder; name a file to write",
    )


@pytest.mark.parametrize("content", [b"", b"no model", b"PK\x03\x04 damaged"])
def test_a_model_that_cannot_be_read_leaves_nothing(mlp, content: bytes) -> None:
    Path("bad.npz").write_bytes(content)
    code, text = mlp.error("export", "bad.npz", "model.py")
    assert code == 3
    assert text.startswith("bad.npz: ")
    assert sorted(path.name for path in mlp.folder.iterdir()) == ["bad.npz"]


def test_a_member_that_there_is_not_is_refused(mlp, model: Path) -> None:
    assert mlp.error("export", model, "model.py", "--member", 1) == (
        2,
        f"--member 1: {model} is one network, which is member 0",
    )
    for member in (2, -1):
        assert mlp.error("export", model, model, "model.py", "--member", member) == (
            2,
            f"--member {member}: there are 2 networks, counted from 0",
        )


def test_a_committee_that_cannot_be_one_is_refused(mlp, model: Path) -> None:
    mlp.ok("train", "--data", "spiral", "--hidden", 4, "--epochs", 1, "-q", "-o", "spiral.npz")
    code, text = mlp.error("export", "model.npz", "spiral.npz", "model.py")
    assert (code, text.partition(": ")[0]) == (3, "spiral.npz")
    assert text.endswith("they cannot be a committee")


def test_without_onnx_a_line_says_how_to_get_it(
    mlp, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    install = shlex.join([sys.executable, "-m", "pip", "install", "onnx"])
    assert mlp.error("export", model, "model.onnx") == (
        1,
        f"export to .onnx needs onnx; install it by: {install}",
    )
    assert not Path("model.onnx").exists()

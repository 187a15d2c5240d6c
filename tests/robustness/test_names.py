"""File names with bytes that are no UTF-8: every command takes them and writes what it should."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

NAME = os.fsdecode(b"\xff.csv")


@pytest.fixture
def model(mlp, points: Path) -> str:
    shutil.copy(points, NAME)
    mlp.ok("train", "--data", NAME, "--epochs", 2, "-q", "--log", "log.jsonl", "-o", "model.npz")
    return "model.npz"


def test_pages_are_written_with_the_name_escaped(mlp, model: str) -> None:
    pytest.importorskip("matplotlib")
    mlp.ok("evaluate", model, "--report", "report.html")
    assert r"\udcff.csv" in Path("report.html").read_text(encoding="utf-8")
    mlp.ok("show", model, "--curves", "curves.svg")


def test_a_lesson_and_a_python_file_are_written(mlp, model: str) -> None:
    mlp.ok("export", model, "lesson.html")
    assert r"\udcff.csv" in Path("lesson.html").read_text(encoding="utf-8")
    mlp.ok("export", model, "model.py")
    compile(Path("model.py").read_text(encoding="utf-8"), "model.py", "exec")


def test_the_data_are_found_again_and_the_run_goes_on(mlp, model: str) -> None:
    for command in (("evaluate",), ("show",), ("gradcheck",), ("predict", NAME)):
        mlp.ok(command[0], model, *command[1:])
    mlp.ok("train", "--resume", model, "--epochs", 3, "-q")


def test_pictures_keep_their_names_in_the_table(mlp) -> None:
    image = pytest.importorskip("PIL.Image")
    mlp.ok("train", "--data", "digits", "--epochs", 2, "-q")
    name = os.fsdecode(b"\xfe.png")
    pixels = (np.random.default_rng(0).random((20, 20)) * 255).astype(np.uint8)
    image.fromarray(pixels).save("plain.png")
    Path("plain.png").rename(name)
    mlp.ok("predict", "model.npz", name, "-o", "answers.csv")
    assert Path("answers.csv").read_bytes().startswith(b"file,label\n\xfe.png,")

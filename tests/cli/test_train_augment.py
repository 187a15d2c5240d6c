"""`mlp train --augment`: what it trains on, and what it says when it cannot."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
PLAN = ("train", "--data", "digits", "--hidden", "8", "--epochs", "2", "-q")


def test_the_distortions_are_in_the_checkpoint_as_they_were_resolved(mlp, checkpoints) -> None:
    mlp.ok(*PLAN, "--augment", "affine", "--gentle-classes", "1,7", "--shift", "1")
    assert checkpoints.meta("model.npz")["config"]["augment"] == {
        "augment": "affine",
        "rotate": 15.0,
        "shear": 15.0,
        "zoom": 0.15,
        "shift": 1.0,
        "mirror_images": False,
        "gentle_classes": ["1", "7"],
    }
    shown = mlp.ok("show", "model.npz").out
    assert "--augment affine --shift 1.0 --gentle-classes 1,7" in shown


def test_each_distortion_changes_what_is_learned(mlp, checkpoints) -> None:
    learned = set()
    for options in (
        (),
        ("--augment", "affine"),
        ("--augment", "elastic"),
        ("--augment", "affine", "--mirror-images"),
        ("--augment", "affine", "--gentle-classes", "1"),
        *(("--augment", "affine", flag, "0.5") for flag in ("--rotate", "--shear", "--zoom")),
        ("--augment", "affine", "--shift", "0.5"),
        ("--augment", "elastic", "--elastic-sigma", "2"),
        ("--augment", "elastic", "--elastic-alpha", "2"),
    ):
        mlp.ok(*PLAN, *options, "-o", "one.npz")
        learned.add(checkpoints.arrays("one.npz")["W1"].tobytes())
    assert len(learned) == 11


def test_no_distortion_at_all_is_training_without(mlp, checkpoints) -> None:
    still = [word for name in ("rotate", "shear", "zoom", "shift") for word in (f"--{name}", "0")]
    mlp.ok(*PLAN, "-o", "plain.npz")
    mlp.ok(*PLAN, "--augment", "affine", *still, "-o", "still.npz")
    checkpoints.assert_same("plain.npz", "still.npz")


def test_the_results_are_of_the_images_as_they_are(mlp) -> None:
    far = ("--augment", "affine", "--rotate", "180", "--shift", "4", "--epochs", "10", "--seed", 1)
    report = mlp.ok(*mlp.once(*PLAN, *far), "--json").json
    scored = mlp.ok("evaluate", "model.npz", "--split", "train", "--json").json
    assert report["train"]["accuracy"] == scored["accuracy"]


def test_data_that_hold_no_images_are_refused(mlp, points) -> None:
    code, text = mlp.error("train", "--data", points, "--augment", "affine")
    assert code == 2
    assert text == (f"--augment affine: {points} holds no images to distort; give --augment none")


def test_a_class_that_the_data_do_not_have_is_refused(mlp) -> None:
    code, text = mlp.error(*PLAN, "--augment", "affine", "--gentle-classes", "1,x")
    assert code == 2
    assert text == (
        "--gentle-classes x: digits has no such class; its classes are 0, 1, 2, 3, 4, 5, 6, 7, 8, 9"
    )


def test_a_distortion_without_its_kind_is_refused(mlp) -> None:
    assert mlp.error(*PLAN, "--rotate", "5") == (
        2,
        "--rotate does nothing with --augment none; give --augment affine or elastic, too",
    )


def test_images_that_are_not_square_are_distorted(mlp) -> None:
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (60, 5, 9), np.uint8)
    np.savez("wide.npz", X=X, y=np.arange(60) % 3)
    mlp.ok("train", "--data", "wide.npz", "--augment", "elastic", "--epochs", "2", "-q")


@pytest.mark.parametrize("shape", [(28, 28), (64, 80)], ids=str)
def test_the_distortions_are_the_same_whatever_the_thread_count(shape: tuple[int, int]) -> None:
    code = (
        "import hashlib, numpy as np; from mlpcli.data.augment import Augmenter, Distortions; "
        f"shape = {shape}; D = shape[0] * shape[1]; out = np.empty((100, D), np.float32); "
        "X = np.random.default_rng(0).integers(0, 256, out.shape, np.uint8); "
        "a = Augmenter(shape, Distortions(rotate=9, zoom=.1, alpha=30, sigma=4), 100); "
        "a.apply(X, np.zeros(100, int), np.random.default_rng(1), out); "
        "print(hashlib.sha256(out.tobytes()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for threads in ("1", "2")
    }
    assert len(digests) == 1

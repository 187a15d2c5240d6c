"""--image-shape, and that nothing else but rank makes pixels of numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.data.builtin import digits

QUICK = ("--hidden", "16", "--epochs", "5", "-q")


@pytest.fixture
def flat() -> Any:
    """(X (1797, 64) uint8, y) of the digits, as flat.npz and as kaggle.csv, the label first."""
    data = digits()
    X, y = np.asarray(data.X), data.y
    np.savez("flat.npz", X=X, y=y)
    head = ["label", *(f"pixel{j}" for j in range(64))]
    rows = [",".join(map(str, [label, *row])) for label, row in zip(y, X.tolist(), strict=True)]
    Path("kaggle.csv").write_text("\n".join([",".join(head), *rows]) + "\n")
    return X, y


def test_flat_bytes_are_a_table_and_a_notice_says_how_they_become_images(mlp, flat) -> None:
    outcome = mlp.ok("train", "--data", "flat.npz", "--hidden", 8, "--epochs", 1)
    assert (
        "flat.npz: its 64 columns of bytes are taken for a table's; if each row is an image, "
        "give --image-shape 8,8\n"
    ) in outcome.err
    model = mlp.ok("show", "model.npz", "--json").json["models"][0]
    assert {part["kind"] for part in model["columns"]} == {"number"}
    np.savez("twelve.npz", X=flat[0][:, :12], y=flat[1])
    quiet = mlp.ok("train", "--data", "twelve.npz", "--hidden", 8, "--epochs", 1).err
    assert "image" not in quiet


def test_so_does_one_of_a_table_some_of_whose_pixels_are_always_black(mlp, flat) -> None:
    said = mlp.ok("train", "--data", "kaggle.csv", "--label-column", "label", *QUICK[:4]).err
    assert "left out: pixel0, pixel32, pixel39 (constant); label: label\n" in said
    assert (
        "kaggle.csv: its 64 columns of bytes are taken for a table's; if each row is an image, "
        "give --image-shape 8,8\n"
    ) in said
    options = ("--label-column", "label", "--image-shape", "8,8", *QUICK[:4])
    assert "of bytes" not in mlp.ok("train", "--data", "kaggle.csv", *options).err


def test_that_its_label_may_be_the_first_column_is_told_with_or_without_a_header(mlp, flat) -> None:
    bytes_ = (
        "its 64 columns of bytes are taken for a table's; if each row is a label and its image, "
        "give --label-column 0 --image-shape 8,8"
    )
    said = mlp.ok("train", "--data", "kaggle.csv", *QUICK[:4]).err
    assert f"kaggle.csv: {bytes_}\n" in said
    assert (
        "kaggle.csv: the last column, 'pixel63', is taken for the label; if it is 'label', give "
        "--label-column label\n"
    ) in said
    Path("bare.csv").write_text(Path("kaggle.csv").read_text().split("\n", 1)[1])
    said = mlp.ok("train", "--data", "bare.csv", *QUICK[:4]).err
    assert f"bare.csv: {bytes_}\n" in said
    assert "the last column" not in said
    options = ("--label-column", "0", "--image-shape", "8,8", *QUICK[:4])
    assert "taken for" not in mlp.ok("train", "--data", "bare.csv", *options).err


def test_names_and_options_may_leave_no_doubt_of_the_label(mlp) -> None:
    rows = "".join(f"{i % 9},{'ab'[i % 2]},{i % 7},{'cd'[i % 5 < 2]}\n" for i in range(60))
    doubt = "the last column, 'kind', is taken for the label; if it is 'Class', give --label"
    for names, options, told in (
        ("id,Class,x,kind", (), True),
        ("Class,y,x,kind", (), True),
        ("x,Class,y,kind", (), False),
        ("id,Class,x,target", (), False),
        ("id,classes,x,kind", (), False),
        ("id,Class,x,kind", ("--label-column", "kind"), False),
        ("id,Class,x,kind", ("--ignore", "Class"), False),
        ("id,Class,x,kind", ("--group", "Class"), False),
    ):
        Path("t.csv").write_text(f"{names}\n{rows}")
        said = mlp.ok("train", "--data", "t.csv", *options, *QUICK[:4]).err
        assert (doubt in said, "the last column" in said) == (told, told), (names, options)


@pytest.mark.parametrize(
    "other", [lambda X: X % 11, lambda X: X / 16, lambda X: X - 1, lambda X: X * 16]
)
def test_answers_fractions_and_other_whole_numbers_are_not_taken_for_bytes(
    mlp, flat, other
) -> None:
    np.savez("other.npz", X=other(flat[0].astype(np.float64)), y=flat[1])
    assert "of bytes" not in mlp.ok("train", "--data", "other.npz", *QUICK[:4]).err


def test_an_array_is_taken_for_images_where_that_is_said(mlp, flat, checkpoints) -> None:
    mlp.ok("train", "--data", "flat.npz", "--image-shape", "8,8", *QUICK)
    meta = checkpoints.meta("model.npz")
    assert meta["encoding"] == [{"kind": "pixels", "count": 64, "factor": 1 / 16, "largest": 16.0}]
    assert meta["data"]["image_shape"] == [8, 8]
    accuracy = mlp.ok("evaluate", "model.npz", "--json").json["accuracy"]
    mlp.ok("train", "--data", "digits", *QUICK, "-o", "named.npz")
    assert accuracy == mlp.ok("evaluate", "named.npz", "--json").json["accuracy"]
    mlp.ok("show", "model.npz", "--weights", "w.png")
    mlp.ok("train", "--resume", "model.npz", "--epochs", 6, "-q")
    augmented = ("--augment", "affine", "-o", "a.npz")
    mlp.ok("train", "--data", "flat.npz", "--image-shape", "8,8", *QUICK, *augmented)


def test_a_table_of_pixels_is_one_of_images_with_every_column(mlp, flat) -> None:
    mlp.ok("train", "--data", "kaggle.csv", "--label-column", "label", *QUICK)
    left_out = mlp.ok("show", "model.npz", "--json").json["models"][0]["architecture"][0]
    assert left_out < 64  # pixels that are always 0 are of no use in a table
    shaped = ("--label-column", "label", "--image-shape", "8,8")
    mlp.ok("train", "--data", "kaggle.csv", *shaped, *QUICK)
    value = mlp.ok("evaluate", "model.npz", "--json").json
    assert value["accuracy"] > 0.85
    assert mlp.ok("show", "model.npz", "--json").json["models"][0]["architecture"][0] == 64
    rows = Path("kaggle.csv").read_text().splitlines()
    Path("new.csv").write_text("\n".join([rows[0], *rows[1:200]]) + "\n")
    other = mlp.ok("evaluate", "model.npz", "--data", "new.csv", "--json").json
    assert (other["samples"], other["accuracy"] > 0.85) == (199, True)
    bare = "\n".join(row.split(",", 1)[1] for row in rows[:200]) + "\n"
    Path("bare.csv").write_text(bare)
    one, two = (mlp.ok("predict", "model.npz", name).out for name in ("new.csv", "bare.csv"))
    assert one == two


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (("8,9",), 3, "flat.npz: its rows have 64 columns, --image-shape 8,9 is 72 pixels"),
        (("64",), 2, "--image-shape 64: expected height and width in pixels, as in 28,28"),
        (("8,x",), 2, "--image-shape 8,x: expected height and width in pixels, as in 28,28"),
        (("0,8",), 2, "--image-shape 0,8: expected height and width in pixels, as in 28,28"),
    ],
)
def test_shapes_that_cannot_be_are_refused(mlp, flat, flags: Any, code: int, said: str) -> None:
    assert mlp.error("train", "--data", "flat.npz", "--image-shape", *flags) == (code, said)


def test_what_is_no_image_is_refused(mlp) -> None:
    rows = [f"{n % 5},{'red' if n % 2 else 'blue'},{n % 3},{n % 7},{n % 2}" for n in range(40)]
    Path("t.csv").write_text("\n".join(["a,b,c,d,y", *rows]) + "\n")
    assert mlp.error("train", "--data", "t.csv", "--image-shape", "2,2") == (
        3,
        "t.csv: b is not one of numbers, and pixels are numbers; leave out --image-shape 2,2",
    )
    assert mlp.error("train", "--data", "digits", "--image-shape", "4,16") == (
        3,
        "digits: holds images of 8 × 8; leave out --image-shape 4,16",
    )


@pytest.mark.parametrize("dtype", ["uint8", "int8", "bool", "float32", "float64", "int64"])
def test_the_same_features_are_learned_alike_whatever_their_dtype(mlp, dtype: str) -> None:
    X = np.random.default_rng(0).integers(0, 2, (300, 10))
    y = X[:, 0] ^ X[:, 1]
    np.savez("t.npz", X=X.astype(dtype), y=y)
    mlp.ok("train", "--data", "t.npz", *mlp.PLAIN, "--hidden", 32, "--epochs", 60, "-q")
    assert mlp.ok("evaluate", "model.npz", "--json").json["accuracy"] == 1.0

"""A model answers elsewhere as it does here: ONNX, and one Python file with and without NumPy."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from mlpcli.data.source import open_data
from mlpcli.nn.activations import ACTIVATIONS

EXACT = ("--dtype", "float64")  # a sum of a few epochs' weights is rounded much where it is near 0
SMALL = ("--hidden", 7, "--epochs", 3, "-q")
HOSTILE = ['a"b', "x'; import os #", 'c"""\\', "label", "km/h, at {0}", "/Sub_0", "ü\u200d✓ %s"]


def random_table(table, names: list[str], seed: int = 0):
    """Rows of numbers of very different sizes, and labels that depend on them."""
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(60, len(names)))
    X = Z * 10.0 ** rng.integers(-2, 2, len(names)) + rng.integers(-3, 4, len(names))
    labels = np.where(Z[:, 0] > 0.5, "late", np.where(Z[:, 1] > 0, "so-so", "on time"))
    return table(names, [[f"{x:.6g}" for x in row] for row in X]), labels.tolist()


def write_csv(path: Path, rows, labels: list[str], label_name: str = "when") -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([[*rows.header, label_name]] if rows.header else [])
        writer.writerows([*row, label] for row, label in zip(rows.cells, labels, strict=True))


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_every_activation(mlp, compare, table, activation: str) -> None:
    mlp.ok(
        *("train", "--data", "spiral", "--hidden", "20,10", "--activation", activation),
        *("--epochs", 30, "-q"),
    )
    X = open_data("spiral", data_dir=mlp.folder).X
    compare(table.of(X[::10]), "model.npz")


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_every_activation_beside_dates(mlp, compare, table, activation: str) -> None:
    """In float64; dates need a later version of ONNX's operators, of which that has fewer."""
    rows, labels = random_table(table, ["width", "height"])
    days = [f"{2000 + k % 25}-{1 + k % 12:02}-{1 + k % 28:02}" for k in range(len(rows.cells))]
    rows = table(
        ["day", *rows.header], [[day, *row] for day, row in zip(days, rows.cells, strict=True)]
    )
    write_csv(Path("rows.csv"), rows, labels)
    mlp.ok("train", "--data", "rows.csv", "--activation", activation, *EXACT, *SMALL)
    compare(rows, "model.npz")


@pytest.mark.parametrize("loss", ["cross-entropy", "mse", "bce"])
@pytest.mark.parametrize("hidden", ["none", "7"])
def test_every_loss_and_depth(mlp, compare, table, loss: str, hidden: str) -> None:
    mlp.ok("train", "--data", "digits", "--hidden", hidden, "--loss", loss, "--epochs", 3, "-q")
    X = open_data("digits", data_dir=mlp.folder).X
    compare(table.of(X[::30]), "model.npz")


@pytest.mark.parametrize(
    ("dtype", "pose"),
    [
        ("float32", ("--deslant",)),
        ("float64", ("--deslant",)),
        ("float32", ("--deslant", "--digit-width", 5)),
        ("float64", ("--digit-width", 7.5)),
    ],
)
def test_images_that_are_brought_into_a_pose_before(
    mlp, compare, table, dtype: str, pose: tuple[object, ...]
) -> None:
    train = ("train", "--data", "digits", "--hidden", 16, "--epochs", 5, "--dtype", dtype, "-q")
    mlp.ok(*train, *pose)
    digits = open_data("digits", data_dir=mlp.folder).X[::60]
    corner, row, column, steep = np.zeros((4, 8, 8))
    corner[0, 0], row[3, 2:], column[:, 6] = 5, 9, np.arange(8) / 7
    steep[3, 0], steep[4, 7] = 16, 16  # more than can be sheared away
    odd = [np.zeros(64), *(image.reshape(64) for image in (corner, row, column, steep))]
    compare(table.of(np.concatenate([digits, odd])), "model.npz")
    mlp.ok(*train, "-o", "plain.npz")  # each sees the images its own way
    compare(table.of(digits), "model.npz", "plain.npz")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("hidden", ["none", "7"])
def test_embedded_numbers_beside_gaps_and_categories(
    mlp, compare, table, dtype: str, hidden: str
) -> None:
    rows, labels = random_table(table, ["width", "height", "weight"])
    cells = [[a, f"kind {k % 3}", b if k % 5 else "", c] for k, (a, b, c) in enumerate(rows.cells)]
    rows = table(["width", "kind", "height", "weight"], cells)
    write_csv(Path("rows.csv"), rows, labels)
    train = ("train", "--data", "rows.csv", "--epochs", 20, "--hidden", hidden, "--dtype", dtype)
    mlp.ok(*train, "--embedding", "periodic", "--input-scale", "learned", "-q")
    compare(rows, "model.npz")
    mlp.ok(*train, "--embedding", "none", "-q", "-o", "plain.npz")
    compare(rows, "model.npz", "plain.npz")


@pytest.mark.parametrize("embedding", ["none", "periodic"])
def test_many_categories_before_few_and_dates(mlp, compare, table, embedding: str) -> None:
    """A network has the inputs of a column of many categories after all others."""
    rng = np.random.default_rng(0)
    cells = [
        [f"of {k % 70}", f"{x:.4f}", f"kind {k % 3}", f"2024-{1 + k % 12:02}-{1 + k % 28:02}"]
        for k, x in enumerate(rng.normal(size=350))
    ]
    rows = table(["village", "height", "kind", "day"], cells)
    prices = [30 * float(row[1]) + k % 70 + 50 * (k % 3) for k, row in enumerate(cells)]
    write_csv(Path("rows.csv"), rows, [f"{price:.3f}" for price in prices], "price")
    train = ("train", "--data", "rows.csv", "--epochs", 9, "--hidden", 6, *EXACT, "-q")
    mlp.ok(*train, "--embedding", embedding)
    compare(table(rows.header, cells[::5]), "model.npz")


@pytest.mark.parametrize("scale", ["auto", "none", "standard"])
def test_a_table_by_its_columns_names(mlp, compare, table, scale: str) -> None:
    rows, labels = random_table(table, ["width", "height", "weight"])
    write_csv(Path("rows.csv"), rows, labels)
    mlp.ok("train", "--data", "rows.csv", "--scale", scale, "--hidden", 5, "--epochs", 9, "-q")
    compare(rows, "model.npz")
    other_order = table(rows.header[::-1], [row[::-1] for row in rows.cells])
    compare(other_order, "model.npz")


def test_hostile_names_and_labels(mlp, compare, table) -> None:
    rows, _ = random_table(table, HOSTILE)
    labels = [HOSTILE[i % 3] + "\\n{}" for i in range(len(rows.cells))]
    write_csv(Path("rows.csv"), rows, labels)
    mlp.ok("train", "--data", "rows.csv", "--hidden", 5, "--epochs", 9, "-q")
    compare(rows, "model.npz")


def test_a_table_without_names_and_numbers_for_labels(mlp, compare, table) -> None:
    rows, labels = random_table(table, ["a", "b", "c", "d"])
    bare = table(None, rows.cells)
    write_csv(Path("rows.csv"), bare, [str(10 * len(label)) for label in labels])
    mlp.ok("train", "--data", "rows.csv", "--hidden", 5, "--epochs", 9, "-q")
    compare(bare, "model.npz")


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.int8])
@pytest.mark.parametrize("words", [False, True], ids=["numbers", "words"])
def test_arrays_of_any_type(mlp, compare, table, dtype: type, words: bool) -> None:
    X = np.random.default_rng(0).normal(0, 30, (60, 5)).astype(dtype)
    y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 9)
    np.savez("data.npz", X=X, y=np.array(["no", "yes", "naïve"])[y] if words else y)
    mlp.ok("train", "--data", "data.npz", "--hidden", 5, "--epochs", 9, "-q")
    compare(table.of(X), "model.npz")


@pytest.mark.parametrize("loss", ["squared-error", "absolute-error", "huber"])
def test_numbers_in_the_targets_unit(mlp, compare, table, loss: str) -> None:
    rows, _ = random_table(table, ["width", "height"])
    prices = [f"{250_000 + 90_000 * float(row[0]):.2f}" for row in rows.cells]
    write_csv(Path("rows.csv"), rows, prices, "price")
    mlp.ok("train", "--data", "rows.csv", "--task", "regression", "--loss", loss, *SMALL, *EXACT)
    compare(rows, "model.npz")


def test_a_committee_of_numbers_that_were_standardised_otherwise(mlp, compare, table) -> None:
    rows, _ = random_table(table, ["width", "height"])
    for seed in (0, 1):
        numbers = [f"{(seed + 1) * float(row[0]) + 5 * seed:.4f}" for row in rows.cells]
        write_csv(Path("rows.csv"), rows, numbers, "number")
        mlp.ok("train", "--data", "rows.csv", "--task", "regression", *SMALL, "-o", f"{seed}.npz")
    compare(rows, "0.npz", "1.npz")


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_the_members_of_one_file(mlp, compare, table, task: str) -> None:
    """Each has an encoding of its own: a rare category is not in the rows of all."""
    rows, labels = random_table(table, ["width", "height", "shop"])
    for number, row in enumerate(rows.cells):
        row[2] = "rare" if number in (7, 31) else "abc"[number % 3]
    numbers = [f"{3 * float(row[0]) - 7:.4f}" for row in rows.cells]
    write_csv(Path("rows.csv"), rows, labels if task == "classification" else numbers)
    about = ("--data", "rows.csv", "--task", task, "--embedding", "none", *SMALL)
    mlp.ok("train", *about, "--members", 12, "-o", "all.npz")
    compare(rows, "all.npz")


def test_a_committee_of_networks_that_were_scaled_otherwise(mlp, compare, table) -> None:
    rows, labels = random_table(table, ["width", "height"])
    write_csv(Path("rows.csv"), rows, labels)
    for seed, (hidden, scale) in enumerate([("5", "auto"), ("none", "none"), ("4,3", "auto")]):
        mlp.ok(
            *("train", "--data", "rows.csv", "--seed", seed, "--hidden", hidden),
            *("--scale", scale, "--epochs", 9, "-q", "-o", f"{seed}.npz"),
        )
    compare(rows, "0.npz", "1.npz", "2.npz")

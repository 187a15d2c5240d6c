"""--init-from: the run starts as the same function of the raw rows, or it is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.runs.model import load

ONE_STEP = ("--epochs", "1", "--lr", "1e-30", "--reg", "0", "-q")  # the weights stay as they were
NET = ("--hidden", "6", "--activation", "tanh")


def write(name: str, heads: list[str], values: Any, labels: Any) -> str:
    rows = [
        ",".join([*(f"{value:.5f}" for value in row), str(label)])
        for row, label in zip(values, labels, strict=True)
    ]
    Path(name).write_text("\n".join([",".join(heads), *rows]) + "\n")
    return name


@pytest.fixture
def tables(mlp) -> tuple[str, str, str]:
    """A table; another of the same columns in another order, with other rows; the two again."""
    rng = np.random.default_rng(0)
    x = rng.normal([5, -100, 0.01], [2, 30, 0.001], (90, 3))
    labels = np.where(x[:, 0] + x[:, 1] / 15 > -2, "left", "right")
    first = write("first.csv", ["a", "b", "c", "label"], x, labels)
    z = rng.normal([8, -50, 0.02], [1, 10, 0.004], (60, 3))
    kinds = np.where(z[:, 0] > 8, "left", "right")
    second = write("second.csv", ["c", "a", "b", "label"], z[:, [2, 0, 1]], kinds)
    again = write("again.csv", ["a", "b", "c", "label"], z, kinds)
    return first, second, again


def probabilities(mlp, model: str, data: str) -> Any:
    lines = mlp.ok("predict", model, data, "--probabilities").out.splitlines()[1:]
    return np.array([[float(p) for p in line.split(",")[1:]] for line in lines])


@pytest.mark.parametrize("embedding", ["none", "periodic"])
@pytest.mark.parametrize("scale", ["standard", "none"])
def test_columns_are_mapped_by_name_and_the_scaling_is_taken_over(
    mlp, tables, scale: str, embedding: str
) -> None:
    first, second, again = tables
    scaled = "learned" if embedding == "periodic" else "none"
    net, standard = (
        (*NET, "--embedding", embedding, "--input-scale", scaled),
        ("--scale", "standard", "--epochs", 5),
    )
    mlp.ok("train", "--data", first, *net, *standard, "-q", "-o", "old.npz")
    mlp.ok(
        *("train", "--data", second, *net, *ONE_STEP, "--dtype", "float64", "--scale", scale),
        *("--init-from", "old.npz", "-o", "new.npz"),
    )
    old, new = probabilities(mlp, "old.npz", again), probabilities(mlp, "new.npz", second)
    np.testing.assert_allclose(new, old, atol=2e-5)
    assert load(Path("new.npz")).columns == ["c", "a", "b"]


def test_numbers_keep_their_unit(mlp) -> None:
    rng = np.random.default_rng(0)
    for name, low in (("old.csv", 0), ("new.csv", 500)):
        x = rng.normal(size=(100, 2))
        write(name, ["a", "b", "target"], x, low + 10 * x[:, 0] + x[:, 1] + 0.5)
    exact = ("--dtype", "float64")
    mlp.ok("train", "--data", "old.csv", *NET, *exact, "--epochs", 5, "-q", "-o", "old.npz")
    started = ("--init-from", "old.npz", "-o", "new.npz", *exact)
    mlp.ok("train", "--data", "new.csv", *NET, *ONE_STEP, *started)
    answers = [
        [float(line.split(",")[0]) for line in mlp.ok("predict", m, "old.csv").out.splitlines()[1:]]
        for m in ("old.npz", "new.npz")
    ]
    np.testing.assert_allclose(answers[1], answers[0], rtol=1e-4)


@pytest.mark.parametrize(
    ("heads", "said"),
    [
        (["a", "b", "d"], "was trained on a column 'c' that is no input here"),
        (["a", "b"], "was trained on a column 'c' that is no input here"),
        (["a", "b", "c", "d"], "was not trained on the column 'd' of these data"),
    ],
)
def test_other_columns_are_refused(mlp, tables, heads: list[str], said: str) -> None:
    mlp.ok("train", "--data", tables[0], *NET, "--epochs", 1, "-q", "-o", "old.npz")
    values = np.random.default_rng(0).normal(size=(60, len(heads)))
    data = write("other.csv", [*heads, "label"], values, ["left", "right"] * 30)
    assert mlp.error("train", "--data", data, *NET, "--init-from", "old.npz", "-q") == (
        3,
        f"old.npz: {said}; its weights would mean something else",
    )


def test_a_column_in_another_unit_is_refused_and_one_without_is_taken_for_the_same(mlp) -> None:
    for name, unit in (("kg", " kg"), ("lb", " lb"), ("bare", "")):
        rows = [f"{i % 11}{unit},{i % 7},{'ab'[i % 2]}" for i in range(40)]
        Path(f"{name}.csv").write_text("\n".join(["a,b,kind", *rows]) + "\n")
    mlp.ok("train", "--data", "kg.csv", *NET, "--epochs", 1, "-q", "-o", "old.npz")
    started = ("--init-from", "old.npz", *NET, *ONE_STEP, "-q", "-o", "new.npz")
    assert mlp.error("train", "--data", "lb.csv", *started) == (
        3,
        "old.npz: takes column 'a' in another unit (kg and lb); its weights would mean something "
        "else",
    )
    mlp.ok("train", "--data", "bare.csv", *started)


def test_another_activation_is_refused(mlp, tables) -> None:
    mlp.ok("train", "--data", tables[0], *NET, "--epochs", 1, "-q", "-o", "old.npz")
    command = ("train", "--data", tables[1], "--hidden", 6, "--init-from", "old.npz", "-q")
    said = "old.npz: was trained with another activation; give --activation tanh"
    assert mlp.error(*command, "--activation", "relu") == (3, said)
    mlp.ok(*command, "--activation", "tanh", "--epochs", 1)


def test_another_embedding_is_refused(mlp, tables) -> None:
    command = ("train", "--data", tables[0], *NET, "--epochs", 1, "-q")
    for own, other in (("none", "periodic"), ("periodic", "none")):
        mlp.ok(*command, "--embedding", own, "-o", "old.npz")
        said = f"old.npz: was trained with other inputs; give --embedding {own}"
        started = (*command, "--embedding", other, "--init-from", "old.npz")
        assert mlp.error(*started) == (3, said)


def test_pixels_of_another_range_are_refused(mlp) -> None:
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (40, 8, 8)).astype(np.uint8)
    np.savez("bytes.npz", X=small, y=np.arange(40) % 10)
    mlp.ok("train", "--data", "digits", "--hidden", 4, "--epochs", 1, "-q", "-o", "old.npz")
    assert mlp.error(
        *("train", "--data", "bytes.npz", "--hidden", 4, "--init-from", "old.npz", "-q")
    ) == (
        3,
        "old.npz: was trained on pixels up to 16, these go up to 255; "
        "its weights would mean something else",
    )


def test_columns_without_names_go_by_their_order(mlp, tables) -> None:
    for name, source in (("p.csv", tables[0]), ("q.csv", tables[2])):
        Path(name).write_text("\n".join(Path(source).read_text().splitlines()[1:]) + "\n")
    mlp.ok("train", "--data", "p.csv", *NET, "--epochs", 5, "-q", "-o", "old.npz")
    mlp.ok(
        *("train", "--data", "q.csv", *NET, *ONE_STEP, "--dtype", "float64"),
        *("--init-from", "old.npz", "-o", "new.npz"),
    )
    old, new = probabilities(mlp, "old.npz", "q.csv"), probabilities(mlp, "new.npz", "q.csv")
    np.testing.assert_allclose(new, old, atol=2e-5)


def mixed(rng: np.random.Generator, categories: str, *, hours: bool, gaps: bool) -> list[list[str]]:
    """60 rows of a category, a date, a number and a label; of later years if there are hours."""
    rows = []
    for index in range(60):
        hour = f"T{rng.integers(8, 20):02d}:00" if hours else ""
        month = rng.integers(1, 13 if hours else 8)
        rows.append(
            [
                categories[rng.integers(len(categories))],
                f"20{rng.integers(20, 24) if hours else rng.integers(10, 14)}"
                f"-{month:02d}-{rng.integers(1, 28):02d}{hour}",
                "" if gaps and rng.random() < 0.2 else f"{rng.normal(3, 2 + hours):.4f}",
                ("left", "right")[index % 2],
            ]
        )
    return rows


@pytest.mark.parametrize("embedding", ["none", "periodic"])
@pytest.mark.parametrize("scale", ["standard", "robust"])
@pytest.mark.parametrize("later", [{"hours": True, "gaps": True}, {"hours": False, "gaps": False}])
@pytest.mark.parametrize(
    "earlier", [{"hours": False, "gaps": True}, {"hours": True, "gaps": False}]
)
def test_categories_dates_and_gaps_mean_what_they_meant(
    mlp, scale: str, later: dict[str, bool], earlier: dict[str, bool], embedding: str
) -> None:
    """Some categories, months and hours are of one side only, and so are missing numbers."""
    rng = np.random.default_rng(3)
    old, new = mixed(rng, "abcde", **earlier), mixed(rng, "bcdefg", **later)
    heads = ["place", "when", "amount", "label"]
    Path("old.csv").write_text("\n".join([",".join(heads), *map(",".join, old)]) + "\n")
    order = [2, 0, 1, 3]
    lines = [",".join(row[j] for j in order) for row in [heads, *new]]
    Path("new.csv").write_text("\n".join(lines) + "\n")
    options = (*NET, "--scale", scale, "--embedding", embedding, "--dtype", "float64", "-q")
    all_rows = ("--test-fraction", 0, "--val-fraction", 0)
    mlp.ok("train", "--data", "old.csv", *options, *all_rows, "--epochs", 10, "-o", "old.npz")
    started = ("--init-from", "old.npz", "-o", "new.npz")
    mlp.ok("train", "--data", "new.csv", *options, *ONE_STEP[:-1], *started, *all_rows)
    first, second = (
        probabilities(mlp, "old.npz", "new.csv"),
        probabilities(mlp, "new.npz", "new.csv"),
    )
    np.testing.assert_allclose(second, first, atol=2e-5)
    assert np.ptp(first[:, 0]) > 0.1


@pytest.mark.parametrize(
    ("unit", "offset", "warned"),
    [(1, 0, False), (2, 5, False), (1000, 50_000, True), (0.01, 0, True)],
)
def test_targets_of_another_unit_are_warned_of(
    mlp, unit: float, offset: float, warned: bool
) -> None:
    """The network starts with the answers of the other, so that it has far to go."""
    for name, scale, base in (("old", 1, 0), ("new", unit, offset)):
        rows = [f"{i % 29},{i % 7},{scale * (i % 29 * 2.5 + i % 7) + base}" for i in range(200)]
        Path(f"{name}.csv").write_text("\n".join(["a,b,y", *rows]) + "\n")
    mlp.ok("train", "--data", "old.csv", "--epochs", 1, "-o", "old.npz", "-q")
    given = ("--data", "new.csv", "--init-from", "old.npz", "--epochs", 1, "-o", "new.npz")
    said = mlp("train", *given).err  # it may diverge
    there = "those that old.npz was trained on from 0 to 7[0-9], .*; give them in the same unit"
    assert bool(re.search(there, said)) == warned

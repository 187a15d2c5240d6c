"""Which task the labels of a data set make, by the rule that a person can read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli import Model
from mlpcli.config.kinds import NAMED_DATA
from mlpcli.data.catalog import NAMES, TABLES
from mlpcli.errors import DataError
from mlpcli.schema import reader
from mlpcli.tasks.choice import TASKS, TaskRecord, choose_kind


@pytest.mark.parametrize(
    ("labels", "table", "kind"),
    [
        (["17", "x"] * 300, True, "classification"),
        (np.arange(20), True, "classification"),
        (np.arange(21), True, "regression"),
        (np.arange(21.0), True, "regression"),  # 17 and 17.0 are the same
        (np.arange(21), False, "classification"),
        (np.repeat(np.arange(30), 30), True, "classification"),  # 30 of 900: √900
        (np.repeat(np.arange(31), 29), True, "regression"),  # 31 of 899
        (np.arange(20) / 2, True, "classification"),
        (np.arange(21) / 2, True, "regression"),
        (np.arange(21) / 2, False, "regression"),
    ],
)
def test_auto_goes_by_how_many_labels_differ(labels: Any, table: bool, kind: str) -> None:
    assert choose_kind("auto", np.array(labels), "points.csv", table=table) == kind


def test_what_was_asked_for_is_done() -> None:
    y = np.arange(100)
    assert choose_kind("classification", y, "points.csv", table=True) == "classification"
    assert choose_kind("regression", y % 2, "points.csv", table=True) == "regression"
    with pytest.raises(DataError, match=r"^points\.csv: its labels are text, which no regression"):
        choose_kind("regression", np.array(["a"]), "points.csv", table=True)


FRACTIONS = [k / 4 for k in range(30)]


@pytest.mark.parametrize("numbers", [FRACTIONS, list(range(30))], ids=["fractions", "integers"])
@pytest.mark.parametrize("given", [("--task", "classification"), ("--categorical", "y")])
def test_a_label_of_many_numbers_is_of_classes_if_that_is_said(
    mlp, numbers: list[float], given: tuple[str, str]
) -> None:
    cells = [f"{number:g}" for number in numbers for _ in range(20)]
    rows = [f"{i % 7},{cell}" for i, cell in enumerate(cells)]
    Path("rows.csv").write_text("\n".join(["a,y", *rows]) + "\n")
    mlp.ok("train", "--data", "rows.csv", *given, "--epochs", 1, "-q")
    assert sorted(map(str, Model.load("model.npz").classes)) == sorted(set(cells))
    mlp.ok("evaluate", "model.npz")
    said = mlp.ok("predict", "model.npz", "rows.csv").err
    assert " of 600 right" in said
    assert "does not know" not in said


@pytest.mark.parametrize("asked", [("--task", "regression"), ()], ids=["asked for", "auto"])
@pytest.mark.parametrize("part", ["--test-data", "--val-data"])
def test_whole_numbers_to_predict_have_fractions_beside_them(
    mlp, asked: tuple[str, ...], part: str
) -> None:
    whole = [f"{i % 37},{3 * (i % 37)}" for i in range(400)]
    fractions = [f"{i % 37},{3 * (i % 37) + 0.5}" for i in range(40)]
    Path("whole.csv").write_text("\n".join(["a,y", *whole]) + "\n")
    Path("fractions.csv").write_text("\n".join(["a,y", *fractions]) + "\n")
    given = (*mlp.PLAIN, "--hidden", "none", "--epochs", 40, "-q")
    mlp.ok("train", "--data", "whole.csv", *asked, part, "fractions.csv", *given)
    split = part.removeprefix("--").removesuffix("-data")
    said = mlp.ok("evaluate", "model.npz", "--split", split, "--json").json
    assert (said["samples"], said["mae"]) == (40, pytest.approx(0.5, abs=0.4))


def test_a_row_to_be_answered_needs_no_number_for_its_label(mlp) -> None:
    rows = [f"{i},{3 * i + 0.5}" for i in range(60)]
    Path("rows.csv").write_text("\n".join(["a,y", *rows]) + "\n")
    mlp.ok("train", "--data", "rows.csv", "--epochs", 1, "-q")
    Path("new.csv").write_text("a,y\n1,3.5\n2,to be seen\n3,\n")
    outcome = mlp.ok("predict", "model.npz", "new.csv")
    assert len([float(line) for line in outcome.out.splitlines()[1:]]) == 3
    assert outcome.err.endswith(" over 1 row\n")
    assert mlp.error("evaluate", "model.npz", "--data", "new.csv") == (
        3,
        "new.csv: row 3, column 'y': 'to be seen' is not a number, as most are; correct it, or "
        "leave it empty",
    )


@pytest.mark.parametrize("shape", [(4,), (2, 2)], ids=["columns", "images"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_fractions_of_arrays_are_predicted_as_numbers(mlp, shape: Any, dtype: Any) -> None:
    X = np.random.default_rng(0).normal(size=(200, *shape)).astype(np.float32)
    y = (X.reshape(200, -1) @ [1.0, 2.0, -1.0, 0.5]).astype(dtype)
    np.savez("rows.npz", X=X, y=y)
    np.savez("few.npz", X=X[:9], y=y[:9])
    Path("folder").mkdir()
    np.save("folder/X.npy", X)
    np.save("folder/y.npy", y)
    given = (*mlp.PLAIN, "--hidden", "none", "--epochs", 60, "-q")
    for data in ("rows.npz", "folder"):
        mlp.ok("train", "--data", data, *given)
        assert mlp.ok("evaluate", "model.npz", "--json").json["r2"] > 0.9
        outcome = mlp.ok("predict", "model.npz", "few.npz")
        answers = [float(line) for line in outcome.out.splitlines()[1:]]
        assert answers == pytest.approx(y[:9].astype(float), abs=0.6)
        assert outcome.err.startswith("few.npz: RMSE ")
        mlp.ok("evaluate", "model.npz", "--data", "few.npz")


def test_rows_of_an_array_to_be_answered_may_lack_a_number(mlp) -> None:
    X = np.random.default_rng(0).normal(size=(100, 3))
    np.savez("rows.npz", X=X, y=X[:, 0])
    np.savez("new.npz", X=X[:9], y=np.where(np.arange(9) < 2, np.nan, X[:9, 0]))
    mlp.ok("train", "--data", "rows.npz", "--epochs", 1, "-q")
    outcome = mlp.ok("predict", "model.npz", "new.npz")
    assert len(outcome.out.splitlines()) == 10
    assert outcome.err.endswith(" over 7 rows\n")
    code, text = mlp.error("evaluate", "model.npz", "--data", "new.npz")
    assert (code, text) == (
        3,
        "new.npz: y: the label nan (sample 1) is not finite; remove the sample",
    )


def test_fractions_of_arrays_are_no_classes(mlp) -> None:
    np.savez("rows.npz", X=np.eye(30), y=np.arange(30) % 3 / 2)
    said = (
        "rows.npz: y: the label 0.5 (sample 2) is not an integer; classes are integers or text, "
        "and --task regression predicts numbers"
    )
    assert mlp.error("train", "--data", "rows.npz", "-q") == (3, said)
    mlp.ok("train", "--data", "rows.npz", "--task", "regression", "--epochs", 1, "-q")


@pytest.mark.parametrize("kind", TASKS)
def test_a_task_is_read_back_as_it_was_written(kind: str) -> None:
    task = TASKS[kind].learn(np.array([3, 1, 8, 1]), "points.csv")
    again = reader(TaskRecord)(task.to_json()).task()
    assert again.to_json() == task.to_json()
    assert again.encode(np.array([8])).tolist() == task.encode(np.array([8])).tolist()


def test_the_named_data_sets_of_config_are_those_of_the_catalog() -> None:
    assert set(NAMED_DATA) == set(NAMES) - set(TABLES)

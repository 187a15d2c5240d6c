"""Which task the labels of a data set make, by the rule that a person can read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlpcli.config.kinds import NAMED_DATA, NAMED_TABLES
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


@pytest.mark.parametrize("kind", TASKS)
def test_a_task_is_read_back_as_it_was_written(kind: str) -> None:
    task = TASKS[kind].learn(np.array([3, 1, 8, 1]), "points.csv")
    again = reader(TaskRecord)(task.to_json()).task()
    assert again.to_json() == task.to_json()
    assert again.encode(np.array([8])).tolist() == task.encode(np.array([8])).tolist()


def test_the_named_data_sets_of_config_are_those_of_the_catalog() -> None:
    assert set(NAMED_DATA) | set(NAMED_TABLES) == set(NAMES)
    assert set(NAMED_TABLES) == set(TABLES)

"""An evaluation as text and as JSON."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from mlpcli.evaluation.results import as_json
from mlpcli.tasks.classification import (
    CONFUSION_LIMIT,
    Classification,
    ClassReport,
    class_table,
    confusion_table,
)


def report_of(loss: float, confusion: Any) -> ClassReport:
    """The report with this confusion matrix."""
    true, said = np.indices(np.shape(confusion)).reshape(2, -1)
    counts = np.ravel(confusion)
    return ClassReport(np.repeat(true, counts), np.repeat(said, counts), len(confusion), loss)


SCORES = report_of(0.25, np.array([[1234, 6, 0], [5, 95, 0], [0, 10, 0]]))


def test_json_has_everything_in_plain_numbers() -> None:
    labels = ["x", "y", "z"]
    task = Classification(np.array(labels))
    value = as_json(["a.npz", "b.npz"], "points.csv", "test", labels, SCORES, task)
    assert json.loads(json.dumps(value, allow_nan=False)) == {
        "task": "classification",
        "checkpoints": ["a.npz", "b.npz"],
        "data": "points.csv",
        "split": "test",
        "samples": 1350,
        "loss": 0.25,
        "accuracy": 1329 / 1350,
        "error_rate": 1 - 1329 / 1350,
        "per_class": [
            {
                "label": "x",
                "precision": 1234 / 1239,
                "recall": 1234 / 1240,
                "f1": 2468 / 2479,
                "support": 1240,
            },
            {"label": "y", "precision": 95 / 111, "recall": 0.95, "f1": 190 / 211, "support": 100},
            {"label": "z", "precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 10},
        ],
        "confusion": [[1234, 6, 0], [5, 95, 0], [0, 10, 0]],
    }


def test_the_headline_has_accuracy_with_its_interval_error_and_loss() -> None:
    assert SCORES.describe() == (
        "accuracy 98.44 % (95 % interval 97.63 to 98.98)  error 1.56 %  loss 0.2500"
    )


def test_the_class_table_is_aligned() -> None:
    assert class_table(["x", "a long name", "z"], SCORES) == (
        "class        precision   recall       f1  support\n"
        "x              99.60 %  99.52 %  99.56 %    1,240\n"
        "a long name    85.59 %  95.00 %  90.05 %      100\n"
        "z               0.00 %   0.00 %   0.00 %       10"
    )


def test_the_confusion_table_has_true_rows_and_predicted_columns_and_dots_for_none() -> None:
    assert confusion_table(["x", 7, "z"], SCORES) == (
        "true \\ predicted     x   7  z\n"
        "x                 1234   6  .\n"
        "7                    5  95  .\n"
        "z                    .  10  ."
    )


def test_a_matrix_of_many_classes_is_left_to_json() -> None:
    C = CONFUSION_LIMIT
    shown = confusion_table(range(C), report_of(0.0, np.eye(C, dtype=np.int64)))
    assert shown.count("\n") == C
    C += 1
    shown = confusion_table(range(C), report_of(0.0, np.eye(C, dtype=np.int64)))
    assert shown == f"(the confusion matrix of {C} classes is in --json)"

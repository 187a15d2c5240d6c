"""What an ONNX file says of itself, and that it is one that others can read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="onnx is not installed (make test-peers)")
onnxruntime = pytest.importorskip(
    "onnxruntime", reason="onnxruntime is not installed (make test-peers)"
)

pytestmark = pytest.mark.peers


def session_of(mlp: Any, *models: object) -> Any:
    mlp.ok("export", *(models or ["model.npz"]), "model.onnx")
    return onnxruntime.InferenceSession("model.onnx")


def signature(values: Any) -> list[tuple[str, str, list[Any]]]:
    return [(value.name, value.type, value.shape) for value in values]


def test_a_table_has_an_input_for_each_column_and_text_for_labels(mlp, points: Path) -> None:
    mlp.ok("train", "--data", points, "--epochs", 2, "-q")
    session = session_of(mlp)
    assert signature(session.get_inputs()) == [
        ("width", "tensor(double)", ["N", 1]),
        ("height", "tensor(double)", ["N", 1]),
    ]
    assert signature(session.get_outputs()) == [
        ("label", "tensor(string)", ["N"]),
        ("probabilities", "tensor(float)", ["N", 3]),
    ]


def test_images_have_one_input_and_numbers_for_labels(mlp) -> None:
    mlp.ok("train", "--data", "digits", "--hidden", 4, "--epochs", 1, "-q")
    session = session_of(mlp)
    assert signature(session.get_inputs()) == [("X", "tensor(float)", ["N", 64])]
    assert signature(session.get_outputs())[0] == ("label", "tensor(int64)", ["N"])


def test_a_regression_has_one_number_for_each_row(mlp) -> None:
    X = np.random.default_rng(0).normal(size=(40, 2))
    Path("rows.csv").write_text("".join(f"{a},{b},{1.5 * a}\n" for a, b in X.tolist()))
    mlp.ok("train", "--data", "rows.csv", "--task", "regression", "--epochs", 2, "-q")
    session = session_of(mlp)
    assert signature(session.get_inputs()) == [("X", "tensor(double)", ["N", 2])]
    assert signature(session.get_outputs()) == [("value", "tensor(double)", ["N"])]


@pytest.mark.parametrize("rows", [0, 1, 3, 5000])
def test_a_batch_may_have_any_number_of_rows(mlp, rows: int) -> None:
    mlp.ok("train", "--data", "digits", "--hidden", 4, "--epochs", 1, "-q")
    label, probs = session_of(mlp).run(None, {"X": np.zeros((rows, 64), np.float32)})
    assert (label.shape, probs.shape) == ((rows,), (rows, 10))


def test_the_checker_passes_and_versions_are_old_enough(mlp, points: Path) -> None:
    mlp.ok("train", "--data", points, "--epochs", 2, "-q")
    mlp.ok("export", "model.npz", "model.onnx")
    model = onnx.load("model.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert model.ir_version == 8
    assert {opset.domain: opset.version for opset in model.opset_import}[""] == 17
    assert model.producer_name == "mlp export"


def test_metadata_say_what_it_is_and_how_it_is_made_again(
    mlp, points: Path, checkpoints: Any
) -> None:
    mlp.ok("train", "--data", points, "--epochs", 2, "--threads", 1, "-q")
    found = session_of(mlp).get_modelmeta().custom_metadata_map
    assert json.loads(found["classes"]) == ["ant", "bee", "cow"]
    assert found["task"] == "classification"
    assert (found["data"], found["data_digest"]) == (
        str(points),
        checkpoints.meta("model.npz")["data"]["digest"],
    )
    assert json.loads(found["columns"]) == [
        {"input": "width", "column": "width", "position": 0, "kind": "number"},
        {"input": "height", "column": "height", "position": 1, "kind": "number"},
    ]
    train, export = found["repeat"].splitlines()
    assert train.startswith("mlp train ")
    assert export == "mlp export model.npz model.onnx"
    before = Path("model.onnx").read_bytes()
    mlp.ok(*export.split()[1:])
    assert Path("model.onnx").read_bytes() == before


def test_columns_called_like_outputs_have_other_inputs(mlp) -> None:
    names = ["label", "column label", "probabilities", "/Sub_1"]
    X = np.random.default_rng(0).normal(size=(40, 4))
    lines = [",".join([*names, "is"])]
    lines += [",".join([*(f"{x:.4f}" for x in row), "up" if row[0] > 0 else "down"]) for row in X]
    Path("rows.csv").write_text("\n".join(lines))
    mlp.ok("train", "--data", "rows.csv", "--epochs", 2, "-q")
    session = session_of(mlp)
    inputs = [each.name for each in session.get_inputs()]
    assert inputs == ["column label", "column column label", "column probabilities", "/Sub_1"]
    columns = json.loads(session.get_modelmeta().custom_metadata_map["columns"])
    assert [(each["column"], each["input"]) for each in columns] == list(
        zip(names, inputs, strict=True)
    )


def test_a_label_goes_by_scores_where_probabilities_are_all_one(mlp, checkpoints: Any) -> None:
    mlp.ok("train", "--data", "spiral", "--hidden", "none", "--loss", "mse", "--epochs", 1, "-q")
    W1, b1 = np.zeros((2, 3), np.float32), np.array([200, 300, 250], np.float32)
    checkpoints.rewrite("model.npz", W1=W1, b1=b1)
    label, probs = session_of(mlp).run(None, {"X": np.zeros((1, 2))})
    assert (label.tolist(), probs.tolist()) == ([1], [[1.0, 1.0, 1.0]])


def test_dates_of_a_table_that_writes_them_otherwise_are_told(mlp) -> None:
    for day, told in (("{d}/{m}/2020", True), ("2020-{m}-{d}", False)):
        rows = [
            (day.format(d=f"{k % 28 + 1:02}", m=f"{k % 12 + 1:02}"), "ab"[k % 12 > 5])
            for k in range(90)
        ]
        lines = [f"{when},{k % 7},{label}\n" for k, (when, label) in enumerate(rows)]
        Path("rows.csv").write_text("when,x,y\n" + "".join(lines))
        mlp.ok("train", "--data", "rows.csv", "--epochs", 2, "-q")
        said = mlp.ok("export", "model.npz", "model.onnx").err
        expected = (
            "ONNX takes dates as 2024-03-05; write those of when so, which the training table "
            "writes otherwise, or they count as missing\n"
        )
        assert said == (expected if told else "")

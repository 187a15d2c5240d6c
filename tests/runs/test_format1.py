"""Checkpoints of format 1, as mlp 0.1.0 wrote them, with what it then said of them.

`files/format1/known.json` has its figures, and the weights with which it ended each run.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli import MLP
from mlpcli.errors import CheckpointError
from mlpcli.runs.format1 import upgrade_progress
from mlpcli.runs.model import load

FILES = Path(__file__).parent / "files" / "format1"
KNOWN: dict[str, Any] = json.loads((FILES / "known.json").read_text())
RESUMABLE = [name for name, known in KNOWN.items() if "resumed" in known]

each = pytest.mark.parametrize("name", KNOWN)


@pytest.fixture(autouse=True)
def _files(mlp) -> None:
    for path in FILES.iterdir():
        shutil.copy(path, path.name)


def test_there_is_one_of_each_kind() -> None:
    models = {name: load(Path(f"{name}.npz"), resume=True) for name in KNOWN}
    assert {model.file.format for model in models.values()} == {1}
    configs = [model.config for model in models.values()]
    assert {c.train.optimizer for c in configs} >= {"momentum", "nesterov", "sgd", "adam", "adamw"}
    assert {c.train.average for c in configs} == {"none", "ema", "tail"}
    assert {c.model.dtype for c in configs} == {"float32", "float64"}
    assert {len(c.model.hidden) for c in configs} == {0, 1, 2}
    assert models["table"].columns == ["width", "height"]
    assert models["plain"].columns is None
    assert models["images"].data.image_shape == (4, 4)
    assert not models["linear"].file.resume
    assert json.loads(str(models["within"].file.resume["progress"]))["batch"] > 0


@each
def test_its_figures_are_what_they_were(mlp, name: str) -> None:
    for split, known in KNOWN[name]["evaluate"].items():
        said = mlp.ok("evaluate", f"{name}.npz", "--split", split, "--json").json
        assert {key: said[key] for key in known} == pytest.approx(known, rel=1e-5)


@each
def test_it_is_shown_and_predicts(mlp, name: str) -> None:
    mlp.ok("show", f"{name}.npz")
    (shown,) = mlp.ok("show", f"{name}.npz", "--json").json["models"]
    assert shown["architecture"] == load(Path(f"{name}.npz")).file.sizes
    rows = {"table": "points.csv", "plain": "plain.csv", "images": "pictures.npz"}.get(name)
    if rows:
        accuracy = {
            split: (figures["samples"], figures["accuracy"])
            for split, figures in KNOWN[name]["evaluate"].items()
        }
        right = round(sum(samples * share for samples, share in accuracy.values()))
        total = sum(samples for samples, _ in accuracy.values())
        said = mlp.ok("predict", f"{name}.npz", rows).err
        assert f"{right} of {total} right" in said


@pytest.mark.parametrize("name", RESUMABLE)
def test_it_is_resumed_to_the_weights_with_which_the_run_ended_then(
    mlp, checkpoints, name: str
) -> None:
    mlp.ok("train", "--resume", f"{name}.npz", "-q")
    meta, arrays = checkpoints.meta(f"{name}.npz"), checkpoints.arrays(f"{name}.npz")
    assert meta["format"] == 2
    assert meta["epoch"] == KNOWN[name]["epoch"]
    for key, (*first, total) in KNOWN[name]["resumed"].items():
        np.testing.assert_allclose(arrays[key].ravel()[:6], first, rtol=1e-3, atol=1e-5)
        assert np.abs(arrays[key]).sum() == pytest.approx(total, rel=1e-3)
    again = mlp.ok("evaluate", f"{name}.npz", "--split", "train", "--json").json
    assert again["samples"] == KNOWN[name]["evaluate"]["train"]["samples"]


@each
def test_python_loads_it(name: str) -> None:
    net = MLP.load(f"{name}.npz")
    assert net.sizes == load(Path(f"{name}.npz")).file.sizes


def test_other_weights_start_from_it(mlp, checkpoints) -> None:
    mlp.ok(
        *("train", "--data", "points.csv", *mlp.PLAIN, "--hidden", "4", "--epochs", "1"),
        *("--init-from", "table.npz", "-o", "new.npz", "-q"),
    )
    assert checkpoints.meta("new.npz")["format"] == 2


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("scaling.factor", float("nan"), "scaling.factor is nan, expected a number"),
        ("scaling.factor", "much", "scaling.factor is 'much', expected a number"),
        ("scaling.factor", [1.0], "has a factor of 1 inputs, but the network takes 2"),
        ("scaling.shift", [1.0], "has a shift of 1 inputs, but the network takes 2"),
        ("scaling.shift", [1e400] * 2, "scaling.shift[0] is inf, expected a number"),
        ("scaling", {}, "scaling has no 'factor'"),
        ("classes", [], "task.classes has 0 items"),
        ("classes", ["ant", "bee"], "it has 2 classes for 3 outputs"),
        (
            "classes",
            ["ant", "bee", "ant"],
            "task has classes that are not sorted, or twice the same",
        ),
        ("data.columns", 0, "data.columns is 0, expected a list"),
        ("data.columns", ["width"], "names 1 columns, but the network takes 2 inputs"),
        ("data.surplus", 5, "data has an unknown key 'surplus'"),
        ("history", [[]], "history[0] is a list, expected an object"),
        ("init_from", 7, "init_from is 7, expected text"),
        ("task", {}, "it has an unknown key 'task'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_damaged_one_is_refused_with_the_reason(
    mlp, checkpoints, path: str, value: Any, said: str
) -> None:
    meta = checkpoints.meta("table.npz")
    inner = meta
    *parents, last = path.split(".")
    for name in parents:
        inner = inner[name]
    inner[last] = value
    checkpoints.rewrite("table.npz", meta=json.dumps(meta))
    code, text = mlp.error("evaluate", "table.npz")
    assert code == 3
    assert text.startswith(f"table.npz: `meta` is damaged: {said}")


def test_its_progress_becomes_the_tasks() -> None:
    old = {"epoch": 1, "batch": 2, "step": 12, "loss_sum": 3.5, "correct": 7, "averaged": 0}
    new = upgrade_progress(old | {"best_epoch": 1, "best_accuracy": 0.5, "best_loss": 0.7}, 4)
    assert new["sums"] == [3.5, 7.0, 8.0]
    assert (new["best_rank"], new["best_score"]) == ([0.5, -0.7], 0.5)
    assert upgrade_progress({"epoch": 0, "best_accuracy": -1.0}, 4)["best_rank"] == []


def test_a_name_of_an_ancestor_without_more_is_kept_as_unknown(checkpoints) -> None:
    meta = checkpoints.meta("table.npz") | {"init_from": "base.npz"}
    checkpoints.rewrite("table.npz", meta=json.dumps(meta))
    (ancestor,) = load(Path("table.npz")).ancestors
    assert (ancestor.path, ancestor.saw) == ("base.npz", "unknown")


def test_a_newer_format_is_refused_by_number(checkpoints) -> None:
    checkpoints.rewrite("table.npz", meta=json.dumps(checkpoints.meta("table.npz") | {"format": 3}))
    with pytest.raises(CheckpointError, match=r"^table\.npz: is of format 3; this mlp reads up to"):
        load(Path("table.npz"))

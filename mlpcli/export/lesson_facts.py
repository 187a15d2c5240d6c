"""What the lesson needs to know of a model, as JSON: its weights, its inputs, a dozen samples."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mlpcli import __version__
from mlpcli.arrays import Array
from mlpcli.data.dataset import Dataset
from mlpcli.data.encoding import Encoding
from mlpcli.data.split import Split
from mlpcli.errors import CheckpointError, MlpError, UsageError
from mlpcli.evaluation.metrics import Scorer, predict_members
from mlpcli.export.lesson_inputs import (
    describe_columns,
    describe_encoding,
    describe_image,
    recoded,
)
from mlpcli.export.request import Request
from mlpcli.nn.embeddings import OUTPUTS
from mlpcli.nn.input_scale import without
from mlpcli.nn.model_file import read_model
from mlpcli.records import record
from mlpcli.runs import build
from mlpcli.runs.model import Model
from mlpcli.runs.own_data import open_rows
from mlpcli.runs.seen import refuse_seen
from mlpcli.tasks.regression import Regression

MOST = 1_000_000
"""Parameters of a network that a page can still compute with as one draws."""

_SAMPLES, _WRONG = 12, 4
_POINTS = 600  # of a plane
_EPOCHS = 300  # of a curve: more are not seen
_UNITS = 100  # of the first layer, whose weights before and after training are shown
_PICTURED = 100_000  # of these weights
_EMBEDDINGS = ("E1", "E2", "E3", "E4")  # w, b, V and c; see `mlpcli.nn.embeddings`
_FINE = ((64_000, np.float64), (160_000, np.float32))  # bytes up to which weights are so exact


def facts(request: Request) -> dict[str, Any]:
    """All that the page is told; the keys are declared in `page/lesson.mjs`.

    Raises:
        UsageError: it is several networks, or one that is too large for a page.
    """
    model = _only(request)
    own = _OwnRows.of(model, request)
    return {
        "title": f"{model.file.path.name}: a lesson in backpropagation",
        "name": model.file.path.name,
        "source": model.data.source,
        "made": f"mlp {__version__}",
        "commands": list(request.commands),
        "network": _network(model),
        "classes": _class_names(model),
        "target": _target(model),
        "image": describe_image(model),
        "columns": describe_columns(model, (own.data, own.train) if own else None),
        "encoding": _with_waves(describe_encoding(model), model),
        "samples": _samples(model, own) if own else [],
        "points": _points(model, own) if own else None,
        "figures": _figures(model, own) if own else None,
        "history": _history(model),
        "firstLayer": _first_layer(model),
    }


def _only(request: Request) -> Model:
    """The one network."""
    if len(request.members) > 1:
        raise UsageError(
            f"a lesson is of one network, and these are {len(request.members)}; "
            "choose one by --member I, counted from 0"
        )
    model = request.members[0]
    count = len(model.network().parameters.flat)
    if count > MOST:
        raise UsageError(
            f"{model.file.path}: has {count:,} parameters, and a lesson takes at most {MOST:,}; "
            "train a smaller network for it, as by --hidden 100"
        )
    return model


@record
class _OwnRows:
    """The model's own data, its training rows, and those that it is tested on, if there are any."""

    data: Dataset
    train: Split
    test: Split
    encoding: Encoding

    @classmethod
    def of(cls, model: Model, request: Request) -> _OwnRows | None:
        """Those of a model; None if its data are gone, and a notice says so."""

        def part(name: str | None) -> tuple[Dataset, Split]:
            about: dict[str, Any] = {"source": None, "label_column": None, "split_name": name}
            return open_rows(model, request.data_dir, **about)

        try:
            data, train = part("train")
            _, test = part(None)
        except MlpError as error:
            request.notice(f"without samples: {error}")
            return None
        try:
            refuse_seen([model], data, test)
        except CheckpointError as error:
            request.notice(f"with training rows as samples: {error}")
            test = train
        return cls(data, train, test, replace(model.encoding, read=data.columns))


# The network


def _network(model: Model) -> dict[str, Any]:
    file = model.file
    params = {n: array for n, array in file.plain_params.items() if n not in _EMBEDDINGS}
    size = sum(array.size for array in params.values())
    dtype = next((d for most, d in _FINE if size * np.dtype(d).itemsize <= most), np.float16)
    if any(float(np.abs(p).max()) > 6e4 for p in params.values()):
        dtype = np.float32 if dtype == np.float16 else dtype  # half precision ends there
    return {
        "sizes": [len(params["W1"]), *file.sizes[1:]],
        "activation": model.config.model.activation,
        "loss": model.config.model.loss,
        "reg": model.config.train.reg,
        "params": {name: _packed(array, dtype) for name, array in params.items()},
    }


def _with_waves(encoding: dict[str, Any], model: Model) -> dict[str, Any]:
    """The encoding of columns, and before it the periodic embeddings of its first numbers."""
    M = model.file.embedded
    if not M:
        return encoding
    arrays = [model.file.params[name].reshape(M, -1) for name in _EMBEDDINGS]
    blocks, names = encoding["blocks"], [str(k + 1) for k in range(OUTPUTS)]
    numbers = [block["part"] for block in blocks if block["of"] == "number"]
    waves = [
        {"part": part, "of": "wave", "values": names, "start": OUTPUTS * k}
        for k, part in enumerate(numbers[:M])
    ]
    rest = [block | {"start": block["start"] + OUTPUTS * M} for block in blocks]
    waved = np.concatenate(arrays, axis=1)
    return encoding | {"blocks": waves + rest, "waves": _packed(waved, waved.dtype)}


def _packed(array: Array, dtype: Any) -> dict[str, Any]:
    data = np.ascontiguousarray(array, np.dtype(dtype).newbyteorder("<"))
    return {"dtype": np.dtype(dtype).name, "data": base64.b64encode(data.tobytes()).decode()}


def _levels(array: Array, scale: float) -> dict[str, Any]:
    """Weights to be looked at: 127 levels on either side of 0."""
    levels = np.clip(np.rint(array / scale), -127, 127)
    return _packed(levels, np.int8) | {"scale": scale}


# What it answers


def _target(model: Model) -> dict[str, Any] | None:
    """What a regression predicts: its unit is (value − shift)·factor."""
    task = model.task
    if not isinstance(task, Regression):
        return None
    name = model.data.label_name or "the value"
    return {"name": name, "shift": task.mean, "factor": 1 / task.deviation}


def _class_names(model: Model) -> list[str]:
    names = model.data.class_names
    return [
        names[label] if names and isinstance(label, int) and 0 <= label < len(names) else str(label)
        for label in model.classes.tolist()
    ]


# Its rows


def _some(rows: Array, most: int) -> Array:
    """At most so many of the rows, evenly."""
    return rows[:: max(1, math.ceil(len(rows) / most))]


def _samples(model: Model, own: _OwnRows) -> list[dict[str, Any]]:
    """A dozen rows that the network is tested on, wrong ones among them, by class.

    Of a regression, those with the largest errors are taken for wrong ones.
    """
    task, test = model.task, own.test
    _, said = predict_members([(model.network(), own.encoding)], test, task)
    if isinstance(task, Regression):
        labels, kinds = task.decode(said.y), task.strata(said.y)
        is_wrong = np.zeros(len(labels), bool)
        is_wrong[np.argsort(-said.losses, kind="stable")[: min(_WRONG, len(labels) // 3)]] = True
    else:
        labels = kinds = said.y
        is_wrong = said.answers != said.y
    mistakes = _varied(np.flatnonzero(is_wrong), kinds, _WRONG)
    chosen = mistakes + _varied(np.flatnonzero(~is_wrong), kinds, _SAMPLES - len(mistakes))
    chosen.sort(key=lambda place: (labels[place], place))
    rows = replace(test, rows=test.rows[chosen])
    raw = recoded(model, own.data, rows)
    dtype: Any = np.uint8 if test.X.dtype == np.uint8 else np.float64
    dtype = np.float32 if model.encoding.pose else dtype
    samples = []
    for row, label, values in zip(rows.rows.tolist(), labels[chosen].tolist(), raw, strict=True):
        number, file = test.file_rows.find(row)
        where = {"row": number} if file is None else {"row": number, "file": file}
        samples.append({**where, "label": label, "raw": _packed(values, dtype)})
    return samples


def _varied(places: Array, y: Array, count: int) -> list[int]:
    """Some of the places, from as many classes as there are, the same each time."""
    drawn = np.random.default_rng(0).permutation(places)
    turns: dict[int, int] = {}
    ranked = []
    for place in drawn.tolist():
        k = int(y[place])
        turns[k] = turns.get(k, 0) + 1
        ranked.append((turns[k], place))
    ranked.sort(key=lambda pair: pair[0])
    return [place for _, place in ranked[:count]]


def _points(model: Model, own: _OwnRows) -> dict[str, Any] | None:
    """Training rows of two numbers, to be shown in their plane."""
    if model.data.image_shape is not None or model.file.sizes[0] != 2:
        return None
    rows = _some(own.train.rows, _POINTS)
    return {
        "raw": _packed(np.asarray(own.train.X[rows]), np.float32),
        "labels": own.train.y[rows].tolist(),
    }


def _figures(model: Model, own: _OwnRows) -> dict[str, Any]:
    scores, _ = Scorer(model.network(), own.test, own.encoding, model.task).score()
    return {"split": own.test.name, "samples": scores.samples, **scores.to_json()}


# Its training


def _history(model: Model) -> dict[str, Any]:
    every = math.ceil(len(model.history) / _EPOCHS) or 1
    kept: Sequence[dict[str, Any]] = [
        entry
        for place, entry in enumerate(model.history)
        if place % every == 0 or entry["epoch"] in (model.epoch, model.epochs)
    ]
    figures = [
        f"{part}_{name}" for part in ("train", "val") for name in ("loss", "accuracy", "rmse")
    ]
    names = ["epoch", *figures]
    columns = {name: [entry.get(name) for entry in kept] for name in names}
    return {"best": model.epoch, **{name: c for name, c in columns.items() if any(map(_known, c))}}


def _known(value: Any) -> bool:
    return value is not None


def _first_layer(model: Model) -> dict[str, Any]:
    """The weights into some units at the start and at the end of training, where they are known."""
    W = model.file.plain_params["W1"]
    units = np.arange(W.shape[1])
    most = min(_UNITS, max(1, _PICTURED // len(W)))
    if len(units) > most:
        units = np.sort(np.argsort(-np.linalg.norm(W, axis=0), kind="stable")[:most])
    times = {"start": _initial(model), "end": _last(model)}
    known = {name: array[:, units] for name, array in times.items() if array is not None}
    scale = max(float(np.percentile(np.abs(W), 99.8)), 1e-30) / 127
    return {
        "units": units.tolist(),
        "times": {name: _levels(array, scale) for name, array in known.items()},
    }


def _initial(model: Model) -> Array | None:
    """W1 as it was drawn before training, or None where it came from another checkpoint."""
    if model.init_from is not None:
        return None
    D, C = model.file.sizes[0], model.file.sizes[-1]
    config = model.config.of_member(model.file.member)
    return build.network(config, D, C, model.file.embedded).params["W1"]


def _last(model: Model) -> Array | None:
    """W1 as the last step left it, or None in a checkpoint of weights only."""
    resume = read_model(model.file.path, resume=True, member=model.file.member).resume
    if "last" not in resume:
        return None
    last = model.network().parameters.like(resume["last"])
    return without(last.named())["W1"]

"""A trained model as its file describes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli import __version__
from mlpcli.arrays import Array
from mlpcli.config.config import Config, make_config
from mlpcli.config.toml import check_sections
from mlpcli.data.columns import Column
from mlpcli.data.dataset import Dataset
from mlpcli.data.encoding import Encoding, Pixels, encode_numbers
from mlpcli.errors import CheckpointError, UsageError
from mlpcli.nn.model_file import FORMAT, ModelFile, read_model
from mlpcli.nn.network import MLP
from mlpcli.tasks.choice import task_of_json
from mlpcli.tasks.classification import Classification
from mlpcli.tasks.task import Task


@dataclass(frozen=True)
class DataRecord:
    """What a checkpoint remembers of its data, enough to find them again and to be sure.

    Attributes:
        source: as it was given to `--data`.
        path: the same as an absolute path, where it is one.
        digest: of the contents.
        rows: how many rows X has.
        columns, label_name: of a table with a header.
        image_shape, full_scale: of images.
        class_names: what numeric labels stand for.
    """

    source: str
    path: str | None
    digest: str
    rows: int
    columns: list[str] | None = None
    label_name: str | None = None
    image_shape: list[int] | None = None
    full_scale: float | None = None
    class_names: list[str] | None = None

    @classmethod
    def of(cls, data: Dataset) -> DataRecord:
        path = Path(data.source)
        return cls(
            source=data.source,
            path=str(path.resolve()) if path.exists() else None,
            digest=data.digest,
            rows=len(data.y),
            columns=_names(data),
            label_name=data.label_name,
            image_shape=list(data.image_shape) if data.image_shape else None,
            full_scale=data.full_scale,
            class_names=list(data.class_names) if data.class_names else None,
        )

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> DataRecord:
        """The record in `meta`; ValueError or TypeError if it is none."""
        record = cls(**value)
        lists = [
            [] if part is None else part
            for part in (record.columns, record.class_names, record.image_shape)
        ]
        columns, class_names, shape = lists
        texts = [record.source, record.digest, *columns, *class_names]
        texts += [text for text in (record.path, record.label_name) if text is not None]
        numbers = [record.rows, *shape, record.full_scale or 0]
        if not (
            all(isinstance(part, list) for part in lists)
            and all(isinstance(text, str) for text in texts)
            and all(map(is_number, numbers))
        ):
            raise ValueError("what it says of the data")
        return record


def _names(data: Dataset) -> list[str] | None:
    names = [column.name for column in data.columns or () if column.name is not None]
    return names or None


@dataclass
class Model:
    """A trained model as a checkpoint describes it; `file` has its weights.

    Attributes:
        config: the run's resolved configuration.
        task: what it answers.
        encoding: of the inputs.
        data: what it was trained on.
        history: a dict an epoch, as in the log.
        epoch: the epoch that the weights are of.
        threads: at which the run is repeated to the bit.
        ranks: of an MPI run: how many processes trained it together, likewise.
        init_from: the checkpoint that the first weights are of, or None.
        changed: whether options were changed when the run was resumed, so that no one command
            repeats it.
    """

    file: ModelFile
    config: Config
    task: Task
    encoding: Encoding
    data: DataRecord
    history: list[dict[str, Any]]
    epoch: int
    threads: int
    init_from: str | None = None
    changed: bool = False
    ranks: int = 1

    @property
    def classes(self) -> Array:
        """(C,) the labels as the person wrote them, int64 or text; none of a regression."""
        return self.task.classes if isinstance(self.task, Classification) else np.empty(0, str)

    @property
    def epochs(self) -> int:
        """How many epochs were trained."""
        return int(self.history[-1]["epoch"]) if self.history else self.epoch

    def network(self) -> MLP:
        """A network with the weights."""
        return MLP.of_file(self.file)


def load(path: Path, *, resume: bool = False) -> Model:
    """Read a checkpoint and check all of it that training and evaluation rely on.

    Raises:
        CheckpointError: it is missing, not a checkpoint, of a newer format, or damaged.
    """
    file = read_model(path, resume=resume)
    meta, sizes = file.meta, file.sizes
    try:
        config = make_config(check_sections(meta["config"], f"{path}: `meta`"))
        data = DataRecord.from_json(meta["data"])
        model = Model(
            file=file,
            config=config,
            task=task_of_json(_task_meta(meta)),
            encoding=_encoding(meta["scaling"], sizes[0], data, path),
            data=data,
            history=meta["history"],
            epoch=int(meta["epoch"]),
            threads=int(meta["threads"]),
            init_from=None if meta.get("init_from") is None else str(meta["init_from"]),
            changed=bool(meta.get("changed", False)),
            ranks=int(meta.get("ranks", 1)),
        )
    except KeyError as error:
        raise CheckpointError(f"{path}: `meta` is damaged: {error} is missing") from None
    except (TypeError, ValueError, OverflowError, RecursionError, UsageError) as error:
        raise CheckpointError(f"{path}: `meta` is damaged: {error}") from None
    C = sizes[-1]
    if model.task.outputs != C:
        raise CheckpointError(f"{path}: has {model.task.outputs} classes for {C} outputs")
    if not all(_is_epoch(entry) for entry in model.history):
        raise CheckpointError(f"{path}: `meta` is damaged: its history is none of epochs")
    if list(config.model.hidden) != sizes[1:-1]:
        raise CheckpointError(
            f"{path}: `meta` says hidden layers {list(config.model.hidden)}, "
            f"the weights are of {sizes[1:-1]}"
        )
    return model


def _encoding(scaling: dict[str, Any], D: int, data: DataRecord, path: Path) -> Encoding:
    """The encoding that `meta` has as shift and factor."""
    shift = None if scaling["shift"] is None else np.array(scaling["shift"], np.float64)
    factor = scaling["factor"]
    factor = np.array(factor, np.float64) if isinstance(factor, list) else float(factor)
    for part in (shift, factor):
        if isinstance(part, np.ndarray) and part.shape != (D,):
            raise CheckpointError(f"{path}: scales {part.shape} inputs where {D} come in")
        if part is not None and not np.isfinite(part).all():
            raise CheckpointError(f"{path}: scales inputs by values that are not finite")
    if shift is None and isinstance(factor, float) and not data.columns:
        return Encoding((Pixels("pixels", D, factor),))
    shift = np.zeros(D) if shift is None else shift
    columns = [Column(name, j) for j, name in enumerate(data.columns or ())]
    return encode_numbers(shift.tolist(), np.broadcast_to(factor, D).tolist(), columns)


def _task_meta(meta: dict[str, Any]) -> dict[str, Any]:
    """What `meta` says of the task; format 1 had classes only."""
    task = (
        meta["task"] if "task" in meta else {"kind": "classification", "classes": meta["classes"]}
    )
    if not isinstance(task, dict):
        raise TypeError("the task")
    return task


def _is_epoch(entry: Any) -> bool:
    """Whether an entry of the history has the form of an epoch's figures."""
    return (
        isinstance(entry, dict)
        and all(is_number(entry.get(name)) for name in ("epoch", "seconds"))
        and all(value is None or is_number(value) for value in entry.values())
    )


def is_number(value: Any) -> bool:
    """Whether it is a number that a float can be; JSON has whole ones of any size."""
    return isinstance(value, int | float) and abs(value) < 1e300


def new_meta(
    config: Config,
    data: Dataset,
    task: Task,
    encoding: Encoding,
    threads: int,
    *,
    init_from: str | None = None,
    changed: bool = False,
    ranks: int = 1,
) -> dict[str, Any]:
    """`meta` of a run's checkpoints, without its history; for the arguments see `Model`."""
    return {
        "format": FORMAT,
        "mlp": __version__,
        "config": config.sections(),
        "task": task.to_json(),
        "scaling": encoding.to_json(),
        "data": vars(DataRecord.of(data)),
        "threads": threads,
        "init_from": init_from,
        "changed": changed,
        "ranks": ranks,
    }

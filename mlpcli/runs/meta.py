"""`meta` of a checkpoint, format 2: its whole shape, declared once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, Literal

from mlpcli import __version__
from mlpcli.config.config import Config
from mlpcli.data.columns import DecimalMark, LabelColumn
from mlpcli.data.dataset import Dataset
from mlpcli.data.encoding import Encoding, Part, Side, Unit
from mlpcli.data.split import Fold
from mlpcli.errors import DataError
from mlpcli.nn.layers import MAX_LAYERS, Layer, Periodic, layers_of
from mlpcli.nn.model_file import FORMAT
from mlpcli.records import record
from mlpcli.schema import Bounds, Count, FileName, ShapeError, read, write
from mlpcli.tasks.choice import TaskRecord
from mlpcli.tasks.task import Task, TaskKind
from mlpcli.training.progress import EpochResult

Name = Annotated[str, FileName(), Bounds(1, 1 << 16)]
"""A file, or a data set, as it was given."""

Digest = Annotated[str, Bounds(1, 128)]

Processes = Annotated[int, Bounds(1, 1 << 20)]


@record
class DataRecord:
    """What a checkpoint remembers of its data, enough to find them again and to be sure.

    Attributes:
        source: as it was given to `--data`.
        path: the same as an absolute path, if it is a path.
        digest: of the contents.
        digests: of each table of the training rows, if the contents are more than one of them.
        rows: how many rows X has.
        label_name, label_position, label_decimal, label_unit: see `LabelColumn`.
        file_width: how many columns the table has in all.
        double: whether its numbers are in float64, as float32 would make too many equal.
        files: the absolute paths of several files.
        beside: {"test": …, "val": …} those of --test-data and --val-data.
        image_shape: of images.
        class_names: what numeric labels stand for.
    """

    source: Name
    path: Name | None
    digest: Digest
    rows: Annotated[int, Bounds(1, 2**53)]
    label_name: str | None = None
    label_position: Count | None = None
    label_decimal: DecimalMark = ""
    label_unit: Unit = ""
    file_width: Count | None = None
    double: bool = False
    files: tuple[Name, ...] = ()
    image_shape: tuple[Side, Side] | None = None
    class_names: tuple[str, ...] | None = None
    digests: tuple[Digest, ...] = ()
    beside: dict[str, Name] = field(default_factory=dict)

    @classmethod
    def of(cls, data: Dataset) -> DataRecord:
        path = _absolute(data.source)
        return cls(
            source=data.source,
            path=path if Path(path).exists() else None,
            digest=data.digest,
            rows=len(data.y),
            **{f"label_{name}": value for name, value in vars(data.label).items()},
            file_width=data.file_width,
            double=data.double,
            files=tuple(map(_absolute, data.files)),
            image_shape=data.image_shape,
            class_names=data.class_names,
            digests=() if data.digests == (data.digest,) else data.digests,
            beside={name: _absolute(file) for name, file in data.beside.items()},
        )

    @property
    def label(self) -> LabelColumn:
        """The column of the labels."""
        written = self.label_decimal, self.label_unit
        return LabelColumn(self.label_name, self.label_position, *written)


def _absolute(file: str) -> str:
    return str(Path(file).expanduser().resolve())


@record
class SplitRecord:
    """What decides which rows of its data a run trains on: the label, and `split`'s arguments."""

    task: TaskKind
    label_column: str | None
    test_fraction: Annotated[float, Bounds(0, 1)] | None
    val_fraction: Annotated[float, Bounds(0, 1)]
    seed: Count
    group: str | None = None
    fold: Fold | None = None


@record
class OutOfFold:
    """How the members of a run do on the rows that they held out: each row by the one that did.

    Attributes:
        samples: how many rows were held out.
        rows: of how many.
        loss: the mean.
        figures, intervals: of the task, {name: value} and {name: 95 % interval}.
    """

    samples: Count
    rows: Count
    loss: float
    figures: dict[str, float]
    intervals: dict[str, tuple[float, float]]

    def to_json(self) -> dict[str, Any]:
        return {
            "samples": self.samples,
            "rows": self.rows,
            "loss": self.loss,
            **self.figures,
            "intervals": {name: list(ends) for name, ends in self.intervals.items()},
        }


@record
class Ancestor:
    """A checkpoint that the first weights are of, or that its own first weights were of.

    Attributes:
        path: where it was.
        saw: "train", the training rows of its split; "unknown" if it did not say.
        digest, digests: of its data; see `DataRecord`.
        split: how they were split.
    """

    path: Name
    saw: Literal["train", "unknown"]
    digest: Digest | None = None
    split: SplitRecord | None = None
    digests: tuple[Digest, ...] = ()

    def __post_init__(self) -> None:
        if (self.saw == "unknown") != (self.digest is None or self.split is None):
            raise ValueError("says what it saw without its data and split, or the reverse")


@record
class Meta:
    """All of `meta`.

    Attributes:
        format: of the file.
        mlp: the version that wrote it.
        task: what the network is asked for.
        encoding: what turns raw columns into inputs, in their order.
        layers: of the network, in their order.
        data: what it was trained on.
        config: {section: {key: value}}, the resolved configuration.
        history: an `EpochResult` for each epoch, or of fewer epochs if they are very many.
        epoch: the epoch that the weights are of.
        threads: at which the run is repeated to the bit.
        ranks: of an MPI run: how many processes trained it together, likewise.
        init_from: the checkpoint that the first weights are of.
        changed: whether options were changed when the run was resumed, so that no one command
            repeats it.
        ancestors: the checkpoints whose training this one continues by --init-from, the
            first one first.
        out_of_fold: of a run of several members, once it has been scored.
    """

    format: Literal[2]
    mlp: Annotated[str, Bounds(1, 100)]
    task: TaskRecord
    encoding: tuple[Part, ...]
    layers: Annotated[tuple[Layer, ...], Bounds(1, MAX_LAYERS + 1)]
    data: DataRecord
    config: dict[str, dict[str, Any]]
    history: tuple[dict[str, Any], ...]
    epoch: Count
    threads: Processes
    ranks: Processes = 1
    init_from: Name | None = None
    changed: bool = False
    ancestors: tuple[Ancestor, ...] = ()
    out_of_fold: OutOfFold | None = None

    def __post_init__(self) -> None:
        if not self.encoding:
            raise ValueError("encodes nothing")
        width, outputs = Encoding(self.encoding).width, self.task.outputs
        if width != self.layers[0].inputs:
            raise ValueError(
                f"encodes rows as {width} inputs, but the first layer takes {self.layers[0].inputs}"
            )
        first, numbers = self.layers[0], Encoding(self.encoding).numbers
        if isinstance(first, Periodic) and first.columns != numbers:
            raise ValueError(f"embeds {first.columns} numbers, but encodes {numbers}")
        if outputs != self.layers[-1].outputs:
            raise ValueError(
                f"has {outputs} {'classes' if outputs > 1 else 'answer'} for "
                f"{self.layers[-1].outputs} outputs"
            )
        shape = self.data.image_shape
        if shape and math.prod(shape) != Encoding(self.encoding).raw_width:
            raise ValueError(
                f"has images of {shape[0]} × {shape[1]} pixels in rows of "
                f"{Encoding(self.encoding).raw_width}"
            )
        if self.data.class_names and not self.task.has_whole_classes:
            raise ValueError("has names for classes that are not numbers")
        headline = self.task.headline
        score = self.out_of_fold
        if score and headline not in score.figures.keys() & score.intervals.keys():
            raise ValueError(f"has no {headline} of what was held out")
        for number, entry in enumerate(self.history):
            try:
                read_epoch(entry, headline)
            except ShapeError as error:
                raise error.inside("history", number) from None


def read_epoch(entry: dict[str, Any], headline: str) -> EpochResult:
    """The inverse of `EpochResult.to_json`, of a task with this headline."""
    names = {f"train_{headline}": "train_score", f"val_{headline}": "val_score"}
    return read(EpochResult, {names.get(key, key): value for key, value in entry.items()})


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
    ancestors: Sequence[Ancestor] = (),
) -> dict[str, Any]:
    """`meta` of a run's checkpoints, without epoch and history; for the arguments see `Model`.

    Raises:
        DataError: no checkpoint can hold it, which is better known before training than after.
    """
    sizes, model = [encoding.width, *config.model.hidden, task.outputs], config.model
    layers = layers_of(sizes, model.activation, **model.of_inputs(encoding.numbers))
    meta = {
        "format": FORMAT,
        "mlp": __version__,
        "task": task.to_json(),
        "encoding": write(encoding.parts),
        "layers": write(layers),
        "data": write(DataRecord.of(data)),
        "config": config.sections(),
        "threads": threads,
        "ranks": ranks,
        "init_from": init_from,
        "changed": changed,
        "ancestors": write(ancestors),
    }
    try:
        read(Meta, meta | {"epoch": 0, "history": []})
    except ShapeError as error:
        raise DataError(f"{data.source}: a checkpoint cannot hold this: {error}") from None
    return meta

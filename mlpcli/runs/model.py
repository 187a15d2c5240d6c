"""A trained model as its file describes it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli.arrays import Array
from mlpcli.config.config import Config, make_config
from mlpcli.config.defaults import kind_of_opened
from mlpcli.config.toml import check_sections
from mlpcli.data.columns import Column, Layout
from mlpcli.data.dataset import count_unseen, lacking_pixels, say_unseen
from mlpcli.data.encoding import Encoding, Pixels
from mlpcli.data.formats.header import is_index
from mlpcli.data.formats.in_memory import read_rows
from mlpcli.data.formats.inputs import Wanted
from mlpcli.data.mismatch import compare_scale
from mlpcli.errors import CheckpointError, DataError, UsageError
from mlpcli.evaluation.conformal import half_width
from mlpcli.evaluation.metrics import Outputs, outputs_of
from mlpcli.nn.model_file import ModelFile, read_models
from mlpcli.nn.network import MLP
from mlpcli.runs.format1 import upgrade
from mlpcli.runs.meta import Ancestor, DataRecord, Meta, OutOfFold
from mlpcli.schema import read
from mlpcli.tasks.choice import same_answers
from mlpcli.tasks.classification import Classification
from mlpcli.tasks.regression import Regression
from mlpcli.tasks.task import Task
from mlpcli.text import dashed


@dataclass(eq=False)
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
        ancestors, out_of_fold: see `Meta`.
        members: all networks of its file, if there are several: they answer together, by the mean
            of their probabilities or numbers, and the rest here is of the first one.
    """

    file: ModelFile
    config: Config
    task: Task
    encoding: Encoding
    data: DataRecord
    history: Sequence[dict[str, Any]]
    epoch: int
    threads: int
    init_from: str | None = None
    changed: bool = False
    ranks: int = 1
    ancestors: Sequence[Ancestor] = ()
    out_of_fold: OutOfFold | None = None
    members: Sequence[Model] = ()

    def __repr__(self) -> str:
        sizes, source = dashed(self.file.sizes), self.data.source
        if self.members:
            return f"<Model {self.file.path}: {len(self.members)} networks of {sizes} on {source}>"
        return f"<Model {self.file.name}: {sizes} on {source}>"

    @property
    def each(self) -> Sequence[Model]:
        """All networks of its file, one by one; itself, if it is alone."""
        return self.members or [self]

    @property
    def best(self) -> dict[str, Any]:
        """The history's entry of the epoch that the weights are of; empty if it has none."""
        return next((entry for entry in self.history if entry.get("epoch") == self.epoch), {})

    @property
    def validation(self) -> dict[str, float] | None:
        """Loss and headline figure on the validation rows, with the weights; None without rows."""
        name = self.task.headline
        loss, figure = self.best.get("val_loss"), self.best.get(f"val_{name}")
        return None if loss is None or figure is None else {"loss": loss, name: figure}

    @property
    def classes(self) -> Array:
        """(C,) the labels as they were written, int64 or text; none of a regression."""
        return self.task.classes if isinstance(self.task, Classification) else np.empty(0, str)

    @property
    def kind(self) -> str:
        """Which defaults its data have: a key of `mlpcli.config.defaults.DEFAULTS`."""
        return kind_of_opened(self.data.source, self.data.image_shape, self.task.kind)

    @property
    def columns(self) -> list[str] | None:
        """The names of the columns that it takes, in their order; None if they have none."""
        names = [part.column for part in self.encoding.parts if not isinstance(part, Pixels)]
        known = [name for name in names if name is not None]
        return known if known and len(known) == len(names) else None

    @property
    def layout(self) -> Layout | None:
        """Where it finds its columns in a table; None if it takes images that came from none."""
        columns, record, classes = self.encoding.columns, self.data, self.classes
        position, width = record.label_position, record.file_width
        if columns is None:
            if width is None:
                return None
            R = self.encoding.raw_width  # pixels lie around the label, if nothing was left out
            places = [j for j in range(R + 1) if j != min(R if position is None else position, R)]
            columns, width = tuple(Column(None, place) for place in places), R + 1
        if width is None and position is None:  # format 1 took every column, and only counted them
            width, position = self._guess_label(len(columns) + 1)
            shift = len(columns) if position is None else position
            columns = tuple(
                replace(column, position=column.position + (column.position >= shift))
                for column in columns
            )
        regression = not isinstance(self.task, Classification)
        texts = None if regression else tuple(map(str, classes.tolist()))
        label = replace(record.label, position=position)
        return Layout(columns, label, width, texts, str(self.file.path), record.double)

    def _guess_label(self, width: int) -> tuple[int, int | None]:
        """(width, the label's position) of the table of a checkpoint that does not say."""
        column = self.config.data.label_column
        if column is None:
            return width, width - 1
        index = int(column) if is_index(column) else None
        return width, index % width if index is not None and -width <= index < width else None

    @property
    def epochs(self) -> int:
        """How many epochs were trained."""
        return int(self.history[-1]["epoch"]) if self.history else self.epoch

    @property
    def wanted(self) -> Wanted:
        """What rows have to be like."""
        return Wanted(
            model=self.file.path,
            D=self.encoding.raw_width,
            source=self.data.source,
            layout=self.layout,
            image_shape=self.data.image_shape,
            full_scale=self.encoding.largest,
            numeric=self.config.data.numeric,
        )

    @classmethod
    def load(cls, path: str | Path) -> Model:
        """Read a checkpoint.

        Raises:
            CheckpointError: it is missing, not a checkpoint, of an unknown format, or damaged.
        """
        return load(Path(path))

    def predict(self, rows: Any) -> Array:
        """(N,) the labels of rows, as they were written in training; or the numbers.

        Args:
            rows: raw, as in the data that the model was trained on: an array (N, R), or images
                (N, height, width); lists in the order of `columns`; dicts by column; or columns by
                name, as in a data frame or a structured array.

        Raises:
            DataError: a column is missing, a value cannot be one, or its scores overflow.

        Warns:
            UserWarning: they are of another scale than those of the training, or some have a
                category that the model does not know.
        """
        parts = [answers for answers, _ in self._answers(rows)]
        answers = np.concatenate(parts) if parts else np.empty(0, self.task.target_dtype)
        said: Array = self.task.value(answers)
        return said

    def predict_proba(self, rows: Any) -> Array:
        """(N, C) float64 probabilities of `classes`; for the rows see `predict`.

        Raises:
            DataError: as `predict`, or the model predicts numbers.
        """
        if not isinstance(self.task, Classification):
            raise DataError(f"{self.file.path}: predicts numbers, which have no probabilities")
        parts = [said.values for _, said in self._answers(rows)]
        return np.concatenate(parts) if parts else np.empty((0, self.task.outputs))

    def predict_interval(self, rows: Any) -> Array:
        """(N, 2) float64 numbers between which the target is of 90 % of new rows.

        See `mlpcli.evaluation.conformal`, and `predict` for the rows.

        Raises:
            DataError: as `predict`.
            UsageError: the model predicts classes.
            CheckpointError: it has too few held-out rows for an interval, or none.
        """
        width = interval_width(self.each)
        intervals: Array = self.predict(rows)[:, np.newaxis] + np.array([-width, width])
        return intervals

    def answer(self, X: Array | Sequence[Array]) -> Iterator[tuple[Array, Outputs]]:
        """(class indices or numbers (n,), outputs) of raw columns X (N, R), chunk by chunk.

        X is the same for all members, or each has its own.

        Raises:
            DataError: the scores of a row overflow.
        """
        done = 0
        for said in outputs_of(networks_of(self.each), X):
            finite = np.logical_and.reduce(np.isfinite(said.values), axis=1)
            if not finite.all():
                raise DataError(
                    f"row {done + int(np.argmin(finite)) + 1} is too large for {self.file.path}: "
                    "its scores overflow"
                )
            yield self.task.answer(said.values, said.scores)[0], said
            done += len(finite)

    def _answers(self, rows: Any) -> list[tuple[Array, Outputs]]:
        rows = [*rows] if isinstance(rows, Iterator) else rows  # members may each read them
        own = self._read(rows)
        X = [own if reads_alike(self, member) else member._read(rows) for member in self.each]
        for line in dict.fromkeys(self._doubts(X)):
            warnings.warn(line, stacklevel=3)
        with np.errstate(all="ignore"):  # what overflows is told by its row
            return list(self.answer(X)) if len(own) else []

    def _doubts(self, X: Sequence[Array]) -> Iterator[str]:
        """What to warn of: rows of another scale, or categories that a network does not know."""
        unseen = [0]
        for rows, member in zip(X, self.each, strict=True):
            if said := compare_scale(member.encoding, rows, "rows", self.file.path):
                yield said
            unseen.append(count_unseen(rows, member.encoding.columns or ()))
        yield from say_unseen(max(unseen), "rows", str(self.file.path))

    def _read(self, rows: Any) -> Array:
        kinds = {part.kind for part in self.encoding.parts}
        X = read_rows(rows, self.wanted, only_numbers=kinds <= {"number", "pixels"})
        if self.encoding.pixels and (lacking := lacking_pixels(X)):
            raise DataError(next(iter(lacking.values())))
        return X

    def network(self) -> MLP:
        """A network with the weights; of several members, the first one's."""
        return MLP.of_file(self.file)


def describe_members(members: Sequence[Model]) -> dict[str, Any]:
    """What each network of a file is and how they do on what they held out, as JSON.

    Of a file of one network there is nothing to say.
    """
    if members[0].file.member is None:
        return {}
    each = [{"best_epoch": one.epoch, "validation": one.validation} for one in members]
    score = members[0].out_of_fold
    return {"members": each, "out_of_fold": score.to_json() if score else None}


def networks_of(members: Sequence[Model]) -> list[tuple[MLP, Encoding]]:
    """The members' networks with their encodings; numbers are in the first one's unit."""
    first = members[0].task
    return [(in_terms_of(first, m.task, m.network()), m.encoding) for m in members]


def in_terms_of(one: Task, own: Task, net: MLP) -> MLP:
    """A network of the task `own`, whose numbers are now standardised as those of `one` are."""
    if isinstance(one, Regression) and isinstance(own, Regression) and one != own:
        W, b = net.parameters.W[-1], net.parameters.b[-1]
        W *= own.deviation / one.deviation
        b *= own.deviation / one.deviation
        b += (own.mean - one.mean) / one.deviation
    return net


def takes_same_columns(first: Model, other: Model) -> bool:
    """Whether two models take the same raw columns in the same order, from wherever they lie."""
    return _columns(first) == _columns(other)


def _columns(model: Model) -> object:
    columns, names = model.encoding.columns, model.columns
    if columns is None:
        return model.encoding.raw_width
    places = [(column.name if names else column.position, column.kind) for column in columns]
    return places, model.data.label_name


def reads_alike(first: Model, other: Model) -> bool:
    """Whether what is read for the one serves the other: categories are numbered as a model has."""
    return takes_same_columns(first, other) and (
        [(c.categories, c.decimal, c.unit) for c in first.encoding.columns or ()]
        == [(c.categories, c.decimal, c.unit) for c in other.encoding.columns or ()]
    )


def interval_width(members: Sequence[Model]) -> float:
    """By how much an answer is off at most, of 90 % of new rows; see `evaluation.conformal`.

    Of a committee the residuals of all members count, each of rows that it has not seen itself.

    Raises:
        UsageError: the models predict classes.
        CheckpointError: one has no residuals, or all have too few.
    """
    for model in members:
        if isinstance(model.task, Classification):
            raise UsageError(
                f"{model.file.path}: predicts classes, and an interval is one of numbers; "
                "--probabilities says how sure an answer is"
            )
        if not len(model.file.residuals):
            raise CheckpointError(
                f"{model.file.path}: has no rows that were held out of all its training, whose "
                "residuals an interval comes from; train it with --val-fraction 0.1"
            )
    try:
        return half_width(np.concatenate([model.file.residuals for model in members]))
    except ValueError as error:
        raise CheckpointError(
            f"{members[0].file.path}: of held-out rows, whose residuals an interval comes from, "
            f"{error}; train it with a larger --val-fraction"
        ) from None


def load(path: Path, *, resume: bool = False) -> Model:
    """Read a checkpoint and check all of it that training and evaluation rely on.

    Raises:
        CheckpointError: it is missing, not a checkpoint, of an unknown format, or damaged.
    """
    models = [_describe(file) for file in read_models(path, resume=resume)]
    first = models[0]
    for other in models[1:]:
        same = same_answers(first.task, other.task) and takes_same_columns(first, other)
        if not same or first.encoding.raw_width != other.encoding.raw_width:
            raise CheckpointError(
                f"{other.file.name} answers another question than member {first.file.member}: "
                "the file is damaged"
            )
    return first if first.file.member is None else replace(first, members=models)


def _describe(file: ModelFile) -> Model:
    """One network of a file."""
    try:
        meta = read(Meta, upgrade(file.meta, file.layers) if file.format == 1 else file.meta)
        config = make_config(check_sections(meta.config, f"{file.path}: `meta`")).without_idle()
    except (ValueError, UsageError) as error:
        raise CheckpointError(f"{file.path}: `meta` is damaged: {error}") from None
    if list(config.model.hidden) != file.sizes[1:-1]:
        raise CheckpointError(
            f"{file.path}: `meta` says hidden layers {list(config.model.hidden)}, "
            f"the weights are of {file.sizes[1:-1]}"
        )
    if (file.member is None) != (config.networks is None):
        raise CheckpointError(
            f"{file.path}: `meta` says members {config.train.members or 1}, "
            f"the file holds {'one network' if file.member is None else 'several'}"
        )
    return Model(
        file=file,
        config=config,
        task=meta.task.task(),
        encoding=Encoding(meta.encoding),
        data=meta.data,
        history=meta.history,
        epoch=meta.epoch,
        threads=meta.threads,
        init_from=meta.init_from,
        changed=meta.changed,
        ranks=meta.ranks,
        ancestors=meta.ancestors,
        out_of_fold=meta.out_of_fold,
    )

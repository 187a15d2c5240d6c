"""Several models that answer the same question of the same rows, each fed as it was trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mlpcli.arrays import Array
from mlpcli.data.columns import TableOptions
from mlpcli.data.dataset import Dataset, say_unseen
from mlpcli.data.encoding import Encoding, Part, Pixels, scales_differ
from mlpcli.data.mismatch import compare_scale
from mlpcli.data.split import Split
from mlpcli.errors import CheckpointError, InputError
from mlpcli.nn.network import MLP
from mlpcli.records import record
from mlpcli.runs.model import Model, networks_of, reads_alike
from mlpcli.runs.own_data import open_again, open_rows, refuse_width
from mlpcli.runs.seen import refuse_seen
from mlpcli.tasks.choice import same_answers


@record
class Committee:
    """Models and the rows that they are asked about.

    Attributes:
        source: where the rows are from.
        networks: each with its encoding; all answer in the first one's terms.
        splits: for each of them the same rows, in the columns that it takes.
        notices: to be printed with the results.
    """

    source: str
    networks: Sequence[tuple[MLP, Encoding]]
    splits: Sequence[Split]
    notices: Sequence[str]


def open_committee(
    members: Sequence[Model],
    data_dir: Path,
    *,
    source: str | Sequence[str] | None,
    label_column: str | None,
    split_name: str | None,
    header: str = "auto",
) -> Committee:
    """Open the first member's own data, or another source, for all of them.

    Raises:
        DataError: the data are gone, do not fit a model, or have no such split.
        CheckpointError: they do not answer the same question, or have seen the rows.
    """
    first = members[0]
    for other in members[1:]:
        refuse_other_question(first, other)
    data, rows = open_rows(
        first,
        data_dir,
        source=source,
        label_column=label_column,
        split_name=split_name,
        header=header,
        together=first.file.member is not None and len(members) > 1,
    )
    options = TableOptions(label_column=label_column, header=header)
    splits, opened = [], [(first, data)]
    for other in members:
        if reads_alike(first, other):
            splits.append(rows)
            continue
        own, X = _same_rows(first, other, data, rows, data_dir, options)
        splits.append(replace(rows, X=X))
        opened.append((other, own))
    notices = [*_remarks(opened), *refuse_seen(members, data, rows)]
    if data.digest != first.data.digest:
        for member, split in zip(members, splits, strict=True):
            said = compare_scale(member.encoding, split.X, data.source, member.file.path)
            notices += [said] if said else []
    return Committee(data.source, networks_of(members), splits, notices)


def _remarks(opened: Sequence[tuple[Model, Dataset]]) -> list[str]:
    """What a person should know of how other data than a model's own were read."""
    lines: list[str] = []
    unseen: dict[str, int] = {}
    for model, data in opened:
        if data.digest != model.data.digest:
            lines += data.notices
            path = str(model.file.path)
            unseen[path] = max(data.unseen, unseen.get(path, 0))
    for path, cells in unseen.items():
        lines += say_unseen(cells, opened[0][1].source, path)
    return list(dict.fromkeys(lines))


def refuse_other_question(first: Model, other: Model) -> None:
    """Refuse a committee whose members do not answer the same question of the same rows.

    Raises:
        CheckpointError: which of its classes, its label and its pixels is another one.
    """
    reason = _pixels_differ(first, other) or _questions_differ(first, other)
    if reason:
        raise CheckpointError(f"{other.file.name}: {reason}: they cannot be a committee")


def _questions_differ(first: Model, other: Model) -> str | None:
    labels = first.data.label_name, other.data.label_name
    if not same_answers(first.task, other.task):
        return f"has other classes than {first.file.path}"
    if None not in labels and labels[0] != labels[1]:
        return f"predicts {labels[1]}, {first.file.path} predicts {labels[0]}"
    return None


def _pixels_differ(first: Model, other: Model) -> str | None:
    """Why pixels for the one are none for the other, if they are not."""
    a, b = first.encoding.parts, other.encoding.parts
    if not isinstance(a[0], Pixels) or not isinstance(b[0], Pixels):
        if type(a[0]) is type(b[0]) or Pixels not in (type(a[0]), type(b[0])):
            return None
        return f"takes {_kind(b)}, {first.file.path} takes {_kind(a)}"
    if a[0].count != b[0].count:
        return f"takes {b[0].count} inputs, {first.file.path} takes {a[0].count}"
    scales = first.encoding.largest, other.encoding.largest
    if scales_differ(*scales):
        said = ["an unknown value" if scale is None else f"{scale:g}" for scale in scales]
        return f"was trained on pixels up to {said[1]}, {first.file.path} on pixels up to {said[0]}"
    shapes = first.data.image_shape, other.data.image_shape
    if None not in shapes and shapes[0] != shapes[1]:
        return f"takes images of another shape than {first.file.path}"
    return None


def _kind(parts: Sequence[Part]) -> str:
    pixels = sum(part.count for part in parts if isinstance(part, Pixels))
    return f"{pixels:,} pixels" if pixels else f"{len(parts):,} columns"


def _same_rows(
    first: Model,
    other: Model,
    data: Dataset,
    rows: Split,
    data_dir: Path,
    options: TableOptions,
) -> tuple[Dataset, Array]:
    """The data as the other model takes them, and of it what has the rows."""
    why = f"{other.file.path}: cannot be asked what {first.file.path} is asked"
    try:
        own = open_again(other, data, data_dir, options)
        refuse_width(other, own)
    except InputError as error:
        raise CheckpointError(f"{why}: {error}") from None
    part = next(number for number, (X, *_) in enumerate(data.parts) if X is rows.X)
    (X, labels, _), (_, given, _) = own.parts[part], data.parts[part]
    if X is None or labels is None or given is None or len(X) != len(rows.X):
        raise CheckpointError(f"{why}: it finds other rows in {data.source}")
    if not np.array_equal(labels, given):
        raise CheckpointError(f"{why}: it takes its labels from another column of {data.source}")
    return own, X

"""Who has seen what: the rows that a network, and those that it started from, were trained on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlpcli.data.dataset import Dataset
from mlpcli.data.split import Split, split
from mlpcli.errors import CheckpointError, DataError
from mlpcli.runs.material import fold_of
from mlpcli.runs.meta import Ancestor, SplitRecord
from mlpcli.runs.model import Model


def lineage(model: Model) -> tuple[Ancestor, ...]:
    """All that the model's weights have been trained on: its ancestors', and its own data."""
    data, train = model.config.data, model.config.train
    record = SplitRecord(
        task=model.task.kind,
        label_column=data.label_column,
        test_fraction=data.test_fraction,
        val_fraction=data.val_fraction,
        seed=train.seed,
        group=data.group,
        fold=fold_of(model.config, model.file.member),
    )
    own = Ancestor(model.file.name, "train", model.data.digest, record, model.data.digests)
    return (*model.ancestors, own)


def refuse_seen(members: Sequence[Model], data: Dataset, rows: Split) -> list[str]:
    """Refuse rows for validation or testing that a member, or what it started from, trained on.

    Args:
        members: of a committee, or one model alone.
        data: what is evaluated on.
        rows: which rows of it.

    Returns:
        Notices on rows that are not refused: those of other data than the first member's never are,
        and of some ancestors it is not known what they saw.

    Raises:
        CheckpointError: who has seen how many of them.
    """
    own = data.digest == members[0].data.digest
    if own and rows.name not in ("val", "test"):
        return []
    label_column = members[0].config.data.label_column
    notices: list[str] = []
    for model in members:
        *ancestors, itself = lineage(model)
        for ancestor in (*ancestors, itself):
            who = model.file.name
            if ancestor is not itself:
                who += f": started from {ancestor.path}, which"
            if ancestor.saw == "unknown":
                notices.append(
                    f"{who} does not say what it was trained on: perhaps on rows of {data.source}"
                )
            elif seen := _count_seen(ancestor, label_column, data, rows):
                text = (
                    f"{who} was trained on {_share(seen, rows)} {rows.name} rows of {data.source}"
                )
                if own:
                    raise CheckpointError(
                        f"{text}, which cannot test it; evaluate it on other rows, by --data"
                        + (", or each model by itself" if len(members) > 1 else "")
                    )
                notices.append(f"{text}: on new rows it will do worse")
            elif _shares_a_table(ancestor, data, rows):
                notices.append(
                    f"{who} was trained on rows of the same table, perhaps on these: on new rows "
                    "it may do worse"
                )
    return list(dict.fromkeys(notices))


def warn_of_seen(
    ancestors: Sequence[Ancestor],
    label_column: str | None,
    data: Dataset,
    rows: Split,
    *,
    folded: bool = False,
) -> str | None:
    """What to say of a run whose ancestors trained on rows that it holds out, if they did."""
    for ancestor in ancestors:
        seen = _count_seen(ancestor, label_column, data, rows)
        if seen and ancestor.split:
            text = (
                f"{ancestor.path} was trained on {_share(seen, rows)} {rows.name} rows, whose "
                "figures will be too good"
            )
            if folded or ancestor.split.fold:
                return text
            flags = [f"--val-fraction {ancestor.split.val_fraction:g}"]
            flags.append(f"--seed {ancestor.split.seed}")
            if ancestor.split.test_fraction is not None:
                flags.append(f"--test-fraction {ancestor.split.test_fraction:g}")
            return f"{text}; {' '.join(flags)} keeps them apart"
        if _shares_a_table(ancestor, data, rows):
            return (
                f"{ancestor.path} was trained on rows of the same table, perhaps on the "
                f"{rows.name} rows, whose figures may be too good"
            )
    return None


def _share(seen: int, rows: Split) -> str:
    return f"all {seen:,}" if seen == len(rows) else f"{seen:,} of the {len(rows):,}"


def _shares_a_table(ancestor: Ancestor, data: Dataset, rows: Split) -> bool:
    """Whether the rows are of a table that it was trained on, though not of the same data."""
    if ancestor.digest == data.digest:
        return False
    digests = {digest for X, _, of_part in data.parts if X is rows.X for digest in of_part}
    return not digests.isdisjoint(ancestor.digests or (ancestor.digest,))


def _count_seen(ancestor: Ancestor, label_column: str | None, data: Dataset, rows: Split) -> int:
    """How many of the rows an ancestor was trained on."""
    if ancestor.split is None or ancestor.digest != data.digest or rows.X is not data.X:
        return 0
    options = dict(vars(ancestor.split))
    if options.pop("label_column") != label_column or (options.pop("group") is not None) != (
        data.groups is not None
    ):
        return len(rows)  # another label or group splits the rows differently: assume the worst
    try:
        trained = split(data, **options).train
    except DataError:
        return 0  # no run can have trained like that
    return int(np.isin(rows.rows, trained.rows).sum())

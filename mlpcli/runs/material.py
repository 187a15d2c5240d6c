"""Configuration → data, ready for training: opened, split, encoded and weighed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from mlpcli.arrays import Array
from mlpcli.config.config import Config
from mlpcli.config.defaults import DEFAULTS, TABLES, kind_of_opened
from mlpcli.data.columns import TableOptions
from mlpcli.data.dataset import Dataset, as_images
from mlpcli.data.encoding import Encoding
from mlpcli.data.learning import learn_encoding
from mlpcli.data.source import open_data
from mlpcli.data.split import Fold, Split, Splits, split
from mlpcli.errors import DataError, UsageError
from mlpcli.records import record
from mlpcli.runs.images import pose
from mlpcli.tasks.classification import Classification, balanced_weights
from mlpcli.tasks.task import Task


@record
class Material:
    """The data of a run, ready for training.

    Attributes:
        data: as it was read.
        splits: its three parts.
        encoding: learned on the training part.
    """

    data: Dataset
    splits: Splits
    encoding: Encoding

    @property
    def task(self) -> Task:
        """What the labels of the training part ask for."""
        return self.splits.task

    @property
    def kind(self) -> str:
        """Which defaults suit the data: a key of `DEFAULTS`."""
        return kind_of_opened(self.data.source, self.data.image_shape, self.task.kind)

    @property
    def sizes(self) -> tuple[int, int, int]:
        """(D, C, how many of the D inputs are numbers of columns): what a network is made for."""
        return self.encoding.width, self.task.outputs, self.encoding.numbers


def prepare(config: Config, data_dir: Path) -> Material:
    """Open, split and measure the data; `config.data.data` must name them."""
    return prepare_opened(config, open_configured(config, data_dir))


def open_configured(config: Config, data_dir: Path) -> Dataset:
    """The data that `config.data.data` names."""
    assert config.data.data is not None
    data = open_data(
        config.data.data,
        data_dir=data_dir,
        options=table_options(config),
        test=config.data.test_data,
        val=config.data.val_data,
    )
    return as_images(data, config.data.image_shape)


def table_options(config: Config) -> TableOptions:
    """What the configuration says of a table."""
    data = config.data
    return TableOptions(
        label_column=data.label_column,
        header=data.header,
        categorical=data.categorical,
        numeric=data.numeric,
        ignore=data.ignore,
        only=data.only,
        group=data.group,
        sample_weight=data.sample_weight,
        task=data.task or "auto",
        images=data.image_shape is not None,
    )


def prepare_opened(config: Config, data: Dataset, member: int | None = None) -> Material:
    """The same for data that are open, and for network `member` of several."""
    splits = split_as_configured(config, data, config.data.task or "auto", member)
    scale = config.data.scale
    if scale == "auto" and data.standardise and data.image_shape is None:
        scale = DEFAULTS[TABLES]["scale"]
    encoding = learn_encoding(scale, data, splits.train, pose(config.data, data))
    return Material(data, splits, encoding)


def fold_of(config: Config, member: int | None) -> Fold | None:
    """The part of the rows that network `member` of several holds out; None if there is none."""
    train, share = config.train, config.data.val_fraction
    if member is None:
        return None
    if train.folds is not None:
        return Fold(member, train.folds, scores=True)
    return Fold(member, max(train.members or 1, round(1 / share))) if share > 0 else None


def split_as_configured(
    config: Config, data: Dataset, task: str, member: int | None = None
) -> Splits:
    """The parts of a data set, for a kind of task, with the weights that rows have in training."""
    splits = split(
        data,
        task=task,
        val_fraction=config.data.val_fraction,
        test_fraction=config.data.test_fraction,
        seed=config.train.seed,
        fold=fold_of(config, member),
    )
    train, by_class = splits.train, None
    by_row = _row_weights(data, splits)
    if config.data.class_weight != "none":
        if not isinstance(splits.task, Classification):
            raise UsageError(
                f"--class-weight {config.data.class_weight}: {data.source} has numbers to predict "
                "and no classes; leave it out"
            )
        by_class = balanced_weights(train.y[train.rows], splits.task.outputs)

    def weighed(part: Split) -> Split:
        weights = None if by_class is None else by_class[part.y]
        own = by_row[part.name]
        if own is not None:
            weights = own if weights is None else weights * own
        return replace(part, weights=weights)

    return replace(splits, train=weighed(train), val=splits.val and weighed(splits.val))


def _row_weights(data: Dataset, splits: Splits) -> dict[str, Array | None]:
    """{"train": (N,), "val": …}: how much each row counts, 1 on average of the training rows.

    None if all count equally.

    Raises:
        DataError: a weight is missing or negative, or all of a part are 0.
    """
    given = {
        "train": data.weights,
        "val": data.weights_val if data.X_val is not None else data.weights,
    }
    found: dict[str, Array | None] = dict.fromkeys(given)
    for part, name in ((splits.train, "training"), (splits.val, "validation")):
        weights = None if part is None else given[part.name]
        if part is None or weights is None or data.weights is None:
            continue
        bad = np.flatnonzero(~(weights >= 0))
        if len(bad):
            what = "missing" if np.isnan(weights[bad[0]]) else f"{weights[bad[0]]:g}"
            where = data.source if weights is data.weights else f"{data.source}: the validation set"
            sample = part.file_rows.name(int(bad[0]))
            raise DataError(
                f"{where}: the weight of sample {sample} is {what}; weights are 0 or more"
            )
        if not weights[part.rows].any():
            raise DataError(f"{data.source}: every {name} row has the weight 0")
        found[part.name] = weights / data.weights[splits.train.rows].mean()
    return found

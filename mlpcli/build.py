"""Configuration → data, network, optimizer, schedules: the only place that knows both sides."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli.config import Config
from mlpcli.data.batches import Batches
from mlpcli.data.catalog import open_data
from mlpcli.data.dataset import Array, Dataset, Splits, split
from mlpcli.data.scaling import Scaling, learn_scaling
from mlpcli.evaluation.metrics import Scorer
from mlpcli.nn.network import MLP
from mlpcli.nn.optimizers import optimizer
from mlpcli.nn.schedules import lr_schedule, momentum_schedule
from mlpcli.training.loop import Trainer


@dataclass(frozen=True)
class Material:
    """The data of a run, ready for training.

    Attributes:
        data: as it was read.
        splits: its three parts.
        scaling: learned on the training part.
    """

    data: Dataset
    splits: Splits
    scaling: Scaling

    @property
    def sizes(self) -> tuple[int, int]:
        """(D, C)."""
        return self.data.input_dim, len(self.splits.classes)


def prepare(config: Config, data_dir: Path) -> Material:
    """Open, split and measure the data; `config.data.data` must name them."""
    assert config.data.data is not None
    data = open_data(config.data.data, data_dir=data_dir, label_column=config.data.label_column)
    return prepare_opened(config, data)


def prepare_opened(config: Config, data: Dataset) -> Material:
    """The same for data that are open."""
    splits = split(
        data,
        val_fraction=config.data.val_fraction,
        test_fraction=config.data.test_fraction,
        seed=config.train.seed,
    )
    return Material(data, splits, learn_scaling(config.data.scale, data, splits.train))


def network(config: Config, D: int, C: int) -> MLP:
    """The network with its initial weights, for D inputs and C classes."""
    model = config.model
    return MLP(
        [D, *model.hidden, C],
        model.activation,
        model.loss,
        init=model.init,
        init_scale=model.init_scale,
        dropout=model.dropout,
        input_dropout=model.input_dropout,
        dtype=model.dtype,
        seed=config.train.seed,
    )


def trainer(config: Config, material: Material, net: MLP) -> Trainer:
    """Everything that trains `net` on the material."""
    train = config.train
    splits, dtype = material.splits, net.dtype
    size = len(splits.train) if train.batch_size == "full" else int(train.batch_size)
    batches = Batches(splits.train, material.scaling, size, dtype, train.seed)
    steps = train.epochs * batches.steps
    assert train.lr is not None  # make_config has filled it in
    return Trainer(
        net=net,
        optimizer=optimizer(train.optimizer, net, train.reg),
        batches=batches,
        lr=lr_schedule(
            train.lr_schedule,
            train.lr,
            steps=steps,
            steps_per_epoch=batches.steps,
            warmup=train.warmup,
            decay=train.lr_decay if train.lr_decay is not None else 1.0,
            decay_epochs=train.lr_step,
        ),
        momentum=momentum_schedule(train.momentum, train.final_momentum, steps=steps),
        targets=target_distributions(net.sizes[-1], train.label_smoothing, dtype),
        class_weights=class_weights(config, splits, dtype),
        dropout_seed=train.seed,
        max_norm=train.max_norm,
        clip_norm=train.clip_norm,
        validation=Scorer(net, splits.val, material.scaling) if splits.val else None,
    )


def target_distributions(C: int, smoothing: float, dtype: Any) -> Array:
    """(C, C): row k is the target of class k, 1 − ε on it and ε/C on all (Szegedy et al. 2016)."""
    return ((1 - smoothing) * np.eye(C) + smoothing / C).astype(dtype)


def class_weights(config: Config, splits: Splits, dtype: Any) -> Array | None:
    """(C,) weights with which every class counts as much as every other, N/(C·N_k), or None."""
    if config.data.class_weight == "none":
        return None
    y = splits.train.y[splits.train.rows]
    counts = np.bincount(y, minlength=len(splits.classes))
    return (len(y) / (len(counts) * counts)).astype(dtype)

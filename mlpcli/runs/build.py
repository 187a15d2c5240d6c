"""Configuration → network, optimizer, schedules: the only place that knows both sides."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from typing import Any

from mlpcli.config.config import Config
from mlpcli.config.defaults import NUMBERS, PLANS
from mlpcli.data.batches import Batches
from mlpcli.errors import UsageError
from mlpcli.evaluation.metrics import Scorer
from mlpcli.nn.losses import OF_TASK
from mlpcli.nn.network import MLP
from mlpcli.nn.optimizers import optimizer
from mlpcli.nn.schedules import lr_schedule, momentum_schedule
from mlpcli.parallel.forked import Forked
from mlpcli.parallel.ranks import Alone, Ranks
from mlpcli.runs.images import attack, distortions
from mlpcli.runs.material import Material
from mlpcli.tasks.classification import Classification
from mlpcli.tasks.regression import Regression
from mlpcli.training.average import AVERAGES, Average
from mlpcli.training.loop import Trainer
from mlpcli.training.mixup import Mixup
from mlpcli.training.step import Step

_SHARE = 500_000  # samples × parameters of a step: for less, another process does not pay


def complete(config: Config, material: Material) -> Config:
    """The configuration with the defaults that suit the data and their task.

    Raises:
        UsageError: a loss of another kind of task was given, smoothing for numbers, embeddings for
            pixels, an attack on what are no images, or mixup of what cannot be mixed.
    """
    if material.kind == NUMBERS:  # the table was not open yet
        config = config.for_kind(NUMBERS)
    train, model, kind = config.train, config.model, material.task.kind
    if train.epochs is None:
        steps = math.ceil(len(material.splits.train) / batch_size(config, material))
        plan = PLANS[material.kind]
        train = replace(train, epochs=max(plan.epochs, math.ceil(plan.steps / steps)))
    if model.loss is None:
        model = replace(model, loss=OF_TASK[kind][0])
    if model.loss not in OF_TASK[kind]:
        raise UsageError(
            f"--loss {model.loss}: is not for {kind}, which {material.data.source} asks for; give "
            f"{', '.join(OF_TASK[kind][:-1])} or {OF_TASK[kind][-1]}, or another --task"
        )
    if model.embedding != "none" and material.encoding.pixels:
        raise UsageError(
            f"--embedding {model.embedding}: {material.data.source} holds images, and only numbers "
            "of columns are embedded; leave it out"
        )
    if train.label_smoothing and not isinstance(material.task, Classification):
        raise UsageError(
            f"--label-smoothing {train.label_smoothing:g}: {material.data.source} has numbers to "
            "predict and no classes; leave it out"
        )
    # refuses what cannot be moved
    attack(train.adversarial, model, material.data.image_shape, material.data.source)
    if train.mixup:
        _refuse_to_mix(config, material)
    return replace(config, train=train, model=model)


def _refuse_to_mix(config: Config, material: Material) -> None:
    """Raise UsageError for samples that `--mixup` cannot mix."""
    asked, beside = f"--mixup {config.train.mixup:g}", ""
    if config.train.adversarial != "none":
        beside = f"--adversarial {config.train.adversarial}"
    elif material.splits.train.weights is not None:
        column = config.data.sample_weight
        beside = f"--sample-weight {column}" if column else "--class-weight balanced"
    elif batch_size(config, material) == 1:
        beside = "--batch-size 1"
    if beside:
        raise UsageError(f"{asked}: cannot be beside {beside}; leave one of them out")


def batch_size(config: Config, material: Material) -> int:
    """Samples per step: at most all of them."""
    N, size = len(material.splits.train), config.train.batch_size
    return N if size == "full" else min(int(size), N)


def network(config: Config, D: int, C: int, numbers: int = 0) -> MLP:
    """The network with its initial weights, for D inputs, of which the first are numbers."""
    model = config.model
    return MLP(
        [D, *model.hidden, C],
        model.activation,
        model.loss or OF_TASK[Classification.kind if C > 1 else Regression.kind][0],
        **model.of_inputs(numbers),
        parametrisation=model.parametrisation,
        init=model.init,
        init_scale=model.init_scale,
        dropout=model.dropout,
        input_dropout=model.input_dropout,
        dtype=model.dtype,
        seed=config.train.seed,
    )


def ranks(config: Config, material: Material, net: MLP, processes: int) -> Alone | Forked:
    """At most this many processes to train `net`, as many as a batch is worth sharing among."""
    work = batch_size(config, material) * len(net.parameters.flat)
    size = min(processes, max(1, work // _SHARE))
    return Forked(size) if size > 1 else Alone()


def trainer(config: Config, material: Material, net: MLP, ranks: Ranks | None = None) -> Trainer:
    """Everything that trains `net` on the material, by this process or by several."""
    ranks = ranks or Alone()
    train, val, encoding = config.train, material.splits.val, material.encoding
    step = training_step(config, material, net, ranks)
    assert train.epochs is not None  # `complete` has filled it in
    assert train.lr is not None  # and `make_config` this
    steps_per_epoch = step.batches.steps
    steps = train.epochs * steps_per_epoch
    return Trainer(
        step=step,
        lr=lr_schedule(
            train.lr_schedule,
            train.lr,
            steps=steps,
            steps_per_epoch=steps_per_epoch,
            warmup=train.warmup,
            decay=train.lr_decay if train.lr_decay is not None else 1.0,
            decay_epochs=train.lr_step,
        ),
        momentum=momentum_schedule(train.momentum, train.final_momentum, steps=steps),
        validation=Scorer(net, val, encoding, step.task, ranks, crossed=True) if val else None,
        choose=train.choose,
    )


def training_batches(config: Config, material: Material, dtype: Any) -> Batches:
    """The batches of the training rows, distorted if they are images that are to be."""
    return Batches(
        material.splits.train,
        material.encoding,
        batch_size(config, material),
        dtype,
        config.train.seed,
        distortions=distortions(config.augment, material.data, material.task),
        image_shape=material.data.image_shape,
        repeated=True,
        dense=config.train.mixup > 0,  # what is mixed is more than one category
    )


def training_step(config: Config, material: Material, net: MLP, ranks: Ranks) -> Step:
    """What a step on the training rows needs."""
    train, data = config.train, material.data
    moves = attack(train.adversarial, config.model, data.image_shape, data.source)
    batches = training_batches(config, material, net.dtype)
    # Masks are drawn for the inputs as they come, and numbers that are embedded come first.
    # What is moved has no zeros, and its rows are the rank's that moved them.
    as_they_come = config.model.input_dropout or not net.takes_inputs_as_they_are or moves
    by_units = ranks.shared and not moves and share_units(net, batches.size / ranks.size)
    whole_batches = by_units and batches.cut_quickly and not any(net.dropout_rates)
    units = net.sizes[1] // (ranks.size if whole_batches else 1)  # for each row that a rank cuts
    order = None if as_they_come else batches.sort_inputs(units)
    mixup = None
    if train.mixup:
        mixup = Mixup(train.mixup, batches, material.task, net.dtype, train.seed)
    whole = net
    if order or by_units:
        net = copy.copy(whole)
        flat = net.parameters.flat
        whole.move_to(net.parameters.like(ranks.zeros(flat.shape, flat.dtype)))
    return Step(
        net=net,
        whole=whole,
        optimizer=optimizer(train.optimizer, net, train.reg, ranks.zeros, beta2=train.beta2),
        batches=batches,
        task=material.task,
        smoothing=train.label_smoothing,
        seed=train.seed,
        attack=moves,
        mixup=mixup,
        max_norm=norm_limits(config),
        clip_norm=train.clip_norm,
        average=average(config, net, ranks, steps_per_epoch=batches.steps),
        ranks=ranks,
        by_units=by_units,
        whole_batches=whole_batches,
    )


def share_units(net: MLP, rows: float) -> bool:
    """Whether ranks that see the same memory share the network by its units, or a batch's rows.

    Each of those that share rows reads all weights for its `rows`; of those that share units, all
    rows for its weights, and they meet at every hidden layer. The factor is as it was measured:
    tests/bench/README.md.
    """
    hidden = net.sizes[1:-1]
    if not hidden or not net.takes_inputs_as_they_are:
        return False
    return min(hidden) >= 1.5 * rows * len(hidden)


def average(config: Config, net: MLP, ranks: Ranks, *, steps_per_epoch: int) -> Average | None:
    """What averages the weights of `net`, or None."""
    train = config.train
    if train.average == "none":
        return None
    assert train.epochs is not None
    flat = net.parameters.flat
    return AVERAGES[train.average](
        ranks.zeros(flat.shape, flat.dtype),
        decay=train.average_decay,
        first=round(train.average_from * train.epochs * steps_per_epoch),
        steps_per_epoch=steps_per_epoch,
    )


def norm_limits(config: Config) -> tuple[float, ...] | None:
    """The largest norm of the weights into a unit, for each layer, or None."""
    limit = config.train.max_norm
    if limit is None or isinstance(limit, tuple):
        return limit
    return (limit,) * (len(config.model.hidden) + 1)

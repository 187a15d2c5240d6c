"""What `mlp gradcheck` does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli.arrays import Array
from mlpcli.commands.begin import name_data, resolve_for_data
from mlpcli.commands.console import Console
from mlpcli.config.config import Config, resolve
from mlpcli.config.options import OPTIONS
from mlpcli.data.batches import Batches
from mlpcli.data.catalog import data_dir as where_data_lie
from mlpcli.data.encoding import Encoding
from mlpcli.data.split import Split
from mlpcli.errors import DataError, GradientCheckError, UsageError
from mlpcli.nn.gradcheck.check import check_network
from mlpcli.nn.gradcheck.outcome import GradientCheck, ParameterCheck
from mlpcli.nn.network import MLP
from mlpcli.records import record
from mlpcli.runs import build
from mlpcli.runs.material import prepare
from mlpcli.runs.model import Model, load
from mlpcli.runs.own_data import rows_to_evaluate
from mlpcli.tasks.task import Task
from mlpcli.text import dashed

_OF_A_MODEL = ("data", "label_column", "reg", "label_smoothing", "seed")  # what it leaves open


_POOL = 200  # rows that the samples are drawn from


def _of_config(config: Config, directory: Path, console: Console) -> list[_Case]:
    """The network of a configuration, and rows to check it on."""
    config = name_data(config, directory, console, "checking")
    material = prepare(config, directory)
    config = build.complete(config, material)
    net = build.network(config, *material.sizes)
    rows = _draw(material.splits.train, material.encoding, config, material.task)
    _announce(net, config, material.data.source, console)
    return [_Case("", net, config, rows)]


def _of_model(path: Path, flags: dict[str, Any], directory: Path, console: Console) -> list[_Case]:
    """The networks of a checkpoint, on their training rows, or other data that were given.

    If their own are gone, inputs are drawn at random: the equations are the same for them.
    """
    for name in flags:
        if name not in _OF_A_MODEL:
            raise UsageError(f"{OPTIONS[name].flag}: {path} has its own; leave one of them out")
    return [_of_network(member, flags, directory, console) for member in load(path).each]


def _of_network(saved: Model, flags: dict[str, Any], directory: Path, console: Console) -> _Case:
    config = resolve(flags, None, saved.config, kind_of=lambda _: saved.kind)
    net, source = saved.network(), flags.get("data")
    try:
        where, rows = rows_to_evaluate(
            saved,
            directory,
            source=source,
            label_column=flags.get("label_column"),
            split_name=None if source else "train",
        )
        drawn = _draw(rows, saved.encoding, config, saved.task)
    except DataError as error:
        if source:
            raise
        console.notice(f"{error}; checking on random inputs")
        where = "random inputs"
        drawn = _draw_random(net, config, saved.task)
    number = saved.file.member
    if not number:
        _announce(net, config, where, console)
    return _Case("" if number is None else f"members/{number}/", net, config, drawn)


@record
class _Case:
    """A network to check, with its options and rows; `name` begins those of its arrays."""

    name: str
    net: MLP
    config: Config
    rows: _Rows

    def check(self, tolerance: float) -> GradientCheck:
        """Check it."""
        found = check_network(
            self.net,
            self.rows.X,
            self.rows.Y,
            reg=self.config.train.reg,
            weights=self.rows.weights,
            tolerance=tolerance,
            seed=self.config.train.seed,
        )
        return GradientCheck(
            tolerance,
            [replace(one, name=self.name + one.name) for one in found.parameters],
            [replace(one, name=self.name + one.name) for one in found.checks],
        )


@record
class _Rows:
    """What a gradient is checked on: X (M, D), Y (M, C), weights (M,) or None, all float64."""

    X: Array
    Y: Array
    weights: Array | None = None


def _draw(split: Split, encoding: Encoding, config: Config, task: Task) -> _Rows:
    """Up to _POOL rows, drawn by the seed, with their targets as training has them."""
    batches = Batches(split, encoding, _POOL, np.float64, config.train.seed)
    N = batches.size
    X, y = np.empty((N, encoding.width)), np.empty(N, task.target_dtype)
    weights = np.empty((N, 1)) if batches.weighted else None
    batches.cut(batches.order(0), 0, X, y, weights=weights)
    Y = np.empty((N, task.outputs))
    task.fill_targets(y, Y, config.train.label_smoothing)
    return _Rows(X, Y, None if weights is None else weights[:, 0])


def _draw_random(net: MLP, config: Config, task: Task) -> _Rows:
    rng = np.random.default_rng(config.train.seed)
    X, Y = rng.standard_normal((_POOL, net.sizes[0])), np.empty((_POOL, task.outputs))
    if task.outputs > 1:
        y: Array = rng.integers(task.outputs, size=_POOL)
    else:
        y = rng.standard_normal(_POOL)
    task.fill_targets(y, Y, config.train.label_smoothing)
    return _Rows(X, Y)


def _announce(net: MLP, config: Config, where: str, console: Console) -> None:
    layers, model = dashed(net.sizes), config.model
    activation = f"{model.activation}, " if model.hidden else ""
    console.notice(f"{layers}, {activation}{model.loss}, λ = {config.train.reg:g}, on {where}")


def _show(check: GradientCheck, parameters: int, console: Console) -> None:
    """The table of parameters, the other checks, and the outcome."""
    width = max(6, *(len(parameter.name) for parameter in check.parameters))
    console.result(
        f"{'array':{width}} {'shape':>11} {'checked':>8} {'kinks':>6} {'max rel. error':>15}  "
        f"{'at':13} {'backpropagation':>17} {'central difference':>19}"
    )
    for parameter in check.parameters:
        console.result(_row(parameter, width))
    console.result("")
    for item in check.checks:
        console.result(f"{'ok' if item.passed else 'FAILED':6} {item.name}: {item.detail}")
    checked = sum(parameter.checked for parameter in check.parameters)
    console.result("")
    console.result(
        f"{'passed' if check.passed else 'FAILED'}: "
        f"max relative error {check.max_relative_error:.1e} over {checked:,} of "
        f"{parameters:,} parameters, tolerance {check.tolerance:g}"
    )


def _row(p: ParameterCheck, width: int) -> str:
    shape = "x".join(map(str, p.shape))
    counts = f"{p.name:{width}} {shape:>11} {p.checked:>8,} {p.kinks_skipped:>6,}"
    if p.worst_index is None:
        return counts
    index = f"[{', '.join(map(str, p.worst_index))}]"
    return f"{counts} {p.error:>15.1e}  {index:13} {p.analytic:>17.9e} {p.numeric:>19.9e}"


def gradcheck(
    console: Console,
    model: Path | None,
    flags: dict[str, Any],
    *,
    tolerance: float,
    config_file: Path | None,
    data_dir: Path | None,
) -> None:
    """Check the gradient of a saved model, or of the network that the options describe.

    Raises:
        GradientCheckError: it is wrong, and where.
    """
    directory = where_data_lie(data_dir)
    with np.errstate(all="ignore"):  # what overflows fails the check
        if model:
            if config_file:
                raise UsageError(f"--config {config_file}: {model} has its own; give one of them")
            cases = _of_model(model, flags, directory, console)
        else:
            cases = _of_config(resolve_for_data(flags, config_file), directory, console)
        found = [case.check(tolerance) for case in cases]
    check = GradientCheck(
        tolerance,
        [one for each in found for one in each.parameters],
        [one for each in found for one in each.checks],
    )
    console.json(check.to_json())
    _show(check, sum(len(case.net.parameters.flat) for case in cases), console)
    if failure := check.failure():
        raise GradientCheckError(failure)

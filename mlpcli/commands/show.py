"""What `mlp show` does."""

from __future__ import annotations

import csv
import io
import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli.commands.console import Console
from mlpcli.commands.show_columns import column_table
from mlpcli.commands.show_history import LOSSES, history_table
from mlpcli.config.config import resolve
from mlpcli.config.options import OPTIONS
from mlpcli.data.catalog import data_dir as where_data_lie
from mlpcli.data.catalog import default_source
from mlpcli.errors import CheckpointError, UsageError
from mlpcli.evaluation.conformal import FEWEST, PERCENT, half_width
from mlpcli.evaluation.figures import Run, require, save_curves
from mlpcli.evaluation.pixels import save_distortions, save_weights
from mlpcli.evaluation.results import differing
from mlpcli.files import ensure_writable
from mlpcli.runs import images, material, own_data
from mlpcli.runs.model import Model, describe_members, load
from mlpcli.runs.out_of_fold import describe_out_of_fold
from mlpcli.runs.repeat import train_command
from mlpcli.tasks.classification import Classification
from mlpcli.text import aligned, as_typed, dashed, printable


def _load(paths: Sequence[Path], console: Console) -> tuple[list[Model], Sequence[CheckpointError]]:
    """(the models, the best first; why others could not be read): one must be readable."""
    models, errors = [], []
    for path in paths:
        try:
            models.append(load(path))
        except CheckpointError as error:
            errors.append(error)
    if not models:
        raise errors[0]
    for unreadable in errors:
        console.warning(str(unreadable))
    return sorted(models, key=_rank), errors


def _rank(model: Model) -> tuple[str, float, float]:
    """Of each task the best validation score first, the lower loss deciding; then those without."""
    score, loss = _validation(model)
    if score is None or loss is None:
        return model.task.kind, math.inf, 0.0
    return model.task.kind, -model.task.upward * score, loss


def _validation(model: Model) -> tuple[float | None, float | None]:
    """The headline figure and the loss."""
    best = _best(model)
    return best.get(f"val_{model.task.headline}"), best.get("val_loss")


def _best(model: Model) -> dict[str, Any]:
    """The history's entry of the epoch that the weights are of; of members, what they held out."""
    score = model.out_of_fold
    if not model.members:
        return model.best
    figures = {"loss": score.loss, **score.figures} if score else {}
    return {f"val_{name}": value for name, value in figures.items()}


def _seconds(model: Model) -> float:
    return float(sum(one.history[-1]["seconds"] for one in model.each if one.history))


def _parameters(model: Model) -> int:
    return sum(array.size for one in model.each for array in one.file.params.values())


def _threads(model: Model) -> str:
    text = "1 thread" if model.threads == 1 else f"{model.threads} threads"
    return f"{model.ranks} ranks of {text}" if model.ranks > 1 else text


def _layers(model: Model) -> str:
    return f"{len(model.members)} of " * bool(model.members) + dashed(model.file.sizes)


def _epoch(model: Model) -> str:
    """The epoch that the weights are of, or of which those of each member are."""
    return ",".join(str(one.epoch) for one in model.each)


def _description(model: Model) -> str:
    config, data = model.config, model.data
    kind = f"images of {data.image_shape[0]} by {data.image_shape[1]}, " if data.image_shape else ""
    target = model.task.describe(data.label_name)
    first = [
        str(model.file.path),
        f"  network    {_layers(model)}, {_parameters(model):,} parameters ({config.model.dtype}), "
        f"{config.model.activation}, {config.model.loss}",
        f"  data       {data.source}: {data.rows:,} rows, {kind}{target}",
        f"  training   {model.epochs} epochs in {_seconds(model):.1f} s, weights of epoch "
        f"{_epoch(model)}, {_threads(model)}",
        *_members(model),
        *_interval(model),
        f"  repeat     {train_command(model)}"
        + (" (not exactly: it was resumed with other options)" if model.changed else ""),
    ]
    lines = [
        *map(printable, first),
        "",
        *history_table(model),
        "",
        *("  " + line for line in column_table(model.encoding)),
        "",
        *_arrays(model),
        "",
        config.to_toml().rstrip(),
    ]
    return "\n".join(lines)


def _members(model: Model) -> list[str]:
    """How the members of a file do on what they held out."""
    if not model.members:
        return []
    planned, score = model.config.train.members, model.out_of_fold
    there = f"{len(model.members)} of {planned}: " if len(model.members) != planned else ""
    name, show = model.task.headline_name, model.task.show
    figures = [one.validation for one in model.members]
    each = [show(figure[model.task.headline]) if figure else "-" for figure in figures]
    lines = [f"  members    {there}{name} {', '.join(each)} on what each held out"]
    if score:
        lines.append(f"  together   {describe_out_of_fold(score, model.task)}")
    return [*lines, f"  below      member {model.file.member}"]


def _interval(model: Model) -> list[str]:
    """How far off the answers are at most, if that is known."""
    residuals = np.concatenate([one.file.residuals for one in model.each])
    rows = len(residuals)
    if rows < FEWEST:
        return []
    width = half_width(residuals)
    return [f"  interval   ± {width:.4g}, of {PERCENT} % of new rows ({rows:,} held-out ones)"]


def _arrays(model: Model) -> list[str]:
    rows = [("array", "shape", "values", "mean", "deviation", "largest")]
    for name, array in model.file.params.items():
        with np.errstate(over="ignore"):
            mean, deviation = array.mean(dtype=np.float64), array.std(dtype=np.float64)
        figures = (f"{mean:.2g}", f"{deviation:.2g}", f"{abs(array).max():.2g}")
        rows.append((name, str(array.shape), f"{array.size:,}", *figures))
    return ["  " + line for line in aligned(rows).splitlines()]


def _table(models: Sequence[Model]) -> str:
    different = differing([model.config.values() for model in models])
    options = [name for name in different if name not in ("hidden", "epochs")]  # shown anyway
    rows = [("model", "validation", "loss", "network", *options, "epoch", "seconds")]
    for model in models:
        values, (score, loss) = model.config.values(), _validation(model)
        name = "" if isinstance(model.task, Classification) else f"{model.task.headline_name} "
        rows.append(
            (
                str(model.file.path),
                "-" if score is None else name + model.task.show(score),
                "-" if loss is None else f"{loss:.4f}",
                _layers(model),
                *(as_typed(values[name]) for name in options),
                f"{_epoch(model)}/{model.epochs}",
                f"{_seconds(model):.1f}",
            )
        )
    return aligned(rows)


def _as_json(model: Model) -> dict[str, Any]:
    best = _best(model)
    return {
        "checkpoint": str(model.file.path),
        "data": model.data.source,
        "architecture": model.file.sizes,
        "parameters": _parameters(model),
        "classes": model.classes.tolist(),
        "columns": model.encoding.to_json(),
        "epochs": model.epochs,
        "best_epoch": None if model.members else model.epoch,
        **{
            part: _scores(best, short, model.task.headline)
            for part, short in (("train", "train"), ("validation", "val"))
        },
        "seconds": _seconds(model),
        "threads": model.threads,
        "ranks": model.ranks,
        "config": model.config.sections(),
        "history": model.history,
        **describe_members(model.each),
    }


def _scores(entry: dict[str, Any], part: str, headline: str) -> dict[str, float] | None:
    """The figures of the history, in which training's are means over an epoch's batches."""
    loss, score = entry.get(f"{part}_loss"), entry.get(f"{part}_{headline}")
    return None if loss is None or score is None else {"loss": loss, headline: score}


def _csv(models: Sequence[Model]) -> str:
    rows = []
    headlines = dict.fromkeys((Classification.headline, *(m.task.headline for m in models)))
    scores = [f"{part}_{headline}" for headline in headlines for part in ("train", "val")]
    for model in models:
        best = _best(model)
        rows.append(
            {
                "checkpoint": str(model.file.path),
                "architecture": _layers(model),
                "parameters": _parameters(model),
                "epochs_done": model.epochs,
                "best_epoch": None if model.members else model.epoch,
                **{key: best.get(key) for key in (*LOSSES, *scores)},
                "seconds": _seconds(model),
                **{
                    name: "" if value is None else as_typed(value)
                    for name, value in model.config.values().items()
                },
            }
        )
    text = io.StringIO()
    table = csv.DictWriter(text, rows[0], lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()


def _draw_curves(models: Sequence[Model], path: Path) -> None:
    ensure_writable(path, reads=[m.file.path for m in models])
    save_curves(
        path, [Run(one.file.name, one.history, one.epoch) for m in models for one in m.each]
    )


def _draw_weights(model: Model, path: Path) -> str:
    """Draw them; what is on the picture, in words."""
    shape = model.data.image_shape
    if shape is None:
        raise UsageError(
            f"--weights: {model.file.path} was trained on {model.data.source}, which holds no "
            "images, so its weights cannot be drawn"
        )
    ensure_writable(path, reads=[model.file.path])
    W = model.file.plain_params["W1"]
    count = save_weights(path, W, (shape[0], shape[1]))
    return f"{count} of {W.shape[1]:,} units of the first layer"


def _draw_preview(
    model: Model | None,
    flags: dict[str, Any],
    config_file: Path | None,
    data_dir: Path | None,
    path: Path,
) -> str:
    """Draw images before and after; what to say of it."""
    folder = where_data_lie(data_dir)
    config = resolve(flags, config_file, model.config if model else None)
    if config.augment.augment == "none":
        where = f"{model.file.path} was trained" if model else "these options train"
        raise UsageError(
            f"--augment-preview: {where} without distortions; give --augment affine or elastic, too"
        )
    if model:
        shown = own_data.own_material(model, config, folder)
    else:
        source = config.data.data or default_source(folder)
        config = replace(config, data=replace(config.data, data=source))
        shown = material.prepare(config, folder)
    reads = [config_file, *config.data.files, model.file.path if model else None]
    ensure_writable(path, reads=reads)
    before, after = images.distorted_samples(config, shown.data, shown.splits)
    save_distortions(path, before, after, shown.encoding.largest)
    return f"{path} written, {len(before)} images of {shown.data.source} before and after"


def show(
    console: Console,
    paths: tuple[Path, ...],
    pictures: dict[str, Path | None],
    flags: dict[str, Any],
    *,
    config_file: Path | None,
    data_dir: Path | None,
    as_csv: bool,
) -> None:
    """Describe checkpoints and draw what `pictures` asks for.

    Raises:
        CheckpointError: one cannot be read; the others are described all the same.
    """
    _refuse_what_does_not_go_together(paths, pictures, [*flags, *(["config"] * bool(config_file))])
    weights_file, curves_file = pictures["--weights"], pictures["--curves"]
    preview_file = pictures["--augment-preview"]
    for name, file in pictures.items():
        if file:
            require(name)
    if not paths:
        assert preview_file is not None
        console.notice(_draw_preview(None, flags, config_file, data_dir, preview_file))
        return
    models, unreadable = _load(paths, console)
    written = []
    if curves_file:
        _draw_curves(models, curves_file)
        written.append(f"{curves_file} written")
    if weights_file:
        written.append(f"{weights_file} written, {_draw_weights(models[0], weights_file)}")
    if preview_file:
        written.append(_draw_preview(models[0], flags, config_file, data_dir, preview_file))
    if as_csv:
        sys.stdout.write(_csv(models))
    elif console.as_json:
        console.json({"models": [_as_json(model) for model in models]})
    elif not (written and console.quiet):
        console.block(_description(models[0]) if len(paths) == 1 else _table(models))
    for text in written:
        console.notice(text)
    if unreadable:
        count = f"{len(unreadable)} of {len(paths)} cannot be read"
        raise CheckpointError(f"{count}; the first: {unreadable[0]}")


def _refuse_what_does_not_go_together(
    paths: Sequence[Path], pictures: dict[str, Path | None], options: Sequence[str]
) -> None:
    preview = pictures["--augment-preview"]
    if not paths and not preview:
        raise UsageError("missing argument MODEL.npz…; see mlp show --help")
    if not paths and any(pictures[name] for name in ("--weights", "--curves")):
        raise UsageError("--weights and --curves draw models; name one")
    for name in ("--weights", "--augment-preview"):
        if pictures[name] and len(paths) > 1:
            raise UsageError(f"{name} draws one model; name one")
    if options and not preview:
        flag = OPTIONS[options[0]].flag if options[0] in OPTIONS else "--config"
        raise UsageError(f"{flag} is for --augment-preview, which is not given")

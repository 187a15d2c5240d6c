"""`mlp show`."""

from __future__ import annotations

import csv
import io
import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlpcli.cli.completion import CHECKPOINT
from mlpcli.cli.console import Console
from mlpcli.cli.options import (
    Command,
    config_file_option,
    config_options,
    data_dir_option,
    given_flags,
    resolve,
    train_command,
)
from mlpcli.config import OPTIONS
from mlpcli.errors import CheckpointError, ExitCode, UsageError

if TYPE_CHECKING:
    from mlpcli.training.checkpoint import Model

_CURVES = (
    ("train_loss", "training loss", "{:.4f}"),
    ("val_loss", "validation loss", "{:.4f}"),
    ("train_accuracy", "training accuracy", "{:.2%}"),
    ("val_accuracy", "validation accuracy", "{:.2%}"),
    ("lr", "learning rate", "{:.2g}"),
    ("update_ratio", "update ratio", "{:.1e}"),
    ("gradient_norm", "gradient norm", "{:.2g}"),
    ("dead_units", "dead units", "{:.1%}"),
)


@click.command(cls=Command)
@click.argument("paths", nargs=-1, metavar="MODEL.npz…", type=CHECKPOINT)
@click.option(
    "--weights",
    "weights_file",
    type=click.Path(path_type=Path),
    metavar="FILE.png",
    help="Draw the first layer's weights as images.",
)
@click.option(
    "--curves",
    "curves_file",
    type=click.Path(path_type=Path),
    metavar="FILE.png",
    help="Draw loss and accuracy over the epochs; also .svg and .pdf.",
)
@click.option(
    "--augment-preview",
    "preview_file",
    type=click.Path(path_type=Path),
    metavar="FILE.png",
    help="Draw images before and after they are distorted, as a model's were, or as these options "
    "say: --data, --config and those below.",
)
@config_options("augment", only=("data",))
@config_file_option
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object to stdout.")
@click.option("--csv", "as_csv", is_flag=True, help="Print a CSV table, a row a model, to stdout.")
@click.option("-q", "--quiet", is_flag=True, help="Show only results and errors.")
@click.pass_context
def show(
    ctx: click.Context,
    /,
    paths: tuple[Path, ...],
    weights_file: Path | None,
    curves_file: Path | None,
    preview_file: Path | None,
    config_file: Path | None,
    data_dir: Path | None,
    as_json: bool,
    as_csv: bool,
    quiet: bool,
    **_: Any,
) -> int:
    """What is in a checkpoint: network, data, history, configuration.

    \b
      mlp show model.npz
      mlp show runs/*.npz
      mlp show runs/*.npz --csv > runs.csv
      mlp show model.npz --json | jq '.models[0].config'
      mlp show mnist.npz --weights weights.png --curves curves.svg
      mlp show mnist.npz --augment-preview sheet.png
      mlp show --augment-preview sheet.png --augment elastic --rotate 20

    Several models are a table, the best on its validation rows first, with the options in which
    they differ.
    """
    console = Console(quiet=quiet, as_json=as_json)
    if as_json and as_csv:
        raise UsageError("--json and --csv: stdout can only be one of them")
    pictures = {
        "--weights": weights_file,
        "--curves": curves_file,
        "--augment-preview": preview_file,
    }
    flags = given_flags(ctx)
    _refuse_what_does_not_go_together(paths, pictures, [*flags, *(["config"] * bool(config_file))])
    for name, file in pictures.items():
        if file:
            from mlpcli.evaluation.figures import require

            require(name)
    if not paths:
        assert preview_file is not None
        console.notice(_draw_preview(None, flags, config_file, data_dir, preview_file))
        return ExitCode.DONE
    models, unreadable = _load(paths, console)
    if as_csv:
        click.echo(_csv(models), nl=False)
    elif as_json:
        console.json({"models": [_as_json(model) for model in models]})
    elif len(paths) == 1:
        click.echo(_description(models[0]))
    else:
        click.echo(_table(models))
    if curves_file:
        _draw_curves(models, curves_file)
        console.notice(f"{curves_file} written")
    if weights_file:
        console.notice(f"{weights_file} written, {_draw_weights(models[0], weights_file)}")
    if preview_file:
        console.notice(_draw_preview(models[0], flags, config_file, data_dir, preview_file))
    return ExitCode.INPUT if unreadable else ExitCode.DONE


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


def _load(paths: Sequence[Path], console: Console) -> tuple[list[Model], int]:
    """(the models, the best first; how many could not be read): one alone must be readable."""
    from mlpcli.training.checkpoint import load

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
    return sorted(models, key=_rank), len(errors)


def _rank(model: Model) -> tuple[float, float]:
    """Highest validation accuracy first, the lower loss deciding; then those without."""
    best = _best(model)
    accuracy, loss = best.get("val_accuracy"), best.get("val_loss")
    if accuracy is None or loss is None:
        return math.inf, 0.0
    return -accuracy, loss


def _best(model: Model) -> dict[str, Any]:
    """The history's entry of the epoch that the weights are of; empty where it has none."""
    return next((entry for entry in model.history if entry.get("epoch") == model.epoch), {})


def _seconds(model: Model) -> float:
    return float(model.history[-1]["seconds"]) if model.history else 0.0


def _parameters(model: Model) -> int:
    return sum(array.size for array in model.file.params.values())


def _threads(model: Model) -> str:
    text = "1 thread" if model.threads == 1 else f"{model.threads} threads"
    return f"{model.ranks} ranks of {text}" if model.ranks > 1 else text


def _layers(model: Model) -> str:
    return "-".join(map(str, model.file.sizes))


# One model, for a person


def _description(model: Model) -> str:
    config, data = model.config, model.data
    labels = [str(label) for label in model.classes.tolist()]
    some = labels if len(labels) <= 12 else [*labels[:6], "…", labels[-1]]
    kind = f"images of {data.image_shape[0]} by {data.image_shape[1]}, " if data.image_shape else ""
    lines = [
        str(model.file.path),
        f"  network    {_layers(model)}, {_parameters(model):,} parameters ({config.model.dtype}), "
        f"{config.model.activation}, {config.model.loss}",
        f"  data       {data.source}: {data.rows:,} rows, {kind}"
        f"{len(labels)} classes: {' '.join(some)}",
        f"  training   {model.epochs} epochs in {_seconds(model):.1f} s, weights of epoch "
        f"{model.epoch}, {_threads(model)}",
        f"  repeat     {train_command(model)}"
        + (" (not exactly: it was resumed with other options)" if model.changed else ""),
        "",
        *_history(model),
        "",
        *_arrays(model),
        "",
        config.to_toml().rstrip(),
    ]
    return "\n".join(lines)


def _history(model: Model) -> list[str]:
    """A line a curve: its first value, the curve, its last, and its value at the best epoch."""
    from mlpcli.evaluation.report import aligned, sparkline

    best = _best(model)
    first_epoch = str(model.history[0]["epoch"]) if model.history else ""
    rows = [("epoch", first_epoch, "", str(model.epochs), f"kept: {model.epoch}")]
    for key, name, form in _CURVES:
        values = [entry[key] for entry in model.history if entry.get(key) is not None]
        if not values:
            continue
        first, last, kept = (
            "" if value is None else form.format(value).replace("%", " %")
            for value in (values[0], values[-1], best.get(key))
        )
        curve = sparkline(values) if _shows_blocks() else "to"
        rows.append((name, first, curve, last, kept))
    if len(rows) == 1:
        return ["  no history"]
    width = max(len(row[2]) for row in rows)
    rows = [(a, b, c.ljust(width), d, e) for a, b, c, d, e in rows]
    return ["  " + line for line in aligned(rows).splitlines()]


def _shows_blocks() -> bool:
    try:
        "▁█".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _arrays(model: Model) -> list[str]:
    import numpy as np

    from mlpcli.evaluation.report import aligned

    rows = [("array", "shape", "values", "mean", "deviation", "largest")]
    for name, array in model.file.params.items():
        with np.errstate(over="ignore"):
            mean, deviation = array.mean(dtype=np.float64), array.std(dtype=np.float64)
        figures = (f"{mean:.2g}", f"{deviation:.2g}", f"{abs(array).max():.2g}")
        rows.append((name, str(array.shape), f"{array.size:,}", *figures))
    return ["  " + line for line in aligned(rows).splitlines()]


# Several models, for a person


def _table(models: Sequence[Model]) -> str:
    from mlpcli.evaluation.report import aligned, differing, shown

    different = differing([model.config.values() for model in models])
    options = [name for name in different if name not in ("hidden", "epochs")]  # shown anyway
    rows = [("model", "validation", "loss", "network", *options, "epoch", "seconds")]
    for model in models:
        best, values = _best(model), model.config.values()
        accuracy, loss = best.get("val_accuracy"), best.get("val_loss")
        rows.append(
            (
                str(model.file.path),
                "-" if accuracy is None else f"{100 * accuracy:.2f} %",
                "-" if loss is None else f"{loss:.4f}",
                _layers(model),
                *(shown(values[name]) for name in options),
                f"{model.epoch}/{model.epochs}",
                f"{_seconds(model):.1f}",
            )
        )
    return aligned(rows)


# For scripts


def _as_json(model: Model) -> dict[str, Any]:
    best = _best(model)
    return {
        "checkpoint": str(model.file.path),
        "data": model.data.source,
        "architecture": model.file.sizes,
        "parameters": _parameters(model),
        "classes": model.classes.tolist(),
        "epochs": model.epochs,
        "best_epoch": model.epoch,
        **{
            part: _scores(best, short)
            for part, short in (("train", "train"), ("validation", "val"))
        },
        "seconds": _seconds(model),
        "threads": model.threads,
        "ranks": model.ranks,
        "config": model.config.sections(),
        "history": model.history,
    }


def _scores(entry: dict[str, Any], part: str) -> dict[str, float] | None:
    """The figures of the history, in which training's are means over an epoch's batches."""
    loss, accuracy = entry.get(f"{part}_loss"), entry.get(f"{part}_accuracy")
    return None if loss is None or accuracy is None else {"loss": loss, "accuracy": accuracy}


def _csv(models: Sequence[Model]) -> str:
    from mlpcli.evaluation.report import shown

    rows = []
    for model in models:
        best = _best(model)
        rows.append(
            {
                "checkpoint": str(model.file.path),
                "architecture": _layers(model),
                "parameters": _parameters(model),
                "epochs_done": model.epochs,
                "best_epoch": model.epoch,
                **{key: best.get(key) for key, *_ in _CURVES[:4]},
                "seconds": _seconds(model),
                **{
                    name: "" if value is None else shown(value)
                    for name, value in model.config.values().items()
                },
            }
        )
    text = io.StringIO()
    table = csv.DictWriter(text, rows[0], lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()


# Pictures


def _draw_curves(models: Sequence[Model], path: Path) -> None:
    from mlpcli.evaluation.figures import Run, save_curves
    from mlpcli.files import ensure_writable

    ensure_writable(path)
    save_curves(path, [Run(str(m.file.path), m.history, m.epoch) for m in models])


def _draw_weights(model: Model, path: Path) -> str:
    """Draw them; what is on the picture, in words."""
    from mlpcli.evaluation.figures import save_weights
    from mlpcli.files import ensure_writable

    shape = model.data.image_shape
    if shape is None:
        raise UsageError(
            f"--weights: {model.file.path} was trained on {model.data.source}, which holds no "
            "images that its weights could be drawn as"
        )
    ensure_writable(path)
    W = model.file.params["W1"]
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
    from mlpcli import build
    from mlpcli.data.catalog import data_dir as where_data_lie
    from mlpcli.data.catalog import default_source
    from mlpcli.evaluation.figures import save_distortions
    from mlpcli.files import ensure_writable

    folder = where_data_lie(data_dir)
    config = resolve(flags, config_file, model.config if model else None)
    if config.augment.augment == "none":
        where = f"{model.file.path} was trained" if model else "these options train"
        raise UsageError(
            f"--augment-preview: {where} without distortions; give --augment affine or elastic, too"
        )
    if model:
        material = build.own_material(model, config, folder)
    else:
        source = config.data.data or default_source(folder)
        config = replace(config, data=replace(config.data, data=source))
        material = build.prepare(config, folder)
    ensure_writable(path)
    before, after = build.distorted_samples(config, material)
    save_distortions(path, before, after, material.data.full_scale)
    return f"{path} written, {len(before)} images of {material.data.source} before and after"

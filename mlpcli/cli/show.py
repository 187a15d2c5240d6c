"""`mlp show`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mlpcli.cli.options import (
    Command,
    config_file_option,
    config_options,
    data_dir_option,
    given_flags,
)
from mlpcli.cli.paths import CHECKPOINT, PATH
from mlpcli.commands.console import Console
from mlpcli.errors import UsageError


@click.command(cls=Command)
@click.argument("paths", nargs=-1, metavar="MODEL.npz…", type=CHECKPOINT)
@click.option(
    "--weights",
    "weights_file",
    type=PATH,
    metavar="FILE.png",
    help="Draw the first layer's weights as images.",
)
@click.option(
    "--curves",
    "curves_file",
    type=PATH,
    metavar="FILE.png",
    help="Draw loss and accuracy over the epochs; also .svg and .pdf.",
)
@click.option(
    "--augment-preview",
    "preview_file",
    type=PATH,
    metavar="FILE.png",
    help="Draw images before and after they are distorted, as in a model's training, or by --data, "
    "--config and the options below.",
)
@config_options(
    "augment",
    only=("data",),
    data="Data of --augment-preview. Default: the model's own; without a model, mnist if "
    "downloaded, else digits.",
)
@config_file_option
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object to stdout.")
@click.option(
    "--csv", "as_csv", is_flag=True, help="Print a CSV table to stdout, one row per model."
)
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
) -> None:
    """Show what is in a checkpoint: network, data, history, configuration.

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
    from mlpcli.commands.show import show as run

    run(
        console,
        paths,
        pictures,
        given_flags(ctx),
        config_file=config_file,
        data_dir=data_dir,
        as_csv=as_csv,
    )

"""`mlp gradcheck`."""

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
    output_options,
)
from mlpcli.cli.paths import CHECKPOINT
from mlpcli.cli.threads import threads_option, use_threads
from mlpcli.commands.console import Console
from mlpcli.config.kinds import Number
from mlpcli.errors import UsageError

_TOLERANCE = Number(above=0, at_most=1)


def _check_tolerance(_: Any, __: Any, text: str) -> float:
    try:
        tolerance: float = _TOLERANCE.check(_TOLERANCE.parse(text))
    except ValueError as error:
        raise UsageError(f"--tolerance {text}: {error}") from None
    return tolerance


@click.command(cls=Command)
@click.argument("model", required=False, type=CHECKPOINT, metavar="[MODEL.npz]")
@config_options(
    "data",
    "model",
    only=("reg", "label_smoothing", "seed"),
    data="Name, file or folder, as in `mlp train`. Default: the model's own training rows; without "
    "a model, mnist if downloaded, else digits.",
)
@click.option(
    "--tolerance",
    default="1e-6",
    callback=_check_tolerance,
    metavar=_TOLERANCE.metavar,
    help="Largest relative error that passes. [1e-6]",
)
@config_file_option
@data_dir_option
@threads_option
@output_options
@click.pass_context
def gradcheck(
    ctx: click.Context,
    /,
    console: Console,
    model: Path | None,
    tolerance: float,
    config_file: Path | None,
    data_dir: Path | None,
    threads: int | None,
    **_: Any,
) -> None:
    """Verify the backward pass against central differences, parameter by parameter.

    \b
      mlp gradcheck                                  the network that `mlp train` starts from
      mlp gradcheck --hidden 50,30 --activation tanh --dropout 0.5
      mlp gradcheck --config mnist
      mlp gradcheck model.npz                        a saved one, from its own weights
      mlp gradcheck --json | jq .max_relative_error

    In double precision, with dropout masks drawn once, after a short training: all parameters up
    to 100,000, beyond that a sample of each array. If a unit crosses the kink of its activation,
    the entry is skipped and counted. A wrong gradient ends with exit code 5.
    """
    use_threads(threads, console)
    from mlpcli.commands.gradcheck import gradcheck as run

    run(
        console,
        model,
        given_flags(ctx),
        tolerance=tolerance,
        config_file=config_file,
        data_dir=data_dir,
    )

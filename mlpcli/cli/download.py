"""`mlp download`: fetch data sets into the data directory."""

from __future__ import annotations

from pathlib import Path

import click

from mlpcli.cli.options import Command, data_dir_option, output_options
from mlpcli.commands.console import Console
from mlpcli.data import catalog


@click.command(cls=Command)
@click.argument("names", metavar="[NAME]...", nargs=-1, type=click.Choice(catalog.NAMES))
@click.option(
    "--mirror",
    "mirrors",
    metavar="URL",
    multiple=True,
    help="Fetch from here instead of the known mirrors; may be repeated.",
)
@click.option("--force", is_flag=True, help="Fetch again what is already there.")
@click.option("--list", "listing", is_flag=True, help="List the data sets and exit.")
@data_dir_option
@output_options
def download(
    console: Console,
    names: tuple[str, ...],
    mirrors: tuple[str, ...],
    force: bool,
    listing: bool,
    data_dir: Path | None,
) -> None:
    """Fetch data sets into the data directory, checked by digest.

    \b
      mlp download                  MNIST
      mlp download fashion-mnist    Fashion-MNIST
      mlp download --list           what there is, and what is here
      mlp download --mirror http://127.0.0.1:8000/mnist/
      mlp download --json | jq -r '.files[].path'

    NAME is one of --list, by default mnist; what is built in needs no download. Files that are
    there already are checked and left alone, an interrupted download is continued, and nothing is
    put in place before its digest is verified.
    """
    from mlpcli.commands.download import download as run

    run(
        console,
        names,
        mirrors=mirrors,
        force=force,
        listing=listing,
        data_dir=data_dir,
    )

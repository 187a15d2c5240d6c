"""`mlp download`: fetch data sets into the data directory."""

from __future__ import annotations

from pathlib import Path

import click

from mlpcli.commands.console import Console
from mlpcli.data import catalog


@click.command(short_help="Fetch data sets into the data directory.")
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
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of downloaded data. [$MLP_DATA_DIR, else ~/.cache/mlp]",
)
@click.option("-q", "--quiet", is_flag=True, help="Show only errors.")
def download(
    names: tuple[str, ...],
    mirrors: tuple[str, ...],
    force: bool,
    listing: bool,
    data_dir: Path | None,
    quiet: bool,
) -> None:
    """Fetch data sets into the data directory, checked by digest.

    \b
    Examples:
      mlp download                  MNIST
      mlp download fashion-mnist    Fashion-MNIST
      mlp download --list           what there is, and what is here
      mlp download --mirror http://127.0.0.1:8000/mnist/

    NAME is mnist (the default) or fashion-mnist; digits and spiral come with mlp. Files that are
    there already are checked and left alone, an interrupted download is continued, and nothing is
    put in place before its digest is verified.
    """
    console = Console(quiet=quiet)
    from mlpcli.commands.download import download as run

    run(
        console,
        names,
        mirrors=mirrors,
        force=force,
        listing=listing,
        data_dir=data_dir,
    )

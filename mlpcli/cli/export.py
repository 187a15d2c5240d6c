"""`mlp export`."""

from __future__ import annotations

from pathlib import Path

import click

from mlpcli.cli.options import Command, data_dir_option
from mlpcli.cli.paths import EXPORT
from mlpcli.commands.console import Console
from mlpcli.export import EXPORTERS
from mlpcli.text import join_words

_NAMES = join_words([kind.name for kind in EXPORTERS.values()], "or")
_EXAMPLES = "\n".join(
    f"  mlp export model.npz {'model' + ending:10}  {kind.use}"
    for ending, kind in EXPORTERS.items()
)
_HELP = f"""Take a model elsewhere: as {_NAMES}.

\b
{_EXAMPLES}

TARGET ends in {join_words(list(EXPORTERS), "or")}. The export holds all of the model, from raw
rows to labels and probabilities. Several models become one committee. Only an earlier export is
replaced.
"""


@click.command(cls=Command, help=_HELP)
@click.argument("paths", nargs=-1, required=True, metavar="MODEL.npz… TARGET", type=EXPORT)
@click.option(
    "--member",
    type=int,
    metavar="I",
    help="Export one network of a committee, counted from 0. [all of them, averaged]",
)
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object to stdout.")
@click.option("-q", "--quiet", is_flag=True, help="Show only results and errors.")
def export(
    paths: tuple[Path, ...],
    member: int | None,
    data_dir: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Take a model elsewhere."""
    from mlpcli.commands.export import export as run

    run(Console(quiet=quiet, as_json=as_json), paths, member=member, data_dir=data_dir)

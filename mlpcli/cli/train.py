"""`mlp train`."""

from __future__ import annotations

from dataclasses import fields
from functools import partial
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
from mlpcli.cli.paths import CHECKPOINT, PATH
from mlpcli.cli.threads import set_threads, thread_count, threads_option, training_processes
from mlpcli.commands.begin import Request, begin, settle_defaults
from mlpcli.commands.console import Console
from mlpcli.errors import MlpError
from mlpcli.parallel.cores import Cores
from mlpcli.parallel.job import Job
from mlpcli.parallel.mpi import join


@click.command(cls=Command)
@config_options("data", "model", "train", "augment")
@click.option(
    "-o",
    "--output",
    type=PATH,
    metavar="FILE.npz",
    help="The checkpoint to write. [model.npz, or the one that is resumed]",
)
@click.option(
    "--resume",
    type=CHECKPOINT,
    metavar="FILE.npz",
    help="Continue a stopped run exactly, or a finished one with more --epochs.",
)
@click.option(
    "--init-from",
    type=CHECKPOINT,
    metavar="FILE.npz",
    help="Start a new run from the weights of this checkpoint.",
)
@config_file_option
@click.option(
    "--log",
    "log_file",
    type=PATH,
    metavar="FILE.jsonl",
    help="Write the metrics of every epoch here as JSON lines; - is standard output.",
)
@click.option(
    "--weights-only", is_flag=True, help="Leave out of the checkpoint what --resume needs."
)
@data_dir_option
@threads_option
@click.option("--mpi", is_flag=True, help="Train on all ranks that mpirun or srun started.")
@click.option("--print-config", is_flag=True, help="Print the options as a config file and exit.")
@click.option("--dry-run", is_flag=True, help="Check everything, say what would be done, and exit.")
@output_options
@click.pass_context
def train(
    ctx: click.Context,
    /,
    console: Console,
    output: Path | None,
    print_config: bool,
    **options: Any,
) -> None:
    """Train a network, show progress, and write the best epoch's weights to a checkpoint.

    \b
      mlp train                                      MNIST if downloaded, else digits
      mlp train --hidden 100 --reg 1e-3
      mlp train --data points.csv --label-column species
      mlp train --hidden 800,800 --dropout 0.5 --epochs 50 -o wide.npz
      mlp train --resume wide.npz --epochs 80
      mlp train --data points.csv --members 4        four networks, one checkpoint
      mlp train --data points.csv --folds 5          only score, by cross-validation
      mlp train --config mnist --json | jq .validation.accuracy
      mpirun -n 8 mlp train --mpi --config mnist

    Training never looks at the test rows. Ctrl-C writes the checkpoint and says how to resume.
    """
    asked = {f.name: options[f.name] for f in fields(Request) if f.name in options}
    where = output or asked["resume"] or Path("model.npz")
    request = Request(output=where, chosen=output is not None, **asked)
    job = join() if request.mpi else Job()
    try:
        with job.whole():
            if job.rank:
                console = Console(silent=True)
            count = thread_count(request.threads, console, job.cores())
            cores = Cores(count, 1 if job.size > 1 else training_processes(count))
            set_threads(cores.count // cores.processes)
            model, config = job.first(partial(begin, request, given_flags(ctx)))
            if print_config:
                if not job.rank:
                    click.echo(settle_defaults(request, config).to_toml(), nl=False)
                return

            if config.networks:
                from mlpcli.commands.train_members import train_members

                train_members(console, request, cores, config, model)
                return
            from mlpcli.commands.train import train as run

            run(console, job, request, cores, config, model)
    except MlpError as error:
        if job.rank and error.of_all_ranks:  # rank 0 tells it
            ctx.exit(error.exit_code)
        raise

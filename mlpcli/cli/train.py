"""`mlp train`."""

from __future__ import annotations

from contextlib import closing
from functools import partial
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
    output_options,
    resolve,
    set_threads,
    thread_count,
    threads_option,
    training_processes,
)
from mlpcli.cli.training_run import TrainingRun, same_file
from mlpcli.config import OPTIONS, Config
from mlpcli.errors import (
    MlpError,
    UsageError,
)
from mlpcli.mpi import Job, join

if TYPE_CHECKING:
    from mlpcli.training.checkpoint import Model


@click.command(cls=Command)
@config_options("data", "model", "train", "augment")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE.npz",
    help="The checkpoint to write. [model.npz, or the one that is resumed]",
)
@click.option(
    "--resume",
    type=CHECKPOINT,
    metavar="FILE.npz",
    help="Go on with a stopped run, exactly, or with a finished one and more --epochs.",
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
    type=click.Path(path_type=Path),
    metavar="FILE.jsonl",
    help="Write the metrics of every epoch as JSON lines.",
)
@click.option("--weights-only", is_flag=True, help="Leave out of the checkpoint what resumes it.")
@data_dir_option
@threads_option
@click.option("--mpi", is_flag=True, help="Train on all ranks that mpirun or srun started.")
@click.option("--print-config", is_flag=True, help="Print the options as a config file, and end.")
@click.option("--dry-run", is_flag=True, help="Check everything, say what would be done, and end.")
@output_options
@click.pass_context
def train(
    ctx: click.Context,
    /,
    console: Console,
    output: Path | None,
    resume: Path | None,
    init_from: Path | None,
    config_file: Path | None,
    log_file: Path | None,
    weights_only: bool,
    data_dir: Path | None,
    threads: int | None,
    mpi: bool,
    print_config: bool,
    dry_run: bool,
    **_: Any,
) -> None:
    """Train a network, show progress, and write the best epoch's weights to a checkpoint.

    \b
      mlp train                                      MNIST if downloaded, else digits
      mlp train --hidden 100 --reg 1e-3
      mlp train --data points.csv --label-column species
      mlp train --hidden 800,800 --dropout 0.5 --epochs 50 -o wide.npz
      mlp train --resume wide.npz --epochs 80
      mlp train --config mnist.toml --json | jq .validation.accuracy
      mpirun -n 8 mlp train --mpi --config mnist.toml

    The test rows are never looked at. Ctrl-C writes the checkpoint and says how to resume.
    """
    job = join() if mpi else Job()
    try:
        with job.whole():
            cores = thread_count(threads, job.cores())
            processes = 1 if job.size > 1 else training_processes(cores)
            set_threads(cores // processes)
            if job.rank:
                console = Console(silent=True)
            output = output or resume or Path("model.npz")
            begin = partial(_begin, ctx, config_file, resume, init_from, log_file, output)
            model, config = job.first(begin)
            if print_config:
                if not job.rank:
                    click.echo(config.to_toml(), nl=False)
                return

            import numpy as np

            run = TrainingRun(
                console, config, output, data_dir, threads, cores, processes, log_file, job
            )
            with np.errstate(all="ignore"):  # what overflows is told by the loss
                run.prepare(model, init_from, weights_only=weights_only, dry_run=dry_run)
                if mpi and job.size == 1:
                    console.notice("--mpi: this is the only rank; mpirun -n N starts more")
                if dry_run:
                    console.notice("dry run: nothing was trained and nothing written")
                    console.json({"config": run.config.sections(), **run.description()})
                    return
                with closing(run.log), run.ranks:
                    run.speak_only_on_rank_0()
                    run.train()
                    run.report()
    except MlpError as error:
        if job.rank and error.of_all_ranks:  # rank 0 tells it
            ctx.exit(error.exit_code)
        raise


def _begin(
    ctx: click.Context,
    config_file: Path | None,
    resume: Path | None,
    init_from: Path | None,
    log_file: Path | None,
    output: Path,
) -> tuple[Model | None, Config]:
    """(the run that goes on, or None; the configuration)."""
    if resume and init_from:
        raise UsageError("--resume goes on with a run, --init-from starts one: give one of them")
    if log_file and same_file(log_file, output):
        raise UsageError(f"--log {log_file}: is where the checkpoint goes; name another file")
    if resume is None:
        return None, resolve(given_flags(ctx), config_file)
    from mlpcli.training.checkpoint import load

    model = load(resume, resume=True)
    config = resolve(given_flags(ctx), config_file, model.config)
    _refuse_changes(model, config)
    return model, config


def _refuse_changes(model: Model, config: Config) -> None:
    """Refuse what a run that goes on cannot change."""
    before = model.config.values()
    for name, now in config.values().items():
        if OPTIONS[name].fixed and now != before[name]:
            raise UsageError(
                f"{OPTIONS[name].flag} {_flag_text(now)}: {model.file.path} was trained with "
                f"{_flag_text(before[name])}, which a resumed run cannot change; "
                "start a new run, with --init-from if the weights fit"
            )


def _flag_text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    return "the default" if value is None else str(value)

"""How `mlp train` begins: what goes on or starts, with which options. Imports no numpy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpcli.commands.console import Console
from mlpcli.config.config import Config, resolve
from mlpcli.config.defaults import NUMBERS, TABLES
from mlpcli.config.options import OPTIONS, DataConfig
from mlpcli.data.catalog import data_dir as where_data_lie
from mlpcli.data.catalog import default_source, kind_of_source
from mlpcli.errors import UsageError
from mlpcli.records import record
from mlpcli.text import as_typed

if TYPE_CHECKING:
    from mlpcli.runs.model import Model


@record
class Request:
    """What a command line of `mlp train` asks for beside the hyperparameters.

    Attributes:
        output: the checkpoint to write.
        chosen: whether the command line names it.
        resume: the checkpoint of the run to continue.
        init_from: the checkpoint whose weights start a new run.
        config_file: options from a file.
        log_file: the metrics log to write.
        data_dir, threads: as given.
        weights_only: leave out of the checkpoint what resumes it.
        dry_run: train nothing and write nothing.
        mpi: train on the ranks that a launcher started.
    """

    output: Path = Path("model.npz")
    chosen: bool = False
    resume: Path | None = None
    init_from: Path | None = None
    config_file: Path | None = None
    log_file: Path | None = None
    data_dir: Path | None = None
    threads: int | None = None
    weights_only: bool = False
    dry_run: bool = False
    mpi: bool = False

    @property
    def reads(self) -> list[Path | None]:
        """The files that are read, and may not be written; a resumed run writes its own file."""
        return [self.config_file, self.init_from]


def same_file(a: Path, b: Path) -> bool:
    return a.resolve() == b.resolve()


def begin(request: Request, flags: dict[str, Any]) -> tuple[Model | None, Config]:
    """(the run that goes on, or None; the configuration)."""
    log, output = request.log_file, request.output
    if request.resume and request.init_from:
        raise UsageError("--resume continues a run, --init-from starts one: give one of them")
    if output.suffix.lower() not in ("", ".npz"):
        raise UsageError(f"-o {output}: a checkpoint is an .npz file; name it {output.stem}.npz")
    if log and same_file(log, output):
        raise UsageError(f"--log {log}: is where the checkpoint goes; name another file")
    if request.resume is None:
        config = resolve_for_data(flags, request.config_file)
        _refuse_folds(request, config)
        return None, config
    from mlpcli.runs.model import load

    model = load(request.resume, resume=True)
    kind = model.kind
    config = resolve(flags, request.config_file, model.config, kind_of=lambda _: kind)
    _refuse_changes(model, config)
    _refuse_folds(request, config)
    return model, config


def resolve_for_data(flags: dict[str, Any], config_file: Path | None) -> Config:
    """The options of a new run, with the defaults for the kind of its data."""

    def kind(data: DataConfig) -> str:
        found = kind_of_source(data.data, data.image_shape)
        return NUMBERS if found == TABLES and data.task == "regression" else found

    return resolve(flags, config_file, kind_of=kind)


def settle_defaults(request: Request, config: Config) -> Config:
    """The options with the defaults that suit the task, for which a table must be opened.

    A run that goes on has none of them to settle.
    """
    data = config.data
    settled = request.resume or data.task not in (None, "auto")
    if settled or kind_of_source(data.data, data.image_shape) != TABLES:
        return config
    from mlpcli.runs.material import prepare

    material = prepare(config, where_data_lie(request.data_dir))
    return config.for_kind(NUMBERS) if material.kind == NUMBERS else config


def _refuse_folds(request: Request, config: Config) -> None:
    """Refuse what does not go with several networks."""
    if config.networks and request.mpi:
        flag = "--members" if config.train.members else "--folds"
        raise UsageError(
            f"{flag}: its networks are trained side by side on one machine; leave out --mpi, or "
            "train one network per mpirun and give all files to mlp evaluate"
        )
    if config.train.folds is None:
        return
    if config.train.folds == 1:
        raise UsageError("--folds 1: a network is tested on what it is trained without; give 2")
    for flag, given in (
        ("-o", request.chosen),
        ("--resume", request.resume),
        ("--weights-only", request.weights_only),
    ):
        if given:
            raise UsageError(f"--folds only scores, and writes no checkpoint; leave out {flag}")


def name_data(config: Config, data_dir: Path, console: Console, doing: str) -> Config:
    """`config` with the name of its data: without any, what is there, and a notice of it.

    Args:
        doing: "training" or another word for what is done with them.
    """
    if config.data.data is not None:
        return config
    name = default_source(data_dir)
    if name != "mnist":
        console.notice(
            f"no --data given and MNIST is not downloaded: {doing} on {name}; "
            "`mlp download` gets MNIST"
        )
    return replace(config, data=replace(config.data, data=name))


def _refuse_changes(model: Model, config: Config) -> None:
    """Refuse what a run that goes on cannot change."""
    before = model.config.values()
    for name, now in config.values().items():
        if OPTIONS[name].fixed and now != before[name]:
            raise UsageError(
                f"{OPTIONS[name].flag} {_as_flag(now)}: {model.file.path} was trained with "
                f"{_as_flag(before[name])}, which a resumed run cannot change; "
                "start a new run, with --init-from if the weights fit"
            )


def _as_flag(value: Any) -> str:
    return "the default" if value is None else as_typed(value)

"""The parts of a run of `mlp train`, all built before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli.arrays import Array
from mlpcli.commands.begin import Request, name_data, same_file
from mlpcli.commands.console import Console
from mlpcli.config.config import Config
from mlpcli.config.options import OPTIONS
from mlpcli.data.catalog import data_dir as where_data_lie
from mlpcli.data.mismatch import compare_targets
from mlpcli.data.split import Split
from mlpcli.evaluation.conformal import ResidualsOfBest, measure_residuals
from mlpcli.files import ensure_writable, refuse_reading
from mlpcli.nn.network import MLP
from mlpcli.parallel.cores import Cores, allowed_cores
from mlpcli.parallel.job import Job
from mlpcli.parallel.mpi import Mpi
from mlpcli.records import record
from mlpcli.runs import build, own_data
from mlpcli.runs.checkpoint import PartWriter, Writer, refuse_others, snapshot_of
from mlpcli.runs.keeper import Keeper
from mlpcli.runs.material import Material, open_configured, prepare, prepare_opened
from mlpcli.runs.meta import Ancestor, new_meta
from mlpcli.runs.model import Model, load
from mlpcli.runs.seen import warn_of_seen
from mlpcli.runs.start import scale_like, start_from
from mlpcli.tasks.regression import Regression
from mlpcli.text import name_ranks
from mlpcli.training.log import MetricsLog
from mlpcli.training.loop import Trainer


@record
class Run:
    """A run that is ready to train.

    Attributes:
        request: the command line's.
        job: the processes that a launcher started, or this one.
        cores: of each process.
        config: complete.
        model: the run to resume, or None.
        material: what is trained on.
        trainer: of the network, at the point where the run starts or resumes.
        log: of its metrics.
        ancestors: the checkpoints that its weights come from.
        member: which of the networks it is that are trained together; None if it is alone.
    """

    request: Request
    job: Job
    cores: Cores
    config: Config
    model: Model | None
    material: Material
    trainer: Trainer
    log: MetricsLog
    ancestors: Sequence[Ancestor] = ()
    member: int | None = None

    @property
    def kind(self) -> str:
        """What it is for a person, of networks that are trained together."""
        return "fold" if self.config.train.folds else "member"

    @property
    def planned(self) -> int:
        """The epochs of the plan."""
        assert self.config.train.epochs is not None  # `build.complete` has filled it in
        return self.config.train.epochs

    @property
    def until(self) -> int:
        """The last epoch to train now."""
        return min(self.planned, self.config.train.stop_after or self.planned)

    @property
    def held_out(self) -> Split | None:
        """The rows that it alone of several networks holds out; None if it holds out none."""
        splits = self.material.splits
        return splits.test if self.config.train.folds else splits.val

    @property
    def held_out_is_new(self) -> bool:
        """Whether no checkpoint that its weights come from was trained on these rows."""
        rows, column = self.held_out, self.config.data.label_column
        return not (rows and warn_of_seen(self.ancestors, column, self.material.data, rows))

    def description(self) -> dict[str, Any]:
        """Describe the network and the data, as JSON."""
        splits, net = self.material.splits, self.trainer.net
        parts = {"train": splits.train, "val": splits.val, "test": splits.test}
        return {
            "data": self.material.data.source,
            "architecture": net.sizes,
            "parameters": len(net.parameters.flat),
            "samples": {part: len(rows) if rows else 0 for part, rows in parts.items()},
        }


def build_run(
    console: Console, job: Job, request: Request, cores: Cores, config: Config, model: Model | None
) -> Run:
    """Open the data, build what trains, and make sure that the output can be written."""
    with job.together():
        if not job.rank:
            _check_files(request, config)
        directory = where_data_lie(request.data_dir)
        if model:
            material = own_data.own_material(model, config, directory)
        else:
            config = name_data(config, directory, console, "training")
            material = prepare(config, directory)
        origin = load(request.init_from) if request.init_from else None
        if origin and origin.members:
            console.notice(
                f"starting from member 0 of the {len(origin.each)} of {request.init_from}"
            )
        run = _build(console, job, request, cores, config, model, material, origin)
        log = _open_log(job, request, run.trainer.progress.epoch if model else None, console)
    job.same("data", run.material.data.digest.encode())
    job.send(run.trainer.net.parameters.flat)
    run.trainer.step.load_weights()
    return replace(run, log=log)


def build_members(
    console: Console, request: Request, cores: Cores, config: Config, model: Model | None
) -> tuple[list[Run], MetricsLog]:
    """The same for several networks, each with rows and a seed of its own; and their one log."""
    _check_files(request, config)
    directory, job = where_data_lie(request.data_dir), Job()
    if model:
        materials = own_data.own_materials(model, config, directory)
    else:
        config = name_data(config, directory, console, "training")
        data = open_configured(config, directory)
        materials = [prepare_opened(config, data, n) for n in range(config.networks or 1)]
    config = build.complete(config, materials[0])
    begun = {member.file.member: member for member in model.each} if model else {}
    origins = load(request.init_from).each if request.init_from else []
    runs = [
        _build(
            *(console, job, request, cores, config, begun.get(number), material),
            origins[number % len(origins)] if origins else None,
            member=number,
        )
        for number, material in enumerate(materials)
    ]
    for run in runs:
        run.trainer.step.load_weights()
    done = [run.trainer.progress.epoch for run in runs] if model else None
    return runs, _open_log(job, request, done, console)


def _check_files(request: Request, config: Config) -> None:
    """Make sure that the output can be written, and that nothing is lost that way."""
    reads = [*request.reads, *config.data.files]
    if config.train.folds is None:
        refuse_others(request.output)
        ensure_writable(request.output, clear=not request.dry_run, reads=reads)
    if request.log_file:
        refuse_reading(request.log_file, [*reads, request.resume, request.output])


def _build(
    console: Console,
    job: Job,
    request: Request,
    cores: Cores,
    config: Config,
    model: Model | None,
    material: Material,
    origin: Model | None,
    member: int | None = None,
) -> Run:
    """A run on the material, without a log: one that goes on, or that starts from `origin`."""
    if origin:
        material = scale_like(origin, material)
    config = build.complete(config, material)
    own = config.of_member(member)
    net = build.network(own, *material.sizes)
    ancestors = tuple(model.ancestors) if model else ()
    if origin and not job.rank:
        ancestors = start_from(origin, net, material)
        if not member:
            _warn_of_seen(ancestors, config, material, console)
            source, path = material.data.source, origin.file.path
            if said := compare_targets(material.task, origin.task, source, path):
                console.warning(said)
    trainer = _trainer(job, cores, own, material, net, alone=member is not None)
    if model:
        trainer.restore(snapshot_of(model, trainer))
        trainer.seconds = float(model.history[-1]["seconds"]) if model.history else 0.0
        if not member:
            _compare_machines(model, job, cores, console)
    log = MetricsLog(None, resumed=None)
    return Run(request, job, cores, config, model, material, trainer, log, ancestors, member)


def _warn_of_seen(
    ancestors: Sequence[Ancestor], config: Config, material: Material, console: Console
) -> None:
    """Say if rows that the run holds out have been trained on before."""
    for rows in (material.splits.val, material.splits.test):
        about = (ancestors, config.data.label_column, material.data)
        said = rows and warn_of_seen(*about, rows, folded=config.networks is not None)
        if said:
            console.warning(said)


def _trainer(
    job: Job, cores: Cores, config: Config, material: Material, net: MLP, *, alone: bool
) -> Trainer:
    if alone:
        return build.trainer(config, material, net)
    ranks = job if isinstance(job, Mpi) else build.ranks(config, material, net, cores.processes)
    return build.trainer(config, material, net, ranks)


def _compare_machines(model: Model, job: Job, cores: Cores, console: Console) -> None:
    """Say what keeps a resumed run from being repeated to the bit."""
    path = model.file.path
    if model.threads != cores.count:
        keeps = f"; --threads {model.threads} keeps them"
        console.notice(
            f"{path} was trained with --threads {model.threads}, now with {cores.count}: "
            f"the last digits may differ{keeps if model.threads <= allowed_cores() else ''}"
        )
    if model.ranks != job.size:
        console.notice(
            f"{path} was trained by {name_ranks(model.ranks)}, now by "
            f"{name_ranks(job.size)}: the last digits may differ, and the units that are dropped"
        )


def build_keeper(
    run: Run,
    notice: Callable[[str], None],
    hand_on: Callable[[dict[str, Array]], None] | None = None,
) -> Keeper:
    """Return the run's keeper, which says what became of an earlier checkpoint.

    With `hand_on` it writes no file, but hands on what there is to write.
    """
    request, model = run.request, run.model
    writer = build_writer(run, hand_on)
    return Keeper(
        run.trainer,
        writer,
        minutes=run.config.train.checkpoint_every,
        history=model.history if model else (),
        unsaved=model is not None and (request.weights_only or not writer.continues),
        notice=notice,
    )


def build_writer(run: Run, hand_on: Callable[[dict[str, Array]], None] | None = None) -> Writer:
    """What writes the run's checkpoint, or hands it on."""
    request, model, material = run.request, run.model, run.material
    init_from: Path | str | None = request.init_from or (model.init_from if model else None)
    meta = new_meta(
        run.config,
        material.data,
        material.task,
        material.encoding,
        run.cores.count,
        init_from=str(init_from) if init_from else None,
        changed=model is not None and (model.changed or _changes(model, run.config)),
        ranks=run.job.size,
        ancestors=run.ancestors,
    )
    parameters = run.trainer.net.parameters
    about: dict[str, Any] = {
        "weights_only": request.weights_only,
        "residuals": _residuals(run),
        "continues": model is not None and same_file(model.file.path, request.output),
    }
    if hand_on:
        return PartWriter(request.output, parameters, meta, **about, hand_on=hand_on)
    return Writer(request.output, parameters, meta, **about)


def _residuals(run: Run) -> ResidualsOfBest | None:
    """What measures how far off the run's weights are of rows that they have not seen."""
    config, material, task = run.config, run.material, run.material.task
    val = material.splits.val
    if not isinstance(task, Regression) or val is None or run.job.rank:
        return None
    if warn_of_seen(run.ancestors, config.data.label_column, material.data, val):
        return None
    net = build.network(config, *material.sizes)

    def measure(weights: Array) -> Array:
        net.adopt(net.parameters.like(weights))
        found = measure_residuals(net, material.encoding, task, val)
        return found if np.isfinite(found).all() else np.empty(0)

    return ResidualsOfBest(measure)


def _changes(model: Model, config: Config) -> bool:
    """Whether a resumed run has other options than before."""
    before = model.config.values()
    return any(
        OPTIONS[name].lasting and now != before[name] and name not in ("data", "checkpoint_every")
        for name, now in config.values().items()
    )


def _open_log(
    job: Job, request: Request, done: int | Sequence[int] | None, console: Console
) -> MetricsLog:
    """Open the metrics log; that of a resumed run has the epochs that are done."""
    console.refuse_stdout("--log", request.log_file)
    path = request.log_file if not job.rank and not request.dry_run else None
    log = MetricsLog(path, resumed=done)
    if log.kept:
        console.notice(
            f"{path} had epochs that come again, after the last checkpoint; "
            f"as it was it is kept as {log.kept}"
        )
    return log

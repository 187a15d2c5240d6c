"""The checkpoint of a run: what it holds, and how it is written and continued."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli import __version__
from mlpcli.config import Config, check_sections, make_config
from mlpcli.data.dataset import Array, Dataset
from mlpcli.data.scaling import Scaling
from mlpcli.errors import CheckpointError, UsageError
from mlpcli.files import keep, replacing
from mlpcli.nn.model_file import FORMAT, ModelFile, read_model
from mlpcli.nn.parameters import Parameters
from mlpcli.training.loop import Progress, Snapshot, Trainer

_INTERVAL = 1.0  # seconds between two writes, where epochs are shorter
_HISTORY = 10_000  # epochs; of longer runs every so many-th is kept, so that `meta` stays small


@dataclass(frozen=True)
class DataRecord:
    """What a checkpoint remembers of its data, enough to find them again and to be sure.

    Attributes:
        source: as it was given to `--data`.
        path: the same as an absolute path, where it is one.
        digest: of the contents.
        rows: how many rows X has.
        columns, label_name: of a table with a header.
        image_shape, full_scale: of images.
        class_names: what numeric labels stand for.
    """

    source: str
    path: str | None
    digest: str
    rows: int
    columns: list[str] | None = None
    label_name: str | None = None
    image_shape: list[int] | None = None
    full_scale: float | None = None
    class_names: list[str] | None = None

    @classmethod
    def of(cls, data: Dataset) -> DataRecord:
        path = Path(data.source)
        return cls(
            source=data.source,
            path=str(path.resolve()) if path.exists() else None,
            digest=data.digest,
            rows=len(data.y),
            columns=list(data.columns) if data.columns else None,
            label_name=data.label_name,
            image_shape=list(data.image_shape) if data.image_shape else None,
            full_scale=data.full_scale,
            class_names=list(data.class_names) if data.class_names else None,
        )

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> DataRecord:
        """The record that `meta` has; ValueError or TypeError where it is none."""
        record = cls(**value)
        lists = [
            [] if part is None else part
            for part in (record.columns, record.class_names, record.image_shape)
        ]
        columns, class_names, shape = lists
        texts = [record.source, record.digest, *columns, *class_names]
        texts += [text for text in (record.path, record.label_name) if text is not None]
        numbers = [record.rows, *shape, record.full_scale or 0]
        if not (
            all(isinstance(part, list) for part in lists)
            and all(isinstance(text, str) for text in texts)
            and all(map(_is_number, numbers))
        ):
            raise ValueError("what it says of the data")
        return record


@dataclass
class Model:
    """A trained model as a checkpoint describes it; `file` has its weights.

    Attributes:
        config: the run's resolved configuration.
        classes: (C,) the labels as the person wrote them; int64 or text.
        scaling: of the inputs.
        data: what it was trained on.
        history: a dict an epoch, as in the log.
        epoch: the epoch that the weights are of.
        threads: at which the run is repeated to the bit.
        ranks: of an MPI run: how many processes trained it together, likewise.
        init_from: the checkpoint that the first weights are of, or None.
        changed: whether options were changed when the run was resumed, so that no one command
            repeats it.
    """

    file: ModelFile
    config: Config
    classes: Array
    scaling: Scaling
    data: DataRecord
    history: list[dict[str, Any]]
    epoch: int
    threads: int
    init_from: str | None = None
    changed: bool = False
    ranks: int = 1

    @property
    def epochs(self) -> int:
        """How many epochs were trained."""
        return int(self.history[-1]["epoch"]) if self.history else self.epoch


def load(path: Path, *, resume: bool = False) -> Model:
    """Read a checkpoint and check all of it that training and evaluation rely on.

    Raises:
        CheckpointError: it is missing, no checkpoint, of a newer format, or damaged, and how.
    """
    file = read_model(path, resume=resume)
    meta, sizes = file.meta, file.sizes
    try:
        config = make_config(check_sections(meta["config"], f"{path}: `meta`"))
        model = Model(
            file=file,
            config=config,
            classes=np.array(meta["classes"]),
            scaling=Scaling.from_json(meta["scaling"]),
            data=DataRecord.from_json(meta["data"]),
            history=meta["history"],
            epoch=int(meta["epoch"]),
            threads=int(meta["threads"]),
            init_from=None if meta.get("init_from") is None else str(meta["init_from"]),
            changed=bool(meta.get("changed", False)),
            ranks=int(meta.get("ranks", 1)),
        )
    except KeyError as error:
        raise CheckpointError(f"{path}: `meta` is damaged: {error} is missing") from None
    except (TypeError, ValueError, OverflowError, RecursionError, UsageError) as error:
        raise CheckpointError(f"{path}: `meta` is damaged: {error}") from None
    D, C = sizes[0], sizes[-1]
    if model.classes.shape != (C,) or model.classes.dtype.kind not in "iU":
        raise CheckpointError(f"{path}: has {len(model.classes)} classes for {C} outputs")
    for part in (model.scaling.shift, model.scaling.factor):
        if isinstance(part, np.ndarray) and part.shape != (D,):
            raise CheckpointError(f"{path}: scales {part.shape} inputs where {D} come in")
        if part is not None and not np.isfinite(part).all():
            raise CheckpointError(f"{path}: scales inputs by values that are not finite")
    if not all(_is_epoch(entry) for entry in model.history):
        raise CheckpointError(f"{path}: `meta` is damaged: its history is none of epochs")
    if list(config.model.hidden) != sizes[1:-1]:
        raise CheckpointError(
            f"{path}: `meta` says hidden layers {list(config.model.hidden)}, "
            f"the weights are of {sizes[1:-1]}"
        )
    return model


def snapshot_of(model: Model, trainer: Trainer) -> Snapshot:
    """What continues, by `trainer`, the run that wrote `model` (read with `resume=True`).

    Raises:
        CheckpointError: it holds only weights, or its state is damaged.
    """
    path, sizes, arrays = model.file.path, model.file.sizes, model.file.resume
    if "progress" not in arrays:
        raise CheckpointError(
            f"{path}: holds weights only and cannot be resumed; start from them with --init-from"
        )
    if trainer.net.sizes != sizes:
        raise CheckpointError(f"{path}: its layers {sizes} do not fit its data")
    count = Parameters.count(sizes)
    prefix = "optimizer/"
    state = {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}
    wanted = {prefix + n for n in trainer.optimizer.state()} | {"progress", "last"}
    wanted |= {"average"} if trainer.average else set()
    if set(arrays) != wanted or any(
        a.shape != (count,) or a.dtype != model.file.params["W1"].dtype or not np.isfinite(a).all()
        for n, a in arrays.items()
        if n != "progress"
    ):
        raise CheckpointError(f"{path}: what continues the run does not fit the weights")
    try:
        progress = json.loads(str(arrays["progress"]))
        _check_progress(Progress(**progress), trainer.batches.steps)
    except (TypeError, ValueError, KeyError, OverflowError, RecursionError) as error:
        raise CheckpointError(f"{path}: what continues the run is damaged: {error}") from None
    best = np.empty(count, arrays["last"].dtype)
    for name, view in Parameters(sizes, best).named().items():
        view[:] = model.file.params[name]
    return Snapshot(progress, arrays["last"], state, best, arrays.get("average"))


def _check_progress(progress: Progress, steps: int) -> None:
    """ValueError or TypeError where no run of `steps` steps an epoch comes to stand like that."""
    for name in ("epoch", "batch", "step", "correct", "averaged", "best_epoch"):
        value = getattr(progress, name)
        if not isinstance(value, int) or not 0 <= value < 2**63:
            raise ValueError(f"{name} is {value!r}")
    for name in ("loss_sum", "best_accuracy", "best_loss"):
        value = getattr(progress, name)
        if not _is_number(value) and (name, value) != ("best_loss", math.inf):
            raise ValueError(f"{name} is {value!r}")
    if progress.batch >= steps or progress.step != progress.epoch * steps + progress.batch:
        raise ValueError(f"its counters do not fit {steps} steps an epoch")
    if progress.best_epoch > progress.epoch:
        raise ValueError("its best epoch is still to come")


def _is_epoch(entry: Any) -> bool:
    """Whether an entry of the history has the form of an epoch's figures."""
    return (
        isinstance(entry, dict)
        and all(_is_number(entry.get(name)) for name in ("epoch", "seconds"))
        and all(value is None or _is_number(value) for value in entry.values())
    )


def _is_number(value: Any) -> bool:
    """Whether it is a number that a float can be; JSON has whole ones of any size."""
    return isinstance(value, int | float) and abs(value) < 1e300


@dataclass
class Writer:
    """Writes the checkpoints of one run to one path.

    Attributes:
        path: where to.
        sizes: [D, H…, C].
        meta: all of `meta` but the history and the epoch, which are filled in.
        weights_only: leave out what continues the run.
        continues: whether the file at `path` is of this run, so that it need not be kept.
        kept: where a checkpoint of another run was kept, once it was.
    """

    path: Path
    sizes: list[int]
    meta: dict[str, Any]
    weights_only: bool = False
    continues: bool = False
    kept: Path | None = None
    _begun: float = field(default_factory=lambda: time.monotonic())
    _written: float = field(default=-float("inf"))

    def due(self) -> bool:
        """Whether the last write is long enough ago for one at an epoch's end."""
        return time.monotonic() - self._written >= _INTERVAL

    def overdue(self, minutes: float) -> bool:
        """Whether it is so long ago that one within an epoch is worth it.

        Without what continues the run it never is: the best weights have not changed.
        """
        ago = time.monotonic() - max(self._written, self._begun)
        return ago >= 60 * minutes and not self.weights_only

    def write(self, snapshot: Snapshot, history: list[dict[str, Any]]) -> None:
        """Put the checkpoint in place, whole.

        Raises:
            OutputError: it cannot be written; what was there is untouched.
        """
        best = snapshot.progress["best_epoch"]
        meta = self.meta | {
            "epoch": best,
            "history": _thinned(history, best),
        }
        arrays = Parameters(self.sizes, snapshot.best).named()
        arrays["meta"] = np.array(json.dumps(meta, allow_nan=False))
        if not self.weights_only:
            arrays["resume/last"] = snapshot.last
            arrays |= {f"resume/optimizer/{name}": a for name, a in snapshot.optimizer.items()}
            if snapshot.average is not None:
                arrays["resume/average"] = snapshot.average
            arrays["resume/progress"] = np.array(_progress_json(snapshot.progress))
        with replacing(self.path) as file:
            np.savez(file, allow_pickle=False, **arrays)
            if not self.continues:
                self.kept = keep(self.path)
        self.continues = True
        self._written = time.monotonic()


def new_meta(
    config: Config,
    data: Dataset,
    classes: Array,
    scaling: Scaling,
    threads: int,
    *,
    init_from: str | None = None,
    changed: bool = False,
    ranks: int = 1,
) -> dict[str, Any]:
    """`meta` of a run's checkpoints, without its history; for the arguments see `Model`."""
    return {
        "format": FORMAT,
        "mlp": __version__,
        "config": config.sections(),
        "classes": classes.tolist(),
        "scaling": scaling.to_json(),
        "data": vars(DataRecord.of(data)),
        "threads": threads,
        "init_from": init_from,
        "changed": changed,
        "ranks": ranks,
    }


def _rounded(value: Any) -> Any:
    """Six digits: plans have thousands of epochs, and NumPy keeps text in four bytes a letter."""
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _thinned(history: list[dict[str, Any]], best: int) -> list[dict[str, Any]]:
    """At most about _HISTORY epochs, evenly, with the best and the last one."""
    every = math.ceil(len(history) / _HISTORY)
    return [
        {key: _rounded(value) for key, value in entry.items()}
        for number, entry in enumerate(history, start=1)
        if number % every == 0 or number == len(history) or entry["epoch"] == best
    ]


def _progress_json(progress: dict[str, Any]) -> str:
    """JSON has no infinity: what is infinite is left to its default."""
    return json.dumps({k: v for k, v in progress.items() if v != float("inf")})

"""A trained model as its file describes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli import __version__
from mlpcli.arrays import Array
from mlpcli.config.config import Config, make_config
from mlpcli.config.toml import check_sections
from mlpcli.data.dataset import Dataset
from mlpcli.data.encoding import Encoding, Pixels
from mlpcli.errors import CheckpointError, UsageError
from mlpcli.nn.model_file import FORMAT, ModelFile, dense_layers, read_model
from mlpcli.nn.network import MLP
from mlpcli.runs.format1 import upgrade
from mlpcli.runs.meta import Ancestor, DataRecord, Meta
from mlpcli.schema import read, write
from mlpcli.tasks.classification import Classification
from mlpcli.tasks.task import Task


@dataclass
class Model:
    """A trained model as a checkpoint describes it; `file` has its weights.

    Attributes:
        config: the run's resolved configuration.
        task: what it answers.
        encoding: of the inputs.
        data: what it was trained on.
        history: a dict an epoch, as in the log.
        epoch: the epoch that the weights are of.
        threads: at which the run is repeated to the bit.
        ranks: of an MPI run: how many processes trained it together, likewise.
        init_from: the checkpoint that the first weights are of, or None.
        changed: whether options were changed when the run was resumed, so that no one command
            repeats it.
        ancestors: see `Meta`.
    """

    file: ModelFile
    config: Config
    task: Task
    encoding: Encoding
    data: DataRecord
    history: Sequence[dict[str, Any]]
    epoch: int
    threads: int
    init_from: str | None = None
    changed: bool = False
    ranks: int = 1
    ancestors: Sequence[Ancestor] = ()

    @property
    def classes(self) -> Array:
        """(C,) the labels as they were written, int64 or text; none of a regression."""
        return self.task.classes if isinstance(self.task, Classification) else np.empty(0, str)

    @property
    def columns(self) -> list[str] | None:
        """The names of the columns that it takes, in their order; None if they have none."""
        names = [part.column for part in self.encoding.parts if not isinstance(part, Pixels)]
        known = [name for name in names if name is not None]
        return known if known and len(known) == len(names) else None

    @property
    def epochs(self) -> int:
        """How many epochs were trained."""
        return int(self.history[-1]["epoch"]) if self.history else self.epoch

    def network(self) -> MLP:
        """A network with the weights."""
        return MLP.of_file(self.file)


def load(path: Path, *, resume: bool = False) -> Model:
    """Read a checkpoint and check all of it that training and evaluation rely on.

    Raises:
        CheckpointError: it is missing, not a checkpoint, of an unknown format, or damaged.
    """
    file = read_model(path, resume=resume)
    try:
        meta = read(Meta, upgrade(file.meta, file.layers) if file.format == 1 else file.meta)
        config = make_config(check_sections(meta.config, f"{path}: `meta`"))
    except (ValueError, UsageError) as error:
        raise CheckpointError(f"{path}: `meta` is damaged: {error}") from None
    if list(config.model.hidden) != file.sizes[1:-1]:
        raise CheckpointError(
            f"{path}: `meta` says hidden layers {list(config.model.hidden)}, "
            f"the weights are of {file.sizes[1:-1]}"
        )
    return Model(
        file=file,
        config=config,
        task=meta.task.task(),
        encoding=Encoding(meta.encoding),
        data=meta.data,
        history=meta.history,
        epoch=meta.epoch,
        threads=meta.threads,
        init_from=meta.init_from,
        changed=meta.changed,
        ranks=meta.ranks,
        ancestors=meta.ancestors,
    )


def new_meta(
    config: Config,
    data: Dataset,
    task: Task,
    encoding: Encoding,
    threads: int,
    *,
    init_from: str | None = None,
    changed: bool = False,
    ranks: int = 1,
    ancestors: Sequence[Ancestor] = (),
) -> dict[str, Any]:
    """`meta` of a run's checkpoints, without epoch and history; for the arguments see `Model`."""
    sizes = [encoding.width, *config.model.hidden, task.outputs]
    return {
        "format": FORMAT,
        "mlp": __version__,
        "task": task.to_json(),
        "encoding": write(encoding.parts),
        "layers": write(dense_layers(sizes, config.model.activation)),
        "data": write(DataRecord.of(data)),
        "config": config.sections(),
        "threads": threads,
        "ranks": ranks,
        "init_from": init_from,
        "changed": changed,
        "ancestors": write(ancestors),
    }

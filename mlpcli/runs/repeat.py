"""The command line that trains a model again."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlpcli.runs.model import Model


def train_words(ranks: int) -> list[str]:
    """The first words of a command line that trains on this many ranks."""
    launcher, flag = (["mpirun", "-n", str(ranks)], ["--mpi"]) if ranks > 1 else ([], [])
    return [*launcher, "mlp", "train", *flag]


def train_command(model: Model) -> str:
    """The command line that trains a model again, to the bit if the data are the same.

    For a run that was resumed with other options, it is that of its last part.
    """
    flags = model.config.to_flags(model.kind)
    words = [*train_words(model.ranks), *flags, "--threads", str(model.threads)]
    words += ["--init-from", model.init_from] if model.init_from else []
    return shlex.join([*words, "-o", str(model.file.path)])

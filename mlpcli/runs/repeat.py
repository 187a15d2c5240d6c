"""The command line that trains a model again."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlpcli.runs.model import Model


def train_words(ranks: int) -> list[str]:
    """How a command line that trains on so many ranks begins."""
    launcher, flag = (["mpirun", "-n", str(ranks)], ["--mpi"]) if ranks > 1 else ([], [])
    return [*launcher, "mlp", "train", *flag]


def train_command(model: Model) -> str:
    """The command line that trains a model again, to the bit where the data are the same.

    Of a run that was resumed with other options it is the last part's.
    """
    words = [*train_words(model.ranks), *model.config.to_flags(), "--threads", str(model.threads)]
    words += ["--init-from", model.init_from] if model.init_from else []
    return shlex.join([*words, "-o", str(model.file.path)])

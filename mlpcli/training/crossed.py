"""What validation rows say of weights that they have chosen themselves.

The best of many epochs on some rows is the best by luck, too, so that its score on these very rows
is optimistic, the more so the fewer they are (Varma & Simon 2006, BMC Bioinformatics 7:91). So the
rows are in parts, and each part is scored by the epoch that all others choose, as in Tibshirani &
Tibshirani 2009 (arXiv 0908.2904): a score of the choice, on rows that had no say in it.
"""

from __future__ import annotations

import numpy as np

from mlpcli.arrays import Array
from mlpcli.tasks.task import Scores, Task
from mlpcli.training.progress import Progress


def is_better(rank: tuple[float, ...], before: tuple[float, ...]) -> bool:
    """Whether a later epoch takes the place of the one that was best, by `Task.rank`."""
    return not rank or not before or rank > before or (rank == before and len(rank) == 1)


def note_parts(progress: Progress, task: Task, of_parts: Array, choose: str) -> None:
    """Keep the tally of each part of which the others find this epoch the best.

    Args:
        of_parts: (2, parts, K) tallies after an epoch: each row once, and as rows are weighed.
        choose: as `--choose`.
    """
    plain, weighed = of_parts
    if progress.epoch == 1:
        progress.part_ranks, progress.part_sums = [[] for _ in plain], plain.tolist()
    if len(progress.part_sums) != len(plain):  # the run was begun by another version
        progress.part_ranks, progress.part_sums = [], []
        return
    others = weighed.sum(axis=0) - weighed
    ranks, sums = [*progress.part_ranks], [*progress.part_sums]
    for k in np.flatnonzero(others[:, -1] > 0).tolist():
        rank = task.rank(task.score(others[k]), choose)
        if is_better(rank, tuple(ranks[k])):
            ranks[k], sums[k] = list(rank), plain[k].tolist()
    progress.part_ranks, progress.part_sums = ranks, sums


def score_of_parts(progress: Progress, task: Task) -> Scores | None:
    """The score of all parts together; None if there are none."""
    return task.score(np.sum(progress.part_sums, axis=0)) if progress.part_sums else None

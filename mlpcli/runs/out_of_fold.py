"""How several networks do, each on the rows that it held out, and together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mlpcli.arrays import distinct
from mlpcli.data.split import Split
from mlpcli.evaluation.metrics import join_predictions, predict_members, score_members
from mlpcli.evaluation.results import refuse_overflow
from mlpcli.nn.network import MLP
from mlpcli.records import record
from mlpcli.runs.material import Material
from mlpcli.runs.meta import OutOfFold
from mlpcli.runs.model import in_terms_of
from mlpcli.tasks.task import Scores, Task, TaskReport


@record
class TeamScores:
    """The figures of several networks; of a regression in the first one's standardised unit.

    Attributes:
        each: of each network on the rows that it held out, or that came with the data for
            validation; None if there are none.
        train: of their committee on all rows that any of them was trained on.
        out_of_fold: of all held-out rows together, each answered by the network that held it out;
            None if none are.
        no_better: how one answer for all these rows would do, in words; "" if it would do worse.
    """

    each: Sequence[Scores | None]
    train: Scores
    out_of_fold: OutOfFold | None
    no_better: str


def score_team(
    networks: Sequence[tuple[MLP, Material, Split | None]], *, honest: bool
) -> TeamScores:
    """Score networks of one run, each with its material and the rows that it holds out.

    Args:
        honest: whether none started from weights that were trained on these rows.

    Raises:
        DataError: a loss is not finite.
    """
    first = networks[0][1]
    task, y = first.task, first.splits.train.y
    members = [(in_terms_of(task, m.task, net), m.encoding) for net, m, _ in networks]
    each: list[Scores | None] = []
    said, rows = [], []
    for member, (_, material, split) in zip(members, networks, strict=True):
        if split is None:
            each.append(None)
            continue
        own, labels = split.X is material.data.X, material.data.y_val
        split = replace(split, y=y if own or labels is None else task.encode(labels))
        predictions = predict_members([member], split, task)[1]
        report = task.report(predictions)
        whose = f"network {len(each)} on what it holds out"
        refuse_overflow(report, material.data.source, whose)
        each.append(_scores(report))
        if own and honest:
            said.append(predictions)
            rows.append(split.rows)
    trained = distinct(np.concatenate([m.splits.train.rows for _, m, _ in networks]))
    together = [Split("train", m.data.X, y, trained) for _, m, _ in networks]
    out_of_fold, no_better = None, ""
    if said:
        joined = join_predictions(said)
        report = task.report(joined)
        known = len(np.union1d(trained, np.concatenate(rows)))
        figures = report.figures, report.intervals()
        out_of_fold = OutOfFold(report.samples, known, report.loss, *figures)
        better, constant = task.constant_answer(_scores(report), joined.y)
        no_better = "" if better else constant
    return TeamScores(each, score_members(members, together, task), out_of_fold, no_better)


def _scores(report: TaskReport) -> Scores:
    return Scores(report.samples, report.loss, report.figures)


def describe_out_of_fold(score: OutOfFold, task: Task) -> str:
    """The figures of rows that were held out, with their interval, for a person."""
    name = task.headline
    return (
        f"{task.headline_name} {task.show(score.figures[name])} "
        f"(95 % interval {task.show_span(*score.intervals[name])})  loss {score.loss:.4f}  "
        f"({score.samples:,} of {score.rows:,} rows, each by the network that held it out)"
    )

"""What a network is asked for: what a target is, what is counted, which of two results is better.

The loop, the scorer, the checkpoint, the reports and `predict` ask the task; none of them knows
what a class or a residual is. A task is made by `mlpcli.tasks.choice` from the training rows'
labels and lies in the checkpoint, `meta["task"]`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal, Protocol

from mlpcli.arrays import WHOLE, Array, FileRows
from mlpcli.records import record
from mlpcli.text import cut, printable

TaskKind = Literal["classification", "regression"]
"""The kinds of tasks that there are."""


def another_column(column: str) -> str:
    """The end of a message that the labels in a table's column, if it is one, cannot be learned."""
    return f"; give another --label-column than {cut(printable(column), 40)}" if column else ""


@record
class Scores:
    """How a model does on some samples.

    Attributes:
        samples: how many.
        loss: the mean loss of the data: true labels, no penalty, every sample counted once.
        figures: {name: value} of the task, as JSON has them; the first is shown for every epoch.
    """

    samples: int
    loss: float
    figures: dict[str, float]

    @property
    def headline(self) -> float:
        """The figure that is shown for every epoch."""
        return next(iter(self.figures.values()))

    def to_json(self) -> dict[str, float]:
        return {"loss": self.loss, **self.figures}


@record
class Predictions:
    """What a model, or a committee, says of each sample of a split, in its order.

    Attributes:
        y: (N,) the true targets, as the task encodes them.
        answers: (N,) class indices, or numbers in the target's unit.
        certainty: (N,) the probability of the answer; None if the task has none.
        losses: (N,) each sample's loss.
        outputs: (N, C) float32 probabilities if a report needs them (C = 2), else None.
    """

    y: Array
    answers: Array
    certainty: Array | None
    losses: Array
    outputs: Array | None = None


class TaskReport(Protocol):
    """The figures of predictions (N,), for a person and for a script.

    Attributes:
        samples: N.
        loss: the mean.
        figures: {name: value} of the task, as JSON has them, the headline first.
    """

    @property
    def samples(self) -> int: ...
    @property
    def loss(self) -> float: ...
    @property
    def figures(self) -> dict[str, float]: ...

    def intervals(self) -> dict[str, tuple[float, float]]:
        """95 % intervals of the figures."""

    def describe(self) -> str:
        """The figures with their intervals, and the loss, in a line."""

    def constant_answer(self, names: Sequence[str]) -> tuple[bool, str]:
        """Whether the best answer that is the same for all rows does worse; how it does, in words.

        Of rows whose targets are all the same it is said to.

        Args:
            names: of the classes.
        """

    def tables(
        self, names: Sequence[str], labels: Sequence[Any], row: Callable[[int], str]
    ) -> list[str]:
        """What follows that line.

        Args:
            names, labels: of the classes.
            row: what to call the row of its file that the prediction at a place is of.
        """

    def to_json(self, labels: Sequence[Any]) -> dict[str, Any]:
        """What `evaluate --json` has of the task."""


class Task(Protocol):
    """What the targets are, and what is good.

    Attributes:
        kind: which one it is.
        outputs: C, how many outputs the network has.
        target_dtype: of encoded targets.
        headline: the figure that is shown for every epoch, as JSON has it.
        headline_name: the same for a person.
        upward: 1 if a higher headline figure is better, -1 if a lower one is.
    """

    kind: ClassVar[TaskKind]
    headline: ClassVar[str]
    headline_name: ClassVar[str]
    upward: ClassVar[int]
    target_dtype: ClassVar[Any]

    @property
    def outputs(self) -> int: ...

    @classmethod
    def learn(cls, labels: Array, source: str, column: str = "") -> Task:
        """The task of these training rows' labels (N,), which a table's `column` holds.

        Raises:
            DataError: there is nothing to learn of them.
        """

    @staticmethod
    def strata(labels: Array) -> Array:
        """(N,) small numbers of the kinds of labels of which a split has its share each."""

    def encode(self, labels: Array) -> Array:
        """(N,) targets of `target_dtype`; `refuse_unknown` reports what cannot be one."""

    def refuse_unknown(
        self, targets: Array, labels: Array, where: str, file_rows: FileRows = WHOLE
    ) -> None:
        """Raise DataError for the first label that is no target, in the row that it is of."""

    def fill_targets(self, y: Array, Y: Array, smoothing: float = 0.0) -> None:
        """Y (N, C) ← what the network's outputs should be for targets y (N,)."""

    def tally(self, scores: Array, losses: Array, y: Array, weights: Array | None = None) -> Array:
        """(K,) float64 sums over samples, which batches and ranks add up; the last is a count.

        `weights` (N,) says how often each sample counts.
        """

    def score(self, sums: Array) -> Scores:
        """The scores that such sums stand for."""

    def rank(self, scores: Scores, by: str) -> tuple[float, ...]:
        """A tuple to compare results by, "accuracy" or "loss"; the larger one is better.

        Of equal ones, the later epoch takes the place of the earlier if the tuple is of one figure.
        """

    def constant_answer(self, scores: Scores, y: Array) -> tuple[bool, str]:
        """See `TaskReport.constant_answer`; of scores on rows with these targets (N,)."""

    def answer(self, outputs: Array, scores: Array) -> tuple[Array, Array | None]:
        """(answers, certainty) of the network's outputs (N, C); see `Predictions`.

        `scores` (N, C) tell outputs apart that are equal.
        """

    def report(self, predictions: Predictions) -> TaskReport:
        """The figures of predictions."""

    def value(self, answers: Any) -> Any:
        """What an answer, or an array of them, stands for: labels, or the numbers themselves."""

    def describe(self, name: str | None) -> str:
        """What is predicted; `name` is that of the labels' column, if they have one."""

    def describe_answers(self, answers: Array, labels: Array, model: str) -> str:
        """How good the answers of a model are for rows (N,) whose labels are known, in words."""

    def answer_columns(self, names: Sequence[str] | None) -> list[str]:
        """The headings of the columns that `predict` writes; `names` are those of the classes."""

    def answer_cells(self, answer: Any, names: Sequence[str] | None) -> list[Any]:
        """One answer in these columns."""

    def show(self, headline: float) -> str:
        """The headline figure for a person."""

    def show_span(self, low: float, high: float) -> str:
        """An interval of it."""

    def to_json(self) -> dict[str, Any]:
        """As `meta["task"]` of a checkpoint has it."""

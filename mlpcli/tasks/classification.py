"""Classification: a target is one of C classes; what counts is how many are right."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from mlpcli.arrays import WHOLE, Array, FileRows, distinct
from mlpcli.errors import DataError
from mlpcli.records import record
from mlpcli.tasks.task import Predictions, Scores, TaskKind, another_column
from mlpcli.text import aligned, percent, percent_span

CONFUSION_LIMIT = 30
"""With more classes than this, the matrix is left out of the text: no terminal is so wide."""

MATRIX_LIMIT = 2000
"""With more classes than this, it is left out of the JSON too: C² numbers are gigabytes."""

_PART = 1 << 16  # labels looked up at a time


@record
class Classification:
    """Rows belong to classes.

    Attributes:
        classes: (C,) the labels as they were written, int64 or text, sorted; the position is
            the class index.
    """

    classes: Array

    kind: ClassVar[TaskKind] = "classification"
    headline: ClassVar[str] = "accuracy"
    headline_name: ClassVar[str] = "accuracy"
    upward: ClassVar[int] = 1
    target_dtype: ClassVar[Any] = np.intp

    @property
    def outputs(self) -> int:
        return len(self.classes)

    @classmethod
    def learn(cls, labels: Array, source: str, column: str = "") -> Classification:
        """The task of these training rows' labels, which a table's `column` holds.

        Raises:
            DataError: they are all the same.
        """
        classes, _ = find_classes(labels)
        if len(classes) < 2:
            raise DataError(
                f"{source}: every training row has the label {classes[0]}; "
                f"a classifier needs at least two classes{another_column(column)}"
            )
        return cls(classes)

    @staticmethod
    def strata(labels: Array) -> Array:
        """(N,) a small number for each row that is the same for equal labels."""
        return find_classes(labels)[1]

    def encode(self, labels: Array) -> Array:
        """(N,) class indices, -1 for a label that is no class."""
        return class_indices(labels, self.classes)

    def refuse_unknown(
        self, targets: Array, labels: Array, where: str, file_rows: FileRows = WHOLE
    ) -> None:
        unseen = np.flatnonzero(targets < 0)
        if len(unseen):
            row = int(unseen[0])
            raise DataError(
                f"{where} has the label {labels[row]!s} (sample {file_rows.name(row)}), which no "
                "training row has; train on data with every class, or remove those rows"
            )

    def fill_targets(self, y: Array, Y: Array, smoothing: float = 0.0) -> None:
        """Y ← one-hot, or 1 − ε on the class and ε/C on all (Szegedy et al. 2016, section 7)."""
        np.equal(y[:, None], self._indices, out=Y, casting="unsafe")
        if smoothing:
            np.multiply(Y, 1 - smoothing, out=Y)
            np.add(Y, smoothing / self.outputs, out=Y)

    @cached_property
    def _indices(self) -> Array:
        return np.arange(self.outputs)

    def tally(self, scores: Array, losses: Array, y: Array, weights: Array | None = None) -> Array:
        """(3,): the sum of the losses, how many are right, how many there are."""
        right = scores.argmax(axis=1) == y
        if weights is None:
            return np.array([np.add.reduce(losses), np.count_nonzero(right), len(y)], np.float64)
        sums = (np.dot(weights, losses), np.dot(weights, right), np.add.reduce(weights))
        return np.array(sums, np.float64)

    def score(self, sums: Array) -> Scores:
        loss, right, count = sums.tolist()
        return Scores(round(count), loss / count, {"accuracy": right / count})

    def rank(self, scores: Scores, by: str) -> tuple[float, ...]:
        """The highest accuracy, of equal ones the lowest loss; or the lowest loss alone."""
        if by == "loss":
            return (-scores.loss,)
        return scores.figures["accuracy"], -scores.loss

    def constant_answer(self, scores: Scores, y: Array) -> tuple[bool, str]:
        return _constant_answer(scores.figures["accuracy"], y, self.classes.tolist())

    def answer(self, outputs: Array, scores: Array) -> tuple[Array, Array | None]:
        return scores.argmax(axis=1), outputs.max(axis=1)

    def report(self, predictions: Predictions) -> ClassReport:
        return ClassReport.of(predictions, self)

    def value(self, answers: Any) -> Any:
        return self.classes[answers]

    def describe(self, name: str | None) -> str:
        labels = [str(label) for label in self.classes.tolist()]
        some = labels if len(labels) <= 12 else [*labels[:6], "…", labels[-1]]
        return f"{len(labels)} classes{f' of {name}' if name else ''}: {' '.join(some)}"

    def describe_answers(self, answers: Array, labels: Array, model: str) -> str:
        true = self.encode(labels)
        right, N = int(np.count_nonzero(true == answers)), len(true)
        text = f"{right:,} of {N:,} right ({percent(right / N)})"
        unseen = int(np.count_nonzero(true < 0))
        if not unseen:
            return text
        have = "1 has" if unseen == 1 else f"{unseen:,} have"
        return f"{text}; {have} a label that {model} does not know"

    def answer_columns(self, names: Sequence[str] | None) -> list[str]:
        return ["label", "name"] if names else ["label"]

    def answer_cells(self, answer: Any, names: Sequence[str] | None) -> list[Any]:
        label = self.value(answer).item()
        if not names:
            return [label]
        return [label, names[label] if isinstance(label, int) and 0 <= label < len(names) else ""]

    def show(self, headline: float) -> str:
        return percent(headline)

    def show_span(self, low: float, high: float) -> str:
        return percent_span(low, high)

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "classes": self.classes.tolist()}


def _constant_answer(accuracy: float, y: Array, names: Sequence[Any]) -> tuple[bool, str]:
    counts = np.bincount(y)
    most = int(counts.argmax())
    share = float(counts[most] / len(y))
    return accuracy > share or share == 1, (
        f"always answering {names[most]}, the most frequent class, would be right for "
        f"{percent(share, 1)}"
    )


@record
class ClassReport:
    """The figures of each class; memory grows with N + C, but for `confusion`.

    Attributes:
        y, predicted: (N,) class indices.
        classes: C.
        loss: the mean.
        auc: of two classes, the area under the ROC curve of the second one; else None.
    """

    y: Array
    predicted: Array
    classes: int
    loss: float
    auc: float | None = None

    @classmethod
    def of(cls, predictions: Predictions, task: Classification) -> ClassReport:
        loss = float(predictions.losses.mean())
        outputs = predictions.outputs
        auc = None if outputs is None else roc_auc(predictions.y, outputs[:, 1])
        return cls(predictions.y, predictions.answers, task.outputs, loss, auc)

    @property
    def samples(self) -> int:
        return len(self.y)

    @property
    def correct(self) -> int:
        return int(np.count_nonzero(self.y == self.predicted))

    @property
    def accuracy(self) -> float:
        """The share of samples that are predicted right."""
        return self.correct / self.samples

    def constant_answer(self, names: Sequence[str]) -> tuple[bool, str]:
        return _constant_answer(self.accuracy, self.y, names)

    @property
    def confusion(self) -> Array:
        """(C, C) int64 counts; rows are true classes, columns predicted ones."""
        C = self.classes
        return np.bincount(self.y * C + self.predicted, minlength=C * C).reshape(C, C)

    def confused(self, true: int | None = None) -> list[tuple[int, int, int]]:
        """(true class, predicted class, count) of mistakes, of one class or of all: most first."""
        wrong = self.y != self.predicted
        if true is not None:
            wrong &= self.y == true
        pairs = self.y[wrong].astype(np.int64) * self.classes + self.predicted[wrong]
        which, counts = np.unique(pairs, return_counts=True)
        order = np.argsort(-counts, kind="stable")
        return [
            (*divmod(pair, self.classes), count)
            for pair, count in zip(which[order].tolist(), counts[order].tolist(), strict=True)
        ]

    def per_class(self) -> list[dict[str, Any]]:
        """Precision, recall, F1 and support of each class; a ratio without a denominator is 0."""
        C = self.classes
        hits = np.bincount(self.y[self.y == self.predicted], minlength=C).tolist()
        support = np.bincount(self.y, minlength=C).tolist()
        predicted = np.bincount(self.predicted, minlength=C).tolist()
        return [
            {
                "precision": _ratio(hit, of_predicted),
                "recall": _ratio(hit, of_true),
                "f1": _ratio(2 * hit, of_predicted + of_true),
                "support": of_true,
            }
            for hit, of_predicted, of_true in zip(hits, predicted, support, strict=True)
        ]

    @property
    def figures(self) -> dict[str, float]:
        return {"accuracy": self.accuracy}

    def intervals(self) -> dict[str, tuple[float, float]]:
        return {"accuracy": self.interval()}

    def describe(self) -> str:
        return (
            f"accuracy {percent(self.accuracy)} (95 % interval {percent_span(*self.interval())})  "
            f"error {percent(1 - self.accuracy)}  loss {self.loss:.4f}"
        )

    def tables(
        self, names: Sequence[str], labels: Sequence[Any], row: Callable[[int], str]
    ) -> list[str]:
        return [class_table(names, self), confusion_table(labels, self)]

    def to_json(self, labels: Sequence[Any]) -> dict[str, Any]:
        return {
            **self.figures,
            "error_rate": 1 - self.accuracy,
            "per_class": [
                {"label": label, **figures}
                for label, figures in zip(labels, self.per_class(), strict=True)
            ],
            "confusion": self.confusion.tolist() if self.classes <= MATRIX_LIMIT else None,
        }

    def interval(self) -> tuple[float, float]:
        """A 95 % confidence interval of the accuracy (Wilson 1927)."""
        z, n, p = 1.96, self.samples, self.accuracy
        centre = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return max(0.0, centre - half), min(1.0, centre + half)  # rounding could lead out


def class_table(names: Sequence[str], report: ClassReport) -> str:
    """A row a class: precision, recall, F1, support."""
    rows: list[tuple[str, ...]] = [("class", "precision", "recall", "f1", "support")]
    for name, row in zip(names, report.per_class(), strict=True):
        shares = (percent(row[key]) for key in ("precision", "recall", "f1"))
        rows.append((name, *shares, f"{row['support']:,}"))
    return aligned(rows)


def confusion_table(labels: Sequence[Any], report: ClassReport) -> str:
    """The confusion matrix; rows are true classes, columns predicted ones, `.` is 0."""
    if len(labels) > MATRIX_LIMIT:
        return f"(there is no confusion matrix of more than {MATRIX_LIMIT:,} classes)"
    if len(labels) > CONFUSION_LIMIT:
        return f"(the confusion matrix of {len(labels)} classes is in --json)"
    rows: list[tuple[str, ...]] = [("true \\ predicted", *map(str, labels))]
    for label, counts in zip(labels, report.confusion.tolist(), strict=True):
        rows.append((str(label), *(str(count or ".") for count in counts)))
    return aligned(rows)


def roc_auc(y: Array, scores: Array) -> float | None:
    """The area under the ROC curve of class 1 (y = 1) by its scores; None if a class is missing.

    It is the share of pairs of rows, one of each class, that the scores put in the right order,
    ties counting half (Mann & Whitney 1947; Hanley & McNeil 1982).
    """
    positives = int(np.count_nonzero(y == 1))
    negatives = len(y) - positives
    if not positives or not negatives:
        return None
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2  # the mean rank of equal scores
    above = float(ranks[place[y == 1]].sum()) - positives * (positives + 1) / 2
    return above / (positives * negatives)


def class_indices(labels: Array, classes: Array) -> Array:
    """(N,) intp positions of `labels` in `classes` (sorted), -1 if a label is not among them."""
    if labels.dtype.kind == "f" and classes.dtype.kind == "i":
        return _lookup(labels, classes.astype(np.float64), np.arange(len(classes)))
    if labels.dtype.kind != classes.dtype.kind:
        labels = labels.astype(str)
        order = np.argsort(classes.astype(str))
        return _lookup(labels, classes.astype(str)[order], order)
    return _lookup(labels, classes, np.arange(len(classes)))


def whole_labels(labels: Array, source: str) -> Array:
    """(N,) the labels, numbers as int64.

    Raises:
        DataError: a number that no class can be, as only arrays have them.
    """
    if labels.dtype.kind != "f":
        return labels
    bad = np.flatnonzero((labels != np.rint(labels)) | (np.abs(labels) >= 2.0**53))
    if len(bad):
        row = int(bad[0])
        raise DataError(
            f"{source}: y: the label {labels[row]} (sample {row + 1}) is not an integer; "
            "classes are integers or text, and --task regression predicts numbers"
        )
    return labels.astype(np.int64)


def find_classes(labels: Array) -> tuple[Array, Array]:
    """The labels that there are, sorted, and for each row which of them it has."""
    if labels.dtype.kind == "i" and len(labels):
        low, span = int(labels.min()), int(labels.max()) - int(labels.min()) + 1
        if span <= 1 << 16:  # no sorting: a table may have millions of rows
            offsets = (labels - low).astype(np.uint16)
            there = np.flatnonzero(np.bincount(offsets, minlength=span))
            codes = np.zeros(span, np.uint16)
            codes[there] = np.arange(len(there))
            return there + low, codes[offsets]
    names = distinct(np.concatenate([distinct(labels[part]) for part in _parts(labels)]))
    positions = np.empty(len(labels), np.uint16 if len(names) <= 1 << 16 else np.intp)
    for part in _parts(labels):
        positions[part] = np.searchsorted(names, labels[part])
    return names, positions


def _lookup(labels: Array, classes: Array, order: Array) -> Array:
    found = np.empty(len(labels), np.intp)
    for part in _parts(labels):
        position = np.searchsorted(classes, labels[part])
        position[position == len(classes)] = 0
        found[part] = np.where(classes[position] == labels[part], order[position], -1)
    return found


def _parts(labels: Array) -> list[slice]:
    """Some labels at a time: arrays of text are wide."""
    return [slice(start, start + _PART) for start in range(0, max(len(labels), 1), _PART)]


def balanced_weights(y: Array, C: int) -> Array:
    """(C,) weights that make every class count equally, N/(C·N_k)."""
    counts = np.bincount(y, minlength=C)
    return len(y) / (C * np.maximum(counts, 1))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0

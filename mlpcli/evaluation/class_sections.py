"""What a report says of a classification: figures, confusions, classes, calibration, mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from mlpcli.arrays import Array
from mlpcli.evaluation import figures, pixels
from mlpcli.evaluation.calibration import Calibration, calibration
from mlpcli.evaluation.page import scrolled, section, table, tiles
from mlpcli.evaluation.subject import Report
from mlpcli.tasks.classification import CONFUSION_LIMIT, MATRIX_LIMIT, ClassReport
from mlpcli.tasks.task import Predictions
from mlpcli.text import percent, percent_span

WITHOUT_HIDDEN = "softmax regression"
"""What a network without hidden layers is."""

_MISTAKES = 24
_CLASSES = 200  # rows of the per-class table
_CONFUSIONS = 50  # of too many classes for a matrix
_COLUMNS = 8  # of a table, whose values are shown of a row


def words(report: Report, scores: ClassReport) -> str:
    """How good the model is, in words: beside the answer that is right most often."""
    _, constant = scores.constant_answer(report.names)
    return (
        f"<p>It labels {percent(scores.accuracy, 1)} of the {scores.samples:,} rows right; "
        f"{escape(constant)}.</p>"
    )


def headline(report: Report, scores: ClassReport) -> str:
    """The large figures."""
    low, high = scores.interval()
    wrong = scores.samples - scores.correct
    items = [
        ("Accuracy", percent(scores.accuracy), f"95 % interval {percent_span(low, high)}"),
        ("Error rate", percent(1 - scores.accuracy), f"{wrong:,} of {scores.samples:,} wrong"),
        ("Loss", f"{scores.loss:.4f}", str(report.members[0].options["loss"])),
        (
            "Calibration error",
            percent(calibration(report.predictions).error),
            "expected, over 15 bins",
        ),
    ]
    if scores.auc is not None:
        items.append(("ROC AUC", f"{scores.auc:.4f}", f"of {escape(report.names[1])}"))
    return tiles(items)


def sections(report: Report, scores: ClassReport) -> list[str]:
    """The parts of the page below the curves."""
    return [
        _confusion(report, scores),
        _classes(report, scores),
        _calibration(calibration(report.predictions)),
        _picture_mistakes(report, scores) if report.images else _row_mistakes(report, scores),
    ]


def _confusion(report: Report, scores: ClassReport) -> str:
    C = len(report.names)
    if C > MATRIX_LIMIT:
        return _confused(report, scores)
    confusion = scores.confusion
    note = "Rows are true classes, columns predicted ones."
    support = np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    if C > CONFUSION_LIMIT:
        uri = pixels.heat_png(np.sqrt(confusion / support))
        picture = f'<img class="matrix" alt="Confusion matrix" src="{uri}">'
        return section("Confusion matrix", f"<p>{note}</p>{picture}")
    shares = confusion / support
    wrong = confusion - np.diag(np.diagonal(confusion))
    worst = max(int(wrong.max()), 1)
    lines = []
    for i, name in enumerate(report.names):
        cells = []
        for j, n in enumerate(confusion[i].tolist()):
            if n == 0:
                cells.append("<td>·</td>")
            elif i == j:
                cells.append(f'<td class="hit" style="--a:{0.6 * shares[i, j]:.2f}">{n}</td>')
            else:
                strength = 0.08 + 0.6 * np.sqrt(n / worst)
                cells.append(f'<td class="miss" style="--a:{strength:.2f}">{n}</td>')
        lines.append(f'<tr><th scope="row">{escape(name)}</th>{"".join(cells)}</tr>')
    head = "".join(f'<th scope="col"><span>{escape(name)}</span></th>' for name in report.names)
    named = " named" if max(map(len, report.names)) > 4 else ""
    table = (
        f'<table class="confusion{named}"><thead><tr><td></td>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table>"
    )
    note += " Blue: right; orange: mistakes, the stronger the more."
    return section("Confusion matrix", f'<p class="note">{note}</p>{scrolled(table)}')


def _confused(report: Report, scores: ClassReport) -> str:
    """The commonest mistakes of very many classes, instead of a matrix."""
    found = scores.confused()
    rows = [[report.names[t], report.names[p], f"{n:,}"] for t, p, n in found[:_CONFUSIONS]]
    note = (
        f"Of {scores.classes:,} classes there is no confusion matrix. "
        f"{len(rows):,} of {len(found):,} kinds of mistakes, the most frequent first."
    )
    shown = table(["true", "predicted", "samples"], rows)
    return section("Confusions", f'<p class="note">{note}</p>{shown}')


def _classes(report: Report, scores: ClassReport) -> str:
    """Precision, recall and F1 of each class, and what it is most often taken for."""
    figures_of = scores.per_class()
    chosen: Sequence[int] = range(len(figures_of))
    note = ""
    if len(figures_of) > _CLASSES:
        chosen = sorted(chosen, key=lambda k: figures_of[k]["f1"])[:_CLASSES]
        note = f'<p class="note">The {_CLASSES} classes of lowest F1 of {len(figures_of)}.</p>'
    rows = []
    for k in chosen:
        row = figures_of[k]
        taken = next((f"{report.names[p]} ({n})" for _, p, n in scores.confused(k)), "–")
        shares = [percent(row[key]) for key in ("precision", "recall", "f1")]
        rows.append([report.names[k], *shares, f"{row['support']:,}", taken])
    means = [
        percent(float(np.mean([row[key] for row in figures_of])))
        for key in ("precision", "recall", "f1")
    ]
    rows.append(["mean of the classes", *means, f"{scores.samples:,}", ""])
    head = ["class", "precision", "recall", "F1", "samples", "taken for"]
    return section("Classes", note + table(head, rows, total=True))


def _calibration(bins: Calibration) -> str:
    note = (
        "Bars: the accuracy of the samples in each bin of confidence, which is the probability of "
        "the predicted class. On the dashed line the two agree; the orange lines are their "
        f"difference. Weighted by samples it is {percent(bins.error)}, the expected calibration "
        "error (Guo et al. 2017)."
    )
    figure = f"<figure>{figures.reliability_svg(bins)}</figure>"
    return section("Calibration", f'<div class="figures">{figure}<p class="note">{note}</p></div>')


def _picture_mistakes(report: Report, scores: ClassReport) -> str:
    assert report.images is not None
    predictions, split, certainty = report.predictions, report.split, report.predictions.certainty
    assert certainty is not None
    pictures = []
    for place in most_confident_mistakes(predictions, _MISTAKES).tolist():
        sample = escape(split.row_name(place))
        image = np.asarray(split.X[split.rows[place]]).reshape(report.images.shape)
        true = escape(report.names[predictions.y[place]])
        said = escape(report.names[predictions.answers[place]])
        uri = pixels.picture_png(image, report.images.full_scale)
        pictures.append(
            f'<figure><img alt="sample {sample}" src="{uri}"><figcaption><b>{true}</b> taken for '
            f"<b>{said}</b><br>{percent(certainty[place], 1)}"
            f"<br>sample {sample}</figcaption></figure>"
        )
    if not pictures:
        return section("Mistakes", "<p>None.</p>")
    shown_of = f"{len(pictures)} of {scores.samples - scores.correct:,}"
    return section(
        "The most confident mistakes",
        f'<p class="note">{shown_of}: the true class, the predicted one and its probability.</p>'
        f'<div class="mistakes">{"".join(pictures)}</div>',
    )


def most_confident_mistakes(predictions: Predictions, count: int) -> Array:
    """Positions in the split of at most `count` mistakes, the most confident first."""
    assert predictions.certainty is not None
    wrong = np.flatnonzero(predictions.answers != predictions.y)
    return wrong[np.argsort(-predictions.certainty[wrong], kind="stable")][:count]


def _row_mistakes(report: Report, scores: ClassReport) -> str:
    """The rows of a table that it is most confident and wrong about, with their values."""
    predictions, split = report.predictions, report.split
    assert predictions.certainty is not None
    names = list(report.columns or [f"column {j + 1}" for j in range(split.X.shape[1])])
    rows = []
    for place in most_confident_mistakes(predictions, _MISTAKES).tolist():
        row = int(split.rows[place])
        true, said = report.names[predictions.y[place]], report.names[predictions.answers[place]]
        certainty = percent(predictions.certainty[place], 1)
        values = report.describe(split.X[row])[:_COLUMNS]
        rows.append([split.row_name(place), true, said, certainty, *values])
    if not rows:
        return section("Mistakes", "<p>None.</p>")
    of = f"{len(rows)} of {scores.samples - scores.correct:,}"
    more = f"; the first {_COLUMNS} of {len(names)} columns" if len(names) > _COLUMNS else ""
    head = ["row", "true", "predicted", "certainty", *names[:_COLUMNS]]
    note = f'<p class="note">{of}, the most confident first{more}.</p>'
    return section("The most confident mistakes", note + table(head, rows))

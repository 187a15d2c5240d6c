"""What a report says of a regression: figures, answers against targets, residuals, errors."""

from __future__ import annotations

from mlpcli.evaluation import figures
from mlpcli.evaluation.page import section, table, tiles
from mlpcli.evaluation.subject import Report
from mlpcli.tasks.regression import LABELS, ResidualReport
from mlpcli.text import span

WITHOUT_HIDDEN = "linear regression"
"""What a network without hidden layers is."""

_ERRORS = 24
_COLUMNS = 8  # of a table, whose values are shown of a row


def words(report: Report, scores: ResidualReport) -> str:
    """How good the model is, in words: beside the answer that has the least error of all."""
    error, (_, constant) = scores.figures["rmse"], scores.constant_answer(report.names)
    return (
        f"<p>Its answers are off by {error:.4g} (root mean square) over {scores.samples:,} rows; "
        f"{constant}.</p>"
    )


def headline(report: Report, scores: ResidualReport) -> str:
    """The large figures."""
    found, spans = scores.figures, scores.intervals()
    items = [
        (label, f"{found[key]:.4g}", f"95 % interval {span(*spans[key])}")
        for key, label in LABELS.items()
    ]
    loss = str(report.members[0].options["loss"])
    return tiles([*items, ("Loss", f"{scores.loss:.4f}", f"{loss}, targets standardised")])


def sections(report: Report, scores: ResidualReport) -> list[str]:
    """The parts of the page below the curves."""
    note = (
        "On the left each row's answer over its target: on the dashed line the two agree. On the "
        "right how often the answer misses the target by how much."
    )
    drawn = "".join(
        f"<figure>{svg}</figure>"
        for svg in (
            figures.answers_svg(scores.y, scores.predicted),
            figures.residuals_svg(scores.residuals),
        )
    )
    body = f'<div class="figures">{drawn}</div><p class="note">{note}</p>'
    return [section("Answers and targets", body), _largest(report, scores)]


def _largest(report: Report, scores: ResidualReport) -> str:
    names = list(report.columns or [f"column {j + 1}" for j in range(report.split.X.shape[1])])
    rows = []
    for place in scores.largest(_ERRORS).tolist():
        row = int(report.split.rows[place])
        true, said = scores.y[place], scores.predicted[place]
        values = report.describe(report.split.X[row])[:_COLUMNS]
        shown = (f"{number:.{scores.digits}g}" for number in (true, said))
        rows.append([report.split.row_name(place), *shown, f"{said - true:+.4g}", *values])
    head = ["row", "target", "answer", "error", *names[:_COLUMNS]]
    more = f" The first {_COLUMNS} of {len(names)} columns." if len(names) > _COLUMNS else ""
    note = f'<p class="note">The rows with the largest errors.{more}</p>'
    return section("The largest errors", note + table(head, rows))

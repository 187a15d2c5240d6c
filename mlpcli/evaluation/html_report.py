"""An evaluation as one HTML page that needs nothing else: no script, no request, style within.

It follows the reader into the dark, onto a phone and onto paper. Figures are SVG whose colours are
the page's variables, small pictures are PNG as data URIs (`mlpcli.evaluation.figures`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from typing import Any

import numpy as np

from mlpcli.arrays import Array
from mlpcli.data.split import Split
from mlpcli.evaluation import figures, pixels
from mlpcli.evaluation.calibration import Calibration, calibration
from mlpcli.evaluation.text_report import CONFUSION_LIMIT, differing
from mlpcli.tasks.classification import ClassReport
from mlpcli.tasks.task import Predictions
from mlpcli.text import as_typed, dashed, percent

_MISTAKES = 24
_UNITS = 100  # of the first layer, whose weights are shown …
_UNITS_OF_MEMBER = 25  # … and of each member of a committee
_PIXELS = 200_000  # of all these images together
_MEMBERS = 12  # of a committee, whose weights are shown
_CLASSES = 200  # rows of the per-class table


@dataclass(frozen=True)
class Images:
    """That rows of X are images of `shape` (height, width), with pixels from 0 to `full_scale`."""

    shape: tuple[int, int]
    full_scale: float | None


@dataclass(frozen=True)
class Member:
    """A model as the page describes it.

    Attributes:
        name: its file.
        scores: on the split.
        sizes: [D, H…, C].
        options: {name: value} of its configuration.
        toml: the same as a config file.
        command: what trains it again.
        changed: whether it was resumed with other options, so that the command does not do so
            exactly.
        history: a dict an epoch, or of fewer epochs where they are very many.
        epoch, epochs: the epoch whose weights were kept, of how many.
        W: (D, H) the first layer's weights.
    """

    name: str
    scores: ClassReport
    sizes: list[int]
    options: dict[str, Any]
    toml: str
    command: str
    changed: bool
    history: Sequence[dict[str, Any]]
    epoch: int
    epochs: int
    W: Array


@dataclass(frozen=True)
class Report:
    """What a page is made of.

    Attributes:
        members: one model, or those of a committee.
        source, split: the data, and the rows of them.
        names: of the classes.
        scores, predictions: the model's, or the committee's.
        images: where the data are images.
        commands: how the data are got and the evaluation is repeated: (before, after) training.
        made: by what and when.
    """

    members: Sequence[Member]
    source: str
    split: Split
    names: Sequence[str]
    scores: ClassReport
    predictions: Predictions
    images: Images | None
    commands: tuple[Sequence[str], Sequence[str]]
    made: str

    @property
    def title(self) -> str:
        if len(self.members) == 1:
            return self.members[0].name
        return f"Committee of {len(self.members)}"


def page(report: Report) -> str:
    """The page as text."""
    bins = calibration(report.predictions)
    sections = [
        _header(report),
        _headline(report, bins),
        _members(report),
        _curves(report),
        _confusion(report),
        _classes(report),
        _calibration(bins),
        _mistakes(report),
        _weights(report),
        _configuration(report),
        _repetition(report),
    ]
    style = resources.files("mlpcli.evaluation").joinpath("report.css").read_text("utf-8")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>{escape(report.title)} on {escape(report.source)}</title>
<style>
{style}</style>
</head>
<body>
<main>
{"".join(sections)}<footer>{escape(report.made)}</footer>
</main>
</body>
</html>
"""


# The parts of the page, from top to bottom


def _header(report: Report) -> str:
    first = report.members[0]
    about = [f"{report.source}, {report.split.name} split: {report.scores.samples:,} samples"]
    if len(report.members) == 1:
        layers = dashed(first.sizes)
        kind = first.options["activation"] if len(first.sizes) > 2 else "softmax regression"
        about.append(f"{layers}, {kind}")
        about.append(f"epoch {first.epoch} of {first.epochs}")
    lines = "".join(f"<li>{escape(line)}</li>" for line in about)
    return f"<header><h1>{escape(report.title)}</h1><ul>{lines}</ul></header>\n"


def _headline(report: Report, bins: Calibration) -> str:
    scores = report.scores
    low, high = scores.interval()
    wrong = scores.samples - scores.correct
    tiles = (
        ("Accuracy", percent(scores.accuracy), f"95 % interval {_range(low, high)}"),
        ("Error rate", percent(1 - scores.accuracy), f"{wrong:,} of {scores.samples:,} wrong"),
        ("Loss", f"{scores.loss:.4f}", str(report.members[0].options["loss"])),
        ("Calibration error", percent(bins.error), "expected, over 15 bins"),
    )
    cells = "".join(
        f"<div><dt>{name}</dt><dd><strong>{value}</strong><small>{note}</small></dd></div>"
        for name, value, note in tiles
    )
    return f'<dl class="tiles">{cells}</dl>\n'


def _members(report: Report) -> str:
    """A committee's members side by side, with the options in which they differ."""
    if len(report.members) == 1:
        return ""
    options = differing([member.options for member in report.members])
    head = ["model", "accuracy", "95 % interval", "loss", "network", "epoch", *options]
    rows = [
        [
            member.name,
            percent(member.scores.accuracy),
            _range(*member.scores.interval()),
            f"{member.scores.loss:.4f}",
            dashed(member.sizes),
            f"{member.epoch} of {member.epochs}",
            *(as_typed(member.options[name]) for name in options),
        ]
        for member in report.members
    ]
    together = [
        "together",
        percent(report.scores.accuracy),
        _range(*report.scores.interval()),
        f"{report.scores.loss:.4f}",
    ]
    rows.append(together + [""] * (len(head) - len(together)))
    note = "The committee's probabilities are the mean of its members'."
    return _section("Members", f"<p>{note}</p>{_table(head, rows, total=True)}")


def _curves(report: Report) -> str:
    runs = [figures.Run(m.name, m.history, m.epoch) for m in report.members if m.history]
    if not runs:
        return ""
    drawn = "".join(f"<figure>{figures.curve_svg(runs, key)}</figure>" for key in _CURVES)
    note = (
        "The training figures are means over an epoch's batches, each before its own step. "
        if len(runs) == 1
        else "Validation curves; training curves if nothing was held out. "
    )
    note += "A dot marks the epoch whose weights were kept."
    return _section("Training", f'<div class="figures">{drawn}</div><p class="note">{note}</p>')


_CURVES = ("loss", "accuracy")


def _confusion(report: Report) -> str:
    confusion, C = report.scores.confusion, len(report.names)
    note = "Rows are true classes, columns predicted ones."
    support = np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    if C > CONFUSION_LIMIT:
        uri = pixels.heat_png(np.sqrt(confusion / support))
        picture = f'<img class="matrix" alt="Confusion matrix" src="{uri}">'
        return _section("Confusion matrix", f"<p>{note}</p>{picture}")
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
    return _section("Confusion matrix", f'<p class="note">{note}</p>{_scrolled(table)}')


def _classes(report: Report) -> str:
    """Precision, recall and F1 of each class, and what it is most often taken for."""
    figures_of = report.scores.per_class()
    chosen: Sequence[int] = range(len(figures_of))
    note = ""
    if len(figures_of) > _CLASSES:
        chosen = sorted(chosen, key=lambda k: figures_of[k]["f1"])[:_CLASSES]
        note = f'<p class="note">The {_CLASSES} classes of lowest F1 of {len(figures_of)}.</p>'
    rows = []
    for k in chosen:
        row, others = figures_of[k], report.scores.confusion[k].copy()
        others[k] = 0
        most = int(others.argmax())
        taken = f"{report.names[most]} ({others[most]})" if others[most] else "–"
        shares = [percent(row[key]) for key in ("precision", "recall", "f1")]
        rows.append([report.names[k], *shares, f"{row['support']:,}", taken])
    head = ["class", "precision", "recall", "F1", "samples", "taken for"]
    return _section("Classes", note + _table(head, rows))


def _calibration(bins: Calibration) -> str:
    note = (
        "Bars: the accuracy of the samples in each bin of confidence, which is the probability of "
        "the predicted class. On the dashed line the two agree; the orange lines are their "
        f"difference. Weighted by samples it is {percent(bins.error)}, the expected calibration "
        "error (Guo et al. 2017)."
    )
    figure = f"<figure>{figures.reliability_svg(bins)}</figure>"
    return _section("Calibration", f'<div class="figures">{figure}<p class="note">{note}</p></div>')


def _mistakes(report: Report) -> str:
    if report.images is None:
        return ""
    predictions, split, certainty = report.predictions, report.split, report.predictions.certainty
    assert certainty is not None
    pictures = []
    for place in most_confident_mistakes(predictions, _MISTAKES).tolist():
        row = int(split.rows[place])
        image = np.asarray(split.X[row]).reshape(report.images.shape)
        true = escape(report.names[predictions.y[place]])
        said = escape(report.names[predictions.answers[place]])
        uri = pixels.picture_png(image, report.images.full_scale)
        pictures.append(
            f'<figure><img alt="sample {row + 1}" src="{uri}"><figcaption><b>{true}</b> taken for '
            f"<b>{said}</b><br>{percent(certainty[place], 1)}"
            f"<br>sample {row + 1:,}</figcaption></figure>"
        )
    if not pictures:
        return _section("Mistakes", "<p>None.</p>")
    shown_of = f"{len(pictures)} of {report.scores.samples - report.scores.correct:,}"
    return _section(
        "The most confident mistakes",
        f'<p class="note">{shown_of}: the true class, the predicted one and its probability.</p>'
        f'<div class="mistakes">{"".join(pictures)}</div>',
    )


def _weights(report: Report) -> str:
    if report.images is None:
        return ""
    alone = len(report.members) == 1
    parts = []
    for member in report.members[:_MEMBERS]:
        limit = min(_UNITS if alone else _UNITS_OF_MEMBER, max(1, _PIXELS // len(member.W)))
        uri, count = pixels.weights_png(member.W, report.images.shape, limit)
        units = member.W.shape[1]
        of = f"all {units}" if count == units else f"the {count} largest of {units:,}"
        name = "" if alone else f"{escape(member.name)}: "
        parts.append(
            f'<figure><img class="tiles" alt="weights of {count} units" src="{uri}">'
            f"<figcaption>{name}{of} units</figcaption></figure>"
        )
    note = (
        "The weights into each unit of the first layer, each at the place of its pixel. Blue "
        "pixels count for the unit, orange ones against it; an empty tile is a unit whose weights "
        "have shrunk to zero."
    )
    drawn = f'<div class="figures">{"".join(parts)}</div>'
    return _section("What the first layer looks at", f'<p class="note">{note}</p>{drawn}')


def _configuration(report: Report) -> str:
    name = "" if len(report.members) == 1 else f" of {report.members[0].name}"
    toml = escape(report.members[0].toml.strip())
    return _section(f"Configuration{escape(name)}", f"<pre>{toml}</pre>")


def _repetition(report: Report) -> str:
    before, after = report.commands
    lines = [*before, *(member.command for member in report.members), *after]
    note = "With the same thread count and data, this gives the same weights to the bit."
    if any(member.changed for member in report.members):
        note = (
            "The run was resumed with other options than at its start, and no single command "
            "repeats that: the weights will differ."
        )
    commands = escape("\n".join(lines))
    return _section("How to repeat it", f'<pre>{commands}</pre><p class="note">{note}</p>')


def most_confident_mistakes(predictions: Predictions, count: int) -> Array:
    """Positions in the split of at most `count` mistakes, the most confident first."""
    assert predictions.certainty is not None
    wrong = np.flatnonzero(predictions.answers != predictions.y)
    return wrong[np.argsort(-predictions.certainty[wrong], kind="stable")][:count]


# Pieces


def _section(title: str, body: str) -> str:
    return f"<section><h2>{title}</h2>\n{body}</section>\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], *, total: bool = False) -> str:
    """A table whose first column names its rows; with `total`, the last row stands out."""
    cells = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    lines = [
        f'<tr><th scope="row">{escape(first)}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in rest)
        + "</tr>"
        for first, *rest in rows
    ]
    css = "figures-of total" if total else "figures-of"
    return _scrolled(
        f'<table class="{css}"><thead><tr>{cells}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table>"
    )


def _scrolled(table: str) -> str:
    return f'<div class="scrolled">{table}</div>\n'


def _range(low: float, high: float) -> str:
    return f"{100 * low:.2f} to {100 * high:.2f}"

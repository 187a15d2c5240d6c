"""An evaluation as one HTML page that needs nothing else: no script, no request, style within.

It follows the reader into the dark, onto a phone and onto paper. Figures are SVG whose colours are
the page's variables, small pictures are PNG as data URIs (`mlpcli.evaluation.figures`).
"""

from __future__ import annotations

from html import escape
from importlib import resources
from typing import Any

from mlpcli.evaluation import class_sections, figures, pixels, residual_sections
from mlpcli.evaluation.importance import REPEATS
from mlpcli.evaluation.page import section, table
from mlpcli.evaluation.results import differing
from mlpcli.evaluation.subject import Report
from mlpcli.tasks.classification import Classification
from mlpcli.tasks.regression import Regression
from mlpcli.tasks.task import Task, TaskReport
from mlpcli.text import as_typed, dashed

OF_TASK: dict[str, Any] = {
    Classification.kind: class_sections,
    Regression.kind: residual_sections,
}
"""The module that has what a page says of one task alone."""

_UNITS = 100  # of the first layer, whose weights are shown …
_UNITS_OF_MEMBER = 25  # … and of each member of a committee
_PIXELS = 200_000  # of all these images together
_COLUMNS = 30  # whose importance is shown
_MEMBERS = 12  # of a committee, whose weights are shown


def page(report: Report) -> str:
    """The page as text."""
    of_task, scores = OF_TASK[report.task.kind], report.scores
    sections = [
        _header(report),
        of_task.words(report, scores),
        of_task.headline(report, scores),
        _members(report),
        _curves(report),
        *of_task.sections(report, scores),
        _importances(report),
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
        plain = OF_TASK[report.task.kind].WITHOUT_HIDDEN
        kind = first.options["activation"] if len(first.sizes) > 2 else plain
        about.append(f"{layers}, {kind}")
        about.append(f"{first.parameters:,} parameters")
        about.append(f"epoch {first.epoch} of {first.epochs}")
        about.append(f"{first.seconds:.1f} s of training")
    lines = "".join(f"<li>{escape(line)}</li>" for line in about)
    return f"<header><h1>{escape(report.title)}</h1><ul>{lines}</ul></header>\n"


def _members(report: Report) -> str:
    """A committee's members side by side, with the options in which they differ."""
    if len(report.members) == 1:
        return ""
    options = differing([member.options for member in report.members])
    name = report.task.headline_name
    head = ["model", name, "95 % interval", "loss", "network", "epoch", *options]
    rows = [
        [
            member.name,
            *_scored(member.scores, report.task),
            dashed(member.sizes),
            f"{member.epoch} of {member.epochs}",
            *(as_typed(member.options[name]) for name in options),
        ]
        for member in report.members
    ]
    together = ["together", *_scored(report.scores, report.task)]
    rows.append(together + [""] * (len(head) - len(together)))
    note = "The committee answers with the mean of what its members say."
    return section("Members", f"<p>{note}</p>{table(head, rows, total=True)}")


def _scored(scores: TaskReport, task: Task) -> list[str]:
    """The headline figure, its interval, the loss."""
    figure, ends = scores.figures[task.headline], scores.intervals()[task.headline]
    return [task.show(figure), task.show_span(*ends), f"{scores.loss:.4f}"]


def _curves(report: Report) -> str:
    runs = [figures.Run(m.name, m.history, m.epoch) for m in report.members if m.history]
    if not runs:
        return ""
    keys = ("loss", report.task.headline)
    drawn = "".join(f"<figure>{figures.curve_svg(runs, key)}</figure>" for key in keys)
    note = (
        "The training figures are means over an epoch's batches, each before its own step. "
        if len(runs) == 1
        else "Validation curves; training curves if nothing was held out. "
    )
    note += "A dot marks the epoch whose weights were kept."
    return section("Training", f'<div class="figures">{drawn}</div><p class="note">{note}</p>')


def _importances(report: Report) -> str:
    found = report.importances
    if found is None:
        return ""
    shown = table(["column", found.heading], found.rows()[:_COLUMNS])
    rest = len(found.columns) - _COLUMNS
    note = (
        f"What is lost when a column's values are shuffled among {found.samples:,} samples: mean "
        f"and deviation over {REPEATS} times. Of columns that say the same, neither loses much."
        + (f" {rest:,} more columns matter less." if rest > 0 else "")
    )
    return section("What matters", f'{shown}<p class="note">{note}</p>')


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
    return section("What the first layer looks at", f'<p class="note">{note}</p>{drawn}')


def _configuration(report: Report) -> str:
    name = "" if len(report.members) == 1 else f" of {report.members[0].name}"
    toml = escape(report.members[0].toml.strip())
    return section(f"Configuration{escape(name)}", f"<pre>{toml}</pre>")


def _repetition(report: Report) -> str:
    before, after = report.commands
    lines = [*before, *dict.fromkeys(member.command for member in report.members), *after]
    note = "With the same thread count and data, this gives the same weights to the bit."
    if any(member.changed for member in report.members):
        note = (
            "The run was resumed with other options than at its start, and no single command "
            "repeats that: the weights will differ."
        )
    commands = escape("\n".join(lines))
    return section("How to repeat it", f'<pre>{commands}</pre><p class="note">{note}</p>')

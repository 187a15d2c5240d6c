"""Pictures of a model: curves, calibration, weights. Matplotlib is imported when one is drawn.

A figure for a page takes its colours from the page's CSS variables, so that it adapts to dark mode
and print; a figure for a file is drawn on white.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlpcli.arrays import Array
from mlpcli.errors import MlpError, UsageError, suggest_install
from mlpcli.evaluation.calibration import Calibration
from mlpcli.files import replacing
from mlpcli.records import record

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DOTS = 2000  # rows
_POINTS = 300  # of a curve: more cannot be seen, and a run may have 10,000 epochs


@record
class Run:
    """The run that a curve is drawn for.

    Attributes:
        name: in the legend, if there are several.
        history: a dict an epoch, as in the log: epoch, train_loss, val_loss, train_accuracy, …
        best: the epoch whose weights were kept.
    """

    name: str
    history: Sequence[dict[str, Any]]
    best: int


@record
class Palette:
    """The colours of a figure. `members` are distinct on light and on dark backgrounds."""

    ink: str
    muted: str
    line: str
    train: str
    val: str
    members: tuple[str, ...] = (
        "#3b82f6",
        "#d9701a",
        "#1f9d68",
        "#b44fc4",
        "#d9465a",
        "#1899ad",
        "#968521",
        "#7c6cf0",
    )


PAPER = Palette(ink="#1b1f24", muted="#59626d", line="#d8dde3", train="#c2600a", val="#1f5fbf")

# Colours that stand for the page's variables until the SVG's text is there.
_PAGE = Palette(ink="#010203", muted="#010204", line="#010205", train="#010206", val="#010207")
_VARIABLES = {
    getattr(_PAGE, name): f"var(--{name})" for name in ("ink", "muted", "line", "train", "val")
}

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: it is found, read aloud, and set in the page's font
    "text.parse_math": False,
    "font.size": 9.5,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.linewidth": 0.8,
    "grid.linewidth": 0.6,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "figure.dpi": 100,
}


def require(what: str) -> None:
    """Make sure that Matplotlib is there, before anything is computed for `what`.

    Raises:
        MlpError: it is not; the message says how to install it.
    """
    if find_spec("matplotlib") is None or find_spec("PIL") is None:
        install = suggest_install("matplotlib", "pillow")
        raise MlpError(f"{what} needs Matplotlib and Pillow; install them by: {install}")


# For a page: SVG to be put into HTML, and PNG as a data URI


def curve_svg(runs: Sequence[Run], key: str) -> str:
    """The curve of "loss" or "accuracy" over the epochs."""
    with _figure(_PAGE, (4.6, 2.9)) as figure:
        _draw_curve(figure.add_subplot(), runs, key, _PAGE)
        return _svg(figure, f"The curve of the {key} over the epochs")


def reliability_svg(bins: Calibration) -> str:
    """The reliability diagram: accuracy by confidence, and below it the number of samples.

    (DeGroot & Fienberg 1983; Niculescu-Mizil & Caruana 2005.)
    """
    with _figure(_PAGE, (4.6, 4.2)) as figure:
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        width = 1 / len(bins.counts)
        left = np.arange(len(bins.counts)) * width
        filled = bins.counts > 0
        bar = {"width": width * 0.86, "align": "edge"}
        edges = left + width * 0.07
        top.plot([0, 1], [0, 1], color=_PAGE.muted, linewidth=1, dashes=(3, 3))
        top.bar(edges[filled], bins.accuracy[filled], color=_PAGE.val, alpha=0.55, **bar)
        for x, y in zip(bins.confidence[filled], bins.accuracy[filled], strict=True):
            top.plot([x, x], [x, y], color=_PAGE.train, linewidth=1.6)  # the gap
        top.plot(
            bins.confidence[filled],
            bins.accuracy[filled],
            "o",
            color=_PAGE.val,
            markersize=3.5,
            clip_on=False,
        )
        top.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="share that is right")
        bottom.bar(edges, bins.counts / bins.counts.sum(), color=_PAGE.muted, alpha=0.6, **bar)
        bottom.set(ylim=(0, 1.02), ylabel="samples", xlabel="confidence")
        for axes in (top, bottom):
            _percent(axes.yaxis)
        _percent(bottom.xaxis)
        return _svg(figure, "Reliability diagram: accuracy by confidence")


def answers_svg(y: Array, predicted: Array) -> str:
    """Answers over targets, a dot per row, of at most some thousand rows."""
    chosen = np.linspace(0, len(y) - 1, min(len(y), _DOTS)).astype(np.intp)
    low, high = (float(f((y, predicted))) for f in (np.min, np.max))
    with _figure(_PAGE, (4.6, 4.2)) as figure:
        axes = figure.subplots()
        axes.plot([low, high], [low, high], color=_PAGE.muted, linewidth=1, dashes=(3, 3))
        dots: dict[str, Any] = {"markersize": 3, "alpha": 0.5, "markeredgewidth": 0}
        axes.plot(y[chosen], predicted[chosen], "o", color=_PAGE.val, **dots)
        axes.set(xlabel="target", ylabel="answer")
        return _svg(figure, "Answers over targets")


def residuals_svg(residuals: Array) -> str:
    """How often the answer misses the target by how much."""
    with _figure(_PAGE, (4.6, 4.2)) as figure:
        axes = figure.subplots()
        axes.hist(residuals, bins=40, color=_PAGE.val, alpha=0.55)
        axes.axvline(0, color=_PAGE.muted, linewidth=1, dashes=(3, 3))
        axes.set(xlabel="answer minus target", ylabel="rows")
        return _svg(figure, "Histogram of the residuals")


# For a file


def save_curves(path: Path, runs: Sequence[Run]) -> None:
    """Draw loss and accuracy side by side into a file, in the format of its suffix.

    Raises:
        UsageError: a suffix that Matplotlib does not know.
        OutputError: it cannot be written.
    """
    with _figure(PAPER, (9.0, 3.2)) as figure:
        numbers = any("train_rmse" in entry for run in runs for entry in run.history[:1])
        keys = ("loss", "rmse" if numbers else "accuracy")
        for axes, key in zip(figure.subplots(1, 2), keys, strict=True):
            _draw_curve(axes, runs, key, PAPER)
        _save(figure, path)


# How it is done


def _draw_curve(axes: Axes, runs: Sequence[Run], key: str, palette: Palette) -> None:
    """One run's training and validation curves, or several runs' validation curves."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    factor = 100 if key == "accuracy" else 1
    alone = len(runs) == 1
    values: list[float] = []
    for run, colour in zip(runs, cycle(palette.members), strict=False):
        validated = any(entry.get(f"val_{key}") is not None for entry in run.history)
        for part, own in (("train", palette.train), ("val", palette.val)):
            if not alone and (part == "train") == validated:
                continue
            points = [
                (entry["epoch"], entry[f"{part}_{key}"])
                for entry in run.history
                if entry.get(f"{part}_{key}") is not None
            ]
            if not points:
                continue
            epochs, ys = (np.array(column, float) for column in zip(*_thinned(points), strict=True))
            label = {"train": "training", "val": "validation"}[part] if alone else run.name
            marker = "o" if len(epochs) == 1 else None
            shown = own if alone else colour
            axes.plot(epochs, ys * factor, color=shown, label=_label(label), marker=marker)
            values += ys.tolist()
            if part == "val" and (best := dict(points).get(run.best)) is not None:
                axes.plot([run.best], [best * factor], "o", color=shown, markersize=5)
    low, high = min(values, default=0.0), max(values, default=0.0)
    if key == "loss" and low > 0 and high / low > 30:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set(title="RMSE" if key == "rmse" else key.capitalize(), xlabel="epoch")
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    axes.margins(x=0.02)
    if key == "accuracy":
        _percent(axes.yaxis, 100)
    if values:
        axes.legend(loc="best", labelcolor=palette.ink, fontsize=8.5)


def _thinned(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    step = math.ceil(len(points) / _POINTS)
    return points if step == 1 else [*points[:-1:step], points[-1]]


def _label(text: str) -> str:
    return f"./{text}" if text.startswith("_") else text  # which Matplotlib would leave out


def _percent(axis: Any, whole: float = 1) -> None:
    from matplotlib.ticker import FuncFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value / whole:g} %"))


@contextmanager
def _figure(palette: Palette, size: tuple[float, float]) -> Iterator[Figure]:
    """A figure in our style, independent of the user's matplotlibrc and of pyplot's state."""
    import matplotlib
    from matplotlib.figure import Figure

    colours: dict[Any, Any] = {
        "text.color": palette.ink,
        "axes.labelcolor": palette.muted,
        "axes.edgecolor": palette.line,
        "xtick.color": palette.muted,
        "ytick.color": palette.muted,
        "grid.color": palette.line,
    }
    with warnings.catch_warnings(), matplotlib.rc_context():
        warnings.simplefilter("ignore")  # a glyph that a font does not have
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE | colours)
        yield Figure(figsize=size, layout="constrained")


def _svg(figure: Figure, title: str) -> str:
    """The figure as an <svg> element for HTML; its title is the page's only one, as its ids are."""
    import matplotlib

    matplotlib.rcParams["svg.hashsalt"] = title
    text = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(text, format="svg", transparent=True, metadata=nothing)
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"(/?)>', r"<g\1>", svg).replace("<g/>", "")
    svg = re.sub(r"font-family: [^;\"]*;? ?", "", svg)
    svg = re.sub(r' transform="rotate\(-0 [^"]*\)"', "", svg)
    svg = svg.replace("xlink:href", "href")
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, variable)
    viewbox = re.search(r'viewBox="[^"]*"', svg)
    body = svg[svg.index(">") + 1 :]
    box = viewbox.group() if viewbox else ""
    body = re.sub(r"\s*\n\s*", "\n", body)
    return f'<svg {box} role="img" aria-label="{title}">{body}'


def _save(figure: Figure, path: Path) -> None:
    kind = path.suffix.lower().removeprefix(".")
    if kind not in figure.canvas.get_supported_filetypes():
        raise UsageError(f"{path}: not a kind of picture; name a .png, .svg or .pdf file")
    with replacing(path) as file:
        figure.savefig(file, format=kind, dpi=110, metadata={"Date": None} if kind == "svg" else {})

"""The head of a text table: what separates its cells, whether its first row names the columns."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from difflib import get_close_matches
from operator import sub

from mlpcli.data.cells import decimal_mark, is_missing, parse_written, split_unit
from mlpcli.errors import DataError
from mlpcli.text import CONTROL, quoted

WHITE_SPACE = " "
"""The delimiter that stands for any run of white space."""

_DELIMITERS = (",", ";", "\t", "|", "^", "~", WHITE_SPACE)
_QUOTED = re.compile(r"""(^|[,\t]) *(['"])((?:[^\\]|\\.)*?)\2(?= *(?:[,\t]|$))""")
_TOKEN = re.compile(r'"(?:[^"]|"")*"|\S+')


def tabbed(line: str) -> str:
    """A line of cells apart by white space, with tabs between them."""
    return "\t".join(_TOKEN.findall(line) if '"' in line else line.split())


def requoted(line: str) -> str:
    """A line of an ARFF file, whose cells may be quoted by ' and hold \\', as CSV has it."""
    return _QUOTED.sub(_as_csv, line)


def _as_csv(cell: re.Match[str]) -> str:
    text = unescaped(cell[3]).replace('"', '""')
    return f'{cell[1]}"{text}"'


def unescaped(text: str) -> str:
    """What stands in the quotes of an ARFF file."""
    return re.sub(r"\\(.)", r"\1", text)


def split_rows(lines: Sequence[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """(offset, cells) of each row that is not blank; a row of several lines counts as its first.

    Raises:
        csv.Error: a quote is not closed, or a cell is too long; its argument is the offset.
    """
    # The empty line shows a quote that is open at the end, as a row that took one line more.
    feed = (f"{line}\n" for line in (*lines, ""))
    reader = csv.reader(feed, delimiter=delimiter, skipinitialspace=True)
    done = 0
    try:
        for cells in reader:
            if reader.line_num > len(lines) and done < len(lines):
                raise csv.Error
            if done < len(lines) and lines[done].strip():
                yield done, cells
            done = reader.line_num
    except csv.Error:
        raise csv.Error(done) from None


def guess_delimiter(lines: Sequence[str], known: Iterable[str] = (), comment: str = "") -> str:
    """What separates the cells of these lines.

    It is what most lines have equally often. Of several such, it is the one whose cells hold least
    of the others (`4,4;oak` is two cells with a decimal comma), then the one with most cells; but
    between tabs, spaces are of the cells (`2020-01-01 12:00`). Where the first line, or the comment
    before it, has the names that are known, it is what leaves most lines with as many cells.
    """
    tries = {mark: try_split(lines, mark) for mark in _DELIMITERS}
    for line in (*unmarked(comment), lines[0]):
        alike = {
            mark: sum(len(row) == len(cells) for row in tries[mark])
            for mark in _DELIMITERS
            for cells in try_split([line], mark)
            if has_names(cells, known)
        }
        if alike and 2 * max(alike.values()) > len(lines):
            return max(alike, key=alike.__getitem__)

    best, found = (0.0, 0.0, 0), ","
    for delimiter, rows in tries.items():
        widths = Counter(len(cells) for cells in rows)
        if not widths:
            continue
        width, count = max(widths.items(), key=lambda item: (item[1], item[0]))
        if width < 2:
            continue
        cells = [cell for row in rows for cell in row]
        impure = sum(_holds_another(cell, delimiter) for cell in cells) / len(cells)
        if (delimiter, found) == (WHITE_SPACE, "\t"):
            width = 0
        score = (round(count / len(rows), 1), -round(impure, 3), width)
        if score > best:
            best, found = score, delimiter
    return found


def try_split(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    """The cells of each row of lines that a delimiter may be between."""
    if delimiter == WHITE_SPACE:
        lines, delimiter = [tabbed(line) for line in lines], "\t"
    rows: list[list[str]] = []
    with suppress(csv.Error):  # a quote that is still open where the sample of lines ends
        rows.extend(cells for _, cells in split_rows(lines, delimiter))
    return rows


def unmarked(comment: str) -> tuple[str, str]:
    """A comment as it is written, and without its mark: that may be of the first name."""
    return comment, comment.lstrip(" #%")


def has_names(cells: Iterable[str], known: Iterable[str]) -> bool:
    """Whether there are names that are known, and the cells are all of these, and maybe others."""
    wanted = set(map(folded, known))
    return bool(wanted) and wanted <= set(map(folded, cells))


def _holds_another(cell: str, delimiter: str) -> bool:
    """Whether a cell looks as if it should have been split, by another delimiter."""
    text = split_unit(cell)[0]
    if "," in text and (_is_number(text) or _is_number(text, decimal_comma=True)):
        return delimiter == WHITE_SPACE and "." in text
    others = [mark for mark in _DELIMITERS[:-1] if mark != delimiter and mark in text]
    return bool(others) or (delimiter != WHITE_SPACE and "  " in text)


def has_decimal_comma(rows: Iterable[Sequence[str]], delimiter: str) -> bool:
    """Whether the numbers of these rows have a decimal comma.

    Cells that can be read in one way only decide; if there are none, 1,234 has one unless commas
    separate the cells.
    """
    marks: Counter[str] = Counter()
    undecided = False
    for row in rows:
        for cell in row:
            if "," in cell or "." in cell:
                mark = decimal_mark(cell)
                marks[mark] += 1
                undecided = undecided or (not mark and "," in cell and _is_number(cell))
    if marks["."] or marks[","]:
        return marks[","] > marks["."]
    return undecided and delimiter != ","


def is_header(
    rows: Sequence[Sequence[str]], decimal_comma: bool, label: int, known: Iterable[str]
) -> tuple[bool, bool]:
    """(whether the first of these rows is one of names, whether that is obvious).

    Args:
        rows: the first rows, of one width.
        decimal_comma: whether numbers have one.
        label: the position of the label's column.
        known: names that the table is expected to have.
    """
    first, below = [cell.strip() for cell in rows[0]], rows[1:]
    wanted = set(map(folded, known))
    if 2 * len(wanted & set(map(folded, first))) > len(wanted):
        return True, True
    numbers = any(_is_number(cell, decimal_comma) for cell in first)
    if not below:
        return not numbers, True
    if _counts(first) and (len(first) > 2 or below[0][0].strip() != "1"):  # 0,1 may be a sample
        return True, False
    # An index may have no name.
    blank = not first[0] and all(row[0].strip() for row in below)
    votes = [_vote(first, below, j, decimal_comma) for j in range(len(first))]
    yes, no = votes.count(1), votes.count(-1)
    if yes > no:
        return True, no == 0
    if no:
        named = votes[label] == 1 or _is_series(first, below, decimal_comma, blank)
        return named, not (named or yes)
    return all(first[blank:]) and not numbers and len(set(first)) == len(first), False


def _vote(first: Sequence[str], below: Sequence[Sequence[str]], j: int, decimal_comma: bool) -> int:
    """Whether the first cell of a column speaks for a header (1), against one (-1) or neither.

    Above numbers, 7d is a name; above 1d, 2d, … it is a number.
    """
    cells = [row[j].strip() for row in below if j < len(row) and not is_missing(row[j])]
    if is_missing(first[j]) or not cells:
        return 0
    if first[j] in cells:
        return -1
    unit = split_unit(cells[0])[1]
    numbers = sum(_is_number(cell, decimal_comma, unit) for cell in cells)
    if 2 * numbers > len(cells):
        return -1 if _is_number(first[j], decimal_comma, unit) else 1
    return int(min(Counter(cells).values()) > 1)


def _is_series(
    first: Sequence[str], below: Sequence[Sequence[str]], decimal_comma: bool, blank: bool
) -> bool:
    """Whether the numbers of the first row name columns, as years, bins and wavelengths do.

    At least five, or three from 1000 to 2999, rise or fall by the same step, but for a quarter of
    the steps; or at least three rise, and the index before them is `blank`. Most rows are not so.
    """

    def rank(row: Sequence[str]) -> int:
        """2 if its numbers go by one step, 1 if they rise; missing ones, NaN, are left out."""
        x = [v for c in row if (v := parse_written(c, decimal_comma)) is not None and v == v]
        if len(x) < 3:
            return 0
        steps = sorted(map(sub, x[1:], x))
        usual = steps[len(steps) // 2]
        odd = sum(abs(step - usual) > abs(usual) / 1e6 for step in steps)
        even = steps[0] * steps[-1] > 0 and 4 * odd <= len(steps)
        return 2 if even and (len(x) > 4 or 1000 <= x[0] < 3000) else blank and steps[0] > 0

    return rank(first) > sorted(map(rank, below))[len(below) // 2]


def _counts(cells: list[str]) -> bool:
    """Whether they are 0, 1, …, D − 1, as pandas writes names that nobody gave (after a blank)."""
    names = cells[not cells[0] :]
    return len(names) > 1 and names == [*map(str, range(len(names)))]


def _is_number(cell: str, decimal_comma: bool = False, unit: str = "") -> bool:
    return not is_missing(cell) and parse_written(cell, decimal_comma, unit) is not None


def clean_names(names: Sequence[str], source: str) -> tuple[tuple[str, ...], list[str]]:
    """Names that are all there and all different, and those that were numbered for that.

    Raises:
        DataError: one has a control character.
    """
    result: dict[str, None] = {}
    numbered = []
    taken = {name.strip() for name in names}
    counts: Counter[str] = Counter()
    for j, name in enumerate(names):
        text = re.sub(r"[\r\n\t]+", " ", name).strip()
        if CONTROL.search(text):
            raise DataError(
                f"{source}: column {j + 1} has a control character in its name, "
                f"{quoted(name)}; remove it"
            )
        text = text or f"column {j + 1}"
        if text in result:
            numbered.append(text)
            counts[text] += 1
            while f"{text}.{counts[text]}" in taken:
                counts[text] += 1
            text = f"{text}.{counts[text]}"
        taken.add(text)
        result[text] = None
    return tuple(result), numbered


def find_unnamed(names: Sequence[str]) -> frozenset[int]:
    """Where a name is blank, or one that pandas gives to an index without a name."""
    made_up = re.compile(r"\s*|Unnamed: [0-9]+|__index_level_[0-9]+__")
    return frozenset(j for j, name in enumerate(names) if made_up.fullmatch(name))


def folded(name: str) -> str:
    """A name without what does not count where no other differs in that alone."""
    text = name.strip().casefold()
    bare = text.lstrip("#% ")
    return text if bare.isdigit() else bare  # which is an index


def find_name(wanted: str, names: Sequence[str]) -> int | None:
    """The position of a name, or None.

    Case, spaces around it, and marks that a comment begins with count only among several.
    """
    if wanted in names:
        return list(names).index(wanted)
    alike = list(map(folded, names))
    return alike.index(folded(wanted)) if alike.count(folded(wanted)) == 1 else None


def is_index(wanted: str) -> bool:
    """Whether what names a column may be its index."""
    return bool(re.fullmatch(r"[+-]?[0-9]{1,9}", wanted))


def find_column(
    wanted: str, names: Sequence[str] | None, width: int, source: str, *, by_index: bool = True
) -> int:
    """The position of a column given by its name or its index.

    Indices count from 0, negative ones from the end. A name wins over an index; case and spaces
    around it don't matter unless there are several that differ in them alone.

    Raises:
        DataError: there is no such column; the nearest there is.
    """
    if names is not None:
        position = find_name(wanted, names)
        if position is not None:
            return position
    if by_index and is_index(wanted):
        index = int(wanted)
        if not -width <= index < width:
            raise DataError(
                f"{source}: no column {wanted}: it has {width} columns, "
                f"0 to {width - 1} (or -{width} to -1)"
            )
        return index % width
    if names is None:
        raise DataError(
            f"{source}: no column {quoted(wanted)}: it has no header; "
            f"give the column's index, 0 to {width - 1} (or -1 for the last)"
        )
    near = get_close_matches(wanted, names, n=1, cutoff=0.5)
    some = ", ".join(quoted(other) for other in names[:10])
    found = (
        f"did you mean {quoted(near[0])}?"
        if near
        else f"there is {some}{' …' if len(names) > 10 else ''}"
    )
    raise DataError(f"{source}: no column {quoted(wanted)}; {found}")

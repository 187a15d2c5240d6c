"""Rows that a caller from Python has in memory, for a model: read as those of a table are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

import numpy as np

from mlpcli.arrays import Array
from mlpcli.data.cells import FLOAT32_OVERFLOW, find_decimal_comma
from mlpcli.data.columns import Column
from mlpcli.data.formats.inputs import Wanted, numbers_only
from mlpcli.data.readings import NumberCells, OddCellError, Reading, reading_of
from mlpcli.errors import DataError
from mlpcli.text import quoted, times

_SOURCE = "rows"
_NUMBERS = "biuf"  # the kinds of dtypes


def read_rows(rows: Any, wanted: Wanted, *, only_numbers: bool) -> Array:
    """The raw columns X (N, R) that a model takes, of rows in memory.

    Args:
        rows: an array (N, R), or (N, height, width) of images; an iterable of sequences in the
            order of the model's columns, or of mappings by column; or columns by name, as in a
            mapping, a structured array or a data frame. None, NaN and what is masked are missing.
        wanted: what the model takes.
        only_numbers: whether all of its columns are numbers, which then need no reading.

    Raises:
        DataError: these are no rows, a column is missing, a row has another number of values than
            the model takes, or a value is not of its column's kind.
    """
    if isinstance(rows, str | bytes):
        raise DataError(f"{_SOURCE}: is text; give rows, or call `mlp predict` on a file")
    if _is_one_value(rows):
        raise DataError(f"{_SOURCE}: is {quoted(str(rows))}; give a list of rows")
    there = _names_in(rows)
    if there is not None:
        listed: Any = _side_by_side({name: rows[name] for name in _names(wanted, there)})
    elif isinstance(rows, np.ndarray) and rows.dtype.kind in _NUMBERS and not np.ma.is_masked(rows):
        listed = rows
        if rows.ndim == 3:
            _check_size(rows.shape[1:], wanted, _SOURCE)
            listed = rows.reshape(len(rows), math.prod(rows.shape[1:]))
    else:
        listed = [_in_order(row, number, wanted) for number, row in enumerate(rows, start=1)]
    if not len(listed):
        return np.empty((0, wanted.D))
    array = _numbers(listed)
    if array is not None and array.shape[1:] != (wanted.D,):
        raise DataError(
            f"{_SOURCE}: are of the shape {array.shape}; {wanted.model} takes (N, {wanted.D})"
        )
    if array is not None and only_numbers and np.isfinite(array).all():
        return array
    columns = (wanted.layout or numbers_only(wanted.D, str(wanted.model))).columns
    readings = [reading_of(column, lenient=column.is_among(wanted.numeric)) for column in columns]
    X = np.empty((len(listed), wanted.D))
    for number, row in enumerate(listed):
        for j, (value, reading) in enumerate(zip(row, readings, strict=True)):
            try:
                X[number, j] = _read(value, reading, columns[j])
            except ValueError as error:
                name = columns[j].name
                place = f"column {j + 1 if name is None else quoted(name)}"
                what = f"{quoted(_cell(value))} {error}; correct it, or leave it empty"
                raise DataError(
                    f"{_SOURCE}: row {number + 1}, {place}: "
                    f"{what if isinstance(error, OddCellError) else error}"
                ) from None
    return X


def _names_in(rows: Any) -> Any:
    """The names of columns; None if it consists of rows."""
    if isinstance(rows, np.ndarray):
        return rows.dtype.names
    return rows if isinstance(rows, Mapping) else getattr(rows, "columns", None)


def _check_size(shape: tuple[int, ...], wanted: Wanted, where: str) -> None:
    """Refuse an image of another size than the model takes, even if it has as many pixels."""
    if len(shape) > 1 and wanted.image_shape and shape != wanted.image_shape:
        sizes = f"{times(shape)}; {wanted.model} takes {times(wanted.image_shape)}"
        raise DataError(f"{where}: an image is {sizes}")


def _is_one_value(values: Any) -> bool:
    return isinstance(values, str | bytes) or not np.iterable(values)


def _side_by_side(columns: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """The rows of some columns."""
    for name, values in columns.items():
        if _is_one_value(values) or _names_in(values) is not None:
            what = f"column {quoted(name)} is {quoted(str(values))}"
            raise DataError(f"{_SOURCE}: {what}; expected a list with a value for each row")
    listed = [v.tolist() if np.ma.is_masked(v) else [*v] for v in columns.values()]
    lengths = {len(values) for values in listed}
    if len(lengths) > 1:
        raise DataError(f"{_SOURCE}: have columns of {min(lengths)} to {max(lengths)} values")
    return list(zip(*listed, strict=True))


def _names(wanted: Wanted, there: Iterable[Any], where: str = _SOURCE) -> Sequence[str]:
    """The model's columns, all of which have to be there."""
    if wanted.columns is None:
        raise DataError(
            f"{where}: have names, but the columns of {wanted.model} have none; "
            "give lists in the order of its columns"
        )
    known = set(there)
    if missing := [name for name in wanted.columns if name not in known]:
        raise DataError(f"{where}: without the column {quoted(missing[0])}, which the model takes")
    return wanted.columns


def _in_order(row: Any, number: int, wanted: Wanted) -> Sequence[Any]:
    """The values of one row, in the order of the model's columns."""
    where = f"{_SOURCE}: row {number}"
    if isinstance(row, Mapping):
        return [row[name] for name in _names(wanted, row, where)]
    if isinstance(row, str | bytes | Set) or not isinstance(row, Iterable):
        raise DataError(f"{where} is {quoted(str(row))}; expected a list of {wanted.D} values")
    if isinstance(row, np.ndarray):
        _check_size(row.shape, wanted, where)
        row = row.ravel().tolist()  # None where it is masked
    values: list[Any] = [*row]
    if len(values) != wanted.D:
        raise DataError(f"{where} has {len(values)} values; {wanted.model} takes {wanted.D}")
    return values


def _numbers(listed: Any) -> Array | None:
    """The rows as an array, if they are numbers and none is missing."""
    try:
        array = np.asarray(listed)
    except ValueError:
        return None
    return array if array.dtype.kind in _NUMBERS else None


def _read(value: Any, reading: Reading, column: Column) -> float:
    """What a value is in X; text is read as a cell of a table is, of which there is no other."""
    if isinstance(value, np.floating | np.integer):
        value = value.item()
    if reading.kind == "number" and type(value) in (float, int) and abs(value) < FLOAT32_OVERFLOW:
        return float(value)
    cell = _cell(value)
    if isinstance(reading, NumberCells):
        mark = column.decimal if isinstance(value, str) else "."
        reading.decimal_comma = find_decimal_comma([cell], False, mark)
    return reading.read(cell)


def _cell(value: Any) -> str:
    """A value as a table has it; a number with all its digits."""
    return repr(float(value)) if isinstance(value, float | np.floating) else str(value)

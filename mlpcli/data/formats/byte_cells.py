"""Cells of a block of text, found and read without a Python object for each.

Numbers and dates are parsed all at once, see `byte_numbers`; texts are looked up by their words of
eight bytes.
"""

from __future__ import annotations

import numpy as np

from mlpcli.arrays import Array
from mlpcli.data.formats.byte_numbers import ByteNumbers
from mlpcli.data.readings import MAX_TEXTS, Reading

_TEXT_WORDS = 8  # of a text that is looked up by its words; a longer one is read by itself

_U = np.uint64
_ONES, _3 = _U(2**64 - 1), _U(3)
_MIXES = [_U(0x9E3779B97F4A7C15 * (2 * k + 1) % 2**64) for k in range(_TEXT_WORDS)]  # any odd ones


class ByteCells:
    """The cells of the lines of `block`, which all have as many.

    Attributes:
        rows: how many lines there are.
    """

    def __init__(self, block: bytes, starts: Array, ends: Array) -> None:
        self._block, self._starts, self._ends = block, starts, ends
        self.rows = len(starts)
        self._numbers = ByteNumbers(block)

    def is_blank(self, column: int) -> bool:
        """Whether all cells of a column are empty."""
        return bool((self._starts[:, column] >= self._ends[:, column]).all())

    def numbers(self, columns: list[int], readings: list[Reading]) -> Array:
        """(rows, len(columns)) float64 numbers; what is not in plain digits goes to its reading."""
        starts, ends = self._starts[:, columns], self._ends[:, columns]
        first, last = starts.ravel(), ends.ravel()
        flat, plain = self._numbers.parse(first, last)
        odd = np.flatnonzero(~plain)
        empty = (first >= last)[odd]
        flat[odd[empty]] = np.nan
        odd = odd[~empty]
        if len(odd):
            count = len(columns)
            first, last = first[odd].tolist(), last[odd].tolist()
            for index, start, end in zip(odd.tolist(), first, last, strict=True):
                flat[index] = readings[index % count].read(self._block[start:end].decode())
        return flat.reshape(starts.shape)

    def texts(self, column: int, reading: Reading, known: KnownTexts) -> Array:
        """(rows,) float64, what the reading says of the texts of a column.

        Raises:
            ValueError: the reading's.
        """
        return self._texts(self._starts[:, column], self._ends[:, column], reading, known)

    def dates(self, column: int, reading: Reading, known: KnownTexts) -> Array:
        """As `texts`, of a column of dates: those like 2024-03-05 and 2024-03-05 12:30:00 at once.

        Raises:
            ValueError: the reading's.
        """
        starts, ends = self._starts[:, column], self._ends[:, column]
        values, good = self._numbers.parse_dates(starts, ends)
        if not good.all():
            others = np.flatnonzero(~good)
            values[others] = self._texts(starts[others], ends[others], reading, known)
        return values

    def _texts(self, starts: Array, ends: Array, reading: Reading, known: KnownTexts) -> Array:
        length = np.maximum(ends - starts, 0)
        longest = int(length.max())
        values = np.empty(len(starts))
        if longest > 8 * _TEXT_WORDS:
            short = np.flatnonzero(length <= 8 * _TEXT_WORDS)
            long = np.flatnonzero(length > 8 * _TEXT_WORDS)
            values[long] = self._read(reading, starts[long], ends[long])
            values[short] = self._look_up(reading, known, starts[short], ends[short], length[short])
            return values
        return self._look_up(reading, known, starts, ends, length)

    def _look_up(
        self, reading: Reading, known: KnownTexts, starts: Array, ends: Array, length: Array
    ) -> Array:
        words = []
        for k in range(max(1, -(-int(length.max(initial=0)) // 8))):
            rest = np.clip(length - 8 * k, 0, 8)
            word = self._numbers.words[np.maximum(ends - 8 * k, 0)]
            word &= _ONES << ((8 - rest).view(_U) << _3)
            word[rest == 0] = 0  # a shift by all bits may do anything
            words.append(word)
        values, there = known.find(words)
        missing = np.flatnonzero(~there)
        if len(missing) and not known.full:
            keys = known.keys(words)[missing]
            first = np.sort(missing[np.unique(keys, return_index=True)[1]])
            read = self._read(reading, starts[first], ends[first])
            known.add([word[first] for word in words], read)
            values, there = known.find(words)
            missing = np.flatnonzero(~there)
        values[missing] = self._read(reading, starts[missing], ends[missing])
        return values

    def _read(self, reading: Reading, starts: Array, ends: Array) -> list[float]:
        read, block = reading.converter, self._block
        places = zip(starts.tolist(), ends.tolist(), strict=True)
        return [read(block[start:end].decode()) for start, end in places]


class KnownTexts:
    """The values of texts that were met, by their words."""

    def __init__(self) -> None:
        self._keys = np.empty(0, _U)
        self._words = np.empty((_TEXT_WORDS, 0), _U)
        self._values = np.empty(0)

    @property
    def full(self) -> bool:
        """Whether no more are kept."""
        return len(self._keys) >= MAX_TEXTS

    def keys(self, words: list[Array]) -> Array:
        """One word of several; different texts may have the same."""
        key = words[0]
        for k, word in enumerate(words[1:]):
            key = key + word * _MIXES[k]
        return key

    def find(self, words: list[Array]) -> tuple[Array, Array]:
        """(values, which texts are known)."""
        keys = self.keys(words)
        if not len(self._keys):
            return np.zeros(len(keys)), np.zeros(len(keys), bool)
        place = np.searchsorted(self._keys, keys)
        np.minimum(place, len(self._keys) - 1, out=place)
        there = np.ones(len(keys), bool)
        for known, word in zip(self._words, words, strict=False):
            there &= known[place] == word
        for known in self._words[len(words) :]:
            if known.any():
                there &= known[place] == 0
        return self._values[place], there

    def add(self, words: list[Array], values: list[float]) -> None:
        """Keep the values of texts that are not known, of different keys."""
        every = np.zeros((_TEXT_WORDS, len(values)), _U)
        every[: len(words)] = words
        self._words = np.concatenate((self._words, every), axis=1)
        self._values = np.concatenate((self._values, values))
        keys = np.concatenate((self._keys, self.keys(words)))
        order = np.argsort(keys, kind="stable")
        self._keys, self._values = keys[order], self._values[order]
        self._words = self._words[:, order]


def split_block(block: bytes, delimiter: str, cells: int) -> ByteCells | None:
    """The cells of whole lines; None if quotes, blank lines or the number of cells leave a doubt.

    Spaces and quotes around cells are not part of them.
    """
    if not block.endswith(b"\n"):
        block += b"\n"
    body = np.frombuffer(block, np.uint8)
    mark = ord(delimiter)
    line_ends = body == ord("\n")
    rows = int(np.count_nonzero(line_ends))
    ends = np.flatnonzero((body == mark) | line_ends)
    if mark > 127 or len(ends) != rows * cells:
        return None
    starts = np.empty_like(ends)
    starts[0] = 0
    np.add(ends[:-1], 1, out=starts[1:])
    if (body[ends[cells - 1 :: cells]] != ord("\n")).any():
        return None
    if b"\n\n" in block or block.startswith(b"\n"):
        return None
    if b" " in block:
        for _ in range(2):
            starts += (body[starts] == ord(" ")) & (starts < ends)
            ends = ends - ((body[ends - 1] == ord(" ")) & (starts < ends))
    if b'"' in block:
        quoted = (body[starts] == ord('"')) & (body[ends - 1] == ord('"')) & (ends - starts > 1)
        if 2 * int(np.count_nonzero(quoted)) != block.count(b'"'):
            return None
        starts += quoted
        ends = ends - quoted
    return ByteCells(block, starts.reshape(rows, cells), ends.reshape(rows, cells))

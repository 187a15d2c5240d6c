"""Cells of a block of text, found and parsed without a Python object for each.

Eight bytes of a cell are one 64-bit word, on which all cells of a block are worked at once: the
digits of numbers are added up pairwise within the word, texts are looked up by their words.
"""

from __future__ import annotations

import math

import numpy as np

from mlpcli.arrays import Array
from mlpcli.data.readings import MAX_TEXTS, Reading

_WORDS = 3  # of a number: 19 digits, sign, point
_TEXT_WORDS = 8  # of a text that is looked up by its words; a longer one is read by itself

_U = np.uint64
_ONES = _U(2**64 - 1)


def _each(byte: int) -> np.uint64:
    return _U(int.from_bytes(bytes([byte]) * 8, "little"))


_DOT, _LOW, _HIGH, _ZERO, _UPPER, _SIX = map(_each, (ord("."), 0x01, 0x80, ord("0"), 0xF0, 0x06))
_E, _SPACE = _each(ord("e")), _each(0x20)  # which makes small letters of large ones
_BYTE, _1, _3, _7, _8, _10, _16, _32, _60, _63 = map(_U, (255, 1, 3, 7, 8, 10, 16, 32, 60, 63))
_FOURS, _UPPER_HALF, _LOWER_HALF = (
    _U(0xFF000000FF),
    _U(100 + (1000000 << 32)),
    _U(1 + (10000 << 32)),
)
# Times 256^p this has p + 1 in its uppermost four bits.
_PLACE = _U(0x1020304050607080)
# Digits behind a point at that place; of two points (which are refused) nobody asks.
_BEHIND = np.array([0, 7, 6, 5, 4, 3, 2, 1, *[0] * 8], np.intp)
_POWERS = 10.0 ** np.arange(23)  # exact
_SCALES = _POWERS[_BEHIND]
_WHOLE = _U(10) ** np.arange(20, dtype=_U)
_EXACT = _U(2**53)
_MIXES = [_U(0x9E3779B97F4A7C15 * (2 * k + 1) % 2**64) for k in range(_TEXT_WORDS)]  # any odd ones

_EXTENDED = np.finfo(np.longdouble).nmant == 63  # x87: 64 bits of mantissa
_LONG_POWERS = np.array([np.longdouble(10) ** k for k in range(23)])


class ByteCells:
    """The cells of the lines of `block`, which all have as many.

    Attributes:
        rows: how many lines there are.
    """

    def __init__(self, block: bytes, starts: Array, ends: Array) -> None:
        self._block, self._starts, self._ends = block, starts, ends
        self.rows = len(starts)
        padded = bytes(8) + block  # a word that ends where a cell ends may begin before the block
        self._words = np.ndarray((len(block) + 1,), "<u8", padded, strides=(1,))

    def is_blank(self, column: int) -> bool:
        """Whether all cells of a column are empty."""
        return bool((self._starts[:, column] >= self._ends[:, column]).all())

    def numbers(self, columns: list[int], readings: list[Reading]) -> Array:
        """(rows, len(columns)) float64 numbers; what is not in plain digits goes to its reading."""
        starts, ends = self._starts[:, columns], self._ends[:, columns]
        first, last = starts.ravel(), ends.ravel()
        flat, plain = self._parse(first, last)
        values = flat.reshape(starts.shape)
        odd = np.flatnonzero(~plain)
        empty = (first >= last)[odd]
        flat[odd[empty]] = np.nan
        odd = odd[~empty]
        if len(odd):
            flat[odd], plain = self._parse_exponents(first[odd], last[odd])
            odd = odd[~plain]
        if len(odd):
            count = len(columns)
            first, last = first[odd].tolist(), last[odd].tolist()
            for index, start, end in zip(odd.tolist(), first, last, strict=True):
                flat[index] = readings[index % count].read(self._block[start:end].decode())
        return values

    def _parse_exponents(self, starts: Array, ends: Array) -> tuple[Array, Array]:
        """(values, which are numbers like 1.5e-3, with at most five characters after the e)."""
        word = self._words[ends]
        e = (word | _SPACE) ^ _E
        e = (e - _LOW) & ~e & _HIGH  # as in `_digits`
        e &= _ONES << ((8 - np.minimum(ends - starts, 8)).view(_U) << _3)
        plain = (e != 0) & (e & (e - _1) == 0)
        size = 8 - ((((e >> _7) * _PLACE) >> _60).view(np.intp) - 1)  # of the e and what follows
        sign = (word >> ((9 - size).clip(0, 7).view(_U) << _3)) & _BYTE
        signed = (sign == ord("-")) | (sign == ord("+"))
        digits, point, bad = _digits(word, (size - 1 - signed).clip(0, 8).view(_U))
        plain &= (bad == 0) & (point == 0) & (size - signed > 1) & (size <= 6)
        if not plain.any():
            return np.full(len(ends), np.nan), plain
        exponents = np.where(sign == ord("-"), -1, 1) * np.minimum(digits, 99999).view(np.intp)
        starts, ends = starts[plain], ends[plain] - size[plain]
        signs = np.where(self._begin_negative(starts), -1.0, 1.0)
        values = np.full(len(word), np.nan)
        found, good = self._parse_longer(ends, ends - starts - (signs < 0), exponents[plain])
        values[plain], plain[plain] = found * signs, good
        return values, plain

    def _begin_negative(self, starts: Array) -> Array:
        """Which cells begin with a minus."""
        first = np.frombuffer(self._block, np.uint8).take(starts, mode="clip")
        negative: Array = first == ord("-")
        return negative

    def _parse(self, starts: Array, ends: Array) -> tuple[Array, Array]:
        """(values, which cells are plain numbers: digits, with a sign or a point)."""
        negative = self._begin_negative(starts)
        length = ends - starts - negative
        longer = np.flatnonzero(length > 8)
        if len(longer) == len(length) > 0:
            values, plain = self._parse_longer(ends, length)
        else:
            digits, place, bad = _digits(self._words[ends], np.minimum(length, 8).view(_U))
            plain = bad == 0
            plain &= length > (place > 0)
            values = digits.astype(np.float64)
            values /= _SCALES.take(place)
            if len(longer):
                values[longer], plain[longer] = self._parse_longer(ends[longer], length[longer])
        sign = values.view(_U)
        sign |= negative.astype(_U) << _63
        return values, plain

    def _parse_longer(
        self, ends: Array, length: Array, exponents: Array | None = None
    ) -> tuple[Array, Array]:
        """The same for cells of more than a word, the last word first, without a sign.

        Each is times 10 to the power of its exponent, if there are any.
        """
        words = min(-(-int(length.max()) // 8), _WORDS)
        digits, bad = np.zeros(len(ends), _U), np.zeros(len(ends), _U)
        points, behind = np.zeros(len(ends), np.intp), np.zeros(len(ends), np.intp)
        for k in range(words):
            rest = length - 8 * k
            word = self._words[np.maximum(ends - 8 * k, 0)]
            more, place, odd = _either(word, rest, last=k == words - 1)
            if int(rest.min()) <= 0:
                gone = np.flatnonzero(rest <= 0)
                more[gone], place[gone], odd[gone] = 0, 0, 0
            more *= _WHOLE.take(8 * k - points, mode="clip")  # the digits in the words behind
            digits += more
            bad |= odd
            if place.any():
                behind = np.where(place > 0, _BEHIND.take(place) + 8 * k, behind)
                points += place > 0
        plain = (bad == 0) & (points <= 1) & (length - points <= 19) & (length <= 8 * _WORDS)
        values = digits.astype(np.float64)
        if exponents is not None:  # both factors are exact, so that the product is rounded once
            behind = behind - exponents
            plain &= (length > points) & (behind <= 22) & (behind >= -22)
            plain &= (digits < _EXACT) | (behind >= 0)
            values *= _POWERS.take(-behind, mode="clip")
        behind = np.clip(behind, 0, 22)
        values /= _POWERS.take(behind)
        large = np.flatnonzero(plain & (digits >= _EXACT))
        if len(large):
            values[large], plain[large] = _divide(digits[large], behind[large])
        return values, plain

    def texts(self, column: int, reading: Reading, known: KnownTexts) -> Array:
        """(rows,) float64, what the reading says of the texts of a column.

        Raises:
            ValueError: the reading's.
        """
        starts, ends = self._starts[:, column], self._ends[:, column]
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
            word = self._words[np.maximum(ends - 8 * k, 0)]
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


def _either(word: Array, length: Array, *, last: bool) -> tuple[Array, Array, Array]:
    """As `_digits`, of lengths that may be beyond 8, sooner if most words are eight digits.

    The `last` word of cells seldom is, as there the numbers begin.
    """
    if not last:
        digits = word ^ _ZERO
        bad = digits + _SIX
        bad |= digits
        bad &= _UPPER
        others = np.flatnonzero((bad != 0) | (length < 8))
        if 4 * len(others) < len(word):
            digits = _add_up(digits)
            place = np.zeros(len(word), np.intp)
            if len(others):
                some = np.clip(length[others], 0, 8).view(_U)
                digits[others], place[others], bad[others] = _digits(word[others], some)
            return digits, place, bad
    return _digits(word, np.clip(length, 0, 8).view(_U))


def _digits(word: Array, length: Array) -> tuple[Array, Array, Array]:
    """The number that the last `length` (up to 8) bytes of a word are, and where its point is.

    Returns:
        (digits, place, bad): the digits as a whole number; the point's byte plus 1, or 0 if there
        is none; and what is not 0 if there are other characters, or two points.
    """
    cut = (_8 - length) << _3
    ours = _ONES << cut
    # Which byte is a point: Hacker's Delight, 6–1, for bytes that are 0.
    point = word ^ _DOT
    point = (point - _LOW) & ~point
    point &= _HIGH
    point &= ours
    bad = point & (point - _1)
    point >>= _7
    before = point - _1  # the bytes before the point; all, if there is none
    none = before >> _63
    before &= none - _1
    place = (point * _PLACE) >> _60
    point *= _BYTE
    point |= before
    digits = word & ~point
    digits |= (word & before) << _8
    cut += (_1 - none) << _3
    ours = _ONES << cut
    digits &= ours
    np.invert(ours, out=ours)
    ours &= _ZERO
    digits |= ours
    bad |= (digits & _UPPER) ^ _ZERO
    bad |= ((digits + _SIX) & _UPPER) ^ _ZERO
    digits -= _ZERO
    return _add_up(digits), place.view(np.intp), bad


def _add_up(digits: Array) -> Array:
    """The number of eight digits (used up): to pairs, pairs to fours, fours to all eight."""
    pairs: Array = digits * _10
    digits >>= _8
    pairs += digits
    later = pairs >> _16
    pairs &= _FOURS
    later &= _FOURS
    pairs *= _UPPER_HALF
    later *= _LOWER_HALF
    pairs += later
    pairs >>= _32
    return pairs


def _divide(digits: Array, behind: Array) -> tuple[Array, Array]:
    """(digits / 10^behind, whether that is rounded right), of digits beyond 2^53.

    Both are exact in 64 bits, so their quotient is rounded to 64 bits; to round that to 53 is right
    unless it is half-way between two of these.
    """
    if not _EXTENDED:
        return np.full(len(digits), math.nan), np.zeros(len(digits), bool)
    quotient = digits.astype(np.longdouble) / _LONG_POWERS[behind]
    mantissa = quotient.view(np.uint64).reshape(len(quotient), -1)[:, 0]
    return quotient.astype(np.float64), (mantissa & _U(0x7FF)) != _U(0x400)

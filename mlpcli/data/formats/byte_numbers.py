"""Numbers and dates in a block of text, parsed all at once.

Eight bytes of a cell are one 64-bit word, on which all cells of a block are worked at once: the
digits of numbers are added up pairwise within the word.
"""

from __future__ import annotations

import math

import numpy as np

from mlpcli.arrays import Array
from mlpcli.data.cells import FLOAT32_OVERFLOW

_WORDS = 3  # of a number: 19 digits, sign, point

_U = np.uint64
_ONES = _U(2**64 - 1)


def _each(byte: int) -> np.uint64:
    return _U(int.from_bytes(bytes([byte]) * 8, "little"))


_DOT, _LOW, _HIGH, _ZERO, _UPPER, _SIX = map(_each, (ord("."), 0x01, 0x80, ord("0"), 0xF0, 0x06))
_E, _SPACE = _each(ord("e")), _each(0x20)  # which makes small letters of large ones
_BYTE, _1, _3, _7, _8, _9, _10, _16 = map(_U, (255, 1, 3, 7, 8, 9, 10, 16))
_32, _48, _56, _60, _63 = map(_U, (32, 48, 56, 60, 63))
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

_EXTENDED = np.finfo(np.longdouble).nmant == 63  # x87: 64 bits of mantissa
_LONG_POWERS = np.array([np.longdouble(10) ** k for k in range(28)])  # exact, as 5^27 < 2^64


class ByteNumbers:
    """Parses cells of `block`, which begin at `starts` and end before `ends`, each (n,).

    Attributes:
        words: the eight bytes that end before each byte of the block, as a number; what comes
            before the block is 0.
    """

    def __init__(self, block: bytes) -> None:
        self._bytes = np.frombuffer(block, np.uint8)
        self._may_have_powers = b"e" in block or b"E" in block
        self.words = np.ndarray((len(block) + 1,), "<u8", bytes(8) + block, strides=(1,))

    def parse(self, starts: Array, ends: Array) -> tuple[Array, Array]:
        """(float64 values, which are right); the others are no numbers in digits, or are in doubt.

        A number is of digits, with a sign, a point, and a power of ten as in 1.5e-03.
        """
        powers = self._find_powers(starts, ends) != 0
        if not powers.any():
            return self._parse_plain(starts, ends)
        values, good = np.empty(len(starts)), np.empty(len(starts), bool)
        for some, parse in ((~powers, self._parse_plain), (powers, self._parse_exponents)):
            if some.any():
                values[some], good[some] = parse(starts[some], ends[some])
        return values, good

    def parse_dates(self, starts: Array, ends: Array) -> tuple[Array, Array]:
        """(days since 1970-01-01, which are right): 2024-03-05 or 2024-03-05 12:30:00."""
        values, good = np.empty(len(starts)), np.zeros(len(starts), bool)
        for size in (10, 19):
            rows = np.flatnonzero(ends - starts == size)
            if len(rows):
                cells = self._bytes[starts[rows, None] + np.arange(size)]
                values[rows], good[rows] = _days(cells)
        return values, good

    def _find_powers(self, starts: Array, ends: Array) -> Array:
        """Which of the last eight bytes are an e: the upper bit of each of them in a word."""
        if not self._may_have_powers:
            return np.zeros(len(ends), _U)
        e = (self.words[ends] | _SPACE) ^ _E
        e = (e - _LOW) & ~e & _HIGH  # as in `_digits`
        e &= _ONES << ((8 - np.minimum(ends - starts, 8)).view(_U) << _3)
        return e

    def _parse_exponents(self, starts: Array, ends: Array) -> tuple[Array, Array]:
        """(values, which are like 1.5e-3, of one or two digits after the e, and not too large)."""
        word, e = self.words[ends], self._find_powers(starts, ends)
        plain = e & (e - _1) == 0
        size = 8 - ((((e >> _7) * _PLACE) >> _60).view(np.intp) - 1)  # of the e and what follows
        sign = (word >> ((9 - size).clip(0, 7).view(_U) << _3)) & _BYTE
        signed = (sign == ord("-")) | (sign == ord("+"))
        figures = size - 1 - signed
        ones, tens = (word >> _56) - _48, ((word >> _48) & _BYTE) - _48
        tens[figures == 1] = 0
        plain &= (figures >= 1) & (figures <= 2) & (ones <= _9) & (tens <= _9)
        if not plain.any():
            return np.full(len(ends), np.nan), plain
        exponents = np.where(sign == ord("-"), -1, 1) * (_10 * tens + ones).view(np.intp)
        starts, ends = starts[plain], ends[plain] - size[plain]
        signs = np.where(self._begin_negative(starts), -1.0, 1.0)
        values = np.full(len(word), np.nan)
        found, good = self._parse_longer(ends, ends - starts - (signs < 0), exponents[plain])
        values[plain], plain[plain] = found * signs, good & (found < FLOAT32_OVERFLOW)
        return values, plain

    def _begin_negative(self, starts: Array) -> Array:
        """Which cells begin with a minus."""
        first = self._bytes.take(starts, mode="clip")
        negative: Array = first == ord("-")
        return negative

    def _parse_plain(self, starts: Array, ends: Array) -> tuple[Array, Array]:
        """(values, which are plain numbers: digits, with a sign or a point)."""
        negative = self._begin_negative(starts)
        length = ends - starts - negative
        longer = np.flatnonzero(length > 8)
        if len(longer) == len(length) > 0:
            values, plain = self._parse_longer(ends, length)
        else:
            digits, place, bad = _digits(self.words[ends], np.minimum(length, 8).view(_U))
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
            word = self.words[np.maximum(ends - 8 * k, 0)]
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
            plain &= length > points
            values *= _POWERS.take(-behind, mode="clip")
        values /= _POWERS.take(behind, mode="clip")
        large = np.flatnonzero(plain & ((digits >= _EXACT) | (np.abs(behind) > 22)))
        if len(large):
            values[large], plain[large] = _divide(digits[large], behind[large])
        return values, plain


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


def _days(cells: Array) -> tuple[Array, Array]:
    """(days since 1970-01-01, which cells are dates) of cells (n, 10 or 19) of characters.

    They are as 2024-03-05 and 2024-03-05 12:30:00, or with a T between; the result is that of
    `parse_date`, which takes these in any order of day and month.
    """
    digits = cells - np.uint8(ord("0"))
    good = (cells[:, 4] == ord("-")) & (cells[:, 7] == ord("-"))

    def two(first: int) -> Array:
        """The number of two characters."""
        nonlocal good
        tens, ones = digits[:, first], digits[:, first + 1]
        good &= (tens <= 9) & (ones <= 9)
        return tens * np.int64(10) + ones

    year, month, day = 100 * two(0) + two(2), two(5), two(8)
    months = 12 * (year - 1970) + month - 1
    first, after = (m.astype("M8[M]").astype("M8[D]").view(np.int64) for m in (months, months + 1))
    good &= (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= after - first)
    days = (first + day - 1).astype(np.float64)
    if cells.shape[1] > 10:
        good &= (cells[:, 10] == ord(" ")) | (cells[:, 10] == ord("T"))
        good &= (cells[:, 13] == ord(":")) & (cells[:, 16] == ord(":"))
        hour, minute, second = two(11), two(14), two(17)
        good &= (hour <= 23) & (minute <= 59) & (second <= 59)
        days += (3600.0 * hour + 60 * minute + second) / 86_400
    return days, good


def _divide(digits: Array, behind: Array) -> tuple[Array, Array]:
    """(digits / 10^behind, whether that is rounded right), of more digits or powers than 2^53 has.

    Up to 10^27 both are exact in 64 bits, so their quotient, or product, is rounded to 64 bits; to
    round that to 53 is right unless it is half-way between two of these.
    """
    if not _EXTENDED:
        return np.full(len(digits), math.nan), np.zeros(len(digits), bool)
    exact, up = np.abs(behind) < len(_LONG_POWERS), behind < 0
    power = _LONG_POWERS.take(np.abs(behind), mode="clip")
    scaled = digits.astype(np.longdouble)
    np.divide(scaled, power, out=scaled, where=~up)
    np.multiply(scaled, power, out=scaled, where=up)
    mantissa = scaled.view(np.uint64).reshape(len(scaled), -1)[:, 0]
    return scaled.astype(np.float64), exact & ((mantissa & _U(0x7FF)) != _U(0x400))

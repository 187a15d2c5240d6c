"""HTTP answers that are read at a pace, whatever the mirror and the protocol do meanwhile.

A socket's timeout bounds the wait for the next byte alone, so that a byte per second, or one line
`100 Continue` after the other, would hold a download for ever. Here every read of a connection,
be it of headers, chunk sizes, content or trailers, has only the time that is left.
"""

from __future__ import annotations

import http.client
import io
import math
import time
from collections import deque
from collections.abc import Callable
from typing import Any


class StalledError(TimeoutError):
    """Too little came in the time that there was."""


class Pace:
    """A bound on the time in which something comes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.begin("nothing came", math.inf)

    def begin(self, silence: str, seconds: float, least: float = math.inf) -> None:
        """From now on, at least `least` bytes must be counted over any `seconds`.

        `silence` is what to call it if none are. Without `least`, all must be over by then.
        """
        self._silence, self._seconds, self._least = silence, seconds, least
        self._received = 0
        self._marks = deque([(self._clock(), 0)])  # when how much had come, oldest first

    def count(self, size: int) -> None:
        """So many bytes have come."""
        self._received += size
        self._marks.append((self._clock(), self._received))
        while self._received - self._marks[0][1] >= self._least:
            self._marks.popleft()

    def left(self) -> float:
        """Seconds in which more must come.

        Raises:
            StalledError: there are none.
        """
        since, _ = self._marks[0]  # the first after which less than `least` has come
        left = since + self._seconds - self._clock()
        if left <= 0:
            raise self.stalled()
        return left

    def stalled(self) -> StalledError:
        """The error that says how little came."""
        came = self._received - self._marks[0][1]
        slow = f"only {came} bytes came in" if came else f"{self._silence} for"
        return StalledError(f"{slow} {self._seconds:g} s")


class _Paced(io.RawIOBase):
    """What a socket receives."""

    def __init__(self, raw: io.RawIOBase, sock: Any, pace: Pace) -> None:
        self._raw = raw
        self._sock = sock
        self._pace = pace

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._pace.left())
        try:
            return self._raw.readinto(buffer)
        except TimeoutError:
            raise self._pace.stalled() from None
        except OSError as error:  # one of TLS, too, which urllib3 would wrap in one of its own
            raise ConnectionError from error

    def close(self) -> None:
        self._raw.close()
        super().close()


class _PacedAnswer(http.client.HTTPResponse):
    def __init__(self, pace: Pace, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Paced(self.fp.detach(), sock, pace))


class PacedConnection:
    """What makes a class of connections, of http.client or urllib3, keep a pace: its first base."""

    pace: Pace

    def response_class(self, *args: Any, **kwargs: Any) -> http.client.HTTPResponse:
        """Begin an answer."""
        return _PacedAnswer(self.pace, *args, **kwargs)

"""A data set small enough to make on the spot, and a loopback mirror that misbehaves."""

from __future__ import annotations

import gzip
import hashlib
import ssl
import struct
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from mlpcli.data.catalog import DOWNLOADS, RemoteFile, RemoteSet

Fault = Callable[["Handler", bytes], None]


def idx_bytes(values: npt.NDArray[np.uint8]) -> bytes:
    """The IDX file that holds `values`, by the format's definition."""
    return struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + bytes(values)


@dataclass(frozen=True)
class Published:
    """A data set as its publisher knows it.

    `plain` and `packed` map the names of its files to their bytes, decompressed and as .gz.
    """

    data_set: RemoteSet
    plain: dict[str, bytes]
    packed: dict[str, bytes]


@pytest.fixture(scope="session")
def published() -> Published:
    """400 + 20 images of noise (which does not compress), 28 × 28, of ten classes."""
    rng = np.random.default_rng(0)
    plain = {
        "train-images-idx3-ubyte": idx_bytes(rng.integers(0, 256, (400, 28, 28), dtype=np.uint8)),
        "train-labels-idx1-ubyte": idx_bytes(rng.integers(0, 10, 400, dtype=np.uint8)),
        "t10k-images-idx3-ubyte": idx_bytes(rng.integers(0, 256, (20, 28, 28), dtype=np.uint8)),
        "t10k-labels-idx1-ubyte": idx_bytes(rng.integers(0, 10, 20, dtype=np.uint8)),
    }
    packed = {name: gzip.compress(content, mtime=0) for name, content in plain.items()}
    files = tuple(
        RemoteFile(
            name,
            len(plain[name]),
            hashlib.sha256(plain[name]).hexdigest(),
            len(packed[name]),
            hashlib.sha256(packed[name]).hexdigest(),
        )
        for name in plain
    )
    data_set = RemoteSet("noise", files, ("https://not.to.be.asked.invalid/",))
    return Published(data_set, plain, packed)


class Handler(BaseHTTPRequestHandler):
    """Serves the mirror's files, with ranges, or does what the script says."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a small body waits 40 ms for the headers' receipt
    mirror: Mirror

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        self.mirror.requests.append((name, self.headers.get("Range")))
        self.mirror.encodings.add(self.headers.get("Accept-Encoding"))
        script = self.mirror.script[name]
        fault = script.pop(0) if script else serve
        fault(self, self.mirror.files.get(name, b""))

    @property
    def offset(self) -> int:
        """The byte that a Range asks to start at."""
        return int(self.headers.get("Range", "bytes=0-")[len("bytes=") : -1])

    def answer(
        self, status: int, body: bytes = b"", *, length: int | None = None, **headers: str
    ) -> None:
        """Send an answer whose Content-Length may be a lie; the connection ends then."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = self.close_connection or length is not None

    def log_message(self, *args: Any) -> None:
        """Nothing: the requests are recorded."""


@dataclass
class Mirror:
    """What it serves, what it does to the next requests for a file, and what it was asked."""

    files: dict[str, bytes] = field(default_factory=dict)
    script: dict[str, list[Fault]] = field(default_factory=lambda: defaultdict(list))
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    encodings: set[str | None] = field(default_factory=set)
    url: str = ""
    stopped: threading.Event = field(default_factory=threading.Event)


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: clients hang up on a mirror that misbehaves."""


@pytest.fixture
def start_mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Mirror]]:
    """Starts a mirror of the given files; every one ends with the test."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    running: list[tuple[Mirror, ThreadingHTTPServer, threading.Thread]] = []

    def start(files: dict[str, bytes], tls: ssl.SSLContext | None = None) -> Mirror:
        mirror = Mirror({f"{name}.gz": content for name, content in files.items()})
        handler = type("MirrorHandler", (Handler,), {"mirror": mirror})
        server = _Server(("127.0.0.1", 0), handler)
        mirror.url = f"http{'s' * bool(tls)}://127.0.0.1:{server.server_port}/data/"
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        running.append((mirror, server, thread))
        return mirror

    yield start
    for mirror, server, thread in running:
        mirror.stopped.set()
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def mirror(start_mirror: Callable[..., Mirror], published: Published) -> Mirror:
    """A mirror that has all of `published`."""
    return start_mirror(published.packed)


def serve(handler: Handler, body: bytes) -> None:
    """As a good mirror does."""
    offset = handler.offset
    if not body:
        handler.answer(404)
    elif "Range" not in handler.headers:
        handler.answer(200, body)
    elif offset >= len(body):
        handler.answer(416)
    else:
        content_range = f"bytes {offset}-{len(body) - 1}/{len(body)}"
        handler.answer(206, body[offset:], Content_Range=content_range)


def drip(handler: Handler, piece: bytes, pause: float = 0.02) -> None:
    """Send `piece` every `pause` seconds, until nobody listens."""
    end = time.monotonic() + 10
    while time.monotonic() < end and not handler.mirror.stopped.wait(pause):
        try:
            handler.wfile.write(piece)
        except OSError:
            return


class faults:  # noqa: N801 — a namespace that fixtures can hand on
    """What a mirror can do wrong."""

    @staticmethod
    def status(code: int, **headers: str) -> Fault:
        return lambda handler, body: handler.answer(code, b"<html>sorry</html>", **headers)

    @staticmethod
    def instead(content: bytes) -> Fault:
        return lambda handler, body: handler.answer(200, content)

    @staticmethod
    def broken_after(count: int) -> Fault:
        """Promises all (that was asked for), sends `count` bytes and hangs up."""

        def fault(handler: Handler, body: bytes) -> None:
            rest = body[handler.offset :]
            if handler.offset:
                content_range = f"bytes {handler.offset}-{len(body) - 1}/{len(body)}"
                handler.answer(206, rest[:count], length=len(rest), Content_Range=content_range)
            else:
                handler.answer(200, rest[:count], length=len(rest))

        return fault

    @staticmethod
    def stalled_after(count: int) -> Fault:
        """Sends `count` bytes and then nothing, with the connection open."""

        def fault(handler: Handler, body: bytes) -> None:
            handler.answer(200, body[:count], length=len(body))
            handler.mirror.stopped.wait(10)

        return fault

    @staticmethod
    def slowly(handler: Handler, body: bytes) -> None:
        """All that was asked for, in half a second."""
        rest = body[handler.offset :]
        if handler.offset and rest:
            content_range = f"bytes {handler.offset}-{len(body) - 1}/{len(body)}"
            handler.answer(206, length=len(rest), Content_Range=content_range)
        elif handler.offset:
            handler.answer(416)
        else:
            handler.answer(200, length=len(rest))
        for start in range(0, len(rest), 1 << 15):
            if handler.mirror.stopped.wait(0.5 * (1 << 15) / len(body)):
                return
            try:
                handler.wfile.write(rest[start : start + (1 << 15)])
            except OSError:
                return

    @staticmethod
    def dripping(handler: Handler, body: bytes) -> None:
        """Sends a few bytes now and then, so that no read times out."""
        handler.answer(200, body[:300], length=len(body))
        drip(handler, b"\0")

    @staticmethod
    def raw(start: Callable[[bytes], bytes], piece: bytes, pause: float = 0.02) -> Fault:
        """Sends what `start` makes of the body, then `piece` again and again, without end."""

        def fault(handler: Handler, body: bytes) -> None:
            handler.close_connection = True
            handler.wfile.write(start(body))
            drip(handler, piece, pause)

        return fault

    @staticmethod
    def length(difference: int) -> Fault:
        """A Content-Length that is off by `difference`."""
        return lambda handler, body: handler.answer(
            200, body[: len(body) + difference], length=len(body) + difference
        )

    @staticmethod
    def ignoring_range(handler: Handler, body: bytes) -> None:
        handler.answer(200, body)

    @staticmethod
    def range_from(start: int) -> Fault:
        """A 206 that starts at `start`, whatever was asked for."""
        return lambda handler, body: handler.answer(
            206, body[start:], Content_Range=f"bytes {start}-{len(body) - 1}/{len(body)}"
        )


@pytest.fixture(name="faults")
def _faults() -> type[faults]:
    return faults


@pytest.fixture
def reads_at_most() -> Callable[[int], AbstractContextManager[None]]:
    """A block in which this process reads at most so many bytes of files."""

    def read() -> int:
        return int(Path("/proc/self/io").read_text().split()[1])  # rchar

    @contextmanager
    def block(most: int) -> Iterator[None]:
        if sys.platform != "linux":
            pytest.skip("only Linux counts what a process reads")
        before = read()
        yield
        assert read() - before <= most

    return block


@pytest.fixture
def data_dir(tmp_path: Path, published, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory that holds `published` under the name of Fashion-MNIST."""
    fashion = replace(DOWNLOADS["fashion-mnist"], files=published.data_set.files)
    monkeypatch.setitem(DOWNLOADS, "fashion-mnist", fashion)
    (tmp_path / "fashion-mnist").mkdir()
    for name, content in published.plain.items():
        (tmp_path / "fashion-mnist" / name).write_bytes(content)
    return tmp_path

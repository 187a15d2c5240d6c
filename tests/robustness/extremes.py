"""Inputs of a size or pace that nobody expects: what they cost is bounded, too."""

from __future__ import annotations

import io
import json
import random
import socket
import struct
import threading
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

SIZES = ((50_000_000, 1), (1, 50_000_000), (7000, 7000), (30_000, 1600), (1600, 30_000), (9, 9))
CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}  # of PNG's types of colour


def many_classes(rng: random.Random) -> bytes:
    """A table of labels that hardly two rows share."""
    C = rng.choice((100, 2000, 4000))
    rows = [f"{rng.random():.3f},{rng.random():.3f},k{i % C}\n" for i in range(2 * C)]
    return "".join(rows).encode()


def many_layers(rng: random.Random, model: bytes) -> bytes:
    """A checkpoint of very many layers, most of which change nothing."""
    import numpy as np

    with np.load(io.BytesIO(model), allow_pickle=False) as file:
        arrays = {name: file[name] for name in ("W1", "b1", "W2", "b2")}
        meta = json.loads(str(file["meta"]))
    L, H = rng.choice((3, 300, 1002, 20_000)), arrays["b1"].size
    first, last = meta["layers"]
    meta["layers"] = [first, *[{**first, "inputs": H}] * (L - 2), last]
    meta["config"]["model"]["hidden"] = [H] * (L - 1)
    square, bias = _npy(np.eye(H, dtype=np.float32)), _npy(arrays["b1"])
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("meta.npy", _npy(np.array(json.dumps(meta))))
        for place in range(1, L + 1):
            ends = {1: "1", L: "2"}.get(place)
            archive.writestr(f"W{place}.npy", _npy(arrays[f"W{ends}"]) if ends else square)
            archive.writestr(f"b{place}.npy", _npy(arrays[f"b{ends}"]) if ends else bias)
    return made.getvalue()


def _npy(array: object) -> bytes:
    import numpy as np

    file = io.BytesIO()
    np.save(file, array)  # type: ignore[arg-type]
    return file.getvalue()


def huge_picture(rng: random.Random) -> bytes:
    """A PNG of very many pixels, which are all the same, in few bytes."""
    (width, height), colour = rng.choice(SIZES), rng.choice(list(CHANNELS))
    pixel, packer, packed = bytes([rng.choice((0, 128, 255))]), zlib.compressobj(1), b""
    row, rows = width * CHANNELS[colour], max(1, 1_000_000 // (width * CHANNELS[colour]))
    for top in range(0, height, rows):  # about a megabyte at a time
        for left in range(0, row, 1_000_000):
            piece = (b"" if left else b"\0") + pixel * min(1_000_000, row - left)
            packed += packer.compress(piece * min(rows, height - top))
    packed += packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", packed), (b"IEND", b""))
    chunks = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def drip_script(rng: random.Random) -> tuple[bytes, bytes]:
    """(what a mirror says at once, what it says again and again)."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    starts = [b"", b"HTTP/1.1 ", b"HTTP/1.1 200 OK\r\nX-A: ", head, head + b"5\r\nhello\r\n", head]
    starts += [head + b"0\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9912422\r\n\r\n"]
    drips = (b"1", b"\0", b"a: b\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"1;x", b"\r\n", b" ")
    return rng.choice(starts), rng.choice(drips)


@contextmanager
def dripping_mirror(script: tuple[bytes, bytes]) -> Iterator[str]:
    """The address of a mirror that answers so, every few milliseconds, until nobody listens."""
    start, drip = script
    ended = threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection:
            try:
                connection.recv(65_536)
                connection.sendall(start)
                while not ended.wait(0.02):
                    connection.sendall(drip)
            except OSError:
                return

    def accept() -> None:
        while not ended.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            ended.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()

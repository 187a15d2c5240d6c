"""Downloads from mirrors that lie, break off and stall: right in the end, or nothing in place."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import random
import re
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import suppress
from email.utils import formatdate
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mlpcli.data import catalog, download, stored
from mlpcli.data.pace import Pace, StalledError
from mlpcli.data.source import open_data
from mlpcli.errors import DownloadError, OutputError, UsageError

IMAGES = "train-images-idx3-ubyte"
IMAGES_GZ = f"{IMAGES}.gz"
NOTHING_KEPT = "; try again later, or name another mirror by --mirror URL"


class Fetcher:
    """`download.fetch` into one folder, which records what it is told and never sleeps."""

    def __init__(self, published, data_dir: Path) -> None:
        self.published = published
        self.data_dir = data_dir
        self.folder = data_dir / published.data_set.name
        self.notices: list[str] = []
        self.naps: list[float] = []
        self.progress: list[tuple[str, int]] = []

    def __call__(self, *mirrors, force: bool = False) -> tuple[str, ...]:
        fetched = download.fetch(
            self.published.data_set,
            self.data_dir,
            mirrors=[mirror.url for mirror in mirrors],
            force=force,
            progress=lambda file, received: self.progress.append((file.name, received)),
            notice=self.notices.append,
            sleep=self.naps.append,
        )
        return tuple(file.name for file in fetched)

    def refused(self, *mirrors) -> str:
        """The reasons in the error that it ends with; no file is in place then."""
        with pytest.raises(DownloadError) as error:
            self(*mirrors)
        text = str(error.value)
        assert "\n" not in text
        assert self.here() <= {f"{IMAGES_GZ}.part"}
        lead = f"{self.published.data_set.name}: "
        assert text.startswith(lead)
        return text.removeprefix(lead).replace(f"{mirrors[0].url}{IMAGES_GZ}: ", "")

    def here(self) -> set[str]:
        return set(os.listdir(self.folder))

    def all_right(self) -> bool:
        """Every file is in place with its bytes, and nothing else is there."""
        return self.here() == set(self.published.plain) and all(
            (self.folder / name).read_bytes() == content
            for name, content in self.published.plain.items()
        )


@pytest.fixture
def fetch(published, tmp_path: Path) -> Fetcher:
    return Fetcher(published, tmp_path)


def asked(mirror) -> list[str | None]:
    """The ranges that the training images were asked for with."""
    return [offset for name, offset in mirror.requests if name == IMAGES_GZ]


# --- what is to be done


def test_decides_per_file(published, tmp_path: Path) -> None:
    data_set = published.data_set
    folder = tmp_path / data_set.name
    folder.mkdir()
    assert download.missing(data_set, tmp_path) == data_set.files
    for name, content in published.plain.items():
        (folder / name).write_bytes(content)
    assert download.missing(data_set, tmp_path) == ()
    assert download.missing(data_set, tmp_path, force=True) == data_set.files
    images, labels, test_images, _ = data_set.files
    (folder / images.name).write_bytes(bytes(images.size))  # the size is right, the digest is not
    (folder / labels.name).write_bytes(b"short")
    (folder / test_images.name).unlink()
    assert download.missing(data_set, tmp_path) == (images, labels, test_images)


# --- when all goes well


def test_fetches_everything_decompressed(fetch: Fetcher, mirror, published) -> None:
    assert fetch(mirror) == tuple(published.plain)
    assert fetch.all_right()
    assert mirror.requests == [(f"{name}.gz", None) for name in published.plain]
    assert mirror.encodings == {"identity"}
    assert fetch.notices == [f"noise: fetching 0.3 MB from {mirror.url}"]
    assert fetch.progress[-1] == (
        "t10k-labels-idx1-ubyte",
        len(published.packed["t10k-labels-idx1-ubyte"]),
    )


def test_a_second_run_does_nothing(fetch: Fetcher, mirror) -> None:
    fetch(mirror)
    mirror.requests.clear()
    assert fetch(mirror) == ()
    assert mirror.requests == []
    assert fetch(mirror, force=True) == tuple(fetch.published.plain)
    assert fetch.all_right()


def test_a_download_takes_every_digest_whatever_is_remembered(fetch: Fetcher, mirror) -> None:
    """A disk that rots leaves size, times and inode as they were."""
    fetch(mirror)
    path = fetch.folder / IMAGES
    path.write_bytes(bytes(path.stat().st_size))
    record = fetch.data_dir / ".noise.checked.json"
    remembered = json.loads(record.read_text())
    found = path.stat()
    remembered[IMAGES][:4] = found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino
    record.write_text(json.dumps(remembered))
    assert stored.wrong_files(fetch.published.data_set.files, fetch.folder) == ()
    assert fetch(mirror) == (IMAGES,)
    assert fetch.all_right()


def test_a_file_that_was_damaged_later_is_fetched_again(fetch: Fetcher, mirror) -> None:
    fetch(mirror)
    path = fetch.folder / IMAGES
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    assert fetch(mirror) == (IMAGES,)
    assert fetch.all_right()


def test_a_mirror_may_compress_differently(fetch: Fetcher, mirror, published) -> None:
    plain = published.plain[IMAGES]
    stored = gzip.compress(plain, compresslevel=0)
    in_parts = gzip.compress(plain[:5000]) + gzip.compress(plain[5000:])
    for packed in (stored, in_parts):
        mirror.files[IMAGES_GZ] = packed
        fetch(mirror, force=True)
        assert fetch.all_right()


def test_a_base_url_ends_with_a_slash_or_not(fetch: Fetcher, mirror) -> None:
    mirror.url = mirror.url.rstrip("/")
    fetch(mirror)
    assert fetch.all_right()


@pytest.mark.parametrize("url", ["ftp://example.org/", "/data/mnist", "example.org", "http://", ""])
def test_a_mirror_is_a_url(published, tmp_path: Path, url: str) -> None:
    with pytest.raises(UsageError) as error:
        download.fetch(published.data_set, tmp_path, mirrors=[url])
    assert str(error.value) == (
        f"--mirror {url}: must be a URL that starts with http:// or https://"
    )


# --- what passes: tried again


def test_what_may_pass_is_tried_again_with_longer_waits(fetch: Fetcher, mirror, faults) -> None:
    mirror.script[IMAGES_GZ] = [faults.status(500), faults.status(503), faults.status(429)]
    fetch(mirror)
    assert fetch.all_right()
    assert fetch.naps == [1, 2, 4]
    url = f"{mirror.url}{IMAGES_GZ}"
    assert fetch.notices[1:] == [
        f"{url}: answers 500 Internal Server Error; trying again in 1 s",
        f"{url}: answers 503 Service Unavailable; trying again in 2 s",
        f"{url}: answers 429 Too Many Requests; trying again in 4 s",
    ]


def test_gives_up_after_a_few_attempts(fetch: Fetcher, mirror, faults) -> None:
    mirror.script[IMAGES_GZ] = [faults.status(500)] * 9
    assert fetch.refused(mirror) == f"answers 500 Internal Server Error{NOTHING_KEPT}"
    assert len(mirror.requests) == download.ATTEMPTS


def test_waits_as_long_as_the_mirror_asks(fetch: Fetcher, mirror, faults) -> None:
    in_half_a_minute = formatdate(time.time() + 30, usegmt=True)
    mirror.script[IMAGES_GZ] = [
        faults.status(429, Retry_After="7"),
        faults.status(503, Retry_After=in_half_a_minute),
        faults.status(503, Retry_After="soon"),
    ]
    fetch(mirror)
    assert fetch.all_right()
    assert fetch.naps[0] == 7
    assert 25 < fetch.naps[1] <= 30
    assert fetch.naps[2] == 4


def test_does_not_wait_for_an_hour(fetch: Fetcher, mirror, faults) -> None:
    mirror.script[IMAGES_GZ] = [faults.status(429, Retry_After="3600")]
    reason = "answers 429 Too Many Requests and asks to wait for 3600 s"
    assert fetch.refused(mirror) == reason + NOTHING_KEPT
    assert fetch.naps == []


def test_a_stalled_transfer_is_continued(
    fetch: Fetcher, mirror, faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "READ_TIMEOUT", 0.2)
    mirror.script[IMAGES_GZ] = [faults.stalled_after(100_000)]
    fetch(mirror)
    assert fetch.all_right()
    assert asked(mirror) == [None, "bytes=100000-"]
    assert "the transfer broke off: nothing came for 0.2 s; trying again" in fetch.notices[1]


def test_a_dripping_transfer_has_stalled(
    fetch: Fetcher, mirror, faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "READ_TIMEOUT", 0.3)
    monkeypatch.setattr(download, "LOWEST_RATE", 10_000)
    mirror.script[IMAGES_GZ] = [faults.dripping]
    fetch(mirror)
    assert fetch.all_right()
    assert re.search(
        r"gz: the transfer broke off: only \d+ bytes came in 0\.3 s; trying again in 1 s$",
        fetch.notices[1],
    )


HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def in_chunks(content: bytes) -> bytes:
    return CHUNKED + b"%x\r\n%s\r\n" % (len(content), content)


@pytest.mark.parametrize(
    ("start", "piece", "pause"),
    [
        (b"", b"H", 0.02),
        (HEAD + b"X: ", b"x", 0.02),
        (HEAD, b"X: x\r\n", 0.02),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.02),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100, 0),
    ],
    ids=["a status line", "a header", "headers", "100 Continue", "100 Continue in a flood"],
)
def test_headers_that_do_not_end_have_one_deadline(
    fetch: Fetcher, mirror, faults, monkeypatch, start: bytes, piece: bytes, pause: float
) -> None:
    monkeypatch.setattr(download, "READ_TIMEOUT", 0.4)
    mirror.script[IMAGES_GZ] = [faults.raw(lambda body: start, piece, pause)]
    begin = time.monotonic()
    fetch(mirror)
    assert fetch.all_right()
    url = f"{mirror.url}{IMAGES_GZ}"
    assert fetch.notices[1] == f"{url}: no answer for 0.4 s; trying again in 1 s"
    assert time.monotonic() - begin < 4


def test_redirects_share_the_deadline_of_the_first_request(
    fetch: Fetcher, mirror, faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "READ_TIMEOUT", 0.5)

    def redirect(handler, body: bytes) -> None:
        time.sleep(0.2)
        handler.answer(302, Location=IMAGES_GZ)

    mirror.script[IMAGES_GZ] = [redirect] * 3
    fetch(mirror)
    assert fetch.all_right()
    assert fetch.notices[1].endswith(".gz: no answer for 0.5 s; trying again in 1 s")


@pytest.mark.parametrize(
    ("kept", "piece", "pause"),
    [
        (100_000, b"0", 0.02),
        (100_000, b"1;" + b"x" * 60_000 + b"\r\n\0\r\n", 0.005),
        (-1000, b"0\r\n" + b"X: x\r\n", 0.02),
    ],
    ids=["a chunk's size", "chunks of one byte with long extensions", "trailers"],
)
def test_a_chunked_transfer_that_stalls_by_drips_is_continued(
    fetch: Fetcher, mirror, faults, monkeypatch, kept: int, piece: bytes, pause: float
) -> None:
    """Whatever else comes meanwhile, only content counts."""
    monkeypatch.setattr(download, "READ_TIMEOUT", 0.4)
    monkeypatch.setattr(download, "LOWEST_RATE", 10_000)
    size = len(mirror.files[IMAGES_GZ][:kept])
    first = piece.partition(b"X: ")[0] if kept < 0 else b""
    mirror.script[IMAGES_GZ] = [
        faults.raw(lambda body: in_chunks(body[:kept]) + first, piece.removeprefix(first), pause)
    ]
    fetch(mirror)
    assert fetch.all_right()
    assert re.search(
        r"\.gz: the transfer broke off: (nothing came for|only \d+ bytes came in) 0\.4 s; ",
        fetch.notices[1],
    )
    assert asked(mirror)[1] is not None
    assert size <= int(asked(mirror)[1].removeprefix("bytes=").removesuffix("-")) <= size + 3000


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"220 mail.example.org ESMTP\r\n", "220 mail.example.org ESMTP"),
        (b"HTTP/1.1 OK\r\n\r\n", "HTTP/1.1 OK"),
        (b"\x1b[31m\r\n", "\\x1b[31m"),
        (HEAD + b"a: b\r\n" * 200 + b"\r\n", "got more than 100 headers"),
        (HEAD + b"a" * 70_000, "got more than 65536 bytes when reading header line"),
    ],
    ids=["mail", "no status", "escapes", "many headers", "a long header"],
)
def test_what_is_not_http_is_named(
    fetch: Fetcher, mirror, faults, answer: bytes, reason: str
) -> None:
    def fault(handler, body: bytes) -> None:
        handler.close_connection = True
        handler.wfile.write(answer)

    mirror.script[IMAGES_GZ] = [fault]
    fetch(mirror)
    assert fetch.all_right()
    url = f"{mirror.url}{IMAGES_GZ}"
    assert fetch.notices[1] == f"{url}: the answer is not HTTP ({reason}); trying again in 1 s"


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """The side of a mirror whose certificate is trusted for this test."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def test_over_tls_the_same_pace_holds(
    fetch: Fetcher, start_mirror, published, faults, tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "READ_TIMEOUT", 0.6)
    monkeypatch.setattr(download, "LOWEST_RATE", 10_000)
    mirror = start_mirror(published.packed, tls)
    mirror.script[IMAGES_GZ] = [
        faults.broken_after(80_000),
        faults.raw(lambda body: b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        faults.raw(lambda body: in_chunks(body[:100]), b"0"),
    ]
    fetch(mirror)
    assert fetch.all_right()
    assert [notice.partition("gz: ")[2] for notice in fetch.notices[1:]] == [
        "the transfer broke off: the connection was closed before the end; trying again in 1 s",
        "no answer for 0.6 s; trying again in 2 s",
        "the transfer broke off: only 100 bytes came in 0.6 s; trying again in 4 s",
    ]


def test_a_certificate_that_nobody_vouches_for_is_refused(
    fetch: Fetcher, start_mirror, published, tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    mirror = start_mirror(published.packed, tls)
    assert "certificate verify failed: self-signed certificate" in fetch.refused(mirror)
    assert fetch.naps == []


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x03\x3f\xff"])
def test_a_handshake_that_stalls_by_drips_has_a_deadline(
    published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(download, "CONNECT_TIMEOUT", 0.2)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    over = threading.Event()

    def answer(listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client, suppress(OSError):
                client.sendall(sent)
                while not over.wait(0.02):
                    client.sendall(b"\x02" * bool(sent))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
        begin = time.monotonic()
        with pytest.raises(DownloadError) as error:
            download.fetch(published.data_set, tmp_path, mirrors=[url], sleep=lambda wait: None)
        assert time.monotonic() - begin < 6
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert f"{IMAGES_GZ}: no connection within 0.2 s; try again later" in str(error.value)


def test_the_pace_is_kept_over_any_stretch_of_time() -> None:
    """Against all stretches, counted one by one."""
    rng = random.Random(0)
    outcomes = set()
    for _ in range(300):
        now = 0.0
        pace = Pace(lambda: now)  # noqa: B023
        pace.begin("nothing came", 3, 50)
        events: list[tuple[float, int]] = []
        while now < 12:
            size = rng.choice([1, 5, 20, 60])
            wait = rng.uniform(0, 2)
            starts = [0.0, *(at for at, _ in events)]
            slow = any(
                now + wait - start >= 3 and sum(n for at, n in events if at > start) < 50
                for start in starts
            )
            now += wait
            if slow:
                with pytest.raises(StalledError, match=r"came (in|for) 3 s$"):
                    pace.left()
                break
            assert 0 < pace.left() <= 3
            pace.count(size)
            events.append((now, size))
        outcomes.add(now < 12)
    assert outcomes == {True, False}


# --- what came is continued


def test_a_broken_transfer_is_continued(fetch: Fetcher, mirror, faults) -> None:
    mirror.script[IMAGES_GZ] = [faults.broken_after(80_000), faults.broken_after(90_000)]
    fetch(mirror)
    assert fetch.all_right()
    assert asked(mirror) == [None, "bytes=80000-", "bytes=170000-"]
    assert fetch.naps == [1, 1]  # progress was made


def test_as_long_as_there_is_progress_it_is_continued(fetch: Fetcher, mirror, faults) -> None:
    steps = len(mirror.files[IMAGES_GZ]) // 66_000
    mirror.script[IMAGES_GZ] = [faults.broken_after(66_000), faults.status(500)] * steps
    assert steps >= download.ATTEMPTS
    fetch(mirror)
    assert fetch.all_right()


def test_breaking_off_at_the_same_place_is_no_progress(fetch: Fetcher, mirror, faults) -> None:
    def fault(handler, body: bytes) -> None:  # knows no ranges, and never gets past 90,000
        handler.answer(200, body[:90_000], length=len(body))

    mirror.script[IMAGES_GZ] = [fault] * 20
    assert fetch.refused(mirror) == (
        "the transfer broke off: the connection was closed before the end"
        f"{NOTHING_KEPT} (90000 bytes are kept and will be continued)"
    )
    assert len(mirror.requests) == download.ATTEMPTS


def test_a_later_run_continues_at_another_mirror(
    fetch: Fetcher, mirror, faults, start_mirror, published
) -> None:
    mirror.script[IMAGES_GZ] = [faults.broken_after(80_000), *[faults.status(404)] * 9]
    assert fetch.refused(mirror).endswith("(80000 bytes are kept and will be continued)")
    other = start_mirror(published.packed)
    fetch(other)
    assert fetch.all_right()
    assert asked(other) == ["bytes=80000-"]


def test_what_came_from_a_mirror_that_compresses_differently_is_given_up(
    fetch: Fetcher, mirror, faults, start_mirror, published
) -> None:
    other = start_mirror(published.packed)
    other.files[IMAGES_GZ] = gzip.compress(published.plain[IMAGES], compresslevel=1, mtime=1)
    mirror.files[IMAGES_GZ] = gzip.compress(published.plain[IMAGES], compresslevel=0)
    mirror.script[IMAGES_GZ] = [faults.broken_after(80_000), faults.status(404)]
    fetch(mirror, other)
    assert fetch.all_right()
    assert asked(other) == ["bytes=80000-", None]
    assert "what came earlier cannot be continued: " in fetch.notices[-1]
    assert fetch.notices[-1].endswith("; trying again")


@pytest.mark.parametrize("start", [0, 70_000])
def test_a_range_that_starts_elsewhere_is_not_appended(
    fetch: Fetcher, mirror, faults, start: int
) -> None:
    mirror.script[IMAGES_GZ] = [faults.broken_after(80_000), faults.range_from(start)]
    fetch(mirror)
    assert fetch.all_right()
    assert asked(mirror) == [None, "bytes=80000-", None]
    assert f"asked for bytes from 80000, got bytes {start}-" in fetch.notices[-1]


def test_a_mirror_without_ranges_starts_again(fetch: Fetcher, mirror, faults) -> None:
    mirror.script[IMAGES_GZ] = [faults.broken_after(80_000), faults.ignoring_range]
    fetch(mirror)
    assert fetch.all_right()
    assert asked(mirror) == [None, "bytes=80000-"]


def test_a_range_that_cannot_be_had_starts_again(fetch: Fetcher, mirror, faults) -> None:
    mirror.script[IMAGES_GZ] = [faults.broken_after(80_000), faults.status(416)]
    fetch(mirror)
    assert fetch.all_right()
    assert asked(mirror) == [None, "bytes=80000-", None]
    assert "the mirror has nothing after byte 80000; trying again" in fetch.notices[-1]


def test_a_log_in_page_does_not_cost_what_came(fetch: Fetcher, mirror, faults) -> None:
    page = faults.instead(b"\n<!DOCTYPE html><title>Welcome to the hotel</title>")
    mirror.script[IMAGES_GZ] = [faults.broken_after(80_000), page]
    assert fetch.refused(mirror) == (
        "expected gzip data, got a web page (HTML), such as a log-in or error page"
        f"{NOTHING_KEPT} (80000 bytes are kept and will be continued)"
    )


@pytest.mark.parametrize("surplus", [b"", b"and then some"])
def test_what_had_come_whole_is_not_asked_for_again(
    fetch: Fetcher, mirror, published, surplus: bytes
) -> None:
    fetch.folder.mkdir()
    (fetch.folder / f"{IMAGES_GZ}.part").write_bytes(published.packed[IMAGES] + surplus)
    fetch(mirror)
    assert fetch.all_right()
    assert asked(mirror) == []


# --- a wrong Content-Length


def test_a_length_that_is_too_small_is_continued(fetch: Fetcher, mirror, faults) -> None:
    mirror.script[IMAGES_GZ] = [faults.length(-1000)]
    fetch(mirror)
    assert fetch.all_right()
    assert "cut short after " in fetch.notices[1]


def test_a_length_that_is_too_large_does_no_harm(fetch: Fetcher, mirror, faults) -> None:
    mirror.script[IMAGES_GZ] = [faults.length(+1000)]
    fetch(mirror)
    assert fetch.all_right()
    assert len(mirror.requests) == 4


# --- what stays: the next mirror


@pytest.mark.parametrize(
    ("code", "reason"), [(403, "Forbidden"), (404, "Not Found"), (302, "Found")]
)
def test_what_is_not_there_is_sought_at_the_next_mirror(
    fetch: Fetcher, mirror, faults, start_mirror, published, code: int, reason: str
) -> None:
    mirror.script[IMAGES_GZ] = [faults.status(code)]
    other = start_mirror(published.packed)
    fetch(mirror, other)
    assert fetch.all_right()
    assert fetch.naps == []
    assert fetch.notices[1:] == [
        f"{mirror.url}{IMAGES_GZ}: answers {code} {reason}; trying the next mirror"
    ]


def test_the_error_has_the_reason_of_every_mirror(fetch: Fetcher, start_mirror) -> None:
    empty, other = start_mirror({}), start_mirror({})
    other.script[IMAGES_GZ] = []
    assert fetch.refused(empty, other) == (
        f"answers 404 Not Found | {other.url}{IMAGES_GZ}: answers 404 Not Found{NOTHING_KEPT}"
    )


def test_a_redirect_is_followed(fetch: Fetcher, mirror, faults) -> None:
    mirror.script[IMAGES_GZ] = [faults.status(302, Location=f"../elsewhere/{IMAGES_GZ}")]
    fetch(mirror)
    assert fetch.all_right()


def test_redirects_in_a_loop_end(fetch: Fetcher, mirror, faults) -> None:
    mirror.script[IMAGES_GZ] = [faults.status(301, Location=IMAGES_GZ)] * 50
    assert fetch.refused(mirror) == f"redirects in a loop (10 redirects){NOTHING_KEPT}"


@pytest.mark.parametrize("location", ["file:///etc/passwd", "http://[", "mailto:ada"])
def test_a_redirect_to_nowhere_is_refused(fetch: Fetcher, mirror, faults, location: str) -> None:
    mirror.script[IMAGES_GZ] = [faults.status(301, Location=location)]
    assert fetch.refused(mirror).endswith(NOTHING_KEPT)
    assert len(mirror.requests) == 1


def test_nobody_there(fetch: Fetcher, mirror) -> None:
    mirror.url = "http://127.0.0.1:1/"
    assert fetch.refused(mirror) == f"Connection refused{NOTHING_KEPT}"
    assert fetch.naps == [1, 2, 4]


# --- wrong content


def test_a_wrong_digest_names_source_expected_and_got(fetch: Fetcher, mirror, published) -> None:
    wrong = bytearray(published.plain[IMAGES])
    wrong[5000] ^= 1
    mirror.files[IMAGES_GZ] = gzip.compress(wrong)
    with pytest.raises(DownloadError) as error:
        fetch(mirror)
    images = published.data_set.files[0]
    assert re.fullmatch(
        f"noise: {re.escape(mirror.url)}{IMAGES_GZ}: wrong content: "
        f"expected {images.size} bytes with sha256 {images.sha256} decompressed, "
        f"got {images.size} bytes with (?!{images.sha256})[0-9a-f]{{64}}; "
        "the mirror has another or a damaged file under this name" + NOTHING_KEPT,
        str(error.value),
    )
    assert fetch.here() == set()
    assert len(mirror.requests) == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<html>Not here</html>", "expected gzip data, got a web page (HTML), such as a log-in"),
        (b"\0\0\x08\x03\0\0", "expected gzip data, got bytes 00 00 08 03 …"),
        (b"\x1f\x8bnonsense", "wrong content: damaged gzip data (Error -3 while decompressing"),
        (gzip.compress(b"short"), "wrong content: expected 313616 bytes with sha256"),
        (b"", "sends nothing"),
    ],
    ids=["a web page", "no gzip", "damaged", "too short", "nothing"],
)  # fmt: skip
def test_something_else_is_refused(
    fetch: Fetcher, mirror, faults, content: bytes, reason: str
) -> None:
    mirror.script[IMAGES_GZ] = [faults.instead(content)] * 4
    assert fetch.refused(mirror).startswith(reason)
    assert fetch.here() == set()


def endless_deflate() -> bytes:
    """2 MB of gzip that unpack to nothing: empty stored blocks."""
    return gzip.compress(b"")[:10] + b"\x00\x00\x00\xff\xff" * 400_000


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (lambda: zlib_of_zeros(200_000_000), "expected 313616 bytes decompressed, got more"),
        (endless_deflate, "expected at most 317776 bytes of gzip data, got more"),
        (lambda: b"\x1f\x8b\x08\x08" + b"a" * 2_000_000, "expected at most 317776 bytes"),
    ],
    ids=["zeros", "empty blocks", "a name without end"],
)
def test_a_bomb_takes_no_memory(fetch: Fetcher, mirror, faults, content, reason: str) -> None:
    mirror.script[IMAGES_GZ] = [faults.instead(content())]
    tracemalloc.start()
    try:
        assert fetch.refused(mirror).startswith(f"wrong content: {reason}")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8_000_000
    assert fetch.here() == set()


def zlib_of_zeros(size: int) -> bytes:
    """Zeros compressed by gzip, made piece by piece."""
    packer = zlib.compressobj(1, wbits=31)
    block = bytes(1_000_000)
    return b"".join([packer.compress(block) for _ in range(size // len(block))] + [packer.flush()])


# --- the disk, and other processes


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Path]:
    """A file that no download may touch."""
    path = tmp_path / "victim"
    path.write_bytes(b"precious")
    path.chmod(0o400)
    yield path
    assert path.read_bytes() == b"precious"
    assert path.stat().st_nlink <= 2


PLANTED = {
    "a link": lambda path, victim: path.symlink_to(victim),
    "a link to nothing": lambda path, victim: path.symlink_to(victim.parent / "new"),
    "a second name": lambda path, victim: path.hardlink_to(victim),
    "a pipe": lambda path, victim: os.mkfifo(path),
}


@pytest.mark.parametrize("plant", PLANTED.values(), ids=list(PLANTED))
@pytest.mark.parametrize("name", [f"{IMAGES_GZ}.part", IMAGES])
def test_what_was_planted_is_not_written_to(
    fetch: Fetcher, mirror, faults, victim: Path, plant, name: str
) -> None:
    fetch.folder.mkdir()
    plant(fetch.folder / name, victim)
    mirror.script[IMAGES_GZ] = [faults.broken_after(80_000)]
    fetch(mirror)
    assert fetch.all_right()
    assert not any((fetch.folder / name).is_symlink() for name in fetch.here())
    assert len({(fetch.folder / name).stat().st_mode for name in fetch.here()}) == 1
    assert asked(mirror) == [None, "bytes=80000-"]
    assert not (victim.parent / "new").exists()


def test_a_folder_in_the_way_of_the_part_does_not_block(
    fetch: Fetcher, mirror, faults, published
) -> None:
    in_the_way = fetch.folder / f"{IMAGES_GZ}.part"
    (in_the_way / "with").mkdir(parents=True)
    mirror.script[IMAGES_GZ] = [faults.broken_after(80_000), *[faults.status(404)] * 9]
    with pytest.raises(DownloadError) as error:
        fetch(mirror)
    assert "404" in str(error.value)
    assert "are kept" not in str(error.value)  # for a later run they are not
    mirror.script[IMAGES_GZ] = [faults.broken_after(80_000)]
    mirror.requests.clear()
    fetch(mirror)
    assert fetch.here() == {*published.plain, in_the_way.name}
    assert (in_the_way / "with").is_dir()
    assert asked(mirror) == [None, "bytes=80000-"]
    assert download.missing(published.data_set, fetch.data_dir) == ()


def test_a_folder_that_cannot_be_made(published, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError) as error:
        download.fetch(published.data_set, tmp_path / "file", mirrors=["http://127.0.0.1:1"])
    assert str(error.value) == f"{tmp_path}/file/noise: cannot be made: Not a directory"


def test_a_disk_that_fills_up(fetch: Fetcher, mirror) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OutputError) as error:
            fetch(mirror)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(error.value) == f"{fetch.folder}/{IMAGES}: cannot be written: File too large"
    assert fetch.here() == {f"{IMAGES_GZ}.part"}
    fetch(mirror)
    assert fetch.all_right()


def test_two_at_once_fetch_everything_once(fetch: Fetcher, mirror, published) -> None:
    started = threading.Event()

    def slowly(handler, body: bytes) -> None:
        started.set()
        time.sleep(0.2)
        handler.answer(200, body)

    mirror.script[IMAGES_GZ] = [slowly]
    first = threading.Thread(target=fetch, args=(mirror,))
    first.start()
    started.wait()
    second = Fetcher(published, fetch.data_dir)
    assert second(mirror) == ()
    first.join()
    assert second.notices == [f"{fetch.folder}: waiting for another download into it"]
    assert fetch.all_right()
    assert len(mirror.requests) == 4


def start_fetching(published, data_dir: Path, url: str) -> subprocess.Popen[str]:
    """A process of its own that fetches from a mirror."""
    code = (
        "import pickle, sys; from pathlib import Path; from mlpcli.data.download import fetch; "
        "fetch(pickle.loads(bytes.fromhex(sys.argv[1])), Path(sys.argv[2]), mirrors=sys.argv[3:])"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, pickle.dumps(published.data_set).hex(), data_dir, url],
        cwd=Path(download.__file__).parents[2],
        stderr=subprocess.PIPE,
        text=True,
    )


def test_killed_and_repeated(fetch: Fetcher, mirror, published, faults) -> None:
    mirror.script[IMAGES_GZ] = [faults.stalled_after(250_000)]
    process = start_fetching(published, fetch.data_dir, mirror.url)
    part = fetch.folder / f"{IMAGES_GZ}.part"
    end = time.monotonic() + 10
    while time.monotonic() < end and not (part.exists() and part.stat().st_size > 100_000):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert any(name.endswith(".tmp") for name in fetch.here())
    fetch(mirror)
    assert fetch.all_right()
    assert re.fullmatch("bytes=[1-9][0-9]+-", asked(mirror)[1] or "")


def test_two_processes_killed_at_any_moment_and_repeated(
    fetch: Fetcher, mirror, published, faults, times: int
) -> None:
    """The mirror sends slowly; what is in place is right at every moment."""

    def in_place() -> None:
        for name in set(published.plain) & fetch.here():
            assert (fetch.folder / name).read_bytes() == published.plain[name]

    fetch.folder.mkdir()
    rng = random.Random()
    killed = part_ways = 0
    while killed < 8 * times:
        for name in os.listdir(fetch.folder):
            if rng.random() < (0.2 if name.endswith(".part") else 0.7):  # there is more to do
                (fetch.folder / name).unlink()
        for name in published.packed:
            mirror.script[f"{name}.gz"] = [faults.slowly] * 4
        processes = [start_fetching(published, fetch.data_dir, mirror.url) for _ in range(2)]
        time.sleep(rng.uniform(0.2, 0.8))
        for process in processes:
            process.send_signal(signal.SIGKILL)
        assert [process.communicate()[1] for process in processes] == ["", ""]
        killed += sum(process.returncode == -signal.SIGKILL for process in processes)
        part_ways += f"{IMAGES_GZ}.part" in fetch.here()
        in_place()
    mirror.script.clear()
    processes = [start_fetching(published, fetch.data_dir, mirror.url) for _ in range(2)]
    assert [(process.communicate()[1], process.returncode) for process in processes] == [
        ("", 0)
    ] * 2
    assert fetch.all_right()
    assert part_ways or killed < 100
    print(f"{killed} downloads killed, {part_ways} with a part of the images")


def test_what_killed_processes_left_goes_even_when_nothing_is_missing(
    fetch: Fetcher, mirror
) -> None:
    fetch(mirror)
    for name in (f".{IMAGES}.abc.tmp", f"{IMAGES_GZ}.part"):
        (fetch.folder / name).touch()
    assert fetch(mirror) == ()
    assert fetch.all_right()


# --- the real thing


@pytest.mark.skipif(
    "MLP_TEST_MIRROR" not in os.environ,
    reason="MLP_TEST_MIRROR names no folder with mnist/ and fashion-mnist/ as published",
)
@pytest.mark.parametrize("name", list(catalog.DOWNLOADS))
def test_the_published_data_sets(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, reads_at_most
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *args: None)
    handler = partial(SimpleHTTPRequestHandler, directory=os.environ["MLP_TEST_MIRROR"])
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/{name}/"
            download.fetch(catalog.DOWNLOADS[name], tmp_path, mirrors=[url])
        finally:
            server.shutdown()
            thread.join()
    assert download.missing(catalog.DOWNLOADS[name], tmp_path) == ()
    with reads_at_most(1 << 20):
        data = open_data(name, data_dir=tmp_path)
    assert data.X.shape == (60000, 784)
    assert data.X_test is not None
    assert data.X_test.shape == (10000, 784)
    assert sorted(set(data.y.tolist())) == list(range(10))

"""Fetching data sets: `missing` decides, `fetch` acts.

A file comes as .gz and is stored decompressed, so that it can be memory-mapped. While it comes, two
files grow beside its place: `NAME.gz.part`, what has come, which a broken download is continued
from, now or by a later run; and a temporary one with what it unpacks to, which is renamed into
place once its digest is right. Memory stays bounded whatever a mirror sends, and so does the disk:
the published size is the bound of both files.
"""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import os
import re
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.utils import mktime_tz, parsedate_tz
from itertools import chain
from pathlib import Path
from typing import IO
from urllib.parse import urljoin

import requests
from urllib3.exceptions import HTTPError as TransportError  # what a body's stream raises

from mlpcli import files
from mlpcli.data.catalog import RemoteFile, RemoteSet, is_stored
from mlpcli.errors import DownloadError, OutputError, UsageError

CONNECT_TIMEOUT = 10.0  # seconds to reach a mirror
READ_TIMEOUT = 30.0  # seconds in which something must come
LOWEST_RATE = 100.0  # bytes a second, over READ_TIMEOUT: what comes more slowly has stalled
ATTEMPTS = 4  # at one mirror, without any progress, before the next
LONGEST_WAIT = 60.0  # seconds; a mirror that asks for more is left
MAX_REDIRECTS = 10

_CHUNK = 1 << 16
_PROGRESS = 1 << 16  # new bytes that make an attempt count as progress
_GZIP = 31  # zlib's window bits for gzip's header and trailer
_GZIP_MAGIC = b"\x1f\x8b"

# Called with a file and how many bytes of its .gz are here.
Progress = Callable[[RemoteFile, int], None]


def missing(data_set: RemoteSet, data_dir: Path, *, force: bool = False) -> tuple[RemoteFile, ...]:
    """The files of a data set that have to be fetched: all with `force`, else those not there.

    A file is there when its size and then its digest are right. Reading 55 MB for the digests
    takes a fraction of a second, and makes a second `mlp download` the repair of a damaged file.

    """
    folder = data_dir / data_set.name
    return tuple(file for file in data_set.files if force or not _is_right(file, folder))


def fetch(
    data_set: RemoteSet,
    data_dir: Path,
    *,
    mirrors: Sequence[str] = (),
    force: bool = False,
    progress: Progress = lambda file, received: None,
    notice: Callable[[str], None] = lambda text: None,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[RemoteFile, ...]:
    """Fetch what is missing of a data set into `data_dir/NAME`; return the files that came.

    Mirrors are tried in turn. Another process that fetches the same data set is waited for.

    Args:
        mirrors: base URLs to use instead of the data set's own.
        force: fetch every file again.
        progress: told how much of a file is here, whenever that changes.
        notice: told in words about waiting, trying again and changing mirrors.
        sleep: waits for so many seconds.

    Raises:
        DownloadError: no mirror gave a file with the right digest; the reason of each.
        OutputError: the data directory cannot be written.
        UsageError: a mirror's URL is not HTTP.
    """
    for mirror in mirrors:
        if not re.match(r"https?://[^/]", mirror):
            raise UsageError(
                f"--mirror {mirror}: must be a URL that starts with http:// or https://"
            )
    folder = data_dir / data_set.name
    if not missing(data_set, data_dir, force=force) and not _leftovers(data_set, folder):
        return ()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {error.strerror}") from error
    with _locked(folder, notice) as held, _Session() as session:
        # Looked at again: who was waited for may have fetched it all.
        wanted = missing(data_set, data_dir, force=force)
        transfer = _Transfer(folder, mirrors or data_set.mirrors, session, progress, notice, sleep)
        if wanted:
            megabytes = sum(file.gz_size for file in wanted) / 1e6
            notice(f"{data_set.name}: fetching {megabytes:.1f} MB from {transfer.mirrors[0]}")
        for file in data_set.files:
            if file not in wanted:
                progress(file, file.gz_size)
        if held:
            continued = [] if force else [transfer.part(file) for file in wanted]
            for path in _leftovers(data_set, folder):
                if path not in continued:
                    _discard(path)
        for file in wanted:
            transfer.fetch(file)
    return wanted


class _AttemptError(Exception):
    """An attempt that failed; `again` tells whether another at this mirror may go better."""

    def __init__(self, reason: str, *, again: bool, wait: float | None = None) -> None:
        super().__init__(reason)
        self.again = again
        self.wait = wait


class _ContentError(Exception):
    """What came cannot become the file."""


class _Session(requests.Session):
    """One that follows no redirects: requests would read a redirect's body whole, of any size."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        return None


class _Unpacker:
    """Takes a .gz as it comes: keeps it, unpacks it and digests both, within the known size.

    Attributes:
        received: bytes of the .gz so far.
        size: bytes they unpack to.
    """

    def __init__(self, file: RemoteFile, kept: IO[bytes], unpacked: IO[bytes]) -> None:
        self._file = file
        self._kept = kept
        self._unpacked = unpacked
        self._begin()

    def _begin(self) -> None:
        self.received = self.size = 0
        self._inflate = zlib.decompressobj(_GZIP)
        self._sha256, self._gz_sha256 = hashlib.sha256(), hashlib.sha256()

    @property
    def complete(self) -> bool:
        """Whether all that was published has come; what follows it, if anything, does not count."""
        return self._inflate.eof and self.size == self._file.size

    def restart(self) -> None:
        """Forget all that came."""
        self._begin()
        for file in (self._kept, self._unpacked):
            file.seek(0)
            file.truncate()

    def replay(self) -> None:
        """Take what an earlier attempt kept."""
        self._kept.seek(0)
        while not self.complete and (chunk := self._kept.read(_CHUNK)):
            self._take(chunk)

    def feed(self, chunk: bytes) -> None:
        """Take what has just come."""
        self._kept.write(chunk)
        self._take(chunk)

    def _take(self, data: bytes) -> None:
        self.received += len(data)
        self._gz_sha256.update(data)
        # Even stored without compression, it takes less than 1 % more.
        bound = self._file.size + self._file.size // 100 + 1024
        if self.received > bound:
            raise _ContentError(f"expected at most {bound} bytes of gzip data, got more")
        while data and not self.complete:
            if self._inflate.eof:  # several compressed parts may follow each other
                self._inflate = zlib.decompressobj(_GZIP)
            try:
                unpacked = self._inflate.decompress(data, _CHUNK)
            except zlib.error as error:
                raise _ContentError(f"damaged gzip data ({error})") from error
            self.size += len(unpacked)
            if self.size > self._file.size:
                raise _ContentError(
                    f"expected {self._file.size} bytes decompressed, got more; "
                    "the mirror has another file under this name"
                )
            self._sha256.update(unpacked)
            self._unpacked.write(unpacked)
            data = self._inflate.unconsumed_tail or self._inflate.unused_data

    def check(self) -> None:
        """Make sure that what came is what was published.

        Raises:
            _AttemptError: the end is missing.
            _ContentError: it is something else.
        """
        if not self._inflate.eof:
            raise _AttemptError(f"cut short after {self.received} bytes", again=True)
        sha256 = self._sha256.hexdigest()
        right = sha256 == self._file.sha256 or self._gz_sha256.hexdigest() == self._file.gz_sha256
        if self.size != self._file.size or not right:
            raise _ContentError(
                f"expected {self._file.size} bytes with sha256 {self._file.sha256} decompressed, "
                f"got {self.size} bytes with {sha256}; "
                "the mirror has another or a damaged file under this name"
            )


def _is_right(file: RemoteFile, folder: Path) -> bool:
    try:
        return is_stored(file, folder) and files.sha256(folder / file.name) == file.sha256
    except OSError:
        return False


@contextmanager
def _locked(folder: Path, notice: Callable[[str], None]) -> Iterator[bool]:
    """Hold the folder while the block runs; the system lets go of it when the process ends.

    The block is given False where the file system has no locks: two processes may spoil each
    other's `.part` then. The digest notices, and nothing wrong is put in place.
    """
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be opened: {error.strerror}") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = True
        except BlockingIOError:
            notice(f"{folder}: waiting for another download into it")
            fcntl.flock(handle, fcntl.LOCK_EX)
            held = True
        except OSError:
            held = False
        yield held
    finally:
        os.close(handle)


def _leftovers(data_set: RemoteSet, folder: Path) -> list[Path]:
    """What processes that were killed, or failed, left beside the files."""
    return [
        path
        for file in data_set.files
        for pattern in (f".{file.name}.*.tmp", f"{file.name}.gz.part")
        for path in folder.glob(pattern)
    ]


@dataclass(frozen=True)
class _Transfer:
    """Fetches the files of one data set; the attributes are `fetch`'s arguments."""

    folder: Path
    mirrors: Sequence[str]
    session: requests.Session
    progress: Progress
    notice: Callable[[str], None]
    sleep: Callable[[float], None]

    def fetch(self, file: RemoteFile) -> None:
        """Fetch one file from the first mirror that gives it."""
        failures: list[str] = []
        for mirror in self.mirrors:
            url = f"{mirror.rstrip('/')}/{file.name}.gz"
            if failures:
                self.notice(f"{failures[-1]}; trying the next mirror")
            try:
                self._fetch_from(url, file)
            except _AttemptError as failure:
                failures.append(f"{url}: {failure}")
            else:
                self.progress(file, file.gz_size)
                return
        came = _size(self.part(file))
        raise DownloadError(
            f"{self.folder.name}: {' | '.join(failures)}; "
            "try again later, or name another mirror by --mirror URL"
            + f" ({came} bytes are kept and will be continued)"
            * (came > 0)
        )

    def _fetch_from(self, url: str, file: RemoteFile) -> None:
        """Fetch one file from one mirror: attempts that make progress, and a few that do not."""
        part = self.part(file)
        furthest = _size(part)
        failures = 0
        while True:
            try:
                self._attempt(url, file)
            except _AttemptError as failure:
                if _size(part) >= furthest + _PROGRESS:
                    furthest = _size(part)
                    failures = 0
                failures += 1
                if not failure.again or failures == ATTEMPTS:
                    raise
                wait = 2.0 ** (failures - 1) if failure.wait is None else failure.wait
                self.notice(f"{url}: {failure}; trying again" + f" in {wait:g} s" * (wait > 0))
                self.sleep(wait)
            else:
                return

    def _attempt(self, url: str, file: RemoteFile) -> None:
        """One request; the file is in place afterwards, or what came of it is kept."""
        part = self.part(file)
        resumed = _size(part) > 0
        try:
            # An OSError here is the disk's: the network's are caught where they come from.
            with files.replacing(self.folder / file.name) as unpacked, part.open("a+b") as kept:
                unpacker = _Unpacker(file, kept, unpacked)
                unpacker.replay()
                self.progress(file, unpacker.received)
                if not unpacker.complete:
                    with _request(self.session, url, unpacker.received) as response:
                        chunks = _body(response)
                        if response.status_code == 200:
                            head = _gzip_head(chunks)  # a log-in page must not cost what was kept
                            unpacker.restart()
                            resumed = False
                            chunks = chain([head], chunks)
                        for chunk in chunks:
                            unpacker.feed(chunk)
                            self.progress(file, unpacker.received)
                            if unpacker.complete:
                                break
                unpacker.check()
        except _ContentError as error:
            _discard(part)
            if resumed:  # what was kept may be of a mirror that compresses differently
                reason = f"what came earlier cannot be continued: {error}"
                raise _AttemptError(reason, again=True, wait=0) from error
            raise _AttemptError(f"wrong content: {error}", again=False) from error
        except BaseException:
            if _size(part) == 0:
                _discard(part)
            raise
        _discard(part)

    def part(self, file: RemoteFile) -> Path:
        """Where what has come of a file is kept."""
        return self.folder / f"{file.name}.gz.part"


def _request(session: requests.Session, url: str, offset: int) -> requests.Response:
    """Ask for a file from byte `offset` on; the answer is a 200, or a 206 that starts there."""
    # With identity no server compresses a second time, and lengths and offsets mean something.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={offset}-"} if offset else {})
    response = _follow(session, url, headers)
    status = response.status_code
    if status == 200:
        return response
    content_range = _printable(response.headers.get("Content-Range", "no Content-Range"))
    if status == 206 and offset and content_range.startswith(f"bytes {offset}-"):
        return response
    response.close()
    if status == 206 and offset:
        raise _ContentError(f"asked for bytes from {offset}, got {content_range}")
    if status == 416 and offset:
        raise _ContentError(f"the mirror has nothing after byte {offset}")
    reason = f"answers {status} {http.client.responses.get(status, '')}".rstrip()
    if status in (408, 429) or status >= 500:
        wait = _retry_after(response)
        if wait is not None and wait > LONGEST_WAIT:
            raise _AttemptError(f"{reason} and asks to wait for {wait:.0f} s", again=False)
        raise _AttemptError(reason, again=True, wait=wait)
    raise _AttemptError(reason, again=False)


def _follow(session: requests.Session, url: str, headers: dict[str, str]) -> requests.Response:
    """The answer at the end of the redirects, its body still to be read."""
    try:
        for _ in range(MAX_REDIRECTS + 1):
            response = session.get(
                url, headers=headers, stream=True, timeout=(CONNECT_TIMEOUT, READ_TIMEOUT)
            )
            location = response.headers.get("Location")
            if response.status_code not in (301, 302, 303, 307, 308) or not location:
                return response
            response.close()
            url = urljoin(url, location)
    except (requests.RequestException, TransportError, OSError, ValueError) as error:
        # A URL that is none and a certificate that is wrong stay so; all else may pass.
        lasting = isinstance(error, ValueError | requests.exceptions.SSLError)
        raise _AttemptError(_reason(error), again=not lasting) from error
    raise _AttemptError(f"redirects in a loop ({MAX_REDIRECTS} redirects)", again=False)


def _body(response: requests.Response) -> Iterator[bytes]:
    """What comes, as it comes."""
    # read1 returns what is there instead of waiting for all of it; urllib3 1 does not have it.
    read: Callable[[int], bytes] = getattr(response.raw, "read1", response.raw.read)
    received, since = 0, time.monotonic()
    try:
        while chunk := read(_CHUNK):
            yield chunk
            received += len(chunk)
            elapsed = time.monotonic() - since
            if elapsed >= READ_TIMEOUT:
                if received < LOWEST_RATE * elapsed:
                    raise _AttemptError(
                        f"only {received} bytes came in {elapsed:.0f} s", again=True
                    )
                received, since = 0, time.monotonic()
    except (requests.RequestException, TransportError, OSError) as error:
        raise _AttemptError(f"the transfer broke off: {_reason(error)}", again=True) from error


def _gzip_head(chunks: Iterator[bytes]) -> bytes:
    """The first bytes of a body, which must be gzip's."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= 256:
            break
    if not head:
        raise _AttemptError("sends nothing", again=True)
    if re.match(rb"\s*<(!doctype|html|head|body|\?xml)", head, re.IGNORECASE):
        raise _AttemptError(
            "expected gzip data, got a web page (HTML), such as a log-in or error page", again=False
        )
    if not head.startswith(_GZIP_MAGIC):
        raise _AttemptError(f"expected gzip data, got bytes {head[:4].hex(' ')} …", again=False)
    return head


def _retry_after(response: requests.Response) -> float | None:
    """The seconds that a mirror asks to wait, or None."""
    text = response.headers.get("Retry-After", "").strip()
    if re.fullmatch("[0-9]{1,9}", text):
        return float(text)
    try:
        date = parsedate_tz(text)
        return None if date is None else max(0.0, mktime_tz(date) - time.time())
    except (ValueError, OverflowError):
        return None


def _reason(error: BaseException) -> str:
    """What went wrong, in few words: requests' own texts nest four causes with their classes."""
    if isinstance(error, requests.ConnectTimeout):
        return f"no connection within {CONNECT_TIMEOUT:g} s"
    if isinstance(error, requests.exceptions.ProxyError):
        return f"the proxy does not work: {_printable(str(_root(error)))}"
    root = _root(error)
    if isinstance(root, TimeoutError) and not root.strerror:
        return f"nothing came for {READ_TIMEOUT:g} s"
    if isinstance(root, http.client.IncompleteRead):
        return "the connection was closed before the end"
    text = root.strerror if isinstance(root, OSError) and root.strerror else str(root)
    return _printable(text) or type(root).__name__


def _printable(text: str) -> str:
    """Text that a mirror may have chosen, on one line and without control characters."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))[:200]


def _root(error: BaseException) -> BaseException:
    """The first cause of an error."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    return error


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _discard(path: Path) -> None:
    with suppress(OSError):
        path.unlink()

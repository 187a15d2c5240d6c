"""Fetching data sets: `missing` decides, `fetch` acts.

A file comes as .gz and is stored decompressed, so that it can be memory-mapped. While it comes, two
files grow beside its place: `NAME.gz.part`, what has come, which a later run continues from; and a
temporary one with what it unpacks to, which is renamed into place once its digest is right. Memory
stays bounded whatever a mirror sends, and so do the disk, by the published size, and the time.

Attempts are counted here, not by the `Retry` that requests mounts: that one knows only what
precedes a body, where few downloads break off, reads refused answers to their end, of any length,
and waits in silence as long as a mirror asks it to.
"""

from __future__ import annotations

import fcntl
import http.client
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from email.utils import mktime_tz, parsedate_tz
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import requests
from requests.adapters import HTTPAdapter, ProtocolError, ReadTimeoutError

from mlpcli import files
from mlpcli.data.catalog import RemoteFile, RemoteSet, require_home
from mlpcli.data.pace import Pace, PacedConnection, StalledError
from mlpcli.data.stored import wrong_files
from mlpcli.data.unpack import ContentError, Unpacker, discard, kept_part
from mlpcli.errors import DownloadError, OutputError, UsageError
from mlpcli.records import record
from mlpcli.text import one_line, printable

CONNECT_TIMEOUT = 10.0  # seconds to reach a mirror
READ_TIMEOUT = 30.0  # seconds from a request to the end of the answer's headers
LOWEST_RATE = 100.0  # bytes of content per second, over any READ_TIMEOUT: less has stalled
ATTEMPTS = 4  # at one mirror, without any progress, before the next
LONGEST_WAIT = 60.0  # seconds; a mirror that asks for more is left
MAX_REDIRECTS = 10

_CHUNK = 1 << 16
_PROGRESS = 1 << 16  # new bytes that make an attempt count as progress

# Called with a file and how many bytes of its .gz are here.
Progress = Callable[[RemoteFile, int], None]


def missing(data_set: RemoteSet, data_dir: Path, *, force: bool = False) -> tuple[RemoteFile, ...]:
    """The files of a data set that have to be fetched: all with `force`, else those not right.

    Every digest is taken, which needs a fraction of a second: a second `mlp download` is the check
    and the repair of what is there.
    """
    if force:
        return data_set.files
    return wrong_files(data_set.files, data_dir / data_set.name, afresh=True)


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
        UsageError: a mirror's URL is not HTTP, or the data directory is in no known home.
    """
    require_home(data_dir)
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
    with _locked(folder, notice) as held, _Source() as source:
        # Looked at again: who was waited for may have fetched it all.
        wanted = missing(data_set, data_dir, force=force)
        transfer = _Transfer(folder, mirrors or data_set.mirrors, source, progress, notice, sleep)
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
                    discard(path)
        for file in wanted:
            transfer.fetch(file)
        wrong_files(data_set.files, folder)  # remembers them, so that opening them costs nothing
    return wanted


class _AttemptError(Exception):
    """An attempt that failed; `again` tells whether another at this mirror may go better."""

    def __init__(self, reason: str, *, again: bool, wait: float | None = None) -> None:
        super().__init__(reason)
        self.again = again
        self.wait = wait


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


@record
class _Transfer:
    """Fetches the files of one data set; the attributes are `fetch`'s arguments."""

    folder: Path
    mirrors: Sequence[str]
    source: _Source
    progress: Progress
    notice: Callable[[str], None]
    sleep: Callable[[float], None]

    def part(self, file: RemoteFile) -> Path:
        """Where what has come of a file is kept."""
        return self.folder / f"{file.name}.gz.part"

    def fetch(self, file: RemoteFile) -> None:
        """Fetch one file from the first mirror that gives it; what came is kept otherwise."""
        part = self.part(file)
        # An OSError here is the disk's: the network's are caught where they come from.
        place = files.replacing(self.folder / file.name, fresh=True)
        with place as unpacked, kept_part(part) as kept:
            unpacker = Unpacker(file, kept, unpacked)
            try:
                unpacker.replay()
            except ContentError as error:
                self.notice(f"{part}: cannot be continued: {error}")
                unpacker.restart()
            self.progress(file, unpacker.received)
            self._fill(unpacker, file)
        discard(part)
        self.progress(file, file.gz_size)

    def _fill(self, unpacker: Unpacker, file: RemoteFile) -> None:
        """Fetch what the unpacker lacks of a file, from one mirror after the other."""
        failures: list[str] = []
        for mirror in self.mirrors:
            url = f"{mirror.rstrip('/')}/{file.name}.gz"
            if failures:
                self.notice(f"{failures[-1]}; trying the next mirror")
            try:
                self._fill_from(url, unpacker, file)
                return
            except _AttemptError as failure:
                failures.append(f"{url}: {failure}")
        came = unpacker.received if self.part(file).is_file() else 0
        raise DownloadError(
            f"{self.folder.name}: {' | '.join(failures)}; "
            "try again later, or name another mirror by --mirror URL"
            + f" ({came} bytes are kept and will be continued)"
            * (came > 0)
        )

    def _fill_from(self, url: str, unpacker: Unpacker, file: RemoteFile) -> None:
        """The same from one mirror: attempts that make progress, and a few that do not."""
        furthest = unpacker.received
        failures = 0
        while True:
            try:
                self._attempt(url, unpacker, file)
                return
            except _AttemptError as failure:
                if unpacker.received >= furthest + _PROGRESS:
                    furthest = unpacker.received
                    failures = 0
                failures += 1
                if not failure.again or failures == ATTEMPTS:
                    raise
                wait = 2.0 ** (failures - 1) if failure.wait is None else failure.wait
                self.notice(f"{url}: {failure}; trying again" + f" in {wait:g} s" * (wait > 0))
                self.sleep(wait)

    def _attempt(self, url: str, unpacker: Unpacker, file: RemoteFile) -> None:
        """One request, if anything lacks; all of the file has come afterwards."""
        continued = unpacker.received > 0
        try:
            if not unpacker.complete:
                with self.source.ask(url, unpacker.received) as response:
                    chunks = self.source.chunks(response)
                    if response.status_code == 200:
                        head = _gzip_head(chunks)  # a log-in page must not cost what was kept
                        unpacker.restart()
                        continued = False
                        chunks = chain([head], chunks)
                    for chunk in chunks:
                        unpacker.feed(chunk)
                        self.progress(file, unpacker.received)
                        if unpacker.complete:
                            break
            if not unpacker.ended:
                raise _AttemptError(f"cut short after {unpacker.received} bytes", again=True)
            unpacker.check()
        except ContentError as error:
            unpacker.restart()
            if continued:  # what was kept may be of a mirror that compresses differently
                reason = f"what came earlier cannot be continued: {error}"
                raise _AttemptError(reason, again=True, wait=0) from error
            raise _AttemptError(f"wrong content: {error}", again=False) from error


class _Adapter(HTTPAdapter):
    """Makes connections that keep a pace."""

    def __init__(self, pace: Pace) -> None:
        super().__init__()
        self._pace = pace

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        if not issubclass(pool.ConnectionCls, PacedConnection):
            bases = (PacedConnection, pool.ConnectionCls)
            pool.ConnectionCls = type("Connection", bases, {"pace": self._pace})
        return pool


class _Source(requests.Session):
    """Asks mirrors for files."""

    def __init__(self) -> None:
        super().__init__()
        self._pace = Pace()
        for scheme in ("http://", "https://"):
            self.mount(scheme, _Adapter(self._pace))

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """None: requests would read a redirect's body whole, of any size."""
        return None

    def ask(self, url: str, offset: int) -> requests.Response:
        """Ask for a file from byte `offset` on; the answer is a 200, or a 206 that starts there."""
        # With identity no server compresses again, and lengths and offsets mean something.
        headers = {"Accept-Encoding": "identity"}
        response = self._follow(url, headers | ({"Range": f"bytes={offset}-"} if offset else {}))
        status = response.status_code
        if status == 200:
            return response
        content_range = printable(
            one_line(response.headers.get("Content-Range", "no Content-Range"))
        )
        if status == 206 and offset and content_range.startswith(f"bytes {offset}-"):
            return response
        response.close()
        if status == 206 and offset:
            raise ContentError(f"asked for bytes from {offset}, got {content_range}")
        if status == 416 and offset:
            raise ContentError(f"the mirror has nothing after byte {offset}")
        reason = f"answers {status} {http.client.responses.get(status, '')}".rstrip()
        passing = status in (408, 429) or status >= 500
        wait = _retry_after(response) if passing else None
        if wait is not None and wait > LONGEST_WAIT:
            raise _AttemptError(f"{reason} and asks to wait for {wait:.0f} s", again=False)
        raise _AttemptError(reason, again=passing, wait=wait)

    def _follow(self, url: str, headers: dict[str, str]) -> requests.Response:
        """The answer at the end of the redirects, its body still to be read."""
        self._pace.begin("no answer", READ_TIMEOUT)
        try:
            for _ in range(MAX_REDIRECTS + 1):
                left = self._pace.left()
                timeout = (min(CONNECT_TIMEOUT, left), left)
                response = self.get(url, headers=headers, stream=True, timeout=timeout)
                location = response.headers.get("Location")
                if response.status_code not in (301, 302, 303, 307, 308) or not location:
                    return response
                response.close()
                url = urljoin(url, location)
        except (OSError, ValueError) as error:  # requests' own are of these two kinds
            # A URL that is none and a certificate that is wrong stay so; all else may pass.
            lasting = isinstance(error, ValueError | requests.exceptions.SSLError)
            raise _AttemptError(_reason(error), again=not lasting) from error
        raise _AttemptError(f"redirects in a loop ({MAX_REDIRECTS} redirects)", again=False)

    def chunks(self, response: requests.Response) -> Iterator[bytes]:
        """The body, as it comes."""
        # read1 returns what is there; read waits for all that it is asked for, so that is little.
        read1 = getattr(response.raw, "read1", None)  # an old urllib3 has none
        read, size = (read1, _CHUNK) if read1 else (response.raw.read, 1 << 10)
        self._pace.begin("nothing came", READ_TIMEOUT, LOWEST_RATE * READ_TIMEOUT)
        try:
            while chunk := read(size):
                self._pace.count(len(chunk))
                yield chunk
        except (ProtocolError, ReadTimeoutError, OSError) as error:
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
    if not head.startswith(b"\x1f\x8b"):
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
    root = error
    while cause := root.__cause__ or root.__context__:
        if isinstance(root, http.client.HTTPException | StalledError):
            break
        root = cause
    if isinstance(root, http.client.IncompleteRead):
        return "the connection was closed before the end"
    if isinstance(root, TimeoutError) and not isinstance(root, StalledError) and not root.strerror:
        return f"no connection within {CONNECT_TIMEOUT:g} s"
    text = printable(one_line(getattr(root, "strerror", None) or root))
    if isinstance(root, http.client.HTTPException) and not isinstance(root, OSError):
        text = f"the answer is not HTTP ({text})"
    proxy = isinstance(error, requests.exceptions.ProxyError)
    return f"the proxy does not work: {text}" if proxy else text

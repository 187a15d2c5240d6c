"""Files are whole or absent, and what cannot be written is said before anything is lost."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from mlpcli import files
from mlpcli.errors import OutputError, UsageError
from mlpcli.files import (
    clear_strays,
    ensure_writable,
    keep,
    open_input,
    refuse_reading,
    replacing,
    sha256,
    write_text,
)

ROOT = Path(__file__).parents[1]

not_as_root = pytest.mark.skipif(
    os.geteuid() == 0, reason="the superuser may write in a folder that is read-only"
)


def test_the_new_file_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with replacing(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["file"]


def test_the_temporary_file_is_beside_it_and_hidden(tmp_path: Path) -> None:
    with replacing(tmp_path / "file"):
        (name,) = os.listdir(tmp_path)
        assert name.startswith(".file.")
        assert name.endswith(".tmp")


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_error_keeps_the_old_file_and_leaves_nothing_behind(
    tmp_path: Path, error: type[BaseException]
) -> None:
    def fail_halfway() -> None:
        with replacing(path) as file:
            file.write(b"half")
            raise error

    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(error):
        fail_halfway()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_an_error_of_the_system_is_an_output_error_with_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with pytest.raises(OutputError) as error, replacing(path):
        raise OSError(28, "No space left on device")
    assert str(error.value) == f"{path}: cannot be written: No space left on device"
    assert os.listdir(tmp_path) == []


def test_a_folder_in_the_way_is_an_output_error(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.mkdir()
    with pytest.raises(OutputError) as error, replacing(path) as file:
        file.write(b"new")
    assert str(error.value) == f"{path}: cannot be written: Is a directory"
    assert os.listdir(tmp_path) == ["file"]


# What killed processes leave


@contextmanager
def writing(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that is in the middle of writing `file`, and ends it at a line of input."""
    code = (
        "from pathlib import Path; from mlpcli.files import replacing\n"
        "with replacing(Path('file')) as file:\n"
        "    file.write(b'half'); file.flush(); print(flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process


def test_what_a_killed_process_left_goes_when_the_path_is_next_written(tmp_path: Path) -> None:
    with writing(tmp_path) as process:
        process.kill()
    (name,) = os.listdir(tmp_path)
    assert (tmp_path / name).read_bytes() == b"half"
    for other in ("file.tmp", ".file", ".files.abc.tmp", ".other.abc.tmp", ".file.abc"):
        (tmp_path / other).touch()
    here = set(os.listdir(tmp_path))
    ensure_writable(tmp_path / "file", clear=False)
    assert set(os.listdir(tmp_path)) == here
    ensure_writable(tmp_path / "file")
    assert set(os.listdir(tmp_path)) == here - {name}


def test_what_another_process_is_writing_is_not_cleared_away(tmp_path: Path) -> None:
    with writing(tmp_path) as process:
        before = os.listdir(tmp_path)
        ensure_writable(tmp_path / "file")
        assert os.listdir(tmp_path) == before
        process.communicate("\n", timeout=60)
    assert process.returncode == 0
    assert os.listdir(tmp_path) == ["file"]


def test_a_file_that_was_cleared_away_before_it_was_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, locked = files.fcntl.flock, []

    def flock(handle: int, operation: int) -> None:
        if not locked:  # another process comes between
            locked.append(handle)
            clear_strays(tmp_path / "file")
        lock(handle, operation)

    monkeypatch.setattr(files.fcntl, "flock", flock)
    write_text(tmp_path / "file", "whole")
    assert locked
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_text() == "whole"


def test_without_locks_files_are_written_and_nothing_is_cleared_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(handle: int, operation: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(files.fcntl, "flock", no_locks)
    (tmp_path / ".file.abc.tmp").touch()
    ensure_writable(tmp_path / "file")
    write_text(tmp_path / "file", "whole")
    assert sorted(os.listdir(tmp_path)) == [".file.abc.tmp", "file"]


def test_a_stray_that_is_a_link_or_a_pipe_harms_nobody(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("data")
    (tmp_path / ".file.link.tmp").symlink_to(tmp_path / "precious")
    os.mkfifo(tmp_path / ".file.pipe.tmp")
    (tmp_path / ".file.folder.tmp").mkdir()
    ensure_writable(tmp_path / "file")
    assert (tmp_path / "precious").read_text() == "data"
    assert (tmp_path / ".file.folder.tmp").is_dir()


def test_what_is_kept_is_there_twice_and_nothing_is_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert keep(path) is None
    for text in ("first", "second"):
        write_text(path, text)
        assert keep(path) == tmp_path / "file~"
        assert path.read_text() == (tmp_path / "file~").read_text() == text
    assert keep(path) == tmp_path / "file~"
    assert sorted(os.listdir(tmp_path)) == ["file", "file~"]


def test_a_run_that_starts_while_a_file_is_kept_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, linked = os.link, []

    def link_and_be_cleared(source: Path, target: Path) -> None:
        link(source, target)
        if not linked:
            clear_strays(source)
        linked.append(target)

    write_text(tmp_path / "file", "text")
    monkeypatch.setattr(os, "link", link_and_be_cleared)
    assert keep(tmp_path / "file") == tmp_path / "file~"
    assert len(linked) == 2
    assert (tmp_path / "file~").read_text() == "text"
    assert sorted(os.listdir(tmp_path)) == ["file", "file~"]


# What is written, and where


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_the_file_has_the_permissions_that_the_umask_asks_for(
    tmp_path: Path, umask: int, mode: int
) -> None:
    before = os.umask(umask)
    try:
        write_text(tmp_path / "file", "text")
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == mode


def test_text_is_utf_8(tmp_path: Path) -> None:
    write_text(tmp_path / "file", "λ\n")
    assert (tmp_path / "file").read_bytes() == b"\xce\xbb\n"


def test_a_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc" * 100_000)
    assert sha256(tmp_path / "file") == hashlib.sha256(b"abc" * 100_000).hexdigest()


def test_folders_that_are_missing_are_made_by_the_file_and_not_before(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    ensure_writable(path)
    assert os.listdir(tmp_path) == []
    write_text(path, "whole")
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*")) == [
        *("a", "a/b", "a/b/file"),
    ]


def test_an_existing_file_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    before = path.stat()
    ensure_writable(path)
    assert path.read_bytes() == b"old"
    assert path.stat().st_mtime_ns == before.st_mtime_ns


def test_what_cannot_be_written_is_named_with_the_reason(tmp_path: Path) -> None:
    def said(path: Path) -> str:
        with pytest.raises(OutputError) as error:
            ensure_writable(path)
        return str(error.value)

    file = tmp_path / "file"
    file.write_bytes(b"")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert said(tmp_path) == f"{tmp_path}: is a folder; name a file to write"
    assert said(pipe) == f"{pipe}: is not a regular file; name another"
    assert said(Path("/dev/null")) == "/dev/null: is not a regular file; name another"
    deeper = file / "model.npz"
    assert said(deeper) == f"{deeper}: cannot be written: {file} is not a folder"


@not_as_root
def test_a_read_only_folder_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o500)
    with pytest.raises(OutputError) as error:
        ensure_writable(folder / "file")
    assert str(error.value) == f"{folder}/file: cannot be written: Permission denied"
    with pytest.raises(OutputError) as error:
        ensure_writable(folder / "deeper" / "file")
    assert str(error.value) == f"{folder}/deeper/file: cannot be written: Permission denied"


def limited(size: int, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`mlp` where no file can be larger than `size` bytes, as where the disk or a quota is full."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # as a shell would start it

    return subprocess.run(
        [sys.executable, "-m", "mlpcli", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
        preexec_fn=limit,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_full_disk_keeps_the_previous_checkpoint_and_leaves_nothing_behind(
    tmp_path: Path, write_old: Callable[..., bytes]
) -> None:
    previous = tmp_path / "model.npz"
    old = write_old(previous)
    arguments = ("train", "--data", "digits", "--epochs", "2", "-q")
    result = limited(20_000, tmp_path, *arguments)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "mlp: model.npz: cannot be written: File too large\n"
    assert previous.read_bytes() == old
    assert os.listdir(tmp_path) == ["model.npz"]


def test_a_full_disk_for_the_log_keeps_what_was_trained(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    arguments = ("train", "--data", "digits", "--hidden", "2", "--epochs", "200", "-q")
    assert limited(60_000, tmp_path, *arguments, "--stop-after", "1").returncode == 0
    log.write_bytes(b" " * 57_000 + b"\n")
    arguments = ("train", "--resume", "model.npz", "-q", "--log", "log.jsonl")
    result = limited(60_000, tmp_path, *arguments)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        "mlp: log.jsonl: cannot be written: File too large; "
        "resume with: mlp train --resume model.npz --log log.jsonl\n"
    )
    assert sorted(os.listdir(tmp_path)) == ["log.jsonl", "model.npz"]
    *_, last_whole, cut = log.read_text().splitlines()
    with np.load(tmp_path / "model.npz") as model:
        progress = json.loads(str(model["resume/progress"]))
    assert progress["epoch"] == json.loads(last_whole)["epoch"] + 1 > 3
    assert cut.startswith(f'{{"event": "epoch", "epoch": {progress["epoch"]},')


# Links, devices, permissions


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    target, link = tmp_path / "folder" / "target", tmp_path / "link"
    target.parent.mkdir()
    target.write_text("old")
    link.symlink_to(target)
    ensure_writable(link)
    write_text(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert keep(link) == target.with_name("target~")


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755])
def test_what_is_replaced_leaves_its_permissions(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(mode)
    write_text(path, "new")
    assert path.stat().st_mode & 0o777 == mode


def test_a_read_only_file_is_refused_and_left(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o444)
    said = f"{path}: is read-only; chmod u+w it, or name another file"
    for call in (lambda: ensure_writable(path), lambda: write_text(path, "new")):
        with pytest.raises(OutputError) as error:
            call()
        assert str(error.value) == said
    assert path.read_text() == "old"


@pytest.mark.parametrize("call", ["fchmod", "fsync"])
@pytest.mark.parametrize("number", [errno.EPERM, errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_without_permissions_or_flushing_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, refuse)
    write_text(tmp_path / "file", "whole")
    assert (tmp_path / "file").read_text() == "whole"


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    ensure_writable(pipe, streams=True)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        write_text(pipe, "whole")
        assert reader.communicate(timeout=60)[0] == b"whole"
    assert pipe.is_fifo()


def test_what_is_read_is_not_written_under_any_name(tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    data.write_text("1,a")
    (tmp_path / "link.csv").symlink_to(data)
    os.link(data, tmp_path / "other.csv")
    for name in ("data.csv", "link.csv", "other.csv"):
        for source in (data, str(data), tmp_path):
            with pytest.raises(UsageError, match="is read by this command"):
                ensure_writable(tmp_path / name, reads=[None, "digits", source])
    ensure_writable(tmp_path / "new.csv", reads=[data, tmp_path])


def test_a_name_that_no_file_can_have_is_one_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no file has a NUL in its name"):
        open_input(tmp_path / "a\0b")
    refuse_reading(Path(__file__), ["a\0b", None])

"""A data set that is here: digests are taken once, and again when a file may have changed."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlpcli import files
from mlpcli.data import stored

IMAGES = "train-images-idx3-ubyte"
BUILD = Path(__file__).parents[2] / "build"


class Folder:
    """`published` as it was downloaded, and how many digests are taken of it."""

    def __init__(self, published, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.files = published.data_set.files
        self.path = path
        self.images = path / IMAGES
        self.record = path.with_name(f".{path.name}.checked.json")
        self.digests: list[str] = []
        path.mkdir()
        for name, content in published.plain.items():
            (path / name).write_bytes(content)
        self.tick()
        sha256 = files.sha256

        def counted(file: Path) -> str:
            self.digests.append(file.name)
            return sha256(file)

        monkeypatch.setattr(files, "sha256", counted)

    def tick(self) -> None:
        """Wait until the clock of the file system shows a later time than that of the files."""
        probe = self.path.with_name("probe")
        newest = max(path.stat().st_ctime_ns for path in self.path.iterdir())
        while True:
            probe.write_bytes(b"")
            if probe.stat().st_ctime_ns > newest:
                break
            time.sleep(0.001)
        probe.unlink()

    def wrong(self) -> list[str]:
        """The names of the wrong files."""
        return [file.name for file in stored.wrong_files(self.files, self.path)]

    def settle(self) -> None:
        """All of it is right, and known to be."""
        self.tick()
        assert self.wrong() == []
        self.digests.clear()
        assert self.wrong() == []
        assert self.digests == []


@pytest.fixture
def folder(published, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
    """On the disk of the checkout: in memory, writing to a mapped file leaves it its time."""
    BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD) as parent:
        yield Folder(published, Path(parent) / "noise", monkeypatch)


def test_every_digest_is_taken_once(folder: Folder) -> None:
    assert folder.wrong() == []
    assert folder.digests == [file.name for file in folder.files]
    assert folder.wrong() == []
    assert len(folder.digests) == 4
    assert folder.record.stat().st_size < 1000


def test_there_need_be_no_folder(published, tmp_path: Path) -> None:
    wanted = published.data_set.files
    assert stored.wrong_files(wanted, tmp_path / "nowhere" / "noise") == wanted
    assert list(tmp_path.iterdir()) == []


def overwrite(path: Path) -> None:
    """Zeros in the same file."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.write(bytes(size))


def put_another(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(bytes(path.stat().st_size))
    os.replace(other, path)


def flip_a_bit(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(5000)
        byte = file.read(1)[0]
        file.seek(5000)
        file.write(bytes([byte ^ 1]))


def map_and_write(path: Path) -> None:
    import numpy as np

    mapped = np.memmap(path, np.uint8, "r+")
    mapped[5000] ^= 1
    mapped.flush()


@pytest.mark.parametrize("change", [overwrite, put_another, flip_a_bit, map_and_write])
@pytest.mark.parametrize("backdated", [False, True])
def test_a_changed_file_is_wrong_however_old_it_looks(
    folder: Folder, change: Callable[[Path], None], backdated: bool
) -> None:
    folder.settle()
    before = folder.images.stat()
    change(folder.images)
    if backdated:
        os.utime(folder.images, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert folder.images.stat().st_mtime_ns == before.st_mtime_ns
    assert folder.images.stat().st_size == before.st_size
    assert folder.wrong() == [IMAGES]
    assert folder.wrong() == [IMAGES]
    assert set(folder.digests) == {IMAGES}


@pytest.mark.parametrize(
    "change",
    [
        Path.unlink,
        lambda path: os.truncate(path, 100),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: (path.unlink(), os.mkfifo(path)),
        lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
    ],
    ids=["gone", "cut", "a folder", "a pipe", "a device"],
)
def test_what_is_no_file_of_the_size_is_wrong_unread(
    folder: Folder, change: Callable[[Path], object]
) -> None:
    folder.settle()
    change(folder.images)
    assert folder.wrong() == [IMAGES]
    assert folder.digests == []


def test_a_change_right_after_the_digest_is_noticed(folder: Folder) -> None:
    """Within one tick of a file system's clock, size, times and inode stay the same."""
    content = folder.images.read_bytes()
    for _ in range(100):
        folder.images.write_bytes(content)
        assert folder.wrong() == []
        flip_a_bit(folder.images)
        assert folder.wrong() == [IMAGES]


def test_a_touched_file_is_digested_again_and_remembered(folder: Folder) -> None:
    folder.settle()
    folder.images.touch()
    folder.tick()
    folder.tick()
    assert folder.wrong() == []
    assert folder.wrong() == []
    assert folder.digests == [IMAGES]


def test_a_record_that_was_copied_along_is_of_no_use(
    folder: Folder, tmp_path: Path, published
) -> None:
    folder.settle()
    copies = tmp_path / "copies"
    copies.mkdir()
    shutil.copytree(folder.path, copies / "noise")  # with their times
    shutil.copy2(folder.record, copies)
    overwrite(copies / "noise" / IMAGES)
    wrong = stored.wrong_files(published.data_set.files, copies / "noise")
    assert [file.name for file in wrong] == [IMAGES]
    assert len(folder.digests) == 4


def of_another_digest(record: Path) -> None:
    remembered = json.loads(record.read_text())
    remembered[IMAGES][4] = "0" * 64
    record.write_text(json.dumps(remembered))


@pytest.mark.parametrize(
    "spoil",
    [
        Path.unlink,
        of_another_digest,
        lambda record: os.truncate(record, 100),
        lambda record: record.write_bytes(b"\xff\xfe"),
        lambda record: record.write_text("[1, 2]"),
        lambda record: record.write_text("[" * 10_000),
        lambda record: record.write_text(f'{{"{IMAGES}": {{}}}}'),
        lambda record: record.write_text(f'{{"{IMAGES}": true}}'),
        lambda record: os.truncate(record, 1 << 40),
        lambda record: (record.unlink(), os.mkfifo(record)),
    ],
    ids=[
        *("gone", "another digest", "cut", "no text", "a list", "brackets"),
        *("an object", "true", "a terabyte", "a pipe"),
    ],
)
def test_a_spoilt_record_is_made_anew(folder: Folder, spoil: Callable[[Path], object]) -> None:
    folder.settle()
    spoil(folder.record)
    overwrite(folder.images)
    assert folder.wrong() == [IMAGES]
    assert folder.record.stat().st_size < 1000
    folder.digests.clear()
    assert folder.wrong() == [IMAGES]
    assert folder.digests == [IMAGES]


def test_a_planted_record_is_neither_read_nor_written_through(
    folder: Folder, tmp_path: Path
) -> None:
    folder.settle()
    victim = tmp_path / "victim"
    shutil.move(folder.record, victim)
    before = victim.read_bytes()
    folder.record.symlink_to(victim)
    assert folder.wrong() == []
    assert len(folder.digests) == 4
    assert victim.read_bytes() == before
    assert not folder.record.is_symlink()


def test_a_record_that_cannot_be_written_costs_a_digest_each_time(folder: Folder) -> None:
    folder.record.mkdir()
    assert folder.wrong() == []
    assert folder.wrong() == []
    assert len(folder.digests) == 8
    overwrite(folder.images)
    assert folder.wrong() == [IMAGES]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_another_user_remembers_is_not_believed(folder: Folder) -> None:
    folder.settle()
    os.chown(folder.record, 54321, 54321)
    assert folder.wrong() == []
    assert len(folder.digests) == 4

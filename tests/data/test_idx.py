"""IDX files: what is in them is read, what does not add up is refused."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpcli.data.formats import idx
from mlpcli.errors import DataError

LABELS = bytes.fromhex("00000801 00000003") + b"\x07\x01\x09"


def refusal(path: Path, content: bytes, dimensions: int = 1) -> str:
    """What the error says after the file's name."""
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        idx.read(path, dimensions)
    name, _, rest = str(error.value).partition(": ")
    assert name == str(path)
    assert "\n" not in rest
    return rest


@pytest.fixture
def folder(tmp_path: Path, published) -> Path:
    for name, content in published.plain.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_reads_the_values_row_by_row(tmp_path: Path) -> None:
    path = tmp_path / "images"
    path.write_bytes(struct.pack(">4B3I", 0, 0, 8, 3, 2, 1, 3) + bytes(range(6)))
    images = idx.read(path, 3)
    assert images.tolist() == [[[0, 1, 2]], [[3, 4, 5]]]
    assert isinstance(images, np.memmap)
    assert not images.flags.writeable


@pytest.mark.parametrize("name", ["labels", "labels.gz"])
def test_compression_is_known_by_content_not_by_name(tmp_path: Path, name: str) -> None:
    for content in (LABELS, gzip.compress(LABELS)):
        (tmp_path / name).write_bytes(content)
        assert idx.read(tmp_path / name, 1).tolist() == [7, 1, 9]


def test_refuses_another_magic(tmp_path: Path) -> None:
    path = tmp_path / "x"
    lead = "not an IDX file of unsigned bytes in 1 dimension: it must start with 00 00 08 01, "
    assert refusal(path, b"") == lead + "and is empty"
    assert refusal(path, b"<htm") == lead + "and starts with 3c 68 74 6d"
    assert refusal(path, b"\0\0\x0d\x01" + LABELS[4:]) == lead + "and starts with 00 00 0d 01"
    assert refusal(path, gzip.compress(b"<html>")) == lead + "and starts with 3c 68 74 6d"
    assert refusal(path, LABELS, 3) == (
        "not an IDX file of unsigned bytes in 3 dimensions: it must start with 00 00 08 03, "
        "and starts with 00 00 08 01"
    )


def test_refuses_a_size_that_the_header_does_not_give(tmp_path: Path) -> None:
    path = tmp_path / "x"
    lead = "its header says 3, 11 bytes in all, but the file "
    short, long = "it was cut short; get it again", "something follows the values"
    assert refusal(path, LABELS[:6]) == "cut short within its header; get the file again"
    assert refusal(path, LABELS[:-1]) == f"{lead}has 10: {short}"
    assert refusal(path, LABELS + b"\0\0") == f"{lead}has 13: {long}"
    assert refusal(path, gzip.compress(LABELS[:-1])) == f"{lead}unpacks to 10: {short}"
    assert refusal(path, gzip.compress(LABELS + b"\0")) == f"{lead}unpacks to more: {long}"


def test_refuses_damaged_gzip(tmp_path: Path) -> None:
    path, packed = tmp_path / "x", gzip.compress(LABELS)
    end = "; get the file again"
    assert refusal(path, packed[:-9]) == (
        "damaged gzip data (Compressed file ended before the end-of-stream marker was reached)"
        + end
    )
    assert refusal(path, packed[:-8] + b"12345678").startswith(
        "damaged gzip data (CRC check failed"
    )
    assert refusal(path, packed[:10] + b"\xff" * 9).startswith("damaged gzip data (Error -3")
    assert refusal(path, packed + b"rubbish").startswith("damaged gzip data (Not a gzipped file")


def test_a_header_that_claims_terabytes_takes_no_memory(tmp_path: Path) -> None:
    path, header = tmp_path / "x", b"\0\0\x08\x03" + b"\xff" * 12
    assert refusal(path, header, 3).startswith(
        "its header says 4294967295 × 4294967295 × 4294967295, 79228162458924105385300197391 bytes"
    )
    packed = gzip.compress(header)
    assert refusal(path, packed, 3) == (
        "its header says 4294967295 × 4294967295 × 4294967295, "
        f"in {len(packed)} bytes of gzip; if that is meant, unpack it by gunzip, and it is read "
        "in parts"
    )


def test_a_gzip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    size = 100 << 20
    packer = zlib.compressobj(1, wbits=31)
    parts = [packer.compress(b"\0\0\x08\x01" + size.to_bytes(4, "big"))]
    parts += [packer.compress(bytes(1 << 20)) for _ in range(100)]
    packed = b"".join([*parts, packer.flush()])
    tracemalloc.start()
    try:
        assert refusal(tmp_path / "x", packed, 1).startswith(f"its header says {size}, in ")
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_says_why_a_file_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone: cannot be read: No such file or directory$"):
        idx.read(tmp_path / "gone", 1)
    with pytest.raises(DataError, match=r": cannot be read: Is a directory$"):
        idx.read(tmp_path, 1)


@given(place=st.integers(0, 60), value=st.binary(max_size=3), packed=st.booleans())
def test_a_damaged_file_is_read_or_refused(tmp_path_factory, place, value, packed) -> None:
    content = gzip.compress(LABELS) if packed else LABELS
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(content[:place] + value + content[place + 1 :])
    with contextlib.suppress(DataError):
        assert idx.read(path, 1).ndim == 1


def test_opens_a_folder(folder: Path, published) -> None:
    data = idx.open_folder(folder, "here")
    assert data.source == "here"
    assert (data.X.shape, data.X.dtype) == ((400, 784), np.uint8)
    assert (data.y.shape, data.y.dtype) == ((400,), np.int64)
    assert data.X_test is not None
    assert data.y_test is not None
    assert (data.X_test.shape, data.y_test.shape) == ((20, 784), (20,))
    assert data.image_shape == (28, 28)
    assert isinstance(data.X, np.memmap)
    assert bytes(data.X) == published.plain["train-images-idx3-ubyte"][16:]
    assert data.y_test.tolist() == list(published.plain["t10k-labels-idx1-ubyte"][8:])


def test_spelling_and_compression_change_nothing(folder: Path, published, tmp_path: Path) -> None:
    plain = idx.open_folder(folder, "here")
    other = tmp_path / "other"
    other.mkdir()
    for name, content in published.packed.items():
        (other / f"{name.replace('-idx', '.idx')}.gz").write_bytes(content)
    assert not idx.holds_idx(tmp_path / "nothing")
    assert idx.holds_idx(other)
    packed = idx.open_folder(other, "here")
    assert np.array_equal(plain.X, packed.X)
    assert plain.digest == packed.digest
    digests = [hashlib.sha256(content).hexdigest() for content in published.plain.values()]
    assert plain.digest == idx.combined_digest(digests)


def test_a_known_digest_is_not_taken_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(hashlib, "sha256")
    assert idx.open_folder(folder, "here", digest="known").digest == "known"


def test_refuses_a_folder_that_lacks_a_file(folder: Path) -> None:
    (folder / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError) as error:
        idx.open_folder(folder, "here")
    assert str(error.value) == (
        f"{folder}: has no t10k-labels-idx1-ubyte (nor t10k-labels-idx1-ubyte.gz); "
        "four IDX files are needed"
    )


def test_refuses_labels_of_another_number_than_images(folder: Path) -> None:
    (folder / "train-labels-idx1-ubyte").write_bytes(LABELS)
    with pytest.raises(DataError) as error:
        idx.open_folder(folder, "here")
    assert str(error.value) == (
        f"{folder}/train-labels-idx1-ubyte: holds 3 labels, but train-images-idx3-ubyte has "
        "400 images; take both from the same data set"
    )


def test_refuses_test_images_of_another_size(folder: Path) -> None:
    header = struct.pack(">4B3I", 0, 0, 8, 3, 20, 14, 56)
    (folder / "t10k-images-idx3-ubyte").write_bytes(header + bytes(20 * 784))
    with pytest.raises(DataError) as error:
        idx.open_folder(folder, "here")
    assert str(error.value) == (
        f"{folder}/t10k-images-idx3-ubyte: its images are 14 × 56, "
        "but those of train-images-idx3-ubyte are 28 × 28"
    )


def test_refuses_no_images(folder: Path) -> None:
    (folder / "train-images-idx3-ubyte").write_bytes(struct.pack(">4B3I", 0, 0, 8, 3, 0, 28, 28))
    with pytest.raises(DataError, match=r"idx3-ubyte: holds no images \(0 × 28 × 28\)$"):
        idx.open_folder(folder, "here")


def pack(values: np.ndarray, kind: int = 8) -> bytes:
    """An IDX file by the table in the module's docstring."""
    sizes = struct.pack(f">{values.ndim}I", *values.shape)
    return bytes([0, 0, kind, values.ndim]) + sizes + values.tobytes()


@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize("prefix", ["emnist-letters", "qmnist"])
def test_emnist_and_qmnist_are_read_under_their_own_names(
    tmp_path: Path, prefix: str, end: str
) -> None:
    rng = np.random.default_rng(0)
    wanted = {}
    for part, n in (("train", 6), ("test", 3)):
        X, y = rng.integers(0, 256, (n, 4, 5), np.uint8), rng.integers(0, 9, n, np.uint8)
        wanted[part] = X.reshape(n, 20), y
        labels, content = "labels-idx1-ubyte", pack(y)
        if prefix == "qmnist":  # (N, 8): class, series, writer, …, each 4 bytes, big-endian
            columns = rng.integers(0, 2**30, (n, 8)).astype(">i4")
            columns[:, 0] = y
            labels, content = "labels-idx2-int", pack(columns, 12)
        files = {
            f"{prefix}-{part}-images-idx3-ubyte": pack(X),
            f"{prefix}-{part}-{labels}": content,
        }
        for name, plain in files.items():
            packed = gzip.compress(plain) if end else plain
            (tmp_path / f"{name}{end}").write_bytes(packed)
    assert idx.holds_idx(tmp_path)
    data = idx.open_folder(tmp_path, "set")
    for found, (X, y) in (
        ((data.X, data.y), wanted["train"]),
        ((data.X_test, data.y_test), wanted["test"]),
    ):
        np.testing.assert_array_equal(found[0], X)
        np.testing.assert_array_equal(found[1], y)
    assert any("on their side" in notice for notice in data.notices) == (prefix != "qmnist")
    beside = idx.read_labels_beside(tmp_path / f"{prefix}-test-images-idx3-ubyte{end}")
    np.testing.assert_array_equal(beside, wanted["test"][1])
    (tmp_path / f"{prefix}-test-{labels}{end}").unlink()
    with pytest.raises(DataError, match=f"has no {prefix}-test-{labels}"):
        idx.open_folder(tmp_path, "set")


def test_a_folder_of_several_sets_is_refused_by_their_names(tmp_path: Path) -> None:
    for name in ("letters", "digits"):
        (tmp_path / f"emnist-{name}-train-images-idx3-ubyte").write_bytes(b"")
    with pytest.raises(DataError, match="several data sets \\(emnist-digits, emnist-letters\\)"):
        idx.open_folder(tmp_path, "set")

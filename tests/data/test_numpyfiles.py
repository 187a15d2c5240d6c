"""NumPy archives and folders: what is read, and what is said of those that cannot be."""

from __future__ import annotations

import hashlib
import io
import struct
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpcli.data.dataset import Dataset
from mlpcli.data.formats import numpy_files
from mlpcli.errors import DataError

Array = npt.NDArray[Any]
X = np.arange(12, dtype=np.float32).reshape(4, 3)
y = np.array([0, 1, 0, 1])


def open_npz(folder: Path, **arrays: Array) -> Dataset:
    np.savez(folder / "data.npz", **arrays)  # type: ignore[arg-type]
    return numpy_files.open_npz(folder / "data.npz", "data.npz")


def open_folder(folder: Path, **arrays: Array) -> Dataset:
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return numpy_files.open_folder(folder, "folder")


@pytest.fixture(params=[open_npz, open_folder])
def open_arrays(request: pytest.FixtureRequest) -> Any:
    """Both ways to open arrays; what is said of them differs only in how an array is named."""
    return request.param


def refusal(open_arrays: Any, folder: Path, **arrays: Array) -> str:
    """What is said, with the array's place cut down to its name."""
    with pytest.raises(DataError) as refused:
        open_arrays(folder, **arrays)
    assert "\n" not in str(refused.value)
    message = str(refused.value).replace(f"{folder}/", "").replace("data.npz: ", "", 1)
    return message.replace("folder: ", "", 1).replace(".npy", "")


def test_samples_by_features(open_arrays: Any, tmp_path: Path) -> None:
    data = open_arrays(tmp_path, X=X, y=y, surplus=np.zeros(1))
    np.testing.assert_array_equal(data.X, X)
    assert data.y.tolist() == [0, 1, 0, 1]
    assert data.y.dtype == np.int64
    assert (data.image_shape, data.columns) == (None, None)
    assert data.X_test is None
    assert data.y_test is None


def test_images_are_flattened(open_arrays: Any, tmp_path: Path) -> None:
    images = np.arange(24, dtype=np.uint8).reshape(4, 2, 3)
    data = open_arrays(tmp_path, X=images, y=y)
    np.testing.assert_array_equal(data.X, images.reshape(4, 6))
    assert data.X.dtype == np.uint8
    assert data.image_shape == (2, 3)


def test_a_test_set_comes_with_them(open_arrays: Any, tmp_path: Path) -> None:
    data = open_arrays(tmp_path, X=X, y=y, X_test=X[:2], y_test=y[:2].astype(float))
    np.testing.assert_array_equal(data.X_test, X[:2])
    assert data.y_test.tolist() == [0, 1]
    assert data.y_test.dtype == np.int64


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (np.array([True, False, True, True]), [1, 0, 1, 1]),
        (np.array([3, 1, 2, 0], np.uint8), [3, 1, 2, 0]),
        (np.array([3, 1, 2, 0], ">i4"), [3, 1, 2, 0]),
        (np.array([3.0, -1.0, 2.0, 0.0], np.float32), [3, -1, 2, 0]),
        (np.array(["a", "böß", "", "日本"]), ["a", "böß", "", "日本"]),
        (np.array(["a", "b", "c", "d"], ">U3"), ["a", "b", "c", "d"]),
    ],
)
def test_labels(open_arrays: Any, tmp_path: Path, labels: Array, expected: list[object]) -> None:
    data = open_arrays(tmp_path, X=X, y=labels)
    assert data.y.tolist() == expected
    assert data.y.dtype == np.int64 or data.y.dtype.kind == "U"


@pytest.mark.parametrize("dtype", ["?", "i1", "i8", "u2", "f2", "f4", "f8", ">f4", ">f8", "u1"])
def test_dtypes(tmp_path: Path, dtype: str) -> None:
    values = np.arange(12).reshape(4, 3).astype(dtype)
    kept = {"f8": "f8", ">f8": "f8", "u1": "u1"}.get(dtype, "f4")
    archived = open_npz(tmp_path, X=values, y=y)
    assert archived.X.dtype == np.dtype(kept)
    np.testing.assert_array_equal(archived.X, values)
    mapped = open_folder(tmp_path, X=values, y=y)
    assert mapped.X.dtype == np.dtype(dtype)
    assert isinstance(mapped.X, np.memmap)
    np.testing.assert_array_equal(mapped.X, values)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X": X}, "has X and no y; both are needed"),
        ({"y": y}, "has y and no X; both are needed"),
        (
            {"X": X, "y": y, "X_test": X},
            "has X_test and no y_test; add it, or remove the other",
        ),
        (
            {"X": X, "y": y, "y_test": y},
            "has y_test and no X_test; add it, or remove the other",
        ),
        ({"X": X, "y": y[:3]}, "y: has 3 labels, but X has 4 samples"),
        (
            {"X": X, "y": y, "X_test": X[:2], "y_test": y[:1]},
            "y_test: has 1 labels, but X_test has 2 samples",
        ),
        (
            {"X": X, "y": y, "X_test": X[:, :2], "y_test": y},
            "X_test: its samples are 2, but those of X are 3",
        ),
        (
            {"X": X, "y": y, "X_test": X.astype(np.uint8), "y_test": y},
            "X_test: is uint8, but X is float32; "
            "give both in one dtype, so that they are scaled alike",
        ),
        ({"X": X[:0], "y": y[:0]}, "X: is empty: its shape is (0, 3)"),
        ({"X": X[:, :0], "y": y}, "X: is empty: its shape is (4, 0)"),
        (
            {"X": X[0], "y": y},
            "X: has the shape (3,); samples × features or samples × height × width is needed: "
            "try X.reshape(len(X), -1)",
        ),
        (
            {"X": X.reshape(4, 1, 3, 1), "y": y},
            "X: has the shape (4, 1, 3, 1); samples × features or samples × height × width is "
            "needed: try X.squeeze()",
        ),
        (
            {"X": np.zeros((4, 3, 2, 2)), "y": y},
            "X: has the shape (4, 3, 2, 2); samples × features or samples × height × width is "
            "needed: try X.reshape(len(X), -1)",
        ),
        ({"X": X.astype(complex), "y": y}, "X: is of dtype complex128; convert it to float32"),
        ({"X": X.astype(str), "y": y}, "X: is of dtype <U32; convert it to float32"),
        (
            {"X": X.astype(np.longdouble), "y": y},
            f"X: is of dtype {np.dtype(np.longdouble)}; convert it to float32",
        ),
        (
            {"X": X.astype(object), "y": y},
            "X: holds Python objects, which are never loaded; "
            "convert it to an array of numbers, or labels to text by .astype(str)",
        ),
        (
            {"X": X, "y": np.array(["a", "b", None, "c"])},
            "y: holds Python objects, which are never loaded; "
            "convert it to an array of numbers, or labels to text by .astype(str)",
        ),
        (
            {"X": X, "y": y.astype(bytes)},
            "y: is of dtype |S21; labels are integers or text: try y.astype(str)",
        ),
        (
            {"X": X, "y": np.eye(4)},
            "y: has the shape (4, 4); one label per sample is needed: "
            "if it is one-hot, y.argmax(axis=1)",
        ),
        (
            {"X": X, "y": y[:, None]},
            "y: has the shape (4, 1); one label per sample is needed: try y.ravel()",
        ),
        (
            {"X": X, "y": np.array([0, np.nan, 1.5, 2])},
            "y: the label nan (sample 2) is not finite; remove the sample",
        ),
        (
            {"X": X, "y": np.array([0, 1, 2, 2**63], np.uint64)},
            "y: has the label 9223372036854775808, which does not fit into int64",
        ),
        (
            {"X": X, "y": np.array(["a", "b", "\x1b[31mc", "d"])},
            "y: the label of sample 3 has a control character or one that is not Unicode; "
            "take it out",
        ),
        (
            {"X": np.where(X == 7, np.nan, X), "y": y},
            "X: sample 3 has nan in column 2; fill it in or remove the sample",
        ),
        (
            {"X": X, "y": y, "X_test": np.where(X == 7, -np.inf, X), "y_test": y},
            "X_test: sample 3 has -inf in column 2; fill it in or remove the sample",
        ),
    ],
)
def test_what_is_said_of_arrays_that_cannot_be_used(
    open_arrays: Any, tmp_path: Path, arrays: dict[str, Array], message: str
) -> None:
    assert refusal(open_arrays, tmp_path, **arrays) == message


def test_an_array_is_named_by_archive_or_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^data\.npz: y: has 3 labels"):
        open_npz(tmp_path, X=X, y=y[:3])
    with pytest.raises(DataError) as refused:
        open_folder(tmp_path, X=X, y=y[:3])
    assert str(refused.value) == f"{tmp_path}/y.npy: has 3 labels, but X has 4 samples"


def test_text_that_is_not_unicode(open_arrays: Any, tmp_path: Path) -> None:
    for point in (0x110000, 0xD800):
        labels = np.array([97, 98, 99, point], np.uint32).view("<U1")
        assert refusal(open_arrays, tmp_path, X=X, y=labels).startswith("y: the label of sample 4")


# ------------------------------------------------------------------ headers


def npy(header: str, values: bytes, version: tuple[int, int] = (1, 0)) -> bytes:
    """An .npy file with any header at all."""
    length = struct.pack("<H" if version == (1, 0) else "<I", len(header))
    return b"\x93NUMPY" + bytes(version) + length + header.encode("latin1") + values


def header_of(shape: str, descr: str = "'<f4'") -> str:
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n"


NOT_SAVED = "X: not an array that NumPy saved; save it again by np.save or np.savez"
BAD_FILES = [
    (b"", NOT_SAVED),
    (b"\x93NUMPY", NOT_SAVED),
    (b"\x93NUMPY\x01\x00\xff\xff{", NOT_SAVED),
    (npy("(" * 9000, b""), NOT_SAVED),
    (npy("{" * 60_000, b""), NOT_SAVED),
    (npy(header_of("(4, 3)", "'no such'"), bytes(48)), NOT_SAVED),
    (npy(header_of("'4'"), bytes(48)), NOT_SAVED),
    (npy(header_of("(4, 3)"), bytes(48), (2, 0)), NOT_SAVED),
    (npy(header_of("(4, 3)"), bytes(48), (9, 9)), NOT_SAVED),
    (
        npy(header_of("(-4, -3)"), bytes(48)),
        "X: its header says -4 × -3 of float32, which cannot be",
    ),
    (npy(header_of("(4, 3)", "'<U0'"), b""), "X: its header says 4 × 3 of <U0, which cannot be"),
]


def size_message(name: str, shape: str, expected: int, size: int) -> str:
    return (
        f"{name}: its header says {shape} of float32, {expected} bytes in all, "
        f"but it has {size}; save it again by np.save or np.savez"
    )


for shape, bytes_in_all in (
    ("(4, 4)", 64),
    ("(2, 3)", 24),
    ("(10000000000000000, 3)", 12 * 10**16),
):
    head = len(npy(header_of(shape), b""))
    BAD_FILES.append(
        (
            npy(header_of(shape), bytes(48)),
            size_message("X", shape[1:-1].replace(", ", " × "), head + bytes_in_all, head + 48),
        )
    )


@pytest.mark.parametrize(("content", "message"), BAD_FILES)
def test_headers_that_are_no_good(tmp_path: Path, content: bytes, message: str) -> None:
    np.save(tmp_path / "y.npy", y)
    (tmp_path / "X.npy").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "data.npz", "w") as archive:
        archive.writestr("X.npy", content)
        archive.write(tmp_path / "y.npy", "y.npy")
    tracemalloc.start()
    try:
        with pytest.raises(DataError) as refused:
            numpy_files.open_folder(tmp_path, "folder")
        assert str(refused.value) == f"{tmp_path}/{message}".replace("/X:", "/X.npy:")
        with pytest.raises(DataError) as refused:
            numpy_files.open_npz(tmp_path / "data.npz", "data.npz")
        assert str(refused.value) == f"data.npz: {message}"
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


# ------------------------------------------------------------------ archives


def test_the_digest_of_an_archive_is_that_of_its_bytes(tmp_path: Path) -> None:
    data = open_npz(tmp_path, X=X, y=y)
    content = (tmp_path / "data.npz").read_bytes()
    assert data.digest == hashlib.sha256(content).hexdigest()


def test_fortran_order_in_an_archive(tmp_path: Path) -> None:
    data = open_npz(tmp_path, X=np.asfortranarray(X), y=y)
    np.testing.assert_array_equal(data.X, X)
    assert data.X.flags.c_contiguous


def test_an_archive_without_them(tmp_path: Path) -> None:
    with pytest.raises(DataError) as refused:
        open_npz(tmp_path, x_train=X, y_train=y)
    assert str(refused.value) == (
        "data.npz: has no arrays X and y, but 'x_train', 'y_train'; save np.savez(file, X=X, y=y)"
    )
    with pytest.raises(DataError, match="has no arrays X and y, but nothing; "):
        open_npz(tmp_path)


def test_not_an_archive(tmp_path: Path) -> None:
    (tmp_path / "data.npz").write_bytes(b"rubbish")
    with pytest.raises(DataError) as refused:
        numpy_files.open_npz(tmp_path / "data.npz", "data.npz")
    assert str(refused.value) == (
        "data.npz: not an .npz archive, or a damaged one (File is not a zip file); "
        "save it again by np.save or np.savez"
    )


def test_a_damaged_archive(tmp_path: Path) -> None:
    open_npz(tmp_path, X=X, y=y)
    content = bytearray((tmp_path / "data.npz").read_bytes())
    position = content.index(X.tobytes())
    content[position + 5] ^= 1
    (tmp_path / "data.npz").write_bytes(content)
    with pytest.raises(DataError) as refused:
        numpy_files.open_npz(tmp_path / "data.npz", "data.npz")
    assert str(refused.value) == (
        "data.npz: not an .npz archive, or a damaged one (Bad CRC-32 for file 'X.npy'); "
        "save it again by np.save or np.savez"
    )


def test_a_compression_that_is_not_numpys(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "data.npz", "w", zipfile.ZIP_LZMA) as archive:
        for name, array in (("X", X), ("y", y)):
            with archive.open(f"{name}.npy", "w") as file:
                np.lib.format.write_array(file, array)
    with pytest.raises(DataError, match="compressed in a way that NumPy does not use"):
        numpy_files.open_npz(tmp_path / "data.npz", "data.npz")


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    rows = 80_000_000
    block = bytes(1 << 20)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("X.npy", "w") as file:
            file.write(npy(header_of(f"({rows}, 1)", "'|u1'"), b""))
            for start in range(0, rows, len(block)):
                file.write(block[: rows - start])
        with archive.open("y.npy", "w") as file:
            np.lib.format.write_array(file, y)
    declared = sum(info.file_size for info in zipfile.ZipFile(path).infolist())
    tracemalloc.start()
    try:
        with pytest.raises(DataError) as refused:
            numpy_files.open_npz(path, "data.npz")
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
    assert str(refused.value) == (
        f"data.npz: {path.stat().st_size} bytes that unpack to {declared}; if they are meant to, "
        "give a folder with X.npy and y.npy, which is read in parts"
    )


def test_more_than_the_machine_has_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sysconf", lambda name: 16)
    with pytest.raises(DataError, match="bytes that unpack to 336; if they are meant to"):
        open_npz(tmp_path, X=X, y=y)


saved = io.BytesIO()
np.savez_compressed(saved, X=X, y=np.array(["a", "b", "a", "b"]))


@given(
    st.lists(
        st.tuples(st.integers(0, len(saved.getvalue()) - 1), st.binary(max_size=3)),
        min_size=1,
        max_size=4,
    )
)
def test_a_mutated_archive_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, damage: list[tuple[int, bytes]]
) -> None:
    content = saved.getvalue()
    for position, replacement in damage:
        content = content[:position] + replacement + content[position + 1 :]
    path = tmp_path_factory.getbasetemp() / "mutated.npz"
    path.write_bytes(content)
    try:
        data = numpy_files.open_npz(path, "data.npz")
    except DataError as error:
        message = str(error)
    else:
        message = f"data.npz: {np.isfinite(data.X).all()}"
    assert message.startswith("data.npz: ")
    assert "\n" not in message


# ------------------------------------------------------------------ folders


def test_fortran_order_in_a_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError) as refused:
        open_folder(tmp_path, X=np.asfortranarray(X), y=y)
    assert str(refused.value) == (
        f"{tmp_path}/X.npy: is in Fortran order, in which samples cannot be read one by one; "
        'save it by np.save("X.npy", np.ascontiguousarray(X))'
    )


def test_the_digest_of_a_folder_is_of_its_arrays(tmp_path: Path) -> None:
    first = open_folder(tmp_path, X=X, y=y).digest
    (tmp_path / "notes.txt").write_text("mine")
    assert open_folder(tmp_path, X=X, y=y).digest == first
    assert open_folder(tmp_path, X=X, y=y[::-1]).digest != first
    assert open_folder(tmp_path, X=X + np.eye(4, 3, dtype=np.float32), y=y).digest != first


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A folder with an X of 400 MB, which takes no space on the disk."""
    rows = 1_000_000
    with (tmp_path / "X.npy").open("wb") as file:
        file.write(npy(header_of(f"({rows}, 100)"), b""))
        file.truncate(file.tell() + rows * 400)
    np.save(tmp_path / "y.npy", np.arange(rows, dtype=np.uint8) % 3)
    return tmp_path


def test_a_large_folder_is_read_in_parts(large: Path) -> None:
    tracemalloc.start()
    try:
        data = numpy_files.open_folder(large, "folder")
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()
    assert data.X.shape == (1_000_000, 100)
    assert isinstance(data.X, np.memmap)


def write_at(path: Path, position: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(position)
        file.write(content)


def test_the_ends_of_a_large_array_are_digested_and_checked(large: Path) -> None:
    digest = numpy_files.open_folder(large, "folder").digest
    size = (large / "X.npy").stat().st_size
    write_at(large / "X.npy", size - 4, np.float32(1).tobytes())
    assert numpy_files.open_folder(large, "folder").digest != digest
    write_at(large / "X.npy", size - 4, np.float32(np.inf).tobytes())
    with pytest.raises(DataError) as refused:
        numpy_files.open_folder(large, "folder")
    assert str(refused.value) == (
        f"{large}/X.npy: sample 1000000 has inf in column 100; fill it in or remove the sample"
    )

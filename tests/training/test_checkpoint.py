"""Checkpoints: what they hold, how they are written, and what is refused."""

from __future__ import annotations

import copy
import io
import json
import os
import random
import re
import struct
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.config.kinds import MAX_HIDDEN
from mlpcli.errors import CheckpointError, OutputError
from mlpcli.nn.model_file import read_model
from mlpcli.nn.parameters import Parameters
from mlpcli.runs import checkpoint
from mlpcli.runs.checkpoint import Writer
from mlpcli.runs.model import load
from mlpcli.training.progress import Progress, Snapshot

NAMES = (
    *("W1", "b1", "W2", "b2", "meta"),
    *("resume/last", "resume/progress", "resume/optimizer/velocity"),
)
TRAIN = ("train", "--data", "digits", "--hidden", "4", "--epochs", "3", "-q")


@pytest.fixture
def model(mlp) -> Path:
    """The checkpoint of a run that was stopped after its first of three epochs."""
    mlp.ok(*TRAIN, "--stop-after", "1", "--dropout", "0.1")
    return Path("model.npz")


@pytest.fixture
def refused(mlp, model: Path, checkpoints) -> Any:
    """Changes the checkpoint, and says what is then said of it; resuming it says the same."""

    def change(**changes: Any) -> str:
        checkpoints.rewrite(model, **changes)
        texts = {mlp.error("evaluate", model), mlp.error("train", "--resume", model, "-q")}
        ((code, text),) = texts
        assert code == 3
        assert text.startswith("model.npz: ")
        return text.removeprefix("model.npz: ")

    return change


@pytest.fixture
def meta(model: Path, checkpoints) -> dict[str, Any]:
    value: dict[str, Any] = checkpoints.meta(model)
    return value


# What it holds


def test_it_opens_without_pickle_and_names_everything(model: Path) -> None:
    with np.load(model, allow_pickle=False) as file:
        assert set(file.files) == set(NAMES)
        assert file["meta"].shape == ()
        assert file["meta"].dtype.kind == "U"


def test_its_meta_says_what_was_trained_on_what_and_how(meta: dict[str, Any]) -> None:
    assert meta["format"] == 2
    assert meta["epoch"] == 1
    assert meta["task"] == {"kind": "classification", "classes": list(range(10))}
    (part,) = meta["encoding"]
    assert (part["kind"], part["count"], part["factor"]) == ("pixels", 64, 1 / 16)
    assert meta["layers"] == [
        {"kind": "dense", "inputs": 64, "outputs": 4, "activation": "relu"},
        {"kind": "dense", "inputs": 4, "outputs": 10, "activation": None},
    ]
    assert meta["data"]["source"] == "digits"
    assert len(meta["data"]["digest"]) == 64
    assert meta["data"]["rows"] == 1797
    assert meta["threads"] == 1
    assert meta["config"]["train"]["lr"] == 0.1
    assert [entry["epoch"] for entry in meta["history"]] == [1]


def test_it_is_read_back_as_it_was_written(model: Path, checkpoints) -> None:
    loaded = load(model, resume=True)
    assert loaded.file.sizes == [64, 4, 10]
    assert loaded.config.model.hidden == (4,)
    assert loaded.classes.tolist() == list(range(10))
    for name, array in checkpoints.arrays(model).items():
        kept = loaded.file.params.get(name)
        if kept is None:
            kept = loaded.file.resume[name.removeprefix("resume/")]
        assert kept.tobytes() == array.tobytes()
    assert load(model).file.resume == {}


# How it is written


def snapshot(best_epoch: int = 1) -> Snapshot:
    progress = Progress(epoch=1, step=1, best_epoch=best_epoch)
    return Snapshot(progress, np.zeros(9), {"velocity": np.zeros(9)}, np.ones(9))


def writer(path: Path, **options: Any) -> Writer:
    parameters = Parameters([2, 3], np.zeros(9))
    return Writer(path, parameters, {"format": 1}, **options)


def entry(epoch: int) -> dict[str, Any]:
    return {"epoch": epoch, "train_loss": epoch / 3}


@pytest.mark.parametrize(
    "arrays",
    [
        {"X": np.eye(40, 3), "y": np.where(np.arange(40) % 2, -(2**63), 2**63 - 1)},
        {"X": np.zeros((12, 1, 2**20 + 1), np.uint8), "y": np.arange(12) % 2},
        {"X": np.eye(40, 3) * 1e-300, "y": np.arange(40) % 2},
    ],
    ids=["labels", "sides", "factors"],
)
def test_what_is_trained_at_the_ends_of_what_numbers_there_are_is_read_again(mlp, arrays) -> None:
    np.savez("data.npz", **arrays)
    mlp.ok("train", "--data", "data.npz", "--hidden", "1", "--epochs", "1", "-q")
    said = mlp.ok("evaluate", "model.npz", "--split", "train", "--json").json
    assert [row["label"] for row in said["per_class"]] == sorted(set(arrays["y"].tolist()))


def test_what_no_checkpoint_can_hold_is_refused_before_it_is_trained(
    mlp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlpcli.runs.meta.__version__", "1" * 101)
    assert mlp.error("train", "--data", "penguins", "--epochs", "1") == (
        3,
        "penguins: a checkpoint cannot hold this: mlp has 101 characters, expected 1 to 100",
    )
    assert not Path("model.npz").exists()


def test_what_was_there_is_kept_once_and_then_replaced(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    path.write_bytes(b"of another run")
    one = writer(path)
    one.write(snapshot(), [entry(1)])
    assert one.kept == tmp_path / "model.npz~"
    one.kept = None
    one.write(snapshot(), [entry(1), entry(2)])
    assert one.kept is None
    assert (tmp_path / "model.npz~").read_bytes() == b"of another run"
    assert sorted(os.listdir(tmp_path)) == ["model.npz", "model.npz~"]


def test_where_links_cannot_be_made_it_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    path = tmp_path / "model.npz"
    path.write_bytes(b"of another run")
    writer(path).write(snapshot(), [])
    assert (tmp_path / "model.npz~").read_bytes() == b"of another run"


def test_a_run_that_goes_on_keeps_nothing(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    path.write_bytes(b"of this run")
    writer(path, continues=True).write(snapshot(), [])
    assert os.listdir(tmp_path) == ["model.npz"]


def test_a_failed_write_leaves_the_checkpoint_that_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "model.npz"
    path.write_bytes(b"of another run")
    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OutputError, match="No space left on device"):
        writer(path).write(snapshot(), [])
    assert path.read_bytes() == b"of another run"
    assert os.listdir(tmp_path) == ["model.npz"]


def test_writes_are_due_at_once_and_then_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = writer(tmp_path / "model.npz")
    assert one.due()
    one.write(snapshot(), [])
    monkeypatch.setattr(checkpoint, "INTERVAL", 1000.0)
    assert not one.due()
    monkeypatch.setattr(checkpoint, "INTERVAL", 0.0)
    assert one.due()


def test_slow_writes_are_due_so_seldom_that_they_take_a_tenth_of_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    one = writer(tmp_path / "model.npz")

    def slow(*_: Any, **__: Any) -> None:
        now[0] += 3.0

    monkeypatch.setattr(np, "savez", slow)
    one.put({})
    for ago, due in ((1.1, False), (29.0, False), (30.1, True)):
        now[0] = 103.0 + ago
        assert one.due() is due


def test_a_long_history_is_thinned_with_the_best_and_the_last_epoch_kept(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    writer(path).write(snapshot(best_epoch=7), [entry(k) for k in range(1, 35_002)])
    with np.load(path) as file:
        history = json.loads(str(file["meta"]))["history"]
    epochs = [item["epoch"] for item in history]
    assert epochs == sorted({7, *range(4, 35_002, 4), 35_001})


def test_the_same_state_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        writer(tmp_path / name).write(snapshot(), [])
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


# What is refused: the arrays


def test_an_array_of_objects_is_never_loaded(mlp, model: Path, checkpoints) -> None:
    arrays = checkpoints.arrays(model) | {"meta": np.array(json.dumps(checkpoints.meta(model)))}
    arrays["W1"] = np.array([{"code": "to run"}], dtype=object)
    np.savez(model, **arrays)
    assert mlp.error("evaluate", model) == (
        3,
        "model.npz: W1: holds Python objects, which are never loaded; no checkpoint has them",
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"W1": None}, "the array W1 is missing"),
        ({"b2": None}, "the array b2 is missing"),
        ({"W9": np.zeros((10, 10), np.float32)}, "the array W3 is missing"),
        ({"evil": np.zeros(3)}, "holds an array 'evil', which no checkpoint has"),
        (
            {"W1": np.zeros((64, 5), np.float32)},
            "b1 has the shape (4,), expected (5,)",
        ),
        (
            {"W2": np.zeros((5, 10), np.float32)},
            "W2 has the shape (5, 10), expected (4, …)",
        ),
        ({"W1": np.zeros(4, np.float32)}, "W1 has the shape (4,), expected two dimensions"),
        (
            {"W1": np.zeros((0, 4), np.float32)},
            "W1 has the shape (0, 4), expected two dimensions",
        ),
        ({"W1": np.zeros((64, 4), np.int32)}, "W1 is of int32; expected float32 or float64"),
        ({"W1": np.zeros((64, 4), np.float64)}, "b1 is of float32, but W1 of float64"),
        ({"W2": np.full((4, 10), np.nan, np.float32)}, "W2 holds values that are not finite"),
        ({"b1": np.full(4, np.inf, np.float32)}, "b1 holds values that are not finite"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_arrays_that_are_no_network_are_refused_with_the_reason(
    refused: Any, changes: dict[str, Any], said: str
) -> None:
    assert refused(**changes) == said


def layers_of_one_unit(count: int) -> dict[str, Any]:
    """Arrays of a network of so many layers."""
    one = np.ones((1, 1), np.float32)
    return {
        f"{kind}{layer}": one if kind == "W" else one[0]
        for layer in range(1, count + 1)
        for kind in "Wb"
    }


def test_as_many_layers_are_read_as_can_be_trained_and_no_more(
    mlp, model: Path, meta, checkpoints
) -> None:
    widths = ",".join("1" * MAX_HIDDEN)
    mlp.ok("train", "--data", "spiral", "--hidden", widths, "--epochs", "1", "-q", "-o", "d.npz")
    mlp.ok("evaluate", "d.npz")
    code, text = mlp.error("train", "--data", "spiral", "--hidden", f"{widths},1")
    assert code == 2
    assert text.startswith("--hidden 1,1,1,")
    assert text.endswith(": expected at most 1000 hidden layers, not 1001")
    np.savez(model, meta=np.array(json.dumps(meta)), **layers_of_one_unit(1_002))
    assert mlp.error("evaluate", model) == (
        3,
        "model.npz: has 1,002 layers; at most 1,001 can be read",
    )


# What is refused: what continues the run


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"resume__last": None}, "what continues the run does not fit the weights"),
        ({"resume__last": np.zeros(3)}, "what continues the run does not fit the weights"),
        ({"resume__optimizer__velocity": None}, "what continues the run does not fit the weights"),
        (
            {"resume__optimizer__m": np.zeros(310)},
            "what continues the run does not fit the weights",
        ),
        ({"resume__progress": "{"}, "what continues the run is damaged: Expecting property name"),
        ({"resume__progress": "[]"}, "what continues the run is damaged: "),
        ({"resume__progress": "[" * 100_000}, "what continues the run is damaged: "),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_continues_a_run_must_fit_it(
    mlp, model: Path, checkpoints, changes: dict[str, Any], said: str
) -> None:
    checkpoints.rewrite(model, **changes)
    code, text = mlp.error("train", "--resume", model, "-q")
    assert code == 3
    assert text.startswith(f"model.npz: {said}")
    mlp.ok("evaluate", model)  # the weights are as good as before


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"epoch": -1}, "epoch is -1"),
        ({"epoch": 1.5}, "epoch is 1.5"),
        ({"step": 10**400}, "step is 1000000000"),
        ({"batch": 11, "step": 22}, "its counters do not fit 11 steps per epoch"),
        ({"step": 12}, "its counters do not fit 11 steps per epoch"),
        ({"best_epoch": 2}, "its best epoch is still to come"),
        ({"sums": None}, "sums is null, expected a list"),
        ({"sums": [float("nan")]}, "sums[0] is nan, expected a number"),
        ({"best_rank": ["low"]}, "best_rank[0] is 'low', expected a number"),
        ({"best_score": "low"}, "best_score is 'low'"),
        ({"sums": [1.0, 2.0, 3.0]}, "its sums are 3 after 0 batches"),
        ({"batch": 1, "step": 12}, "its sums are 0 after 1 batches"),
        ({"batch": 1, "step": 12, "sums": [1.0, 2.0]}, "its sums are 2 after 1 batches"),
        ({"batch": 1, "step": 12, "sums": [-1.0, 2.0, 3.0]}, "its sums are [-1.0, 2.0, 3.0]"),
        ({"batch": 1, "step": 12, "sums": [1.0, 2.0, 0.0]}, "its sums are [1.0, 2.0, 0.0]"),
        ({"surplus": 7}, "it has an unknown key 'surplus'"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_where_a_run_stands_must_be_possible(
    mlp, model: Path, checkpoints, changes: dict[str, Any], said: str
) -> None:
    progress = json.loads(str(checkpoints.arrays(model)["resume/progress"])) | changes
    checkpoints.rewrite(model, resume__progress=json.dumps(progress))
    code, text = mlp.error("train", "--resume", model, "-q")
    assert code == 3
    assert text.startswith(f"model.npz: what continues the run is damaged: {said}")


# What is refused: the file


DAMAGED = "model.npz: not a checkpoint of mlp, or a damaged one"
AGAIN = "if there is no other copy, train it again"


def test_a_file_cut_short_is_refused_wherever_it_is_cut(mlp, model: Path) -> None:
    content = model.read_bytes()
    for size in (0, 1, 100, len(content) // 2, len(content) - 1):
        model.write_bytes(content[:size])
        code, text = mlp.error("evaluate", model)
        assert code == 3
        assert text.startswith(DAMAGED)


def npy(shape: tuple[int, ...], dtype: str = "<f4", data: bytes = b"") -> bytes:
    """A .npy file with that header, whatever its data are."""
    file = io.BytesIO()
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + data


def replace_member(path: Path, name: str, content: bytes, method: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    members[f"{name}.npy"] = content
    with zipfile.ZipFile(path, "w") as archive:
        for member, data in members.items():
            archive.writestr(member, data, method if member == f"{name}.npy" else None)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(mlp, model: Path) -> None:
    size = 50_000_000
    replace_member(model, "W1", npy((size // 4,), data=bytes(size)), zipfile.ZIP_DEFLATED)
    others = sum(zipfile.ZipFile(model).getinfo(f"{n}.npy").file_size for n in NAMES if n != "W1")
    assert mlp.error("evaluate", model) == (
        3,
        f"model.npz: {model.stat().st_size} bytes that unpack to {others + size + 128}; "
        "no checkpoint does",
    )


def test_a_small_bomb_in_a_large_file_is_refused(mlp, model: Path) -> None:
    zeros = npy((250_000,), data=bytes(1_000_000))
    noise = np.random.default_rng(0).bytes(200_000)
    replace_member(model, "resume/last", npy((50_000,), data=noise))
    replace_member(model, "W1", zeros, zipfile.ZIP_DEFLATED)
    packed = zipfile.ZipFile(model).getinfo("W1.npy").compress_size
    assert mlp.error("evaluate", model) == (
        3,
        f"model.npz: W1 has {packed} bytes that unpack to 1000128; no checkpoint does",
    )


def test_many_names_for_the_same_bytes_are_refused(mlp, model: Path) -> None:
    """A bomb whose members overlap, each of which is harmless."""
    with zipfile.ZipFile(model, "a") as archive:
        weights = archive.getinfo("W1.npy")
        for k in range(3000):
            again = copy.copy(weights)
            again.filename = f"resume/{k}.npy"
            again.file_size = 90 * again.compress_size
            archive.filelist.append(again)
        archive._didModify = True  # type: ignore[attr-defined]
    code, text = mlp.error("evaluate", model)
    assert code == 3
    assert re.fullmatch(r"model\.npz: \d+ bytes that unpack to \d+; no checkpoint does", text)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused(mlp, model: Path, method: int) -> None:
    replace_member(model, "W1", npy((2,), data=bytes(8)), method)
    assert mlp.error("evaluate", model) == (
        3,
        f"{DAMAGED} (compressed in a way that NumPy does not use); {AGAIN}",
    )


def test_weights_that_are_compressed_as_numpy_does_are_read(model: Path) -> None:
    with np.load(model) as file:
        arrays = {name: file[name] for name in file.files}
    np.savez_compressed(model, **arrays)
    assert np.array_equal(read_model(model).params["W1"], arrays["W1"])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            npy((10**12, 10**12)),
            "its header says 1000000000000 × 1000000000000 of float32, "
            f"{4 * 10**24 + 128} bytes in all, but it has 128; {AGAIN}",
        ),
        (
            npy((2, 2), data=bytes(15)),
            f"its header says 2 × 2 of float32, 144 bytes in all, but it has 143; {AGAIN}",
        ),
        (npy((-1, -4), data=bytes(16)), "its header says -1 × -4 of float32, which cannot be"),
        (b"", f"not an array that NumPy saved; {AGAIN}"),
        (b"not an array", f"not an array that NumPy saved; {AGAIN}"),
        (b"\x93NUMPY\x01\x00\x10\x00{'descr': (((((", f"not an array that NumPy saved; {AGAIN}"),
        (b"\x93NUMPY\x09\x00\x10\x00", f"not an array that NumPy saved; {AGAIN}"),
        (
            npy((1,), dtype="O", data=bytes(8)),
            "holds Python objects, which are never loaded; no checkpoint has them",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_array_that_is_not_what_it_claims_is_refused(
    mlp, model: Path, content: bytes, said: str
) -> None:
    replace_member(model, "W1", content)
    assert mlp.error("evaluate", model) == (3, f"model.npz: W1: {said}")


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_an_array_that_is_there_twice_is_refused(mlp, model: Path) -> None:
    with zipfile.ZipFile(model, "a") as archive:
        archive.writestr("W1.npy", npy((2,), data=bytes(8)))
    assert mlp.error("evaluate", model) == (3, "model.npz: holds 'W1' twice; it is damaged")


@pytest.mark.filterwarnings("ignore")
def test_no_mutation_of_a_checkpoint_ends_in_anything_but_an_answer(model: Path) -> None:
    content = model.read_bytes()
    rng = random.Random(0)
    answers = 0
    for _ in range(400):
        mutated = bytearray(content)
        for _ in range(rng.choice((1, 2, 20))):
            where = rng.choice((rng.randrange(len(content)), -1 - rng.randrange(900)))
            mutated[where] = rng.randrange(256)
        if rng.random() < 0.1:
            mutated += struct.pack("<I", rng.randrange(2**32))
        model.write_bytes(mutated)
        try:
            load(model, resume=True)
        except CheckpointError as error:
            assert str(error).startswith("model.npz: ")
            answers += 1
    assert 100 < answers < 400  # some bytes say nothing, as those of times

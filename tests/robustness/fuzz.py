"""Damages every kind of file that `mlp` reads, has it read, and sees what it says.

    python tests/robustness/fuzz.py --inputs 20000
    python tests/robustness/fuzz.py --only 1234 --seed 1

An input is a seed file with some mutations (bytes, numbers in text, fields, members of archives,
values of JSON), and a command that reads it. None may end in a traceback, a warning, an exit code
that is not of its kind, more than one line of error, weights that are not finite or a stray file;
take more than 5 seconds, or more than 500 MB. Input i of a seed is always the same.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import importlib.util
import io
import itertools
import json
import os
import random
import re
import resource
import select
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import extremes

ROOT = Path(__file__).parents[2]
SECONDS, MEGABYTES = 5.0, 500

NUMBERS = (
    *(
        "0",
        "-0",
        "-1",
        "1",
        "2",
        "255",
        "256",
        "0.5",
        "1e-320",
        "1e38",
        "-3.5e38",
        "1e308",
        "1e400",
    ),
    *("nan", "inf", "-inf", "2147483648", "4294967295", "18446744073709551616", "9" * 400, "1_0"),
)
BYTES = (
    b"\0",
    b"\xff",
    b"\n",
    b"\r",
    b"\r\n",
    b'"',
    b"'",
    b",",
    b";",
    b"\t",
    b" ",
    b"\xef\xbb\xbf",
    *(b"\xff\xfe", b"\xe9", b"\xc3\xa9", b"#", b"=", b"[", b"]", b"{", b"}", b"\x1f\x8b", b"PK"),
)
VALUES: Any = (
    *(None, True, 0, -1, 1e300, 2**70, 0.5, "", "\0", "x" * 300, [], [[]], {}, {"a": []}, "λ\n"),
)

Files = dict[str, bytes]


# Mutations


def mutate(rng: random.Random, content: bytes, other: bytes = b"") -> bytes:
    """Some mutations of the bytes of a file."""
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        content = rng.choice(MUTATIONS)(rng, content, other)
    return content


def flip(rng: random.Random, content: bytes, _: bytes) -> bytes:
    changed = bytearray(content)
    for _time in range(rng.choice((1, 2, 4, 16))):
        if changed:
            # The ends of a file have more to say than its middle.
            place = rng.choice((rng.randrange(len(changed)), rng.randrange(min(256, len(changed)))))
            changed[rng.choice((place, -1 - place))] = rng.randrange(256)
    return bytes(changed)


def cut(rng: random.Random, content: bytes, _: bytes) -> bytes:
    return content[: rng.randint(0, len(content))]


def field(rng: random.Random, content: bytes, _: bytes) -> bytes:
    value = rng.choice((0, 1, 0x7F, 0x80, 0xFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 40))
    size = rng.choice("BHIQ")
    value &= (1 << (8 * struct.calcsize(size))) - 1
    return splice(rng, content, struct.pack(rng.choice("<>") + size, value))


def splice(rng: random.Random, content: bytes, piece: bytes) -> bytes:
    """Another piece, in place of as many bytes, or between them."""
    place = rng.randint(0, len(content))
    return content[:place] + piece + content[place + rng.choice((0, len(piece))) :]


def special(rng: random.Random, content: bytes, _: bytes) -> bytes:
    return splice(rng, content, rng.choice(BYTES) * rng.choice((1, 1, 2, 100)))


def move(rng: random.Random, content: bytes, other: bytes) -> bytes:
    source = rng.choice((content, other or content))
    start = rng.randint(0, len(source))
    return splice(rng, content, source[start : start + rng.randint(0, 64)])


def delete(rng: random.Random, content: bytes, _: bytes) -> bytes:
    start = rng.randint(0, len(content))
    return content[:start] + content[start + rng.choice((1, 2, 30)) :]


def number(rng: random.Random, content: bytes, _: bytes) -> bytes:
    found = list(re.finditer(rb"-?[0-9]+(\.[0-9]+)?(e-?[0-9]+)?", content[:100_000]))
    if not found:
        return content
    start, end = rng.choice(found).span()
    return content[:start] + rng.choice(NUMBERS).encode() + content[end:]


def repeat(rng: random.Random, content: bytes, _: bytes) -> bytes:
    start = rng.randint(0, len(content))
    piece = content[start : start + rng.randint(1, 40)]
    return content[:start] + piece * rng.choice((2, 50, 5000)) + content[start:]


def recode(rng: random.Random, content: bytes, _: bytes) -> bytes:
    text = content.decode("latin-1")
    return rng.choice(
        (text.encode("utf-16"), text.encode(), text.swapcase().encode("latin-1", "replace"))
    )


MUTATIONS: tuple[Callable[[random.Random, bytes, bytes], bytes], ...] = (
    *(flip, flip, flip, cut, field, field, special, special, move, delete),
    *(number, number, number, repeat, recode),
)


def mutate_archive(rng: random.Random, content: bytes) -> bytes:
    """The members of a zip archive changed, with all checksums right; or its bytes."""
    if rng.random() < 0.3:
        return mutate(rng, content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    for _ in range(rng.choice((1, 1, 2))):
        place = rng.randrange(len(members))
        name, data = members[place]
        kind = rng.random()
        if name in ("meta.npy", "resume/progress.npy") and kind < 0.8:
            data = json_array(rng, data)
        elif kind < 0.6:
            data = mutate(rng, data)
        elif kind < 0.8:  # the header alone, of as many bytes as it was
            head = mutate(rng, data[:128])[:128]
            data = head + data[len(head) :]
        elif kind < 0.85:
            name = rng.choice((*(name for name, _ in members), "W9.npy", "x" * 300, "../up"))
        elif kind < 0.9 and len(members) > 1:
            del members[place]
            continue
        else:
            data = rng.choice(members)[1]
        members[place] = (name, data)
    file = io.BytesIO()
    method = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return file.getvalue()


def json_array(rng: random.Random, data: bytes) -> bytes:
    """The .npy of a JSON text with some of its values changed."""
    import numpy as np

    try:
        value = json.loads(str(np.load(io.BytesIO(data))))
    except ValueError:  # it was damaged before
        return mutate(rng, data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        value = mutate_json(rng, value)
    file = io.BytesIO()
    np.save(file, np.array(json.dumps(value)))
    return file.getvalue()


ONNX = importlib.util.find_spec("onnx") is not None  # an extra


def mutate_json(rng: random.Random, value: Any) -> Any:
    """One value of a tree changed, left out, or put in another's place."""
    if not isinstance(value, dict | list) or not value or rng.random() < 0.1:
        return rng.choice((*VALUES, float("nan"), float("inf")))
    key = rng.choice(list(value) if isinstance(value, dict) else range(len(value)))
    copy: Any = value.copy()
    kind = rng.random()
    if kind < 0.8:
        copy[key] = mutate_json(rng, copy[key])
    elif kind < 0.9:
        del copy[key]
    elif isinstance(copy, dict):
        copy["surplus"] = copy.pop(key)
    else:
        copy.insert(key, copy[key])
    return copy


# Seeds, and the commands that read them

TABLE = (
    "width,height,species\n"
    + "".join(
        f"{i % 7 - 3}.{i % 10},{i * 37 % 11},{['ant', 'bee', 'cow'][i % 3]}\n" for i in range(30)
    )
).encode()
NUMERIC = "".join(f"{i % 5}\t{i * i % 7}e-1\t{i % 2}\n" for i in range(20)).encode()
QUOTED = b'"a b";"c";label\r\n' + b'1;"2.5";"x;y"\r\n-3e1;4;"say ""z"""\r\n' * 8
CONFIG = b"""# a run
[data]
data = "digits"
val_fraction = 0.1
[model]
hidden = [3, 2]
activation = "tanh"
[train]
lr = 5e-2
epochs = 3
batch_size = "full"
momentum = 0.9
"""
SMALL = ("--hidden", "3", "--epochs", "2", "--batch-size", "16", "-q")


def make_seeds(folder: Path) -> dict[str, Files]:
    """The files of every target, by their names; `folder` is for making them."""
    import numpy as np

    from mlpcli.cli import run

    rng = np.random.default_rng(0)
    time.perf_counter = itertools.count().__next__  # the same every time
    before = os.getcwd()
    os.chdir(folder)
    try:
        Path("points.csv").write_bytes(TABLE)
        for arguments in (
            ("--data", "digits", *SMALL, "-o", "digits.npz"),
            (
                "--data",
                "points.csv",
                *SMALL,
                "--stop-after",
                "1",
                "--embedding",
                "none",
                "--dropout",
                "0.2",
                "-o",
                "p.npz",
            ),
            (
                "--data",
                "points.csv",
                *SMALL,
                "--optimizer",
                "adam",
                "--max-time",
                "1e-9",
                "-o",
                "a.npz",
            ),
            ("--data", "points.csv", *SMALL, "--log", "log.jsonl", "-o", "l.npz"),
            ("--data", "points.csv", *SMALL, "--members", "2", "-o", "m.npz"),
        ):
            assert run(["train", *arguments]) == 0
        X, y = rng.integers(0, 256, (24, 3, 4), dtype=np.uint8), np.arange(24, dtype=np.uint8) % 3
        np.savez("u.npz", X=X, y=y)
        np.savez_compressed(
            "t.npz",
            X=X / 7,
            y=np.array(["no", "yes", "λ"])[y],
            X_test=X / 9,
            y_test=np.array(["no", "yes", "λ"])[y],
        )
        np.save("X.npy", X.reshape(24, 12).astype(np.float32))
        np.save("y.npy", y.astype(float))

        def idx(values: Any) -> bytes:
            return struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + bytes(
                values
            )

        idx_files = {
            "train-images-idx3-ubyte": idx(X),
            "train-labels-idx1-ubyte": idx(y),
            "t10k-images-idx3-ubyte": idx(X[:6]),
            "t10k-labels-idx1-ubyte": idx(y[:6]),
        }
        read = {path.name: path.read_bytes() for path in Path().iterdir() if path.is_file()}
        pictures = make_pictures()
    finally:
        os.chdir(before)
    models = {name: read[name] for name in ("p.npz", "a.npz", "l.npz", "m.npz")}
    return {
        "checkpoint": models,
        "csv": {"1.csv": TABLE, "2.tsv": NUMERIC, "3.csv": QUOTED},
        "npz": {"u.npz": read["u.npz"], "t.npz": read["t.npz"]},
        "npy": {"X.npy": read["X.npy"], "y.npy": read["y.npy"]},
        "idx": idx_files,
        "toml": {"c.toml": CONFIG},
        "log": {"log.jsonl": read["log.jsonl"]},
        "pictures": pictures,
        "fixed": {"digits.npz": read["digits.npz"], "points.csv": TABLE, **models, **pictures},
    }


def make_pictures() -> Files:
    """Pictures of a stroke, of several kinds; none without Pillow."""
    try:
        from PIL import Image, ImageDraw
    except ImportError:
        return {}
    pictures = {}
    for name, mode, kind in (
        ("a.png", "L", "PNG"),
        ("b.png", "RGBA", "PNG"),
        ("c.jpg", "RGB", "JPEG"),
        ("d.png", "P", "PNG"),
    ):
        image = Image.new("L", (30, 40), 250)
        ImageDraw.Draw(image).line((8, 6, 20, 34), 10, 4)
        file = io.BytesIO()
        image.convert(mode).save(file, kind)
        pictures[name] = file.getvalue()
    return pictures


class Case:
    """One input: files in an empty folder, a command, and the exit codes that it may have."""

    def __init__(self, seeds: dict[str, Files], rng: random.Random) -> None:
        self.codes = {0, 3, 4}
        self.drips: tuple[bytes, bytes] | None = None  # of a mirror, see `extremes`
        targets = [name for name, files in seeds.items() if files and name != "fixed"]
        weights = [4 if name in ("checkpoint", "csv") else 1 for name in targets]
        (self.target,) = rng.choices([*targets, "options", "extremes"], [*weights, 1, 0.1])
        self.files: Files = {"points.csv": seeds["fixed"]["points.csv"]}
        self._make(seeds, rng)

    def _make(self, seeds: dict[str, Files], rng: random.Random) -> None:
        fixed = seeds["fixed"]
        files = seeds.get(self.target, {})
        one = rng.choice(list(files)) if files else ""
        train = ("train", *SMALL, "-o", "out.npz")
        if self.target == "checkpoint":
            self.files["m.npz"] = mutate_archive(rng, files[one])
            more = (
                ("show", "m.npz", "--curves", "c.svg"),
                ("evaluate", "m.npz", "--report", "r.html"),
            )
            self.command: tuple[str, ...] = rng.choice(
                (
                    ("show", "m.npz"),
                    ("show", "m.npz", "--json"),
                    ("show", "m.npz", "m.npz", "--csv"),
                    ("export", "m.npz", "m.py"),
                    ("export", "m.npz", "m.npz", f"m.{'onnx' if ONNX else 'py'}"),
                    ("evaluate", "m.npz", "--json"),
                    ("evaluate", "m.npz", "--split", "val"),
                    ("predict", "m.npz", "points.csv", "--probabilities"),
                    ("train", "--resume", "m.npz", "-q"),
                    ("train", "--resume", "m.npz", "--epochs", "3", "--json"),
                    (*train, "--data", "points.csv", "--init-from", "m.npz"),
                    ("train", "--resume", "m.npz", "--print-config"),
                    rng.choice(more) if rng.random() < 0.2 else ("show", "m.npz"),
                )
            )
        elif self.target == "csv":
            name = "d" + Path(one).suffix
            self.files[name] = mutate(rng, files[one], files["1.csv"])
            self.files["p.npz"] = fixed["p.npz"]
            self.command = rng.choice(
                (
                    (*train, "--data", name),
                    (
                        *train,
                        "--data",
                        name,
                        "--label-column",
                        rng.choice(("0", "1", "species", "-1")),
                    ),
                    (*train, "--data", name, "--scale", "none", "--class-weight", "balanced"),
                    ("predict", "p.npz", name),
                    ("evaluate", "p.npz", "--data", name),
                )
            )
        elif self.target == "npz":
            self.files["d.npz"] = mutate_archive(rng, files[one])
            self.command = (*train, "--data", "d.npz")
        elif self.target == "npy":
            self.files |= {f"d/{name}": content for name, content in files.items()}
            self.files[f"d/{one}"] = mutate(rng, files[one], files["y.npy"])
            self.command = (*train, "--data", "d")
            if rng.random() < 0.3:
                self.files["p.npz"] = fixed["p.npz"]
                self.command = ("predict", "p.npz", "d/X.npy")
        elif self.target == "idx":
            self.files |= {f"d/{name}": content for name, content in files.items()}
            content = mutate(rng, files[one], files["t10k-labels-idx1-ubyte"])
            kind = rng.random()
            if kind < 0.3:
                content = gzip.compress(content)
            elif kind < 0.6:
                content = mutate(rng, gzip.compress(files[one]))
            self.files[f"d/{one}"] = content
            self.command = (*train, "--data", "d")
        elif self.target == "toml":
            self.files["c.toml"] = mutate(rng, files[one])
            self.codes = {0, 2, 3}
            self.command = ("train", "--config", "c.toml", "--print-config")
        elif self.target == "log":
            self.files |= {"l.npz": fixed["l.npz"], "log.jsonl": mutate(rng, files[one])}
            self.command = (
                "train",
                "--resume",
                "l.npz",
                "--log",
                "log.jsonl",
                "--epochs",
                "4",
                "-q",
            )
        elif self.target == "pictures":
            self.files["digits.npz"] = fixed["digits.npz"]
            name = "d" + Path(one).suffix
            self.files[name] = mutate(rng, files[one])
            self.command = ("predict", "digits.npz", name)
        elif self.target == "extremes":
            self._make_extreme(fixed, rng)
        else:
            self._make_options(rng)

    def _make_extreme(self, fixed: Files, rng: random.Random) -> None:
        """Many classes, many layers, wide pictures, mirrors that drip."""
        kind = rng.randrange(4)
        if kind == 0:
            self.files["d.csv"] = extremes.many_classes(rng)
            sizes = ("--hidden", "3", "--epochs", "1", "--batch-size", "256")
            self.command = ("train", "--data", "d.csv", *sizes, "-o", "out.npz", "--json")
        elif kind == 1:
            self.files["m.npz"] = extremes.many_layers(rng, fixed["p.npz"])
            commands = ("show m.npz", "evaluate m.npz", "predict m.npz points.csv", "show m.npz -q")
            self.command = tuple(rng.choice(commands).split())
        elif kind == 2 and "a.png" in fixed:
            self.files["digits.npz"] = fixed["digits.npz"]
            self.files["d.png"] = extremes.huge_picture(rng)
            plain = ["--no-prepare"] * (rng.random() < 0.2)
            self.command = ("predict", "digits.npz", "d.png", *plain)
        else:
            self.drips = extremes.drip_script(rng)
            self.command = ("download", "mnist", "--data-dir", "data", "-q", "--mirror")

    def _make_options(self, rng: random.Random) -> None:
        """Odd numbers for options, on odd data."""
        self.codes = {0, 2, 3, 4}
        rows, D = rng.choice((1, 2, 3, 10, 40)), rng.choice((1, 2, 5))
        C = rng.choice((1, 2, 3, rows))
        scale = rng.choice((0, 1, 1e-30, 1e4, 1e30, 3e38))
        lines = [
            ",".join([*(f"{rng.uniform(-1, 1) * scale:g}" for _ in range(D)), f"c{i % C}"])
            for i in range(rows)
        ]
        self.files["d.csv"] = "\n".join(lines).encode() + b"\n"
        odd = {
            "--lr": NUMBERS,
            "--reg": NUMBERS,
            "--momentum": ("0", "0.99", "0.999999", "1"),
            "--optimizer": ("sgd", "momentum", "nesterov", "adam", "adamw"),
            "--loss": ("cross-entropy", "mse", "bce"),
            "--activation": ("relu", "leaky-relu", "tanh", "sigmoid"),
            "--hidden": ("none", "1", "1,1,1", "50"),
            "--batch-size": ("1", "7", "full", "1000000000"),
            "--scale": ("none", "auto", "standard"),
            "--init": ("he", "glorot", "normal"),
            "--init-scale": NUMBERS,
            "--dropout": ("0.5", "0.999999"),
            "--clip-norm": NUMBERS,
            "--max-norm": NUMBERS,
            "--label-smoothing": ("0.1", "0.999"),
            "--mixup": NUMBERS,
            "--adversarial": ("l2:1", "linf:1e300", "virtual:1e-30"),
            "--val-fraction": ("0", "0.5", "0.99"),
            "--test-fraction": ("0", "0.5", "0.99"),
            "--class-weight": ("balanced",),
            "--lr-schedule": ("step", "exponential", "linear", "constant"),
            "--warmup": NUMBERS,
            "--lr-step": NUMBERS,
            "--dtype": ("float32", "float64"),
            "--seed": NUMBERS,
        }
        self.command = ("train", "--data", "d.csv", "--epochs", "2", "-o", "out.npz", "--json")
        for flag in rng.sample(list(odd), rng.randint(1, 6)):
            self.command += (flag, rng.choice(odd[flag]))


def case(seeds: dict[str, Files], seed: int, index: int) -> Case:
    """Input `index`: always the same for the same seed files."""
    return Case(seeds, random.Random(f"{seed}/{index}"))


# Running one


def try_case(case: Case, folder: Path) -> tuple[int, str]:
    """(exit code, what is wrong with how it ended, or nothing)."""
    for name, content in case.files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        warnings.simplefilter("error")
        try:
            code = run_case(case)
        except BaseException:
            return -1, traceback.format_exc()
    for stream in (out, err):
        stream.seek(0)
    return code, wrong_with(case, folder, code, out.read(), err.read())


def run_case(case: Case) -> int:
    from mlpcli.cli import run

    if case.drips is None:
        return run(case.command)
    from mlpcli.data import download

    download.READ_TIMEOUT, download.ATTEMPTS = 0.5, 1
    with extremes.dripping_mirror(case.drips) as address:
        return run((*case.command, address))


def wrong_with(case: Case, folder: Path, code: int, out: str, err: str) -> str:
    lines = err.splitlines()
    errors = [line for line in lines if line.startswith("mlp: ")]
    if code not in case.codes:
        return f"exit code {code}: {err}"
    if any(word in err for word in ("a defect of mlp", "Traceback", "Warning")):
        return err
    if code and (not lines or errors != [lines[-1]] or len(errors[0]) > 2000):
        return f"not one line of error: {err[:4000]!r}"
    if not code and errors:
        return f"an error and exit code 0: {err}"
    if not all(character.isprintable() for line in lines for character in line):
        return f"unprintable: {err!r}"
    if not code and "--json" in case.command:
        json.loads(out)
    strays = [path.name for path in folder.rglob("*.tmp")]
    if strays:
        return f"left behind: {strays}"
    if (folder / "out.npz").exists():
        from mlpcli.runs.model import load

        load(folder / "out.npz", resume=True)
    return ""


def work(seeds_folder: Path, seed: int) -> None:
    """A worker: reads numbers of inputs, writes how they ended."""
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    seeds = read_seeds(seeds_folder)
    for line in sys.stdin:
        index = int(line)
        one = case(seeds, seed, index)
        with tempfile.TemporaryDirectory(prefix="mlp-fuzz-") as name:
            os.chdir(name)
            begun = time.monotonic()
            code, wrong = try_case(one, Path(name))
            seconds = time.monotonic() - begun
            os.chdir("/")
        megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
        outcome = {"index": index, "target": one.target, "code": code, "wrong": wrong}
        print(json.dumps(outcome | {"seconds": seconds, "megabytes": megabytes}), flush=True)


def write_seeds(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as made:
        for target, files in make_seeds(Path(made)).items():
            (folder / target).mkdir()
            for name, content in files.items():
                (folder / target / name).write_bytes(content)


def read_seeds(folder: Path) -> dict[str, Files]:
    return {
        target.name: {path.name: path.read_bytes() for path in sorted(target.iterdir())}
        for target in sorted(folder.iterdir())
    }


# Running all


class Worker:
    """A process that tries inputs, one after the other."""

    def __init__(self, seeds: Path, seed: int) -> None:
        command = [sys.executable, __file__, "--work", str(seeds), "--seed", str(seed)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ
            | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", "MLP_DATA_DIR": str(seeds)},
        )
        self.index: int | None = None
        self.begun = 0.0

    def send(self, index: int) -> None:
        self.index, self.begun = index, time.monotonic()
        assert self._process.stdin is not None
        self._process.stdin.write(f"{index}\n")
        self._process.stdin.flush()

    def fileno(self) -> int:
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def receive(self) -> dict[str, Any]:
        """How the input ended; a worker that died is an outcome, too."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            outcome: dict[str, Any] = json.loads(line)
            return outcome
        wrong = f"the process died ({self._process.wait()})"
        return {
            "index": self.index,
            "target": "?",
            "code": -1,
            "wrong": wrong,
            "seconds": 0.0,
            "megabytes": 0.0,
        }

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


def fuzz(inputs: int, seed: int, jobs: int) -> int:
    """Try so many inputs; print what is wrong and the totals; how many were wrong."""
    begun = time.monotonic()
    ended: Counter[tuple[str, int]] = Counter()
    slowest, largest, bad = 0.0, 0.0, 0
    repeated: set[int] = set()  # a machine that stands still for a while is no hang
    with tempfile.TemporaryDirectory(prefix="mlp-seeds-") as name:
        seeds = Path(name)
        subprocess.run(
            [sys.executable, __file__, "--make", name],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        waiting = list(range(inputs - 1, -1, -1))
        workers = [Worker(seeds, seed) for _ in range(jobs)]
        try:
            while waiting or any(worker.index is not None for worker in workers):
                for worker in workers:
                    if worker.index is None and waiting:
                        worker.send(waiting.pop())
                busy = [worker for worker in workers if worker.index is not None]
                ready, _, _ = select.select(busy, [], [], 0.5)
                for worker in busy:
                    if worker in ready:
                        outcome = worker.receive()
                        index, worker.index = worker.index, None
                        ended[outcome["target"], outcome["code"]] += 1
                        slowest = max(slowest, outcome["seconds"])
                        largest = max(largest, outcome["megabytes"])
                        wrong = outcome["wrong"]
                        if outcome["megabytes"] > MEGABYTES:
                            wrong += f" took {outcome['megabytes']:.0f} MB"
                        died = outcome["code"] == -1
                    elif time.monotonic() - worker.begun > 2 * SECONDS:
                        index, wrong, died = worker.index, "hangs", True
                    else:
                        continue
                    if wrong == "hangs" or (not wrong and outcome["seconds"] > SECONDS):
                        assert index is not None
                        if index not in repeated:
                            repeated.add(index)
                            waiting.append(index)
                            wrong = ""
                        else:
                            wrong = f"took more than {SECONDS:g} s"
                    if wrong:
                        bad += 1
                        print(f"input {index} of seed {seed}: {wrong}", flush=True)
                    if died or "MB" in wrong:
                        worker.stop()
                        workers[workers.index(worker)] = Worker(seeds, seed)
        finally:
            for worker in workers:
                worker.stop()
    for target in sorted({target for target, _ in ended}):
        codes = {code: count for (name, code), count in sorted(ended.items()) if name == target}
        print(f"{target:<11} {sum(codes.values()):>6} inputs; by exit code: {codes}")
    print(
        f"{ended.total():,} inputs in {time.monotonic() - begun:.0f} s; {bad} wrong; "
        f"the slowest took {slowest:.2f} s, the largest process {largest:.0f} MB"
    )
    return bad


def show(seed: int, index: int) -> None:
    """Try one input here, and leave its files to look at."""
    with tempfile.TemporaryDirectory() as name:
        os.environ["MLP_DATA_DIR"] = name
        write_seeds(Path(name))
        one = case(read_seeds(Path(name)), seed, index)
    folder = Path(tempfile.mkdtemp(prefix="mlp-fuzz-"))
    os.chdir(folder)
    for path, content in one.files.items():
        print(f"{folder / path}: {len(content)} bytes")
    print(f"mlp {' '.join(one.command)}")
    print(*try_case(one, folder))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", type=int)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--make", type=Path)
    arguments = parser.parse_args()
    if arguments.work:
        work(arguments.work, arguments.seed)
    elif arguments.make:
        write_seeds(arguments.make)
    elif arguments.only is not None:
        show(arguments.seed, arguments.only)
    else:
        sys.exit(fuzz(arguments.inputs, arguments.seed, arguments.jobs) > 0)


if __name__ == "__main__":
    main()

"""What `mlpcli/README.md` says of additions: one entry where it is implemented, one name in config.

Each addition is made in a process of its own, by the two lines that a commit would have.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mlpcli.config import kinds
from mlpcli.config.options import OPTIONS
from mlpcli.data.scalings import SCALINGS
from mlpcli.nn.activations import ACTIVATIONS
from mlpcli.nn.adversarial import STEPS
from mlpcli.nn.initialisation import INITS, PARAMETRISATIONS
from mlpcli.nn.losses import LOSSES, OF_TASK
from mlpcli.nn.optimizers import OPTIMIZERS
from mlpcli.nn.schedules import LR_SCHEDULES
from mlpcli.tasks.choice import TASKS
from mlpcli.training.average import AVERAGES

REGISTRIES = {
    "activation": (kinds.ACTIVATIONS, ACTIVATIONS),
    "loss": (kinds.LOSSES, LOSSES),
    "init": (kinds.INITS, INITS),
    "parametrisation": (kinds.PARAMETRISATIONS, PARAMETRISATIONS),
    "optimizer": (kinds.OPTIMIZERS, OPTIMIZERS),
    "lr_schedule": (kinds.LR_SCHEDULES, LR_SCHEDULES),
    "average": (kinds.AVERAGES, AVERAGES),
    "task": (kinds.TASKS, TASKS),
    "scale": (kinds.SCALES, SCALINGS),
}


@pytest.mark.parametrize("option", REGISTRIES)
def test_the_words_of_config_are_those_of_the_registry(option: str) -> None:
    words, registry = REGISTRIES[option]
    assert set(words) == set(registry)
    kind = OPTIONS[option].kind
    assert isinstance(kind, kinds.Choice)
    assert set(kind.choices) - {"auto", "none"} == set(words) - {"none"}


def test_the_kinds_of_adversarial_images_are_those_that_there_are() -> None:
    assert list(STEPS) == kinds.ATTACKS


def test_every_loss_is_of_one_kind_of_task() -> None:
    assert sorted(name for losses in OF_TASK.values() for name in losses) == sorted(LOSSES)
    assert set(OF_TASK) == set(TASKS)


ADDITIONS = {
    "scale": """
import numpy as np
from mlpcli.config import kinds
from mlpcli.data import scalings

def learn_range(numbers):
    span = numbers.high - numbers.low
    return numbers.low, np.where(span > 0, 1 / np.where(span > 0, span, 1), 0)

scalings.SCALINGS["range"] = scalings.Scaling(learn_range)
kinds.SCALES.append("range")
flags = ["--scale", "range"]
refused = [".onnx", ".py"]
""",
    "activation": """
import numpy as np
from mlpcli.config import kinds
from mlpcli.nn import activations

class Square:
    kinked, needs_input = False, True
    def forward(self, Z, scratch):
        np.multiply(Z, Z, out=Z)
    def derivative(self, A, out, scratch):
        return np.multiply(out, 2, out=out)

activations.ACTIVATIONS["square"] = Square()
kinds.ACTIVATIONS.append("square")
flags = ["--activation", "square", "--lr", "0.05"]
refused = [".html", ".onnx", ".py"]
""",
    "loss": """
import numpy as np
from mlpcli.config import kinds
from mlpcli.nn import losses

class Fourth(losses.MeanSquaredError):
    def evaluate(self, scores, Y, losses, delta):
        self.probabilities(scores, delta)
        error = delta - Y
        np.sum(error**4, axis=1, out=losses)
        np.multiply(4 * error**3, delta * (1 - delta), out=delta)
    def of_probabilities(self, probs, Y):
        return np.sum((probs - Y) ** 4, axis=1)
    def at_chance(self, C):
        return C / 16

losses.LOSSES["fourth"] = Fourth()
losses.OF_TASK["classification"] += ("fourth",)
kinds.LOSSES.append("fourth")
flags = ["--loss", "fourth", "--lr", "1", "--reg", "0"]
refused = [".html"]
""",
    "optimizer": """
import numpy as np
from mlpcli.config import kinds
from mlpcli.nn import optimizers

class Signs(optimizers.Optimizer):
    remembers = ()
    def _update(self, rows, scratch, reg, lr, momentum):
        rows[0] -= lr * np.sign(rows[1])

optimizers.OPTIMIZERS["signs"] = Signs
kinds.OPTIMIZERS["signs"] = 0.005
flags = ["--optimizer", "signs"]
""",
    "lr-schedule": """
from mlpcli.config import kinds
from mlpcli.nn import schedules

schedules.LR_SCHEDULES["falling"] = lambda at, decay: 1 / (1 + at.epochs)
kinds.LR_SCHEDULES.append("falling")
flags = ["--lr-schedule", "falling"]
""",
    "init": """
from mlpcli.config import kinds
from mlpcli.nn import initialisation

initialisation.INITS["lecun"] = lambda fan_in, fan_out: 1 / fan_in
kinds.INITS.append("lecun")
flags = ["--init", "lecun"]
""",
    "average": """
from mlpcli.config import kinds
from mlpcli.training import average

class Halves(average.Average):
    def _share(self, step):
        return 0.5

average.AVERAGES["halves"] = Halves
kinds.AVERAGES.append("halves")
flags = ["--average", "halves"]
""",
    "adversarial": """
import numpy as np
from mlpcli.config import kinds
from mlpcli.nn import adversarial

def to_largest(r, size):
    largest = np.abs(r) == np.abs(r).max(axis=1, keepdims=True)
    np.multiply(np.sign(r), size * largest, out=r)

adversarial.STEPS["l1"] = to_largest
kinds.ATTACKS.append("l1")
flags = ["--adversarial", "l1:0.5"]
word = "l1"
""",
    "distortion": """
from mlpcli.config import options

options.DISTORTIONS["turned"] = {"rotate": 5.0}
flags = ["--augment", "turned"]
""",
    "task": """
from typing import ClassVar, Literal
import numpy as np
from mlpcli.config import kinds
from mlpcli.nn import losses
from mlpcli.tasks import choice, task
from mlpcli.tasks.regression import Regression
from mlpcli.records import record

class Counts:
    kind, headline, headline_name, upward = "counts", "accuracy", "share of right answers", 1
    target_dtype, outputs, strata = np.float64, 1, staticmethod(Regression.strata)
    def __init__(self, numbers):
        self._numbers = numbers
    @classmethod
    def learn(cls, *arguments):
        return cls(Regression.learn(*arguments))
    def __getattr__(self, name):
        return getattr(self._numbers, name)
    def _right(self, scores, y):
        return np.rint(self._numbers.decode(scores[:, 0])) == np.rint(self._numbers.decode(y))
    def tally(self, scores, losses, y, weights=None):
        return np.array([losses.sum(), self._right(scores, y).sum(), len(y)])
    def score(self, sums):
        loss, right, N = sums
        return task.Scores(int(N), loss / N, {"accuracy": right / N})
    def rank(self, scores, by):
        return (scores.headline,)
    def constant_answer(self, scores, y):
        most = np.unique(y, return_counts=True)[1].max() / len(y)
        return scores.headline > most, f"one count is that of {100 * most:.1f} %"
    def show(self, headline):
        return f"{headline:.3f}"
    def to_json(self):
        return self._numbers.to_json() | {"kind": "counts"}

@record
class CountsRecord:
    kind: Literal["counts"]
    mean: float
    deviation: float
    low: float
    high: float
    outputs: ClassVar[int] = 1
    has_whole_classes: ClassVar[bool] = False
    headline: ClassVar[str] = Counts.headline
    def task(self):
        return Counts(Regression(self.mean, self.deviation, self.low, self.high))

kinds.TASKS.append("counts")
losses.OF_TASK["counts"] = ("squared-error",)
task.TaskKind = Literal["classification", "regression", "counts"]
choice.TASKS["counts"] = Counts
choice.TaskRecord = choice.TaskRecord | CountsRecord
from mlpcli.evaluation import html_report
html_report.OF_TASK["counts"] = html_report.OF_TASK["regression"]

X = np.random.default_rng(0).random((4000, 3))
np.savez("counts.npz", X=X, y=np.rint(4 * X[:, 0]))
flags = ["--task", "counts", "--data", "counts.npz", "--lr", "0.01"]
refused = [".html", ".onnx", ".py"]
""",
    "embedded data set": """
from dataclasses import replace
from mlpcli.config import kinds
from mlpcli.data import catalog

kinds.NAMED_DATA += ("upside-down",)
catalog.BUILT_IN["upside-down"] = "digits on their heads"
catalog.NAMES += ("upside-down",)

from mlpcli.data import builtin

def upside_down():
    own = builtin.digits()
    return replace(own, source="upside-down", X=own.X[:, ::-1])

builtin.ARRAYS["upside-down"] = upside_down
flags = ["--data", "upside-down"]
""",
    "embedded table": """
import io
import numpy as np
from mlpcli.data import catalog

catalog.BUILT_IN["stripes"] = "a table"
catalog.TABLES += ("stripes",)
catalog.NAMES += ("stripes",)

from mlpcli.data import builtin
from mlpcli.data.formats.collect import collect
from mlpcli.data.formats.rows import as_dataset
from mlpcli.data.formats.table import TableReader

def stripes(options=None, layout=None):
    rows = "".join(f"{k / 2000},{'left' if k < 1000 else 'right'}\\n" for k in range(2000))
    readers = [TableReader(io.BytesIO(b"at,side\\n" + rows.encode()), "stripes", options, ())]
    return as_dataset(collect(readers, options, layout), ["stripes"])

builtin.TABLES["stripes"] = stripes
flags = ["--data", "stripes"]
""",
    "data set to download": """
import gzip, hashlib, os, struct
from pathlib import Path
import numpy as np
from mlpcli.config import kinds
from mlpcli.data import catalog
from mlpcli.data.builtin import digits
from mlpcli.data.formats import idx

own = digits()
X, y = np.roll(own.X, 1, axis=1).reshape(-1, 8, 8), own.y.astype(np.uint8)
files = []
for name, values in zip(idx.FILES, (X[:1500], y[:1500], X[1500:], y[1500:])):
    head = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
    content = head + values.tobytes()
    packed = gzip.compress(content)
    Path("mirror").mkdir(exist_ok=True)
    Path("mirror", name + ".gz").write_bytes(packed)
    sha256 = (hashlib.sha256(part).hexdigest() for part in (content, packed))
    size, gz_size = len(content), len(packed)
    files.append(catalog.RemoteFile(name, size, next(sha256), gz_size, next(sha256)))
catalog.DOWNLOADS["aside"] = catalog.RemoteSet("aside", tuple(files), ("http://127.0.0.1:1/",))
kinds.NAMED_DATA += ("aside",)
catalog.NAMES += ("aside",)
flags = ["--data", "aside"]

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory="mirror"))
threading.Thread(target=server.serve_forever, daemon=True).start()
os.environ |= {"MLP_DATA_DIR": "data", "NO_PROXY": "127.0.0.1"}
from mlpcli.cli import run
url = f"http://127.0.0.1:{server.server_port}/"
assert run(["download", "aside", "--mirror", url, "-q"]) == 0
server.shutdown()
""",
    "file format of tables": """
from io import BytesIO
import numpy as np
from pathlib import Path
from mlpcli.data.builtin import digits
from mlpcli.data.formats import registry
from mlpcli.data.formats.table import TableReader

def open_fixed_width(source, options, known, stack):
    lines = Path(source).read_text().splitlines()
    rows = (",".join(line[i : i + 2] for i in range(0, len(line), 2)) for line in lines)
    return TableReader(BytesIO("\\n".join(rows).encode()), source, options, known)

registry.FORMATS.append(
    registry.Format((".fixed",), "a .fixed", table="__main__:open_fixed_width")
)
own = digits()
with open("digits.fixed", "w") as file:
    for row, label in zip(own.X.astype(int), own.y):
        print(*(f"{value:2}" for value in (*row, label)), sep="", file=file)
flags = ["--data", "digits.fixed", "--task", "classification", "--embedding", "none"]
word = "a .fixed"
""",
    "file format of arrays": """
from pathlib import Path
import numpy as np
from mlpcli.data.builtin import digits
from mlpcli.data.dataset import Dataset
from mlpcli.data.formats import registry

def read_bytes(path, source):
    rows = np.frombuffer(path.read_bytes(), np.uint8).reshape(-1, 65)
    return rows[:, :-1], rows[:, -1].astype(np.int64)

def open_bytes(path, source):
    X, y = read_bytes(path, source)
    return Dataset(source=source, X=X, y=y, digest="0" * 64)

registry.FORMATS.append(
    registry.Format((".raw",), "a .raw", data="__main__:open_bytes", rows="__main__:read_bytes")
)
own = digits()
Path("digits.raw").write_bytes(np.c_[own.X, own.y].astype(np.uint8).tobytes())
flags = ["--data", "digits.raw"]
word = "a .raw"
""",
}


@pytest.mark.parametrize("door", ADDITIONS)
def test_an_addition_by_its_door_is_trained_with(door: str, tmp_path: Path) -> None:
    code = (
        ADDITIONS[door]
        + """
import contextlib, io
from importlib.util import find_spec
from mlpcli.cli import run
word = globals().get("word", flags[1])
if "--data" not in flags:
    flags += ["--data", "digits"]
assert run(["train", "--hidden", "16", "--epochs", "20", "--json", *flags]) == 0
assert run(["evaluate", "model.npz", "-q"]) == 0
assert run(["gradcheck", "model.npz", "-q"]) == 0
assert run(["show", "model.npz"]) == 0
if word.startswith("a ."):
    assert run(["predict", "model.npz", flags[1], "-o", "answers.csv", "-q"]) == 0
    answers = np.loadtxt("answers.csv", delimiter=",", skiprows=1, usecols=0)
    assert (answers == own.y).mean() > 0.8
for suffix in (".html", ".py", *([".onnx"] if find_spec("onnx") else [])):
    with contextlib.redirect_stderr(io.StringIO()) as said:
        ended = run(["export", "model.npz", "model" + suffix, "-q"])
    if suffix in globals().get("refused", ()):
        assert (ended, said.getvalue()) == (
            2, f"mlp: {flags[0]} {flags[1]} cannot be exported to {suffix}\\n"
        )
    else:
        assert ended == 0, said.getvalue()
with contextlib.redirect_stdout(io.StringIO()) as help:
    run(["train", "--help"])
assert word in " ".join(help.getvalue().split())
"""
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    accuracy = float(result.stdout.split('"accuracy": ')[1].split("}")[0])
    assert accuracy > 0.8


def test_a_kind_of_export_by_its_door_is_written_and_told_of(tmp_path: Path) -> None:
    code = """
import sys
from types import SimpleNamespace
from mlpcli.export import EXPORTERS, Exporter

def build(request):
    return repr(request.members[0].file.sizes).encode()

sys.modules["mlpcli.export.sizes"] = SimpleNamespace(build=build)
EXPORTERS[".sizes"] = Exporter("sizes", "a list of sizes", "for those who count")

from mlpcli.cli import run
assert run(["train", "--data", "digits", "--hidden", "7", "--epochs", "1", "-q"]) == 0
assert run(["export", "model.npz", "model.sizes"]) == 0
run(["export", "--help"])
run(["--help"])
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (tmp_path / "model.sizes").read_text() == "[64, 7, 10]"
    said = " ".join(done.stdout.split())
    assert "mlp export model.npz model.sizes for those who count TARGET" in said
    assert "TARGET ends in .html, .onnx, .py or .sizes." in said
    assert "export A model as a lesson page, ONNX, one Python file or a list of sizes." in said

"""Models taken elsewhere, and what they answer there."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest


@dataclass(frozen=True)
class Table:
    """Raw rows as text, with or without a header."""

    header: list[str] | None
    cells: list[list[str]]

    @classmethod
    def of(cls, X: Any) -> Table:
        return cls(None, [[repr(value) for value in row] for row in np.asarray(X).tolist()])

    def text(self) -> str:
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerows([self.header] if self.header else [])
        writer.writerows(self.cells)
        return out.getvalue()


@dataclass(frozen=True)
class Answers:
    """Labels as text with probabilities (N, C); or numbers (N, 1) and no labels."""

    labels: list[str]
    values: Any

    @classmethod
    def of_csv(cls, text: str) -> Answers:
        rows = list(csv.DictReader(io.StringIO(text)))
        if "value" in rows[0]:
            return cls([], np.array([[float(row["value"])] for row in rows]))
        probs = [[float(p) for name, p in row.items() if name.startswith("p_")] for row in rows]
        return cls([row["label"] for row in rows], np.array(probs))

    @classmethod
    def mean(cls, members: Sequence[Answers]) -> Answers:
        """What a committee answers: the mean; the label of the highest mean probability."""
        if len(members) == 1:
            return members[0]
        values = np.mean([each.values for each in members], axis=0)
        classes = {}  # a class is the label of the rows where it is likeliest
        for each in members:
            classes |= dict(zip(each.values.argmax(axis=1).tolist(), each.labels, strict=False))
        best = values.argmax(axis=1).tolist() if classes else []
        return cls([classes[k] for k in best], values)

    def assert_same(self, other: Answers, within: float = 1e-5) -> None:
        assert self.values.shape == other.values.shape
        np.testing.assert_allclose(self.values, other.values, rtol=within, atol=within)
        if self.labels != other.labels:  # a tie may be broken otherwise
            differ = [
                i for i, (a, b) in enumerate(zip(self.labels, other.labels, strict=True)) if a != b
            ]
            for i in differ:
                first, second = np.sort(self.values[i])[-2:]
                assert second - first < within, (i, self.labels[i], other.labels[i])


def by_onnxruntime(path: Path, table: Table, batch: int | None = None) -> Answers:
    """What onnxruntime answers, for `batch` rows at a time."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    labels, values = [], []
    names = [each.name for each in session.get_outputs()]
    for start in range(0, len(table.cells), batch or len(table.cells)):
        cells = table.cells[start : start + (batch or len(table.cells))]
        answer = dict(
            zip(names, session.run(names, feeds(session, table.header, cells)), strict=True)
        )
        labels += [str(label) for label in answer.get("label", ())]
        values.append(answer["value"][:, None] if "value" in answer else answer["probabilities"])
    return Answers(labels, np.concatenate(values))


def feeds(session: Any, header: Sequence[str] | None, cells: list[list[str]]) -> dict[str, Any]:
    """The inputs of a session: rows as one array, or each column by its name."""
    types = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(string)": object}
    inputs = {each.name: types[each.type] for each in session.get_inputs()}
    if list(inputs) == ["X"] and header is None:
        return {"X": np.array(cells, inputs["X"])}
    columns = json.loads(session.get_modelmeta().custom_metadata_map["columns"])
    result = {}
    for (name, dtype), column in zip(inputs.items(), columns, strict=True):
        assert name == column["input"]
        j = column["position"] if header is None else header.index(column["column"])
        values: list[Any] = [row[j] for row in cells]
        if dtype is not object:
            values = [float(value) if value else np.nan for value in values]
        result[name] = np.array(values, dtype).reshape(-1, 1)
    return result


# Forked once NumPy is imported, a process starts in a tenth of the time.
STARTER = """
import json, os, runpy, sys
if not sys.flags.no_site:
    import numpy
for line in sys.stdin:
    folder, argv, files = json.loads(line)
    child = os.fork()
    if not child:
        os.chdir(folder)
        for number, path in enumerate(files):
            os.dup2(os.open(path, os.O_RDWR), number)
        sys.stdin, sys.argv = open(0), argv
        runpy.run_path(argv[0], run_name="__main__")
        sys.exit()
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Python:
    """Runs exported files as commands; the flag `-S` keeps NumPy from them."""

    def __init__(self, folder: Path) -> None:
        self._files = [folder / name for name in ("stdin", "stdout", "stderr")]
        self._started: dict[tuple[str, ...], subprocess.Popen[str]] = {}

    def __call__(
        self, flags: Sequence[str], path: Path, *arguments: str, text: str | bytes
    ) -> subprocess.CompletedProcess[str]:
        starter = self._started.get(tuple(flags))
        if starter is None:
            starter = self._started[tuple(flags)] = subprocess.Popen(
                [sys.executable, "-I", *flags, "-c", STARTER],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert starter.stdin is not None
        assert starter.stdout is not None
        for file in self._files:
            file.write_bytes(b"")
        self._files[0].write_bytes(text if isinstance(text, bytes) else text.encode())
        argv = [str(path), *arguments]
        starter.stdin.write(json.dumps([str(Path.cwd()), argv, list(map(str, self._files))]) + "\n")
        starter.stdin.flush()
        code = int(starter.stdout.readline())
        out, err = (file.read_bytes().decode() for file in self._files[1:])
        return subprocess.CompletedProcess(argv, code, out, err)

    def end(self) -> None:
        for starter in self._started.values():
            starter.communicate()


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Python]:
    python = Python(tmp_path_factory.mktemp("python"))
    yield python
    python.end()


def by_python(python: Python, path: Path, table: Table, *flags: str) -> Answers:
    """What the file answers as a command."""
    done = python(flags, path, "--probabilities", text=table.text())
    assert (done.returncode, done.stderr) == (0, "")
    return Answers.of_csv(done.stdout)


@pytest.fixture
def ask_export(python: Python) -> Callable[[Path, Table], Iterator[Answers]]:
    """What an exported file answers, in every way that it can be asked."""

    def ask(path: Path, table: Table) -> Iterator[Answers]:
        if path.suffix == ".onnx":
            reason = "onnxruntime is not installed (make test-peers)"
            pytest.importorskip("onnxruntime", reason=reason)
            yield by_onnxruntime(path, table)
            yield by_onnxruntime(path, table, batch=7)
        else:
            yield by_python(python, path, table)
            yield by_python(python, path, table, "-S")

    return ask


@pytest.fixture(params=[pytest.param(".onnx", marks=pytest.mark.peers), ".py"])
def compare(mlp, ask_export, request: pytest.FixtureRequest) -> Callable[..., None]:
    """Export models, and compare what is answered there with `mlp predict`."""
    suffix = request.param
    if suffix == ".onnx":
        pytest.importorskip("onnx", reason="onnx is not installed (make test-peers)")

    def compare(table: Table, *models: str) -> None:
        rows, target = mlp.folder / "rows to compare.csv", mlp.folder / f"model{suffix}"
        rows.write_text(table.text())
        each = [
            Answers.of_csv(mlp.ok("predict", model, rows, "--probabilities", "-q").out)
            for model in models
        ]
        mlp.ok("export", *models, target)
        for answer in ask_export(target, table):
            answer.assert_same(Answers.mean(each))

    return compare


@pytest.fixture
def table() -> type[Table]:
    return Table


@pytest.fixture
def answers() -> type[Answers]:
    return Answers

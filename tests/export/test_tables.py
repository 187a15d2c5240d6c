"""One table in many spellings: the exported Python file reads each as `mlp predict` does."""

from __future__ import annotations

import csv
import gzip
import io
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

COLUMNS = ("amount", "share", "when", "kind", "size")
KINDS = ("oak", "5 o'clock", "fir; or pine", "a,b", 'the "new"', "two\nlines", "naïve | é")
MISSING = ("", "NA", "?", "null", "N/A", "nan")
DAMAGE = (
    b"",
    b"",
    b",",
    b";",
    b"\t",
    b'"',
    b"\n",
    b"\r",
    b" ",
    b".",
    b"1,5",
    b"#",
    b"x",
    b"1e99",
    b"13/13/2020",
    b"-",
    b"\xff",
)

Row = tuple[float | None, float | None, date | None, str | None, str | None]


def rows_of(dice: random.Random, count: int) -> list[Row]:
    """Rows of an amount, a share, a day, a kind and a size, with gaps."""

    def perhaps(value: Any) -> Any:
        return None if dice.random() < 0.08 else value

    return [
        (
            perhaps(round(dice.uniform(-9, 9) * 10 ** dice.randint(0, 5), 2)),
            perhaps(dice.randint(0, 1000) / 10),
            perhaps(date(2020, 1, 1) + timedelta(dice.randrange(1000))),
            perhaps(dice.choice(KINDS)),
            perhaps(dice.choice("123")),
        )
        for _ in range(count)
    ]


@dataclass(frozen=True)
class Spelling:
    """How a table is written."""

    delimiter: str = ","
    comma: bool = False
    group: str = ""
    money: str = ""
    percent: str = ""
    day: str = "%m/%d/%Y"
    missing: str = ""
    quoting: int = csv.QUOTE_MINIMAL
    names: Callable[[str], str] | None = str
    order: Sequence[str] = COLUMNS
    row_names: bool = False
    before: str = ""
    trailing: bool = False
    blank_lines: bool = False
    end: str = "\n"
    encode: Callable[[str], bytes] = str.encode

    @classmethod
    def draw(cls, dice: random.Random) -> Spelling:
        """Any that leaves no doubt of what is meant."""
        delimiter = dice.choice(",;\t| ")
        white = delimiter == " "  # where cells that hold some are quoted, and hold no line break
        comma = delimiter != "," and dice.random() < 0.5
        order = [*dice.sample(COLUMNS, 5)]
        names = dice.choice([str, str, str.upper, lambda name: f" {name.title()} ", None])
        if names is None:
            order = [*COLUMNS]
        else:
            for extra in dice.sample(["ripe", "comment", "number"], dice.randrange(4)):
                order.insert(dice.randrange(len(order) + 1), extra)
        end = dice.choice(["\n", "\r\n", "\r"])
        encodings: list[Callable[[str], bytes]] = [
            str.encode,
            lambda text: text.encode("utf-8-sig"),
            lambda text: text.encode("utf-16"),
            lambda text: gzip.compress(text.encode()),
        ]
        return cls(
            delimiter=delimiter,
            comma=comma,
            group=dice.choice(["", "'", " ", "\u202f", "." if comma else ","]),
            money=dice.choice(["", "$", "€ "]),
            percent=dice.choice(["", "%", " %"]),
            day=dice.choice(["%m/%d/%Y", "%Y-%m-%d", "%d %B %Y", "%b %d, %Y", "%Y-%m-%d 00:00"]),
            missing=dice.choice(MISSING),
            quoting=csv.QUOTE_ALL if white else dice.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
            names=names,
            order=order,
            row_names=names is not None and dice.random() < 0.2,
            before=dice.choice(
                [
                    "",
                    "",
                    "# made by hand\n",
                    "\n\n",
                    "% a\n# b, c\n",
                    f"sep={delimiter}\n" * (not white),
                ]
            ),
            trailing=not white and dice.random() < 0.2,
            blank_lines=dice.random() < 0.2,
            end=end,
            encode=dice.choice(encodings),
        )

    def number(self, value: float) -> str:
        """A number with its thousands apart."""
        text = f"{value:,.2f}".rstrip("0").rstrip(".")
        whole, _, part = text.partition(".")
        point = "," if self.comma else "."
        return whole.replace(",", self.group) + (point + part if part else "")

    def cells(self, row: Row, number: int) -> dict[str, str]:
        """What is written of a row, by column."""
        amount, share, when, kind, size = row
        gap = self.missing
        sign = "-" if amount is not None and amount < 0 else ""
        return {
            "amount": gap if amount is None else sign + self.money + self.number(abs(amount)),
            "share": gap if share is None else self.number(share) + self.percent,
            "when": gap if when is None else when.strftime(self.day),
            "kind": gap if kind is None else kind,
            "size": gap if size is None else size + ".0" * (number % 2 and not self.comma),
            "ripe": ("yes", "no")[number % 2],
            "comment": f"row {number}",
            "number": str(number),
        }

    def write(self, rows: Sequence[Row]) -> bytes:
        """The file."""
        text = io.StringIO()
        out = csv.writer(text, delimiter=self.delimiter, quoting=self.quoting, lineterminator="\n")
        rest = [""] if self.trailing and not self.row_names else []
        if self.names is not None:
            out.writerow([self.names(name) for name in self.order] + rest)
        for number, row in enumerate(rows, 1):
            cells = self.cells(row, number)
            first = [str(number)] if self.row_names else []
            out.writerow(first + [cells[name] for name in self.order] + rest)
            if self.blank_lines and number % 3 == 0:
                text.write("\n")
        return self.encode((self.before + text.getvalue()).replace("\n", self.end))


@dataclass(frozen=True)
class Both:
    """A model, and the same as an exported file without NumPy."""

    mlp: Any
    module: Any
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def predict(self, table: bytes) -> tuple[int, str, str]:
        """(exit code, stdout, stderr) of `mlp predict`."""
        Path("rows.csv").write_bytes(table)
        done = self.mlp("predict", "model.npz", "rows.csv", "--probabilities")
        return done.code, done.out, done.err

    def exported(self, table: bytes) -> tuple[int, str, str]:
        """The same of the exported file."""
        Path("rows.csv").write_bytes(table)
        self.monkeypatch.setattr(sys, "argv", ["model.py", "rows.csv", "--probabilities"])
        code = 0
        try:
            self.module.main()
        except SystemExit as error:
            code = error.code
        return code, *self.capsys.readouterr()


@pytest.fixture
def both(mlp, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Both:
    rows = rows_of(random.Random(0), 120)
    Path("train.csv").write_bytes(Spelling(order=[*COLUMNS, "ripe"]).write(rows))
    mlp.ok("train", "--data", "train.csv", "--epochs", 3, "--hidden", 5, "-q")
    mlp.ok("export", "model.npz", "model.py")
    monkeypatch.setitem(sys.modules, "numpy", None)
    spec = spec_from_file_location("exported", "model.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.undo()
    monkeypatch.chdir(mlp.folder)
    assert module.columns() == [*COLUMNS]
    return Both(mlp, module, monkeypatch, capsys)


def assert_same(one: str, other: str) -> None:
    """Check that two tables of answers agree."""
    (head, *rows), (other_head, *others) = (list(csv.reader(io.StringIO(t))) for t in (one, other))
    assert head == other_head
    for row, theirs in zip(rows, others, strict=True):
        assert row[0] == theirs[0]
        assert [float(p) for p in row[1:]] == pytest.approx(
            [float(p) for p in theirs[1:]], abs=1e-5
        )


def test_every_spelling_of_a_table_has_the_same_answers(both: Both, times: int) -> None:
    dice = random.Random(1)
    for _ in range(60 * times):
        spelling = Spelling.draw(dice)
        rows = rows_of(dice, dice.randint(20, 40))
        if spelling.delimiter == " ":
            rows = [(*row[:3], (row[3] or "oak").replace("\n", " "), row[4]) for row in rows]
        if spelling.names is None:  # a first row of gaps and words could be one of names
            rows[0] = (1.5, 20.0, date(2020, 5, 17), "oak", "2")
        plain, table = Spelling().write(rows), spelling.write(rows)
        expected, code, text = both.predict(plain), *both.predict(table)[:2]
        assert (code, expected[0]) == (0, 0), both.predict(table)[2] + str(spelling)
        assert text == expected[1], spelling
        code, text, _ = both.exported(table)
        assert code == 0, spelling
        assert_same(text, expected[1])


def test_what_mlp_predict_refuses_or_reads_otherwise_is_no_different_there(
    both: Both, times: int
) -> None:
    dice = random.Random(2)
    refused, tried = 0, 120 * times
    for _ in range(tried):
        table = bytearray(Spelling.draw(dice).write(rows_of(dice, dice.randint(1, 12))))
        for _ in range(dice.randint(0, 2)):
            start = dice.randrange(len(table) + 1)
            end = start + dice.choice([0, 0, 1, 1, 5, 40])
            table[start:end] = dice.choice(DAMAGE)
        (code, out, err), there = both.predict(bytes(table)), both.exported(bytes(table))
        if "the label" in err:  # which nobody else reads
            continue
        assert there[0] == code, table
        if code:
            refused += 1
            assert there[1] == "", table
            (line,) = there[2].splitlines()
            assert line.startswith("model.py: row"), table
        else:
            assert_same(there[1], out)
    assert tried / 6 < refused < tried / 1.2

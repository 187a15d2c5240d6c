"""The kinds of files that hold data, by suffix: what is read, and what to do with what is not.

Reading, help, completion and messages all ask this table. It imports no numpy, as the command line
reads it for its help.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Literal

from mlpcli.records import record


@record
class Format:
    """A kind of file, and what opens it, as "module:name", imported when it is needed.

    Attributes:
        suffixes: of its files, in lower case.
        shown: what to call it in a list of what can be given.
        table: opens it as a `RawTable`, of (source, options, known names, an `ExitStack` that
            closes what is opened); "" if it is no table.
        data: opens it as a `Dataset` of arrays to train on, of (path, source).
        rows: reads arrays to predict, (X, labels or None), of (path, source); third may be which
            rows have a label.
    """

    suffixes: tuple[str, ...]
    shown: str
    table: str = ""
    data: str = ""
    rows: str = ""

    def opener(self, what: Literal["table", "data", "rows"]) -> Any:
        """What opens it so."""
        module, name = getattr(self, what).split(":")
        return getattr(import_module(module), name)

    @property
    def trains(self) -> bool:
        """Whether it can be trained on."""
        return bool(self.table or self.data)


_PARTS = (".train", ".test", ".trn", ".tst", ".tra", ".tes")  # as the UCI's archive names them
_TEXT = (".csv", ".tsv", ".tab", ".txt", ".data", ".dat", ".arff", *_PARTS)
_OWN = "mlpcli.data.formats"

FORMATS = [
    Format(
        (*_TEXT, *(f"{suffix}.gz" for suffix in _TEXT)),
        "a table (.csv, .tsv, .txt, .data, .gz)",
        table=f"{_OWN}.tables:open_text",
    ),
    Format((".parquet", ".pq"), "a .parquet", table=f"{_OWN}.parquet:open_parquet"),
    Format(
        (".npz",),
        "an .npz with X and y",
        data=f"{_OWN}.numpy_files:open_npz",
        rows=f"{_OWN}.numpy_files:read_npz",
    ),
    Format((".npy",), "an .npy", rows=f"{_OWN}.numpy_files:read_npy"),
    Format((".png", ".jpg", ".jpeg"), "a .png or .jpg"),
]

_OPENED = ("/dev/fd/", "/proc/self/fd/")  # what a shell names for `<(command)`

STDIN = "-"
"""Stands for a table on standard input."""


def table_formats() -> str:
    """The files that are tables."""
    return " or ".join(form.shown for form in FORMATS if form.table)


def training_formats() -> str:
    """The files that can be trained on."""
    return ", ".join(form.shown for form in FORMATS if form.trains)


def training_kinds() -> str:
    """All that can be trained on."""
    return f"{training_formats()}, a folder with X.npy and y.npy, or a folder of four IDX files"


def prediction_kinds() -> str:
    """All whose rows can be predicted."""
    shown = ", ".join(form.shown for form in FORMATS)
    return f"{shown}, an IDX file, or - for a table on standard input"


def suffixes(*, training: bool) -> list[str]:
    """The suffixes of files to train on, or to predict."""
    return [suffix for form in FORMATS if form.trains or not training for suffix in form.suffixes]


_SAVE_SHEET = "save the sheet as CSV"
_AS_CSV = "save the table as CSV or Parquet"
_UNPACK = "unpack it, and give the table that is in it"
SPARSE = "is in LIBSVM's sparse format; save it as CSV, with all of its columns"

_REMEDIES = {
    ".zip": f"is a zip archive; {_UNPACK}",
    ".tar": f"is an archive; {_UNPACK}",
    ".tgz": f"is an archive; {_UNPACK}",
    ".tar.gz": f"is an archive; {_UNPACK}",
    ".7z": f"is an archive; {_UNPACK}",
    ".rar": f"is an archive; {_UNPACK}",
    ".bz2": "is compressed by bzip2; decompress it, or use gzip",
    ".xz": "is compressed by xz; decompress it, or use gzip",
    ".zst": "is compressed by zstd; decompress it, or use gzip",
    ".xlsx": f"is an Excel workbook; {_SAVE_SHEET}",
    ".xls": f"is an Excel workbook; {_SAVE_SHEET}",
    ".ods": f"is a spreadsheet; {_SAVE_SHEET}",
    ".json": f"is JSON; {_AS_CSV}",
    ".jsonl": f"is JSON; {_AS_CSV}",
    ".ndjson": f"is JSON; {_AS_CSV}",
    ".feather": f"is a Feather file; {_AS_CSV}",
    ".orc": f"is an ORC file; {_AS_CSV}",
    ".pkl": "is a pickle, which can run any code and is not read; save arrays by np.savez",
    ".pickle": "is a pickle, which can run any code and is not read; save arrays by np.savez",
    ".joblib": "is a pickle, which can run any code and is not read; save arrays by np.savez",
    ".pt": "is a PyTorch file, which is not read; save arrays by np.savez",
    ".h5": "is HDF5; save arrays by np.savez",
    ".hdf5": "is HDF5; save arrays by np.savez",
    ".mat": "is a MATLAB file; save arrays by np.savez",
    ".rds": f"is an R file; {_AS_CSV}",
    ".rda": f"is an R file; {_AS_CSV}",
    ".rdata": f"is an R file; {_AS_CSV}",
    ".sas7bdat": f"is a SAS file; {_AS_CSV}",
    ".sav": f"is an SPSS file; {_AS_CSV}",
    ".dta": f"is a Stata file; {_AS_CSV}",
    ".db": f"is a database; {_AS_CSV}",
    ".sqlite": f"is a database; {_AS_CSV}",
    ".svm": SPARSE,
    ".svmlight": SPARSE,
    ".libsvm": SPARSE,
    ".html": f"is a web page; {_AS_CSV}",
    ".xml": f"is XML; {_AS_CSV}",
    ".pdf": f"is a PDF; {_AS_CSV}",
}


def format_of(source: str) -> Format | None:
    """The kind of file that a path leads to, by its suffix; None if it is not one that is read.

    What a shell has opened is a table, as standard input is.
    """
    if source == STDIN:
        return FORMATS[0]
    name = source.lower()
    form = next((form for form in FORMATS if name.endswith(form.suffixes)), None)
    return FORMATS[0] if form is None and source.startswith(_OPENED) else form


def is_table(source: str) -> bool:
    """Whether a path leads to a table, see `format_of`."""
    form = format_of(source)
    return form is not None and bool(form.table)


def why_not(source: str) -> str:
    """What a file is that is not read, and what to do; "" if its suffix does not tell."""
    name = source.lower()
    found = [suffix for suffix in _REMEDIES if name.endswith(suffix)]
    return _REMEDIES[max(found, key=len)] if found else ""

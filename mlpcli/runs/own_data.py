"""A model's own data, found again, and other data opened as it needs them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np

from mlpcli.config.config import Config
from mlpcli.data.catalog import NAMES, TABLES
from mlpcli.data.columns import TableOptions
from mlpcli.data.dataset import Dataset, as_images, lacking_pixels
from mlpcli.data.formats.registry import STDIN, is_table
from mlpcli.data.source import open_data
from mlpcli.data.split import Split
from mlpcli.errors import CheckpointError, DataError, UsageError
from mlpcli.runs.material import Material, prepare_opened, split_as_configured, table_options
from mlpcli.runs.model import Model, reads_alike
from mlpcli.runs.seen import refuse_seen


def own_data(
    model: Model,
    data_dir: Path,
    *,
    source: str | Sequence[str] | None = None,
    anew: bool = False,
) -> Dataset:
    """Find the data that a model was trained on, by their digest.

    They are looked up as they were given, at their original path, and next to the checkpoint; or
    at `source`, if that is given. With `anew` they are read as training reads them, and not in the
    columns and categories of the model.

    Raises:
        DataError: they are gone, or have changed.
        CheckpointError: they are read as more or fewer rows than in training.
    """
    record, path = model.data, model.file.path
    problem: DataError | None = None
    places = [source] if source is not None else _places(model)
    for place, beside in product(places, _places_beside(model)):
        try:
            data = _open_own(model, place, data_dir, beside, anew=anew)
        except (DataError, UsageError) as error:
            problem = problem or DataError(str(error))
            continue
        if data.digest == record.digest:
            _refuse_other_rows(model, data)
            return data
        problem = problem or DataError(
            f"{data.source}: is not what {path} was trained on: its contents have changed since"
        )
    if problem is None and record.source == STDIN:
        problem = DataError(f"{path}: was trained on standard input; name its data with --data")
    raise problem or DataError(
        f"{record.source}: the data that {path} was trained on are gone; name them with --data"
    )


def _refuse_other_rows(model: Model, data: Dataset) -> None:
    """Refuse to split a model's own data if they are read otherwise, as a header for a sample."""
    if len(data.y) != model.data.rows:
        raise CheckpointError(
            f"{model.file.path}: was trained on {model.data.rows:,} rows of {data.source}, and "
            f"{len(data.y):,} are read now; evaluate it with --data and the --header and "
            "--label-column of its training, or train again"
        )


def _places(model: Model) -> list[str | list[str]]:
    """Where the model's data may be; of several files, all of them."""
    record, folder = model.data, model.file.path.parent
    given = model.config.data.data
    if record.files:
        sources = [given] if isinstance(given, str) else list(given or ())
        lists = [
            sources,
            list(record.files[: len(sources)]),
            [str(folder / Path(source).name) for source in sources],
        ]
        return [files for files in lists if all(map(_exists, files))]
    places = (record.source, record.path, str(folder / Path(record.source).name))
    return [place for place in places if place and (place in NAMES or _exists(place))]


def _exists(path: str) -> bool:
    return path != STDIN and os.path.exists(os.path.expanduser(path))


def _places_beside(model: Model) -> list[dict[str, str]]:
    """{"test": …, "val": …}, where the tables may be that a model's data have besides.

    Raises:
        DataError: one is gone.
    """
    places, config, path = {}, model.config.data, model.file.path
    for name, given in (("test", config.test_data), ("val", config.val_data)):
        if given is not None:
            found = (given, model.data.beside.get(name, given), str(path.parent / Path(given).name))
            places[name] = list(filter(_exists, dict.fromkeys(found)))
            if not places[name]:
                raise DataError(
                    f"{given}: the --{name}-data that {path} was trained with are gone; put them "
                    "beside it"
                )
    return [dict(zip(places, files, strict=True)) for files in product(*places.values())]


def _open_own(
    model: Model,
    place: str | Sequence[str],
    data_dir: Path,
    beside: Mapping[str, str],
    *,
    anew: bool,
) -> Dataset:
    opened = open_data(
        place,
        data_dir=data_dir,
        options=table_options(model.config),
        layout=None if anew or model.encoding.pixels else model.layout,
        **beside,
    )
    return as_images(opened, model.config.data.image_shape)


def open_like(
    model: Model,
    source: str | Sequence[str],
    data_dir: Path,
    options: TableOptions,
    **beside: str,
) -> Dataset:
    """Open other data for a model: a table's columns are matched with the model's.

    `beside` are tables for `test` and `val`, as of `open_data`.
    """
    said = model.config.data
    if not isinstance(source, str) or source in TABLES or is_table(source):
        options = replace(options, numeric=said.numeric, group=said.group)
    data = open_data(source, data_dir=data_dir, options=options, layout=model.layout, **beside)
    if model.encoding.pixels and (lacking := lacking_pixels(data.X, data.file_rows)):
        raise DataError(f"{data.source}: {next(iter(lacking.values()))}")
    return data


def open_again(model: Model, data: Dataset, data_dir: Path, options: TableOptions) -> Dataset:
    """Open for a model what was opened as `data` for another one."""
    return open_like(model, data.files or data.source, data_dir, options, **data.beside)


def rows_to_evaluate(
    model: Model,
    data_dir: Path,
    *,
    source: str | Sequence[str] | None,
    label_column: str | None,
    split_name: str | None,
) -> tuple[str, Split]:
    """(where they are from, the rows): of the model's own data, or of another source.

    Raises:
        DataError: the data are gone, do not fit the model, or have no such split.
        CheckpointError: the model has seen the rows.
    """
    data, rows = open_rows(
        model, data_dir, source=source, label_column=label_column, split_name=split_name
    )
    refuse_seen([model], data, rows)
    return data.source, rows


def open_rows(
    model: Model,
    data_dir: Path,
    *,
    source: str | Sequence[str] | None,
    label_column: str | None,
    split_name: str | None,
    header: str = "auto",
    together: bool = False,
) -> tuple[Dataset, Split]:
    """The same with all of the data, whether the model has seen the rows or not.

    If all members of the model's file are asked `together`, the training rows are those that any
    of them was trained on, and none is for validation.
    """
    path = model.file.path
    if source is None:
        data = own_data(model, data_dir)
    else:
        options = TableOptions(label_column=label_column, header=header)
        data = open_like(model, source, data_dir, options)
    refuse_width(model, data)
    if data.digest == model.data.digest:
        _refuse_other_rows(model, data)
        splits = split_as_configured(model.config, data, model.task.kind, model.file.member)
        if splits.task.to_json() != model.task.to_json():
            raise CheckpointError(f"{path}: its classes are not those of its data, {data.source}")
        if together and splits.val is not None and splits.val.X is data.X:
            if split_name == "val":
                raise CheckpointError(f"{path}: {_why_none_is_new(model)}")
            rows = np.union1d(splits.train.rows, splits.val.rows)
            splits = replace(splits, train=replace(splits.train, rows=rows), val=None)
        parts = {"train": splits.train, "val": splits.val, "test": splits.test}
        chosen = parts[split_name] if split_name else splits.test or splits.train
        if chosen is None:
            raise DataError(f"{data.source}: {path} was trained without a {split_name} split")
        return data, chosen
    if split_name in ("train", "val"):
        raise DataError(
            f"{data.source}: is not what {path} was trained on, so it has no {split_name} split"
        )
    name, X, y, file_rows = ("all", data.X, data.y, data.file_rows)
    if data.X_test is not None and data.y_test is not None:
        name, X, y, file_rows = ("test", data.X_test, data.y_test, data.file_rows_test)
    targets = model.task.encode(y)
    model.task.refuse_unknown(targets, y, data.source, file_rows)
    return data, Split(name, X, targets, np.arange(len(y)), file_rows=file_rows)


def _why_none_is_new(model: Model) -> str:
    """Why members have no validation rows together, and which figures are the honest ones."""
    said = "what one member holds out the others were trained on"
    score = model.out_of_fold
    if score is None:
        return f"{said}; evaluate it on other rows, by --data"
    name = model.task.headline
    return (
        f"{said}; of the {score.samples:,} rows that were held out, each answered by the member "
        f"that did, the {name} is {model.task.show(score.figures[name])}"
    )


def refuse_width(model: Model, data: Dataset) -> None:
    """Refuse data with more or fewer columns than the model takes."""
    R = model.encoding.raw_width
    if data.X.shape[1] != R:
        raise DataError(
            f"{data.source}: has {data.X.shape[1]} inputs per row, {model.file.path} takes {R}"
        )


def own_material(model: Model, config: Config, data_dir: Path) -> Material:
    """The data of a resumed run: its own, split and encoded as before."""
    data = own_data(model, data_dir, source=_moved(model, config))
    splits = split_as_configured(config, data, model.task.kind, model.file.member)
    return Material(data, splits, model.encoding)


def own_materials(model: Model, config: Config, data_dir: Path) -> list[Material]:
    """The same of each network of a run; one that has not begun learns its encoding anew."""
    begun = {member.file.member: member for member in model.each}
    materials: list[Material] = []
    opened: list[tuple[Model, Dataset]] = []
    fresh: Dataset | None = None
    for number in range(config.train.members or 1):
        member = begun.get(number)
        if member is None:
            fresh = fresh or own_data(model, data_dir, source=_moved(model, config), anew=True)
            materials.append(prepare_opened(config, fresh, number))
            continue
        data = next((data for other, data in opened if reads_alike(other, member)), None)
        if data is None:
            data = own_data(member, data_dir, source=_moved(model, config))
            opened.append((member, data))
        splits = split_as_configured(config, data, member.task.kind, number)
        materials.append(Material(data, splits, member.encoding))
    return materials


def _moved(model: Model, config: Config) -> str | Sequence[str] | None:
    """Where the data are now, if a resumed run says so."""
    given = config.data.data
    return given if given != model.config.data.data else None

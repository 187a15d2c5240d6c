"""How `mlp train` begins: what goes on or starts, with which options. Imports no numpy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpcli.config.config import Config, resolve
from mlpcli.config.options import OPTIONS
from mlpcli.errors import UsageError
from mlpcli.text import as_typed

if TYPE_CHECKING:
    from mlpcli.runs.model import Model


def same_file(a: Path, b: Path) -> bool:
    return a.resolve() == b.resolve()


def begin(
    flags: dict[str, Any],
    config_file: Path | None,
    resume: Path | None,
    init_from: Path | None,
    log_file: Path | None,
    output: Path,
) -> tuple[Model | None, Config]:
    """(the run that goes on, or None; the configuration)."""
    if resume and init_from:
        raise UsageError("--resume goes on with a run, --init-from starts one: give one of them")
    if log_file and same_file(log_file, output):
        raise UsageError(f"--log {log_file}: is where the checkpoint goes; name another file")
    if resume is None:
        return None, resolve(flags, config_file)
    from mlpcli.runs.model import load

    model = load(resume, resume=True)
    config = resolve(flags, config_file, model.config)
    _refuse_changes(model, config)
    return model, config


def _refuse_changes(model: Model, config: Config) -> None:
    """Refuse what a run that goes on cannot change."""
    before = model.config.values()
    for name, now in config.values().items():
        if OPTIONS[name].fixed and now != before[name]:
            raise UsageError(
                f"{OPTIONS[name].flag} {_as_flag(now)}: {model.file.path} was trained with "
                f"{_as_flag(before[name])}, which a resumed run cannot change; "
                "start a new run, with --init-from if the weights fit"
            )


def _as_flag(value: Any) -> str:
    return "the default" if value is None else as_typed(value)

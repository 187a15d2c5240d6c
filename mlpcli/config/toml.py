"""Config files: TOML in, TOML out, and what is wrong with one."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from mlpcli.config.options import OPTIONS, SECTIONS
from mlpcli.errors import ConfigError, InputError
from mlpcli.files import open_input
from mlpcli.text import cut, find_nearest, nearest

_MAX_CONFIG = 1 << 17  # bytes of a config file, including comments
_MAX_DOTS = 500  # in a line: a key of n parts costs n²


def own_configs() -> dict[str, Path]:
    """{name: path} of the config files that come with the package, sorted by name."""
    package = Path(__file__).parents[1]
    installed, checkout = package / "configs", package.parent / "configs"
    folder = installed if installed.is_dir() else checkout
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def read_config(path: Path) -> dict[str, Any]:
    """The values {name: value} that a TOML file gives.

    Args:
        path: the file; if there is none, the name of one that comes with the package.

    Raises:
        InputError: the file cannot be read.
        ConfigError: it is not TOML, or a section, key or value is not allowed.
    """
    if not path.is_file() and str(path) == path.name:
        path = own_configs().get(path.name, path)
    try:
        with open_input(path, pipes=True) as file:
            content = file.read(_MAX_CONFIG + 1)
        _refuse_bomb(content, path)
        document = tomllib.loads(content.decode("utf-8-sig"))
    except OSError as error:
        near = _nearest_config(path) if isinstance(error, FileNotFoundError) else ""
        raise InputError(f"{path}: cannot be read: {error.strerror}{near}") from None
    except RecursionError:
        raise ConfigError(f"{path}: is not TOML: nested too deeply") from None
    except ValueError as error:  # its syntax, its encoding, or a number of thousands of digits
        reason = str(error)  # which ends with the line and the column
        if len(reason) > 200:
            reason = f"{cut(reason)} {reason[-60:]}"
        raise ConfigError(f"{path}: is not TOML: {reason}") from None
    values: dict[str, Any] = {}
    for section, keys in document.items():
        values |= _read_section(path, section, keys)
    return values


def _nearest_config(path: Path) -> str:
    """ "; did you mean …?" for a config of ours, if the missing `path` looks like its name."""
    names = own_configs()
    if path.suffix or path.parent != Path():
        return f"; did you mean {path.stem}?" if path.stem in names else ""
    return nearest(path.name, names)


def _refuse_bomb(content: bytes, path: Path) -> None:
    """Refuse what nobody writes and a TOML parser needs minutes or gigabytes for."""
    if len(content) > _MAX_CONFIG:
        raise ConfigError(
            f"{path}: has more than {_MAX_CONFIG >> 10} KiB; this is not a config file of mlp"
        )
    if any(line.count(b".") > _MAX_DOTS for line in content.splitlines()):
        raise ConfigError(f"{path}: is not TOML: a line with more than {_MAX_DOTS} points")


def check_sections(sections: Any, where: str) -> dict[str, Any]:
    """The values {name: value} of {section: {key: value}}, as a checkpoint keeps them."""
    values: dict[str, Any] = {}
    if not isinstance(sections, dict):
        raise ConfigError(f"{where}: is not a table of sections")
    for section, keys in sections.items():
        values |= _read_section(where, section, keys)
    return values


def _read_section(where: Path | str, section: str, keys: Any) -> dict[str, Any]:
    if section not in SECTIONS:
        if section in OPTIONS:
            raise ConfigError(f"{where}: {section} belongs under [{OPTIONS[section].section}]")
        near = nearest(section, SECTIONS)
        known = ", ".join(f"[{name}]" for name in SECTIONS)
        raise ConfigError(f"{where}: there is no section [{cut(section)}]{near} ({known})")
    if not isinstance(keys, dict):
        raise ConfigError(f"{where}: {section} is a section; write [{section}]")
    values = {}
    for key, value in keys.items():
        name = key.replace("-", "_")
        if name not in OPTIONS:
            raise ConfigError(f"{where}: [{section}] has no key {cut(key)}{_did_you_mean(name)}")
        option = OPTIONS[name]
        if option.section != section:
            raise ConfigError(f"{where}: {key} belongs under [{option.section}], not [{section}]")
        if name in values:
            raise ConfigError(f"{where}: [{section}] {name} is given twice")
        try:
            values[name] = option.kind.check(value)
        except ValueError as error:
            shown = cut(toml_value(value))
            raise ConfigError(f"{where}: [{section}] {key} = {shown}: {error}") from None
    return values


def _did_you_mean(name: str) -> str:
    names = {also: o.name for o in OPTIONS.values() for also in o.also} | {o: o for o in OPTIONS}
    found = name.lower() if name.lower() in names else find_nearest(name, OPTIONS)
    found = found or find_nearest(name, names)
    return f"; did you mean {names[found]}?" if found else ""


def toml_value(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        escaped = "".join(
            f"\\{c}" if c in '"\\' else c if c.isprintable() else f"\\U{ord(c):08x}" for c in value
        )
        return f'"{escaped}"'
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml_value(item) for item in value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {toml_value(v)}" for k, v in value.items()) + "}"
    return repr(value) if isinstance(value, float) else str(value)

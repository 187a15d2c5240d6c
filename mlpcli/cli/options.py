"""Click options made from the fields of `mlpcli.config.config`, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from mlpcli.cli.elsewhere import suggest_flag
from mlpcli.cli.paths import CONFIG_FILE, DATA_FILE, PATH
from mlpcli.commands.console import Console
from mlpcli.config.config import check_flag
from mlpcli.config.defaults import DEFAULTS, NAMES_OF_KINDS
from mlpcli.config.kinds import Sources, Switch
from mlpcli.config.options import OPTIONS, Option
from mlpcli.data.catalog import NAMES
from mlpcli.data.formats.registry import training_formats
from mlpcli.errors import ExitCode, UsageError
from mlpcli.parallel.mpi import join
from mlpcli.text import as_typed

F = TypeVar("F", bound=Callable[..., Any])


class _Value(click.ParamType[Any]):
    """A value that is checked by its declaration in `mlpcli.config.config`."""

    def __init__(self, option: Option) -> None:
        self.option = option
        self.name = option.kind.metavar

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if not isinstance(value, str):
            return value
        overrides_file = any(other.name == "config_file" for other in ctx.command.params)
        return check_flag(self.option.name, value, takes_back=overrides_file)

    def shell_complete(self, ctx: Any, param: Any, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        if self.option.name in ("data", "test_data", "val_data"):
            return DATA_FILE.shell_complete(ctx, param, incomplete)
        words = getattr(self.option.kind, "choices", ())
        return [CompletionItem(word) for word in words if word.startswith(incomplete)]


def config_options(
    *sections: str, only: tuple[str, ...] = (), group: str | None = None, **helps: str
) -> Callable[[F], F]:
    """Options for every hyperparameter of these sections, and for those named in `only`.

    `helps` has the help texts of those that mean something else here than in `mlp train`, and
    `group` is where they stand if they are not grouped as there.
    """

    def decorate(command: F) -> F:
        for option in reversed(OPTIONS.values()):
            if option.section in sections or option.name in only:
                switch = isinstance(option.kind, Switch)
                command = click.option(
                    f"{option.flag}/{option.off_flag}" if switch else option.flag,
                    option.name,
                    type=None if switch else _Value(option),
                    metavar=None if switch else option.kind.metavar,
                    default=None,
                    multiple=isinstance(option.kind, Sources),
                    callback=_join if isinstance(option.kind, Sources) else None,
                    help=helps.get(option.name) or _help(option),
                    cls=_Grouped,
                    group=group or ("common" if option.common else option.section),
                )(command)
        return command

    return decorate


def _join(_ctx: click.Context, _param: click.Parameter, given: tuple[str, ...]) -> Any:
    """None, the only one, or all values of an option that may be given again."""
    return given[0] if len(given) == 1 else given or None


def _help(option: Option) -> str:
    if "{formats}" in option.help:
        return option.help.format(names=", ".join(NAMES), formats=training_formats())
    also = "; ".join(f"for {kind} {as_typed(own)}" for kind, own in _own_defaults(option))
    if option.default is None or "Default:" in option.help or isinstance(option.kind, Switch):
        return f"{option.help} [{also}]" if also else option.help
    return f"{option.help} [{'; '.join(filter(None, (as_typed(option.default), also)))}]"


def _own_defaults(option: Option) -> Iterator[tuple[str, Any]]:
    """Yield (kind of data, its default), where that is another one than of the kind before."""
    before = option.default
    for kind, shown in NAMES_OF_KINDS.items():
        own = DEFAULTS[kind].get(option.name, option.default)
        if own != before:
            yield shown, own
        before = own


class _Grouped(click.Option):
    """An option that knows its group on the help page."""

    def __init__(self, *args: Any, group: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.group = group


HELP_GROUPS = {
    "common": "Common options",
    "data": "Data",
    "model": "Model",
    "train": "Training",
    "augment": "Distorted images",
}


class Command(click.Command):
    """A command whose options are shown in groups, and whose mistyped options are answered."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        on_ranks = "--mpi" in args
        try:
            return self._parse(ctx, args)
        except (UsageError, click.UsageError):
            if on_ranks:  # all of them fail alike, and rank 0 tells it
                job = join()
                job.wait()
                if job.rank:
                    ctx.exit(ExitCode.USAGE)
            raise

    def _parse(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            flags = [flag for param in self.get_params(ctx) for flag in param.opts]
            hint = suggest_flag(error.option_name, flags) or f"; see {ctx.command_path} --help"
            raise UsageError(f"no such option: {error.option_name}{hint}") from None

    def make_parser(self, ctx: click.Context) -> Any:
        """Click's parser, which here refuses a second value of an option that has one."""
        parser: Any = super().make_parser(ctx)
        parse = parser.parse_args

        def parse_once(args: list[str]) -> Any:
            found = parse(args)
            order = found[2]
            for param in order:
                single = isinstance(param, click.Option) and not (param.multiple or param.is_flag)
                if single and order.count(param) > 1:
                    raise UsageError(f"{param.opts[-1]} is given twice; give it once")
            return found

        parser.parse_args = parse_once
        return parser

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        groups: dict[str, list[tuple[str, str]]] = {title: [] for title in HELP_GROUPS.values()}
        groups["Files and output"] = []
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None and record[1]:  # an argument is in the usage line
                group = HELP_GROUPS.get(getattr(param, "group", ""), "Files and output")
                groups[group].append(record)
        for title, rows in groups.items():
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows, col_max=34)


def output_options(command: F) -> F:
    """`-q`, `-v` and `--json`, as one argument `console`."""

    def wrapped(*args: Any, quiet: bool, verbose: bool, as_json: bool, **kwargs: Any) -> Any:
        if quiet and verbose:
            raise UsageError("-q and -v contradict each other; give one of them")
        return command(*args, console=Console(quiet, verbose, as_json), **kwargs)

    wrapped.__doc__ = command.__doc__
    wrapped.__name__ = command.__name__
    wrapped.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object to stdout."),
        click.option("-v", "--verbose", is_flag=True, help="Show diagnostics too."),
        click.option("-q", "--quiet", is_flag=True, help="Show only results and errors."),
    ):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[return-value]


config_file_option = click.option(
    "--config",
    "config_file",
    type=CONFIG_FILE,
    metavar="FILE.toml|NAME",
    help="Take options from a TOML file, or from a config that comes with mlp, such as mnist; "
    "flags override it, and the value default takes back what it says.",
)

data_dir_option = click.option(
    "--data-dir",
    type=PATH,
    metavar="DIR",
    help="Folder of downloaded data. [$MLP_DATA_DIR, else ~/.cache/mlp]",
)


def given_flags(ctx: click.Context) -> dict[str, Any]:
    """The hyperparameters that were given as flags."""
    return {
        name: ctx.params[name]
        for name in OPTIONS
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }

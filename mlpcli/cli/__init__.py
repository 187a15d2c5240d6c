"""The `mlp` command. Starting it imports neither numpy nor requests nor tqdm."""

from __future__ import annotations

import gc
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from mlpcli import __version__
from mlpcli.commands.stopping import SIGNALS
from mlpcli.errors import ExitCode, Interruption, MlpError
from mlpcli.export import EXPORTERS
from mlpcli.text import join_words, nearest, printable

_LONGEST = 1500  # characters of a message: its beginning says what is wrong, its end what to do

COMMANDS = {
    "download": "Fetch MNIST and Fashion-MNIST.",
    "train": "Train a network and write its checkpoint.",
    "evaluate": "Show loss, accuracy, per-class table and confusion matrix.",
    "predict": "Label rows or pictures, as CSV.",
    "show": "Show what is in a checkpoint, or several as a table.",
    "export": f"A model as {join_words([kind.name for kind in EXPORTERS.values()], 'or')}.",
    "gradcheck": "Verify the gradients against central differences.",
}


class _Group(click.Group):
    """Commands, each in a module of its own that is imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"mlpcli.cli.{name}"), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from mlpcli.cli.elsewhere import suggest_command

            hint = suggest_command(args[0]) or "; see mlp --help"
            ctx.fail(f"no such command: {args[0]}{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "--version", message="mlp %(version)s")
def group() -> None:
    """Train, evaluate and check multi-layer perceptrons, on NumPy alone.

    \b
      mlp train --hidden 100 --reg 1e-3
      mlp evaluate model.npz
      mlp predict model.npz new.csv
      mlp export model.npz lesson.html

    \b
      mlp download                        get MNIST; without it, digits are used
      mlp train --data points.csv         your own table, its label in the last column
      mlp train --config mnist            options from a file, or a config of mlp's
      mlp gradcheck --hidden 100          are the gradients right?
    """


def main(args: Sequence[str] | None = None) -> None:
    """Run `mlp` and end the process: one line to the person, the exit code to the shell."""
    SIGNALS.take()
    code = _run(args)
    SIGNALS.ignore()
    gc.freeze()  # else Python looks through all that was imported for garbage before it ends
    sys.exit(code)


def run(args: Sequence[str] | None = None) -> int:
    """Run `mlp` with these arguments and return the exit code."""
    with SIGNALS.taken():
        return _run(args)


def _run(args: Sequence[str] | None) -> int:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # λ or a path that the locale cannot show
            stream.reconfigure(errors="backslashreplace")
    if "_MLP_COMPLETE" in os.environ:
        import mlpcli.cli.shells  # noqa: F401
    try:
        with SIGNALS.at_once():
            result = group.main(args, prog_name="mlp", standalone_mode=False)
            sys.stdout.flush()
    except MlpError as error:
        return _fail(str(error), error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return ExitCode.USAGE
    except click.ClickException as error:
        return _fail(_usage(error), ExitCode.USAGE)
    except Interruption as stop:
        return _fail(str(stop), stop.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return _fail("interrupted", ExitCode.INTERRUPTED)
    except BrokenPipeError:  # the reader of our output is gone
        _give_up_stdout()
        return ExitCode.FAILED
    except OSError as error:
        if error.filename is None:
            _give_up_stdout()
        where = error.filename or "the output"
        return _fail(f"{where}: {error.strerror or error}", ExitCode.FAILED)
    except MemoryError:
        trains = "train" in (sys.argv[1:] if args is None else args)[:1]
        remedy = "lower --batch-size or --hidden" if trains else "free some, or give fewer rows"
        return _fail(f"out of memory; {remedy}", ExitCode.FAILED)
    except Exception as error:  # a person never sees a traceback
        return _fail(f"a defect of mlp, please report it: {_where(error)}", ExitCode.FAILED)
    return result if isinstance(result, int) else ExitCode.DONE


def _fail(message: str, code: int) -> int:
    click.echo(f"mlp: {_one_line(message)}", err=True)
    return code


def _usage(error: click.ClickException) -> str:
    """Say in our words what Click found wrong with the arguments."""
    context: Any = getattr(error, "ctx", None)
    see = f"; see {context.command_path} --help" if context else ""
    message = error.message[:1].lower() + error.message[1:].rstrip(".")
    if isinstance(error, click.NoSuchOption):
        params = context.command.get_params(context) if context else []
        from mlpcli.cli.elsewhere import suggest_flag

        flags = [flag for param in params for flag in param.opts]
        return f"no such option: {error.option_name}{suggest_flag(error.option_name, flags) or see}"
    if isinstance(error, click.BadOptionUsage):
        needs = "takes no value" if "does not take" in message else f"needs a value{see}"
        return f"{error.option_name} {needs}"
    if "unexpected extra argument" in message and context is not None:
        return _extra(context, message, see)
    if isinstance(error, click.MissingParameter) and error.param is not None:
        return f"{error.param.make_metavar(context)} is missing{see}"
    if isinstance(error, click.BadParameter) and error.param is not None:
        param = error.param
        name = param.opts[-1] if param.param_type_name == "option" else ""
        value = error.message.partition(" is not one of ")[0].strip("'")
        hint = nearest(value, param.type.choices) if isinstance(param.type, click.Choice) else ""
        return f"{name} {message}{hint or see}".lstrip()
    return message if "--help" in message or "did you mean" in message else message + see


def _extra(context: Any, message: str, see: str) -> str:
    """What to say of an argument that a command does not take: data belong after --data."""
    words = message[message.index("(") + 1 : message.rindex(")")]
    command = context.command
    if any("--data" in param.opts for param in command.params) and context.info_name == "train":
        return f"{words}: give data by --data {words}, as in mlp train --data {words}"
    return f"{message}{see}"


def _give_up_stdout() -> None:
    """Keep the interpreter from complaining at exit that it cannot flush stdout."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _one_line(text: str) -> str:
    """Return `text` on one readable line, without characters that would control a terminal."""
    line = " ".join(text.split())
    if len(line) > _LONGEST:
        line = f"{line[: _LONGEST // 2]} … {line[-_LONGEST // 2 :]}"
    return printable(line)


def _where(error: Exception) -> str:
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    place = f" at {frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}" if frame else ""
    return f"{type(error).__name__}: {error}{place}"

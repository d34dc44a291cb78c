"""The `runlog` command: its verbs, and how every one of them ends.

Exit codes: 0 done; 1 failure; 2 a usage mistake; 3 done, but damage was met or data was lost;
130 interrupted; 141 the reader of the output went away. A mistake or a broken file ends in one
sentence on stderr, never in a traceback.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

import runlog
from runlog_cli import text
from runlog_cli.version import version_line

VERBS: Final = (
    "inspect",
    "ls",
    "history",
    "cat",
    "tail",
    "top",
    "console",
    "du",
    "verify",
    "recover",
    "export",
    "report",
    "exec",
)
"""Each is a module in `runlog_cli.verbs` with a function `verb`, imported when it is asked for."""

EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
EXIT_PIPE = 141


class Verbs(TyperGroup):
    """The group of verbs: turns what stops a verb into an exit code and one sentence."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Read the command line and run its verb; a mistake is one sentence and exit code 2."""
        try:
            code = super().main(args, prog_name, complete_var, False, windows_expand_args, **extra)
        except Exception as error:
            # Typer's errors of usage have no public class that all its versions share.
            if not hasattr(error, "format_message"):
                raise
            _fail(_usage_sentence(error))
            code = EXIT_USAGE
        if standalone_mode:
            sys.exit(code or 0)
        return code

    def list_commands(self, ctx: Any) -> list[str]:
        """All verbs, in the order in which help shows them."""
        del ctx
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The verb of that name, imported now; None if there is none."""
        del ctx
        if cmd_name in VERBS and cmd_name not in self.commands:
            self.commands[cmd_name] = _loaded(cmd_name)
        return self.commands.get(cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The verb that a command line names; one that is close to it is suggested."""
        if args and args[0] not in VERBS:
            for name in VERBS:
                self.get_command(ctx, name)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the verb; `ctx` is Typer's context, of a class that it keeps to itself."""
        _prepare_streams()
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except runlog.Error as error:
            _fail(_sentence(error))
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            raise typer.Exit(EXIT_INTERRUPTED) from None
        except BrokenPipeError:
            _discard_stdout()
            raise typer.Exit(EXIT_PIPE) from None
        except OSError as error:
            _fail(_os_sentence(error))
            raise typer.Exit(EXIT_FAILURE) from None
        return result


def _loaded(name: str) -> Any:
    """A verb as Typer's command."""
    module = importlib.import_module(f"runlog_cli.verbs.{name}")
    alone = typer.Typer(add_completion=False, rich_markup_mode="rich")
    alone.command(name, context_settings=getattr(module, "SETTINGS", None))(module.verb)
    return typer.main.get_command(alone)


def _fail(sentence: str) -> None:
    from runlog_cli import render  # deferred: it loads rich, which a mistake alone needs

    render.fail(text.printable(sentence))


def _usage_sentence(error: Any) -> str:
    """A mistake in the command line, and where to read how it is written."""
    # "Value error, " is how the library that checks choices begins.
    message = _sentence(Exception(error.format_message())).replace("Value error, ", "")
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "runlog"
    return f"{message.rstrip('.?')}; see `{command} --help`"


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _os_sentence(error: OSError) -> str:
    what = error.strerror or _sentence(error)
    return f"{error.filename}: {what}" if error.filename is not None else what


def _prepare_streams() -> None:
    # A name that the terminal's encoding lacks is escaped instead of ending the command.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # Integers of any size are exact in a journal (law L2), so they are printed in full.
    sys.set_int_max_str_digits(0)


def _discard_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's last flush stays quiet as well."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        return


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"{version_line()}\n")
        raise typer.Exit


app = typer.Typer(
    name="runlog",
    cls=Verbs,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=(
        "Exit codes: 0 done, 1 failure, 2 usage mistake, 3 done but damage was met or data lost. "
        "Data goes to stdout, talk to stderr."
    ),
)


@app.callback()
def root(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Read, check, repair and export the journals of training runs."""

"""The `runlog` command: its verbs, and how every one of them ends.

Exit codes: 0 done; 1 failure; 2 a usage mistake; 3 done, but damage was met or data was lost;
130 interrupted; 141 the reader of the output went away. A mistake or a broken file ends in one
sentence on stderr, never in a traceback.
"""

from __future__ import annotations

import io
import os
import platform
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import runlog
from runlog_cli import render, text
from runlog_cli.verbs import (
    cat,
    console,
    du,
    exec,
    export,
    history,
    inspect,
    ls,
    recover,
    report,
    tail,
    verify,
)

EXIT_FAILURE = 1
EXIT_INTERRUPTED = 130
EXIT_PIPE = 141


class Verbs(TyperGroup):
    """The group of verbs: turns what stops a verb into an exit code and one sentence."""

    def invoke(self, ctx: Any) -> Any:
        """Run the verb; `ctx` is Typer's context, of a class that it keeps to itself."""
        _prepare_streams()
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except runlog.Error as error:
            render.fail(text.printable(_sentence(error)))
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            raise typer.Exit(EXIT_INTERRUPTED) from None
        except BrokenPipeError:
            _discard_stdout()
            raise typer.Exit(EXIT_PIPE) from None
        except OSError as error:
            render.fail(text.printable(_os_sentence(error)))
            raise typer.Exit(EXIT_FAILURE) from None
        return result


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
        render.out().print(f"runlog {runlog.__version__}, Python {platform.python_version()}")
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


for verb in (
    inspect.inspect,
    ls.ls,
    history.history,
    cat.cat,
    tail.tail,
    console.console,
    du.du,
    verify.verify,
    recover.recover,
    export.export,
    report.report,
):
    app.command()(verb)
app.command("exec", context_settings=exec.SETTINGS)(exec.execute)


def main() -> None:
    """Entry point of the console script."""
    app(prog_name="runlog")

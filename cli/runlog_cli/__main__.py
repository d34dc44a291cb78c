"""`python -m runlog_cli` is `runlog`: where the command starts."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the console script."""
    if sys.argv[1:] == ["--version"]:  # asked for by scripts, often: without Typer, which is slow
        from runlog_cli.version import version_line

        sys.stdout.write(f"{version_line()}\n")
        return
    from runlog_cli.app import app

    app(prog_name="runlog")


if __name__ == "__main__":
    main()

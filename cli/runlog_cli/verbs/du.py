"""`runlog du`: where the bytes of a run are, by record type, by metric and by file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer
from rich.text import Text

from runlog_cli import find, options, render, text

_SHOWN = 20
_BAR = 20


def verb(
    run: options.Run = options.LATEST,
    *,
    root: options.Root = options.DEFAULT_ROOT,
    everything: Annotated[
        bool, typer.Option("--all", "-a", help="Show every metric and file, however many.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Show how many bytes each record type, metric and file takes on disk."""
    view = find.opened(run, root)
    usage = view.usage()
    if as_json:
        render.document(usage)
        return
    limit = None if everything else _SHOWN
    render.out().print(
        Text.assemble(
            (text.printable(render.run_name(view)), "bold"), f"  {text.size(usage.total)}"
        )
    )
    _print("By record type", usage.by_type, usage.total, limit=None)
    _print("By metric", usage.by_metric, usage.total, limit)
    _print("By file", usage.by_file, usage.total, limit)


def _print(title: str, sizes: Mapping[str, int], total: int, limit: int | None) -> None:
    if not sizes:
        return
    console = render.out()
    console.print(Text(f"\n{title}", "bold"))
    largest_first = sorted(sizes.items(), key=lambda pair: (-pair[1], pair[0]))
    table = render.grid(("", "left"), ("", "right"), ("", "right"), ("", "left"), header=False)
    for name, size in largest_first[:limit]:
        share = size / total if total else 0.0
        table.add_row(
            Text(f"  {text.printable(name)}", "cyan"),
            Text(text.size(size)),
            Text(f"{share:.1%}", "dim"),
            Text(_bar(share), "blue"),
        )
    console.print(table)
    rest = largest_first[len(table.rows) :]
    if rest:
        hidden = text.size(sum(size for _, size in rest))
        console.print(Text(f"  … {len(rest):,} more with {hidden}; --all shows them", "dim"))


def _bar(share: float) -> str:
    return render.blocks()[-1] * round(share * _BAR)

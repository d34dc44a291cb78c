"""Which run, which metrics and which steps the words of a command line mean."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal

import runlog
from runlog_cli import options, render, text


def opened(
    run: str,
    root: Path,
    branches: Literal["newest", "all"] = "newest",
    rank: int | None = None,
) -> runlog.RunView:
    """The run that a word names; a person who named none is told which one it is.

    With `rank`, of the process of that rank alone.

    Raises:
        runlog.Error: there is no such run.
    """
    view = runlog.open(run, root=root, branches=branches)
    if run == options.LATEST and sys.stdout.isatty():
        render.say(f"The latest run: {text.printable(render.run_name(view))}")
    return view if rank is None else view.of_rank(rank)


def metric_names(known: Collection[str], asked: Sequence[str] | None) -> list[str] | None:
    """What `--keys` asks for, word by word; None if it was not given.

    Each word is the name of a metric, a pattern with `*` or `?`, or several of these with commas
    between them: but a comma may be part of a metric's name.
    """
    if not asked:
        return None
    words = ([word] if word in known else filter(None, word.split(",")) for word in asked)
    return list(itertools.chain.from_iterable(words))


def step_range(given: str | None) -> tuple[int | None, int | None]:
    """`A:B` as (A, B), B not included; an empty side is open; a single `A` is that step alone.

    Raises:
        runlog.UsageError: it reads otherwise, or A is not below B.
    """
    if given is None:
        return None, None
    low, colon, high = given.partition(":")
    try:
        first = int(low) if low else None
        last = int(high) if high else None
    except ValueError:
        raise runlog.UsageError(_bad_range(given)) from None
    if not colon:
        if first is None:
            raise runlog.UsageError(_bad_range(given))
        return first, first + 1
    if first is not None and last is not None and first >= last:
        raise runlog.UsageError(
            f"--step {given} holds no step, because A:B ends before B; write a B above {first}"
        )
    return first, last


def _bad_range(given: str) -> str:
    return (
        f"--step {text.printable(given)!r} is no range of steps; write A:B with whole numbers, "
        "where either may be left out, such as 100:200, 100: or :200."
    )

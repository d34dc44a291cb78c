"""What runlog leans on in CPython itself: tried on whichever version runs the tests."""

from __future__ import annotations

import dis
import inspect
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, ModuleType, SimpleNamespace
from typing import Any

import pytest

from runlog.capture import cells, console, sink, wrapping
from runlog.run import endings, facade, log, recorder

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_versions_that_are_claimed_are_named_alike_everywhere() -> None:
    claim = re.compile(r"Programming Language :: Python :: 3\.(\d+)")
    minors = [int(m[1]) for c in PROJECT["project"]["classifiers"] if (m := claim.fullmatch(c))]
    assert minors == list(range(minors[0], minors[-1] + 1))
    assert PROJECT["project"]["requires-python"] == f">=3.{minors[0]}"
    assert PROJECT["tool"]["ruff"]["target-version"] == f"py3{minors[0]}"


@pytest.mark.parametrize("run", ["", "run = runlog.init(project='p', id='r', dir=sys.argv[1])"])
def test_ctrl_c_ends_a_process_as_it_ends_one_without_a_run(run: str, tmp_path: Path) -> None:
    """So that a loop in a shell stops, too: see `endings`, which reminds Python of it."""
    script = "import os, signal, sys, runlog\n{}\nos.kill(os.getpid(), signal.SIGINT)\n"
    codes = [
        subprocess.run(
            [sys.executable, "-c", script.format(body), tmp_path],
            capture_output=True,
            check=False,
            timeout=60,
        ).returncode
        for body in ("", run)
    ]
    assert codes[0] == codes[1]


def test_whose_lock_it_is_is_known() -> None:
    lock = threading.RLock()
    mine: Any = SimpleNamespace(_lock=lambda: lock)
    assert not sink._owned(mine)
    with lock, lock:
        assert sink._owned(mine)
        seen: list[bool] = []
        thread = threading.Thread(target=lambda: seen.append(sink._owned(mine)))
        thread.start()
        thread.join()
        assert seen == [False]
        assert sink._owned(mine)
    assert not sink._owned(mine)
    assert lock.acquire(blocking=False), "nobody holds it any more"
    lock.release()
    with pytest.raises(RuntimeError):
        lock.release()


# ---------------------------------------------------------------- loops and Ctrl-C


def codes(code: CodeType) -> Iterator[CodeType]:
    """Code of a module, its functions, and theirs."""
    yield code
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from codes(each)


def unguarded(code: CodeType) -> list[int]:
    """Lines whose jump back is in no `try` or `with`, though the place that it leads to is.

    CPython 3.12 and 3.13 make such jumps of conditional loop ends, and may raise KeyboardInterrupt
    at them: then a lock stays taken, or a `finally` is left out.
    """
    table = dis._parse_exception_table(code)  # type: ignore[attr-defined]
    found = {i.offset: i for i in dis.get_instructions(code)}

    def handlers(offset: int) -> set[int]:
        """Of `try` and `with`; a comprehension has one too, which puts its variable back."""
        out: list[int] = []
        while at := [e.target for e in table if e.start <= offset < e.end and e.target not in out]:
            out.append(offset := at[0])
        return {target for target in out if found[target].opname == "PUSH_EXC_INFO"}

    return [
        i.positions.lineno or 0 if i.positions else 0
        for i in found.values()
        if i.opname.startswith("JUMP_BACKWARD") and handlers(i.argval) - handlers(i.offset)
    ]


GUARDED = (cells, console, sink, wrapping, endings, facade, log, recorder)
"""Modules that have to put something right however they are left."""


@pytest.mark.parametrize("module", GUARDED, ids=lambda module: module.__name__)
def test_no_loop_can_be_left_past_what_puts_things_right(module: ModuleType) -> None:
    source = inspect.getsource(module)
    made = compile(source, module.__name__, "exec")
    lines = source.splitlines()
    wrong = [(c.co_qualname, lines[line - 1].strip()) for c in codes(made) for line in unguarded(c)]
    assert wrong == [], "give the loop a function of its own"


@pytest.mark.skipif(
    sys.version_info[:2] not in {(3, 12), (3, 13)}, reason="no other version is known to do so"
)
def test_such_a_loop_is_seen() -> None:
    source = "def f(lock, todo):\n with lock:\n  while todo:\n   todo.pop()()\n"
    (function,) = [c for c in codes(compile(source, "f", "exec")) if c.co_name == "f"]
    assert unguarded(function) == [3]

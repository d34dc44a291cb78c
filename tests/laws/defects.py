"""Defects made on purpose: any function of runlog that a call enters can be made to raise.

A function is broken by exchanging its code, so every way to it is: methods, properties, functions
that others have imported by name. It stays broken until it is mended, as a real defect would.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType, FunctionType

import runlog

LIBRARY = str(Path(runlog.__file__).parent)


class Defect(RuntimeError):
    """What nobody expects: no class that the library knows."""


def entered(call: Callable[[], object]) -> list[CodeType]:
    """Functions of the library that a call enters in this thread, but for the outermost."""
    depth = 0
    found: dict[CodeType, None] = {}
    outermost: set[CodeType] = set()

    def watch(frame: FrameType, event: str, _: object) -> None:
        nonlocal depth
        code = frame.f_code
        if code.co_filename.startswith(LIBRARY):
            if event == "call":
                if depth:
                    found[code] = None
                else:
                    outermost.add(code)
                depth += 1
            elif event == "return":
                depth -= 1

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        call()
    finally:
        sys.setprofile(before)
    return [code for code in found if code not in outermost]


def functions() -> dict[CodeType, list[FunctionType]]:
    """All functions of the library that there are now, by their code."""
    found: dict[CodeType, list[FunctionType]] = {}
    for thing in gc.get_objects():
        if type(thing) is FunctionType and thing.__code__.co_filename.startswith(LIBRARY):
            found.setdefault(thing.__code__, []).append(thing)
    return found


@contextmanager
def broken(
    code: CodeType, where: list[FunctionType], error: type[Exception] = Defect
) -> Iterator[None]:
    """Meanwhile a function raises whenever it is called."""
    instead = _raising(code, error)
    for function in where:
        function.__code__ = instead
    try:
        yield
    finally:
        for function in where:
            function.__code__ = code


def _raising(code: CodeType, error: type[Exception]) -> CodeType:
    """Code of a function that takes anything and raises; it looks up no name, so fits anywhere."""

    def raising(*_: object, **__: object) -> None:
        raise 0xDEFEC7  # type: ignore[misc]  # noqa: B016 - the class takes its place

    made = raising.__code__
    consts = tuple(error if const == 0xDEFEC7 else const for const in made.co_consts)
    return made.replace(
        co_consts=consts, co_freevars=code.co_freevars, co_name=code.co_name,
        co_qualname=code.co_qualname,
    )  # fmt: skip

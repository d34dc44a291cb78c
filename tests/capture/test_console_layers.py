"""Others replace `write` of a stream too, and put back what they found: capture stays on top."""

# ruff: noqa: T201 - printing is what is tried
from __future__ import annotations

import contextlib
import copy
import io
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from runlog.capture import wrapping
from runlog.capture.console import capture


class Stream(io.TextIOBase):
    """A stream of a Python class, as that of a notebook's kernel is."""

    def __init__(self) -> None:
        self.text = ""
        self.depth = 0

    def write(self, text: str) -> int:
        self.text += text
        self.depth = _depth()
        return len(text)


def _depth() -> int:
    frame, found = sys._getframe(), 0
    while frame.f_back is not None:
        frame, found = frame.f_back, found + 1
    return found


@contextlib.contextmanager
def cell(told: list[str]) -> Iterator[None]:
    """What IPython does around each cell."""
    stream: Any = sys.stdout
    original = stream.write

    def write(text: str) -> Any:
        result = original(text)
        told.append(text)
        return result

    stream.write = write
    yield
    stream.write = original


@pytest.fixture
def stream() -> Iterator[Stream]:
    """What `sys.stdout` is to be in a test, which sets it itself: pytest changes it before."""
    made = Stream()
    yield made
    assert type(made) is Stream
    assert wrapping._PATCHES == []


def emit_into(heard: list[bytes]) -> Any:
    return lambda _, data: heard.append(data)


def test_output_of_later_cells_and_between_them_is_heard_once(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", stream)
    heard: list[bytes] = []
    told: list[str] = []
    with cell(told):
        started = capture(emit_into(heard), "wrap")
        print("init")
    print("between")
    for n in range(3):
        with cell(told):
            print("cell", n)
    thread = threading.Thread(target=print, args=("thread",))
    thread.start()
    thread.join()
    with cell(told):
        started.stop()
        print("not any more")
    print("nor here")
    expected = "init\nbetween\ncell 0\ncell 1\ncell 2\nthread\n"
    assert b"".join(heard).decode() == expected
    assert stream.text == expected + "not any more\nnor here\n"
    assert "".join(told) == "init\ncell 0\ncell 1\ncell 2\nnot any more\n"


def test_captures_begun_and_stopped_in_many_cells_do_not_pile_up(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", stream)
    depths = []
    started = capture(emit_into([]), "wrap")
    for n in range(30):
        heard: list[bytes] = []
        with cell([]):
            started.stop()
            started = capture(emit_into(heard), "wrap")
            print("cell", n)
        print("below")
        depths.append(stream.depth)
        assert b"".join(heard).decode() == f"cell {n}\nbelow\n"
    started.stop()
    print("alone")
    assert depths == [depths[0]] * 30
    assert stream.depth <= depths[0]


def test_the_stream_stays_what_it_was(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", stream)
    heard: list[bytes] = []
    started = capture(emit_into(heard), "wrap")
    assert sys.stdout is stream
    assert isinstance(stream, Stream)
    assert (type(stream).__name__, type(stream).__module__) == ("Stream", __name__)
    with pytest.raises(AttributeError):
        del stream.write
    type(stream).write(stream, "by its class\n")
    other = copy.copy(stream)
    other.write("of a copy\n")
    assert stream.text == "by its class\n"
    assert other.text == "by its class\nof a copy\n"
    stream.write = list.append  # type: ignore[assignment, method-assign]
    del stream.write
    started.stop()
    assert heard == []
    assert vars(stream).keys() == {"text", "depth"}


def test_a_class_that_lets_none_be_derived_from_it_is_wrapped_as_far_as_it_goes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Final:
        def __init__(self) -> None:
            self.text = ""

        def __init_subclass__(cls) -> None:
            raise RuntimeError("there is to be one alone")

        def write(self, text: str) -> int:
            self.text += text
            return len(text)

        def flush(self) -> None:
            pass

    class Passing:
        """It has no `write` of its own."""

        def __init__(self, below: Any) -> None:
            self.below = below

        def __getattr__(self, name: str) -> Any:
            return getattr(self.below, name)

    for made in (Final(), Passing(Final())):
        monkeypatch.setattr(sys, "stdout", made)
        heard: list[bytes] = []
        told: list[str] = []
        started = capture(emit_into(heard), "wrap")
        print("plain")
        with cell(told):
            print("cell")
        print("again")
        started.stop()
        assert b"".join(heard).decode() == made.text == "plain\ncell\nagain\n"
        assert told == ["cell", "\n"]
        assert "write" not in vars(made)


def test_what_a_stream_prints_about_a_write_is_heard_too(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a signal handler does that comes amid a `print`; it is not what `write` was given."""

    class Talking(Stream):
        def write(self, text: str) -> int:
            if text.startswith("outer"):
                print("from within")
            return super().write(text)

    made = Talking()
    monkeypatch.setattr(sys, "stdout", made)
    heard: list[bytes] = []
    started = capture(emit_into(heard), "wrap")
    print("outer")
    started.stop()
    assert b"".join(heard).decode() == made.text == "from within\nouter\n"
    assert stream.text == ""

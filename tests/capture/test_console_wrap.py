"""Capture by wrapping: nothing lost, nothing in a new order, and the streams as they ever were."""

# ruff: noqa: T201 - printing is what is tried
from __future__ import annotations

import contextlib
import functools
import io
import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec

import pytest

from runlog.capture import wrapping
from runlog.capture.console import Capture, capture
from runlog.messages import unheard

P = ParamSpec("P")

PATIENCE = 60


class Raw(io.BytesIO):
    """Where a stream of the test ends."""

    name = "<test>"

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return 99


def stream(raw: io.BytesIO | None = None) -> io.TextIOWrapper:
    buffered = io.BufferedWriter(raw or Raw())
    return io.TextIOWrapper(buffered, encoding="utf-8", errors="strict", line_buffering=True)


class Heard(list[tuple[str, bytes]]):
    """What was emitted."""

    def __call__(self, name: str, data: bytes) -> None:
        self.append((name, data))

    def all(self, name: str = "stdout") -> bytes:
        return b"".join(data for which, data in self if which == name)


def own_streams(test: Callable[P, None]) -> Callable[P, None]:
    """A test with streams of its own; a fixture cannot, as pytest changes them before the call.

    When it ends, nothing is patched any more.
    """

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        before = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = stream(), stream()
        try:
            test(*args, **kwargs)
        finally:
            sys.stdout, sys.stderr = before
        assert wrapping._PATCHES == []

    return run


def written(which: Any = None) -> bytes:
    """What reached the end of a stream."""
    target: Any = which or sys.stdout
    target.flush()
    value: bytes = target.buffer.raw.getvalue()
    return value


@contextlib.contextmanager
def capturing(emit: Any, **options: Any) -> Iterator[Capture]:
    started = capture(emit, "wrap", **options)
    try:
        yield started
    finally:
        started.stop()


class Text(str):
    """A str that lies about itself."""

    __slots__ = ()

    def encode(self, *_: Any, **__: Any) -> bytes:
        return b"lie"


@own_streams
def test_every_way_of_writing_is_heard_once_and_in_order() -> None:
    heard = Heard()
    with capturing(heard):
        print("print", 1, end="!\n")
        sys.stdout.write("write\n")
        sys.stdout.writelines(["lines ", "of\n"])
        sys.stdout.write("no line end")
        sys.stdout.flush()
        sys.stdout.write(Text("subclass\n"))
        sys.stdout.buffer.write(b"\xff bytes\n")
        sys.stdout.buffer.write(memoryview(b"memory\n"))
        sys.stdout.buffer.writelines([b"a\n", bytearray(b"b\n")])
        sys.stdout.write("x" * 100_000)
        sys.stdout.write("")
        print("error", file=sys.stderr)
        sys.stdout.reconfigure(line_buffering=False)  # type: ignore[union-attr]
        sys.stdout.write("after\n")
    assert heard.all() == written()
    assert heard.all("stderr") == written(sys.stderr) == b"error\n"
    assert heard.all().startswith(b"print 1!\nwrite\nlines of\nno line endsubclass\n\xff bytes\n")


@own_streams
def test_the_stream_stays_what_it_was() -> None:
    before, members = sys.stdout, set(vars(sys.stdout))
    with capturing(Heard()):
        assert sys.stdout is before
        assert sys.stdout.isatty()
        assert sys.stdout.fileno() == 99
        assert sys.stdout.encoding == "utf-8"
        assert isinstance(sys.stdout, io.TextIOWrapper)
        assert sys.stdout.write("five.") == 5
        assert sys.stdout.buffer.write(b"six...") == 6
    assert set(vars(sys.stdout)) == members
    assert "write" not in vars(sys.stdout.buffer)


@own_streams
def test_emit_comes_before_the_call_returns_and_after_the_original() -> None:
    raw = Raw()
    sys.stdout = stream(raw)
    seen: list[bytes] = []
    with capturing(lambda _, __: seen.append(raw.getvalue())):
        sys.stdout.write("line\n")
        assert seen == [b"line\n"]


@own_streams
def test_who_held_the_stream_before_is_heard() -> None:
    handler = logging.StreamHandler(sys.stderr)
    heard = Heard()
    with capturing(heard):
        handler.emit(logging.makeLogRecord({"msg": "told"}))
    assert heard == [("stderr", b"told\n")]


@pytest.mark.parametrize("first", [0, 1])
@own_streams
def test_two_captures_each_get_all_and_stop_in_any_order(first: int) -> None:
    heard = [Heard(), Heard()]
    print("before")
    captures = [capture(heard[0], "wrap")]
    print("one")
    captures.append(capture(heard[1], "wrap"))
    print("both")
    captures[first].stop()
    print("left")
    captures[1 - first].stop()
    captures[first].stop()
    print("after")
    expected = [b"one\nboth\n", b"both\n"]
    expected[1 - first] += b"left\n"
    assert [h.all() for h in heard] == expected
    assert written() == b"before\none\nboth\nleft\nafter\n"


@own_streams
def test_sys_stdout_replaced_meanwhile() -> None:
    heard = Heard()
    started = capture(heard, "wrap")
    with contextlib.redirect_stdout(io.StringIO()) as other:
        print("elsewhere")
        started.stop()
    print("after")
    assert other.getvalue() == "elsewhere\n"
    assert heard == []

    with contextlib.redirect_stdout(stream()) as inner:
        started = capture(heard, "wrap")
        print("within")
    print("outside")
    print("again within", file=inner)
    started.stop()
    assert heard.all() == b"within\nagain within\n"
    assert "write" not in vars(inner)


@own_streams
def test_a_new_stdout_that_writes_to_the_old_one_is_heard_once_by_each() -> None:
    class Tee:
        def __init__(self, below: Any) -> None:
            self.below = below

        def write(self, text: str) -> int:
            return int(self.below.write(text))

        def flush(self) -> None:
            self.below.flush()

    one, two, real = Heard(), Heard(), sys.stdout
    first = capture(one, "wrap")
    sys.stdout = Tee(real)
    second = capture(two, "wrap")
    print("tee")
    first.stop()
    print("more")
    second.stop()
    assert (one.all(), two.all()) == (b"tee\n", b"tee\nmore\n")
    assert written(real) == b"tee\nmore\n"


@own_streams
def test_others_patch_the_stream_too_and_leave_in_the_wrong_order() -> None:
    others: list[str] = []
    heard, later = Heard(), Heard()
    started = capture(heard, "wrap")
    ours = sys.stdout.write

    def write(text: str) -> int:
        others.append(text)
        return ours(text)

    sys.stdout.write = write  # type: ignore[method-assign]
    print("a")
    started.stop()
    print("b")
    with capturing(later):
        print("c")
    del sys.stdout.write
    print("d")
    assert "".join(others) == "a\nb\nc\n"
    assert (heard.all(), later.all()) == (b"a\n", b"c\n")
    assert written() == b"a\nb\nc\nd\n"


@pytest.mark.parametrize("name", ["stdout", "stderr"])
@own_streams
def test_a_program_without_a_stream(name: str) -> None:
    setattr(sys, name, None)
    heard = Heard()
    with capturing(heard):
        print("nowhere", file=getattr(sys, name))
        print("out")
        print("err", file=sys.stderr)
    assert all(which != name for which, _ in heard)


@own_streams
def test_what_a_stream_raises_reaches_the_caller_and_is_not_taken_for_output() -> None:
    class Full(Raw):
        def write(self, _: Any) -> int:
            raise OSError(28, "No space left on device")

    heard = Heard()
    sys.stdout = stream(Full())
    closed = sys.stderr = stream()
    with capturing(heard):
        with pytest.raises(OSError, match="No space"):
            sys.stdout.write("lost\n")
        with pytest.raises(TypeError, match="must be str, not int"):
            sys.stdout.write(1)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="bytes-like"):
            sys.stdout.buffer.write("text")  # type: ignore[arg-type]
        with pytest.raises(UnicodeEncodeError):
            sys.stderr.write("\ud800")
        closed.close()
        with pytest.raises(ValueError, match="closed file"):
            closed.write("late\n")
    assert heard == []
    with contextlib.suppress(OSError):
        sys.stdout.close()


@own_streams
def test_text_that_utf8_cannot_hold_is_still_taken() -> None:
    sys.stdout = io.StringIO()
    heard = Heard()
    with capturing(heard):
        sys.stdout.write("name \udcff\n")
        sys.stdout.write("half \ud800\n")
    assert heard.all() == b"name \xff\nhalf \\ud800\n"


@own_streams
def test_a_stream_that_takes_less_than_it_was_given() -> None:
    class Half(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            return len(data) // 2

    class Unbuffered:
        buffer = Half()

        def write(self, text: str) -> int:
            return len(text)

        def flush(self) -> None:
            pass

    sys.stdout = Unbuffered()
    heard = Heard()
    with capturing(heard):
        assert sys.stdout.buffer.write(b"123456") == 3
    assert heard.all() == b"123"


@own_streams
def test_a_stream_that_cannot_be_patched_is_told_of_and_left_alone() -> None:
    class Fixed:
        __slots__ = ()

        def write(self, text: str) -> int:
            return len(text)

        def flush(self) -> None:
            pass

    sys.stdout = Fixed()
    told: list[str] = []
    heard = Heard()
    with capturing(heard, on_trouble=told.append):
        print("unheard")
        print("heard", file=sys.stderr)
    assert len(told) == 1
    assert "stdout cannot be captured" in told[0]
    assert heard.all("stderr") == b"heard\n"


@own_streams
def test_an_emit_that_fails_disturbs_nobody_and_is_told_once() -> None:
    heard, told = Heard(), []

    def emit(name: str, data: bytes) -> None:
        heard(name, data)
        if b"bad" in data:
            raise RuntimeError("disk")

    def trouble(message: str) -> None:
        told.append(message)
        print("told about it", file=sys.stderr)

    with capturing(emit, on_trouble=trouble):
        for n in range(10):
            print(f"bad {n}")
    assert heard.all() == written() == b"".join(b"bad %d\n" % n for n in range(10))
    assert told == ["console output could not be recorded (RuntimeError('disk'))"]
    assert written(sys.stderr) == b"told about it\n"


@own_streams
def test_what_emit_prints_is_shown_and_not_heard() -> None:
    heard = Heard()

    def emit(name: str, data: bytes) -> None:
        print("from within", file=sys.stderr)
        sys.stderr.buffer.write(b"")
        heard(name, data)

    with capturing(emit):
        print("once")
        with unheard():
            print("runlog: a message of its own")
    assert heard == [("stdout", b"once\n")]
    assert written(sys.stderr) == b"from within\n"
    assert written() == b"once\nrunlog: a message of its own\n"


def test_a_line_is_one_piece_however_it_was_written_and_waits_for_its_end_or_a_flush() -> None:
    heard = Heard()
    with capturing(heard):
        print("epoch", 1, "loss", 0.5)
        assert heard == [("stdout", b"epoch 1 loss 0.5\n")]
        print("Epoch 2: ", end="")
        assert len(heard) == 1
        print(".", end="", flush=True)
        assert heard[1:] == [("stdout", b"Epoch 2: .")]
        sys.stdout.write("\r50 %")
        assert heard[2:] == [("stdout", b"\r50 %")]
        print("left over", end="")
    assert heard[3:] == [("stdout", b"left over")]


def run_threads(*works: Any) -> None:
    threads = [threading.Thread(target=work, daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive(), "a thread that prints hangs"


@own_streams
def test_threads_that_write_at_once_lose_nothing_and_stay_in_order() -> None:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    heard = Heard()

    def work(name: int) -> None:
        for n in range(1000):
            sys.stdout.write(f"{name} {n}\n")
            if n % 3 == 0:
                sys.stdout.buffer.write(b"%d bytes\n" % name)
            sys.stderr.write(f"{name} {n}\n")

    try:
        with capturing(heard):
            run_threads(*(lambda name=name: work(name) for name in range(6)))
    finally:
        sys.setswitchinterval(before)
    taken = heard.all().splitlines()
    assert sorted(taken) == sorted(written().splitlines())
    for name in range(6):
        prefix = b"%d " % name
        own = [line for line in taken if line.startswith(prefix) and line != b"%d bytes" % name]
        assert own == [b"%d %d" % (name, n) for n in range(1000)]
    assert heard.all("stderr") == written(sys.stderr)


@own_streams
def test_text_of_threads_is_heard_in_the_order_in_which_it_was_shown() -> None:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    heard = Heard()

    def work(name: str) -> None:
        for n in range(2000):
            print(name, n)

    try:
        with capturing(heard):
            run_threads(*(lambda name=name: work(name) for name in "abcdef"))
    finally:
        sys.setswitchinterval(before)
    assert heard.all() == written()


@own_streams
def test_printing_while_holding_the_lock_that_emit_takes() -> None:
    locks = [threading.RLock(), threading.RLock()]
    heard = [Heard(), Heard()]

    def emit_of(n: int) -> Any:
        def emit(name: str, data: bytes) -> None:
            with locks[n]:
                heard[n](name, data)

        return emit

    both = threading.Barrier(2, timeout=PATIENCE)

    def inside(n: int) -> None:
        for _ in range(200):
            with locks[n]:
                both.wait()
                sys.stdout.write(f"inside {n}\n")

    def outside() -> None:
        for _ in range(200):
            sys.stdout.write("outside\n")

    with capturing(emit_of(0), lock=lambda: locks[0]), capturing(emit_of(1), lock=lambda: locks[1]):
        run_threads(lambda: inside(0), lambda: inside(1), outside)
    assert heard[0].all() == heard[1].all() == written()


@own_streams
def test_mode_off_does_nothing() -> None:
    heard = Heard()
    started = capture(heard, "off")
    assert "write" not in vars(sys.stdout)
    print("unheard")
    started.stop()
    assert heard == []


@own_streams
def test_a_forked_child_goes_on_by_emit_alone_whoever_held_a_lock() -> None:
    heard = Heard()
    read, write = os.pipe()
    holding, go_on = threading.Event(), threading.Event()

    def emit(name: str, data: bytes) -> None:
        heard(name, data)
        if data == b"hold\n":
            holding.set()
            go_on.wait(PATIENCE)

    with capturing(emit):
        thread = threading.Thread(target=sys.stdout.write, args=("hold\n",))
        thread.start()
        assert holding.wait(PATIENCE)
        heard.clear()
        pid = os.fork()
        if pid == 0:
            signal.alarm(PATIENCE)
            sys.stdout.write("child\n")
            os.write(write, heard.all())
            os._exit(0)
        os.close(write)
        with os.fdopen(read, "rb") as pipe:
            assert pipe.read() == b"child\n"
        assert os.waitpid(pid, 0)[1] == 0
        go_on.set()
        thread.join()
        sys.stdout.write("parent\n")
    assert heard.all() == b"parent\n"


INTERRUPTED = """
import io, random, signal, sys
from runlog.capture.console import capture
heard, raw = [], io.BytesIO()
real, sys.stdout = sys.stdout, io.TextIOWrapper(io.BufferedWriter(raw), line_buffering=True)
def emit(name, data):
    kept = data[:]
    heard.append(kept)
started = capture(emit, "wrap", kept=heard.__len__)
inside = False
def ctrl_c(*_):
    global inside
    if inside:
        inside = False
        raise KeyboardInterrupt
signal.signal(signal.SIGALRM, ctrl_c)
chance, hits = random.Random(3), 0
for n in range(20_000):
    try:
        inside = True
        signal.setitimer(signal.ITIMER_REAL, chance.uniform(1e-6, 3e-5))
        sys.stdout.write(f"{n}\\n")
        for _ in range(40): pass
        inside = False
    except KeyboardInterrupt:
        hits += 1
shown = raw.getvalue()
started.stop()
print(hits, shown == b"".join(heard), len(shown.split()) - len(b"".join(heard).split()), file=real)
"""


@own_streams
def test_ctrl_c_amid_a_write_loses_and_repeats_nothing_and_leaves_no_lock_held() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    hits, same, missing = done.stdout.split()
    assert int(hits) > 1000
    assert (same, missing) == ("True", "0")


@own_streams
def test_what_a_print_costs() -> None:
    """Printed as a figure; the bound is far away, for machines that do much else."""
    heard = Heard()

    def cost() -> float:
        begin = time.process_time()
        for _ in range(20_000):
            sys.stdout.write("epoch 3 loss 0.123456\n")
        return (time.process_time() - begin) / 20_000

    bare = cost()
    with capturing(heard):
        wrapped = cost()
    assert wrapped - bare < 100e-6
    assert len(heard) == 20_000


@own_streams
def test_random_nesting_leaves_nothing_behind() -> None:
    chance = random.Random(5)
    alive: list[tuple[Capture, Heard, int]] = []
    text = ""
    for n in range(300):
        if alive and chance.random() < 0.4:
            started, heard, since = alive.pop(chance.randrange(len(alive)))
            started.stop()
            assert heard.all() == text[since:].encode()
        elif len(alive) < 5:
            heard = Heard()
            alive.append((capture(heard, "wrap"), heard, len(text)))
        print(n)
        text += f"{n}\n"
    for started, heard, since in alive:
        started.stop()
        assert heard.all() == text[since:].encode()
    assert written() == text.encode()

"""Capture at the descriptors: C code, subprocesses, terminals; and nothing of it stays behind.

Each test runs a script in a process of its own, whose descriptors may be led elsewhere at will.
"""

from __future__ import annotations

import ast
import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import textwrap
from pathlib import Path
from typing import Any

import pytest

PATIENCE = 60

BEGIN = """
import ctypes, json, os, subprocess, sys, threading, time
from runlog.capture.console import capture
libc = ctypes.CDLL(None)
class Heard(list):
    def __call__(self, name, data):
        self.append((name, data))
    def all(self, name="stdout"):
        return b"".join(d for n, d in self if n == name)
heard = Heard()
def report(**facts):
    with open(os.environ["REPORT"], "w") as file:
        json.dump({"heard": [[n, d.decode("latin-1")] for n, d in heard], **facts}, file)
"""


class Ran:
    """What a script showed, and what it reported."""

    def __init__(self, out: bytes, err: bytes, report: dict[str, Any]) -> None:
        self.out = out
        self.err = err
        self.report = report

    def heard(self, name: str = "stdout") -> bytes:
        return "".join(d for n, d in self.report["heard"] if n == name).encode("latin-1")


def script(tmp_path: Path, text: str) -> tuple[list[str], dict[str, str]]:
    path = tmp_path / "script.py"
    path.write_text(BEGIN + textwrap.dedent(text))
    ast.parse(path.read_text())
    return [sys.executable, str(path)], {**os.environ, "REPORT": str(tmp_path / "report")}


def reported(tmp_path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((tmp_path / "report").read_text())
    return found


def run(tmp_path: Path, text: str, **options: Any) -> Ran:
    """Runs a script whose output is a pipe."""
    command, env = script(tmp_path, text)
    done = subprocess.run(
        command, env=env, capture_output=True, timeout=PATIENCE, check=False, **options
    )
    assert done.returncode == 0, done.stderr.decode()
    return Ran(done.stdout, done.stderr, reported(tmp_path))


def run_in_terminal(tmp_path: Path, text: str) -> Ran:
    """Runs a script on a terminal of 33 rows and 123 columns."""
    command, env = script(tmp_path, text)
    pid, master = pty.fork()
    if pid == 0:
        os.execvpe(command[0], command, env)  # noqa: S606 - no shell is wanted
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 123, 0, 0))
    signal.alarm(PATIENCE)
    out = b""
    try:
        while data := os.read(master, 65536):
            out += data
    except OSError:  # the terminal's last user is gone
        pass
    finally:
        signal.alarm(0)
        os.close(master)
    assert os.waitpid(pid, 0)[1] == 0, out.decode()
    return Ran(out, b"", reported(tmp_path))


ALL_KINDS = """
    sys.stdout.write("before\\n")
    started = capture(heard, "redirect")
    print("python")
    sys.stdout.buffer.write(b"bytes\\n")
    sys.stdout.flush()
    libc.puts(b"from C")
    libc.fflush(None)
    subprocess.run(["sh", "-c", "echo child; echo error >&2"], check=True)
    os.write(1, b"\\xff raw\\n")
    print("no line end", end="")
    libc.printf(b"[C buffered]")
    started.stop()
    started.stop()
    print("\\nafter")
"""


def test_c_code_and_subprocesses_are_heard_and_shown(tmp_path: Path) -> None:
    ran = run(tmp_path, ALL_KINDS + "    report()\n")
    expected = b"python\nbytes\nfrom C\nchild\n\xff raw\nno line end[C buffered]"
    assert ran.heard() == expected
    assert ran.heard("stderr") == ran.err == b"error\n"
    assert ran.out == b"before\n" + expected + b"\nafter\n"


def test_on_a_terminal_they_are_on_a_terminal_still(tmp_path: Path) -> None:
    ran = run_in_terminal(
        tmp_path,
        """
        while os.get_terminal_size(1) != (123, 33):
            time.sleep(0.01)
        started = capture(heard, "redirect")
        inside = [os.isatty(1), list(os.get_terminal_size(1)), sys.stdout.isatty()]
        asked = subprocess.run(["sh", "-c", "test -t 1 && stty size <&1"])
        print("line\\n\\ttab \\x1b[31mred\\x1b[0m")
        started.stop()
        report(inside=inside, after=os.isatty(1), code=asked.returncode)
        """,
    )
    assert ran.report["inside"] == [True, [123, 33], True]
    assert ran.report["after"] is True
    assert ran.report["code"] == 0
    assert ran.heard() == b"33 123\nline\n\ttab \x1b[31mred\x1b[0m\n", "raw is what was written"
    assert ran.out == ran.heard().replace(b"\n", b"\r\n")


def test_the_terminal_changes_its_size(tmp_path: Path) -> None:
    ran = run_in_terminal(
        tmp_path,
        """
        import fcntl, struct, termios
        terminal = os.dup(1)
        started = capture(heard, "redirect")
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 20, 0, 0))
        until = time.monotonic() + 30
        while os.get_terminal_size(1) != (20, 10) and time.monotonic() < until:
            time.sleep(0.01)
        size = list(os.get_terminal_size(1))
        started.stop()
        report(size=size)
        """,
    )
    assert ran.report["size"] == [20, 10]


@pytest.mark.parametrize("first", [0, 1])
def test_two_captures_stop_in_any_order(tmp_path: Path, first: int) -> None:
    ran = run(
        tmp_path,
        f"""
        heards, first = [Heard(), Heard()], {first}
        one = capture(heards[0], "redirect")
        os.write(1, b"one\\n")
        two = capture(heards[1], "redirect")
        os.write(1, b"both\\n")
        (one, two)[first].stop()
        os.write(1, b"left\\n")
        (two, one)[first].stop()
        os.write(1, b"after\\n")
        report(got=[h.all().decode() for h in heards])
        """,
    )
    expected = ["one\nboth\n", "both\n"]
    expected[1 - first] += "left\n"
    assert ran.report["got"] == expected
    assert ran.out == b"one\nboth\nleft\nafter\n"


def test_wrapping_and_redirecting_side_by_side(tmp_path: Path) -> None:
    ran = run(
        tmp_path,
        """
        wrapped = Heard()
        one = capture(wrapped, "wrap")
        two = capture(heard, "redirect")
        print("python")
        sys.stdout.flush()
        os.write(1, b"raw\\n")
        one.stop()
        two.stop()
        report(wrapped=wrapped.all().decode(), left=list(vars(sys.stdout)))
        """,
    )
    assert ran.report["wrapped"] == "python\n"
    assert ran.heard() == ran.out == b"python\nraw\n"
    assert "write" not in ran.report["left"]


def test_a_flood_from_many_threads_and_processes_is_whole(tmp_path: Path) -> None:
    ran = run(
        tmp_path,
        """
        started = capture(heard, "redirect")
        def flood(name):
            for n in range(3000):
                os.write(1, b"%d %d\\n" % (name, n))
        threads = [threading.Thread(target=flood, args=(n,)) for n in range(4)]
        loop = "i=0; while [ $i -lt 1000 ]; do i=$((i+1)); echo child $i; done"
        children = [subprocess.Popen(["sh", "-c", loop]) for n in range(2)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        for child in children: child.wait()
        started.stop()
        report()
        """,
    )
    assert ran.heard() == ran.out
    taken = ran.out.splitlines()
    for name in range(4):
        own = [line for line in taken if line.startswith(b"%d " % name)]
        assert own == [b"%d %d" % (name, n) for n in range(3000)]
    assert sum(line.startswith(b"child ") for line in taken) == 2000


def test_what_emit_prints_is_shown_and_not_heard(tmp_path: Path) -> None:
    ran = run(
        tmp_path,
        """
        def emit(name, data):
            print("from within", file=sys.stderr, flush=True)
            sys.stderr.buffer.write(b"bytes from within\\n")
            heard(name, data)
            raise OSError("no journal")
        told = []
        started = capture(emit, "redirect", on_trouble=told.append)
        os.write(1, b"once\\n")
        started.stop()
        report(told=told)
        """,
    )
    assert ran.report["heard"] == [["stdout", "once\n"]]
    assert ran.err == b"from within\nbytes from within\n"
    assert ran.report["told"] == ["console output could not be recorded (OSError('no journal'))"]


def test_a_forked_child_writes_to_the_original_and_to_its_own_emit(tmp_path: Path) -> None:
    ran = run(
        tmp_path,
        """
        started = capture(heard, "redirect")
        os.write(1, b"parent\\n")
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            heard.clear()
            sys.stdout.write("child\\n")
            sys.stdout.flush()
            os.write(1, b"child raw\\n")
            os.write(write, heard.all())
            started.stop()
            os._exit(0)
        os.close(write)
        with open(read, "rb") as pipe:
            child = pipe.read().decode()
        assert os.waitpid(pid, 0)[1] == 0
        os.write(1, b"parent again\\n")
        started.stop()
        report(child=child)
        """,
    )
    assert ran.heard() == b"parent\nparent again\n"
    assert ran.report["child"] == "child\n"
    assert sorted(ran.out.splitlines()) == [b"child", b"child raw", b"parent", b"parent again"]


def test_a_subprocess_that_lives_on_can_still_write(tmp_path: Path) -> None:
    ran = run(
        tmp_path,
        """
        started = capture(heard, "redirect")
        child = subprocess.Popen(["sh", "-c", "echo early; read x; echo late"],
                                 stdin=subprocess.PIPE)
        while b"early" not in heard.all():
            time.sleep(0.001)
        started.stop()
        child.communicate(b"go\\n")
        assert child.returncode == 0
        for thread in threading.enumerate():
            if thread is not threading.main_thread():
                thread.join(30)
        report()
        """,
    )
    assert ran.heard() == b"early\n"
    assert ran.out == b"early\nlate\n"


def test_others_lead_the_descriptor_elsewhere_meanwhile(tmp_path: Path) -> None:
    ran = run(
        tmp_path,
        """
        saved = os.dup(1)
        started = capture(heard, "redirect")
        os.write(1, b"heard\\n")
        other = os.open(os.environ["REPORT"] + ".other", os.O_WRONLY | os.O_CREAT)
        os.dup2(other, 1)
        os.write(1, b"elsewhere\\n")
        started.stop()
        os.write(1, b"still elsewhere\\n")
        os.dup2(saved, 1)
        os.write(1, b"back\\n")
        report()
        """,
    )
    assert ran.heard() == b"heard\n"
    assert ran.out == b"heard\nback\n"
    assert (tmp_path / "report.other").read_bytes() == b"elsewhere\nstill elsewhere\n"


def test_a_closed_descriptor_is_told_of_and_no_descriptor_leaks(tmp_path: Path) -> None:
    ran = run(
        tmp_path,
        """
        os.close(2)
        sys.stderr = None
        told = []
        before = sorted(os.listdir("/proc/self/fd"))
        started = capture(heard, "redirect", on_trouble=told.append)
        os.write(1, b"out\\n")
        started.stop()
        until = time.monotonic() + 30
        while sorted(os.listdir("/proc/self/fd")) != before and time.monotonic() < until:
            time.sleep(0.001)
        report(told=told, same=sorted(os.listdir("/proc/self/fd")) == before)
        """,
    )
    assert "stderr cannot be redirected" in ran.report["told"][0]
    assert ran.heard() == b"out\n"
    assert ran.report["same"]


def test_nobody_stops_it_and_the_program_ends(tmp_path: Path) -> None:
    ran = run(
        tmp_path,
        """
        report()
        started = capture(heard, "redirect")
        print("printed last")
        libc.printf(b"and by C")
        """,
    )
    assert ran.out in {b"printed last\nand by C", b"and by Cprinted last\n"}


def test_the_original_goes_away_and_the_journal_still_listens(tmp_path: Path) -> None:
    command, env = script(
        tmp_path,
        """
        started = capture(heard, "redirect")
        os.write(1, b"shown\\n")
        sys.stdin.readline()
        os.write(1, b"nobody reads this\\n")
        started.stop()
        report()
        """,
    )
    with subprocess.Popen(
        command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == b"shown\n"
        process.stdout.close()
        process.stdin.write(b"\n")
        process.stdin.close()
        assert process.wait(PATIENCE) == 0
    assert Ran(b"", b"", reported(tmp_path)).heard() == b"shown\nnobody reads this\n"

"""`runlog console`: what was printed, chosen, as JSON, byte for byte, and followed."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runlog.console.lines import lines
from runlog.console.terminal import Screen
from runlog.journal.writer import JournalWriter
from runlog.records import Console, Entry, Finish, RunStart

from .conftest import COMMAND, PATIENCE, Call, flip

WRITES = [
    ("stdout", b"\x1b[32mstart\x1b[0m\n"),
    ("stderr", b"\r 50%"),
    ("stderr", b"\r100%\n"),
    ("stdout", "é\tend\n".encode()),
]


def begin(folder: Path) -> JournalWriter:
    folder.mkdir(parents=True)
    writer = JournalWriter(folder, "w", fsync_interval=None)
    writer.append(RunStart(folder.name, "p", pid=os.getpid()))
    return writer


@pytest.fixture
def printed(root: Path) -> Path:
    folder = root / "p" / "printed1"
    writer = begin(folder)
    for write in WRITES:
        writer.append(Console(*write))
    assert writer.close(Finish(0))
    return folder


def test_lines_as_they_finally_were(printed: Path, call: Call) -> None:
    assert call("console", "printed1").out == "start\n100%\né\tend\n"
    assert call("console", printed, "--stream", "stderr").out == "100%\n"
    assert call("console", printed, "-n", "1").out == "é\tend\n"
    assert call("console", printed, "--last", "0").out == ""
    assert call("console", printed, "--color").out.startswith("\x1b[32mstart\x1b[0m\n100%\n")


def test_bytes_as_they_were_written(printed: Path) -> None:
    for options, expected in (
        ([], b"".join(data for _, data in WRITES)),
        (["--stream", "stderr"], b"\r 50%\r100%\n"),
    ):
        out = subprocess.check_output([COMMAND, "console", "--raw", printed, *options])
        assert out == expected


def test_json_has_one_object_a_line(printed: Path, call: Call) -> None:
    first, bar, _ = call("console", printed, "--json").lines()
    assert first["text"] == "start"
    assert {**bar, "time": 0} == {
        "text": "100%", "stream": "stderr", "time": 0, "writer": "w", "number": 1,
        "first_seq": 3, "last_seq": 4,
    }  # fmt: skip
    assert isinstance(bar["time"], int)
    assert call("console", printed, "--json", "--color").lines()[0]["text"] == (
        "\x1b[32mstart\x1b[0m"
    )


@pytest.mark.parametrize("option", ["--json", "--color", "--last=1"])
def test_raw_bytes_take_no_other_form(printed: Path, call: Call, option: str) -> None:
    result = call("console", printed, "--raw", option)
    assert result.code == 2
    assert "--raw" in result.sentence()


def test_a_stream_that_there_is_not(printed: Path, call: Call) -> None:
    assert call("console", printed, "--stream", "stdin").code == 2


def test_a_run_that_printed_nothing(root: Path, call: Call) -> None:
    assert begin(root / "p" / "silent01").close(Finish(0))
    result = call("console", "silent01")
    assert (result.code, result.out, result.err) == (0, "", "")


def test_damage_is_said_after_the_lines(printed: Path, call: Call) -> None:
    (journal,) = printed.glob("*.rlog")
    flip(journal, journal.stat().st_size // 2)
    result = call("console", printed)
    assert result.code == 3
    assert "damage found" in result.err


@contextlib.contextmanager
def following(folder: Path, *options: str, terminal: bool = False) -> Iterator[int]:
    """A follower of a run: the descriptor to read what it shows."""
    read, write = pty.openpty() if terminal else os.pipe()
    process = subprocess.Popen(
        [COMMAND, "console", "-f", *options, folder], stdout=write, stderr=subprocess.PIPE
    )
    os.close(write)
    try:
        yield read
        _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, err.decode()
        assert b"The run has ended: finished\n" in err
    finally:
        process.kill()
        process.wait()
        os.close(read)


def read_until(descriptor: int, word: bytes) -> bytes:
    found = b""
    give_up = time.monotonic() + PATIENCE
    while word not in found:
        assert time.monotonic() < give_up, found
        found += os.read(descriptor, 4096)
    return found


def read_rest(descriptor: int) -> bytes:
    found = b""
    with contextlib.suppress(OSError):  # a terminal whose last user is gone
        while data := os.read(descriptor, 4096):
            found += data
    return found


def test_following_shows_finished_lines_and_a_bar_when_it_is_done(root: Path) -> None:
    writer = begin(root / "p" / "live0001")
    writer.append(Console("stdout", b"zero\none\nunfin"))
    with following(writer.folder) as out:
        assert read_until(out, b"one\n") == b"zero\none\n"
        writer.append(Console("stderr", b"\r10%"))
        writer.append(Console("stdout", b"ished\ntwo\n"))
        assert read_until(out, b"two\n") == b"unfinished\ntwo\n"
        writer.append(Console("stderr", b"\r99%\n"))
        assert read_until(out, b"\n") == b"99%\n"
        writer.append(Console("stdout", b"\x1b[Achanged\n"))
        assert read_until(out, b"\n") == b"changed\n"
        writer.append(Console("stdout", b"last"))
        assert writer.close(Finish(0))
        assert read_rest(out) == b"last\n"


def test_following_from_the_last_line_on_as_json(root: Path) -> None:
    writer = begin(root / "p" / "live0001")
    writer.append(Console("stdout", b"zero\none\n"))
    with following(writer.folder, "--last", "1", "--json", "--stream", "stdout") as out:
        assert json.loads(read_until(out, b"\n"))["text"] == "one"
        writer.append(Console("stderr", b"not this\n"))
        writer.append(Console("stdout", b"two\n"))
        two = json.loads(read_until(out, b"\n"))
        assert (two["text"], two["number"]) == ("two", 3)
        assert writer.close(Finish(0))
        assert read_rest(out) == b""


def test_following_byte_for_byte(root: Path) -> None:
    writer = begin(root / "p" / "live0001")
    writer.append(Console("stdout", b"\r1"))
    with following(writer.folder, "--raw") as out:
        assert read_until(out, b"1") == b"\r1"
        writer.append(Console("stdout", b"\r2"))
        assert read_until(out, b"2") == b"\r2"
        assert writer.close(Finish(0))


def test_on_a_terminal_a_bar_is_drawn_below_while_it_moves(root: Path) -> None:
    writer = begin(root / "p" / "live0001")
    writer.append(Console("stdout", b"line\n"))
    writer.append(Console("stderr", b"\r10%"))
    with following(writer.folder, terminal=True) as out:
        shown = read_until(out, b"10%")
        writer.append(Console("stderr", b"\r20%"))
        shown += read_until(out, b"20%")
        writer.append(Console("stdout", b"next\n"))
        shown += read_until(out, b"next")
        writer.append(Console("stderr", b"\r30%\n"))
        assert writer.close(Finish(0))
        shown += read_rest(out)
    screen = Screen((0, "", 0))
    screen.feed(shown, (0, "", 0))
    assert [row.text for row in screen.rows] == ["line", "next", "30%", ""]


def test_what_it_prints_resolves_to_itself(printed: Path, call: Call) -> None:
    out = call("console", printed, "--color").out.encode()
    again = [line.text for line in lines([Entry(1, 1, "w", Console("stdout", out))])]
    assert again == call("console", printed).out.splitlines()

"""Console and journal together, in real processes: kills, progress bars, exits, the plain file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path

import pytest

import runlog
from runlog.capture.output_log import write_output_log
from runlog.journal.writer import JournalWriter
from runlog.records import Console, Finish
from tests.laws import kit

PATIENCE = 60

BEGIN = """
import sys, os, time, threading, subprocess
from pathlib import Path
from runlog.capture.console import capture
from runlog.journal.writer import JournalWriter
from runlog.records import Console, RunStart
folder = Path(os.environ["FOLDER"])
folder.mkdir(parents=True, exist_ok=True)
writer = JournalWriter(folder, f"w{os.getpid()}", seal_bytes=8192, lock=threading.RLock())
writer.append(RunStart("r", "p"))
def begin(mode):
    return capture(
        lambda stream, data: writer.append(Console(stream, data)), mode,
        lock=lambda: writer.lock, kept=lambda: writer.seq,
    )
"""


def command(tmp_path: Path, text: str) -> tuple[list[str], dict[str, str]]:
    path = tmp_path / "script.py"
    path.write_text(BEGIN + textwrap.dedent(text))
    env = {**os.environ, "FOLDER": str(tmp_path / "run")}
    env.pop("PYTHONUNBUFFERED", None)
    return [sys.executable, str(path)], env


def run(
    tmp_path: Path, text: str, *, code: int = 0
) -> tuple[runlog.RunView, subprocess.CompletedProcess[bytes]]:
    arguments, env = command(tmp_path, text)
    done = subprocess.run(arguments, env=env, capture_output=True, timeout=PATIENCE, check=False)
    assert done.returncode == code, done.stderr.decode()
    return runlog.open(tmp_path / "run"), done


def texts(view: runlog.RunView, stream: str) -> list[str]:
    return [line.text for line in view.console if line.stream == stream]


def test_nothing_printed_is_lost_to_a_kill(tmp_path: Path) -> None:
    arguments, env = command(
        tmp_path,
        """
        started = begin("wrap")
        for n in range(1_000_000):
            print("line", n, flush=True)
            sys.stderr.write(f"error {n}\\n")
        """,
    )
    chance = kit.chance("kills amid printing")
    for number in range(15 if kit.FULL else 5):
        env["FOLDER"] = str(tmp_path / f"run{number}")
        with subprocess.Popen(
            arguments, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            assert process.stdout is not None
            wanted = chance.randrange(1, 3000)
            shown = b"".join(process.stdout.readline() for _ in range(wanted))
            process.send_signal(signal.SIGKILL)
            shown += process.stdout.read()
        with runlog.open(env["FOLDER"]) as view:
            assert view.damage == ()
            raw = view.console.raw("stdout")
            assert raw.startswith(shown[: shown.rfind(b"\n") + 1])
            assert len(raw) - len(shown) < 100, "only the write in hand may differ"
            assert len(shown) - len(raw) <= len(b"line 000000\n")
            # What was printed to stderr before the last whole line of stdout.
            assert view.console.raw("stderr").count(b"\n") >= shown.count(b"\n") - 1


BARS = """
    from tqdm import tqdm
    started = begin({mode!r})
    for epoch in range(2):
        bars = [tqdm(range(50), desc=f"bar {{n}}", position=n, mininterval=0, leave=n == 0,
                     ascii=True, ncols=60) for n in range(3)]
        for step in range(50):
            for bar in bars:
                bar.update()
            if step % 25 == 24:
                tqdm.write(f"epoch {{epoch}} step {{step}}")
        for bar in reversed(bars):
            bar.close()
        print("end of epoch", epoch)
    started.stop()
"""


@pytest.mark.parametrize("mode", ["wrap", "redirect"])
def test_bars_of_tqdm(tmp_path: Path, mode: str) -> None:
    view, done = run(tmp_path, BARS.format(mode=mode))
    assert view.console.raw("stderr") == done.stderr
    assert view.console.raw("stdout") == done.stdout
    bars = texts(view, "stderr")
    assert [bar[:13] for bar in bars if bar] == ["bar 0: 100%|#", "bar 0: 100%|#"]
    assert texts(view, "stdout") == [
        "epoch 0 step 24", "epoch 0 step 49", "end of epoch 0",
        "epoch 1 step 24", "epoch 1 step 49", "end of epoch 1",
    ]  # fmt: skip
    assert view.console.raw().count(b"\r") > 100, "there was something to be resolved"


def test_progress_of_rich(tmp_path: Path) -> None:
    view, _ = run(
        tmp_path,
        """
        from rich.console import Console as Rich
        from rich.progress import Progress, BarColumn, TextColumn
        started = begin("wrap")
        rich = Rich(force_terminal=True, width=60, height=20, file=sys.stdout, legacy_windows=False)
        percent = TextColumn("{task.percentage:.0f}%")
        columns = TextColumn("{task.description}"), BarColumn(), percent
        with Progress(*columns, console=rich, refresh_per_second=1000) as progress:
            tasks = [progress.add_task(f"task {n}", total=50) for n in range(3)]
            for step in range(50):
                for task in tasks:
                    progress.update(task, advance=1)
                progress.refresh()
                if step == 10:
                    progress.console.print("[red]in between[/red]")
        print("done")
        started.stop()
        """,
    )
    assert view.console.raw().count(b"\x1b[1A") > 50
    lines = list(view.console)
    assert [line.text.split()[0] for line in lines] == ["in", "task", "task", "task", "done"]
    assert all(line.text.endswith("100%") for line in lines[1:4])
    assert lines[0].styled == "\x1b[31min between\x1b[0m"


def test_the_last_traceback_and_what_exit_handlers_print(tmp_path: Path) -> None:
    view, done = run(
        tmp_path,
        """
        import atexit
        started = begin("wrap")
        atexit.register(lambda: print("at exit"))
        print("no line end", end="")
        raise ValueError("the end")
        """,
        code=1,
    )
    assert view.console.raw("stdout") == done.stdout == b"no line endat exit\n"
    assert view.console.raw("stderr") == done.stderr
    assert "ValueError: the end" in texts(view, "stderr")


def test_lines_of_many_threads_are_in_the_journal_as_they_were_shown(tmp_path: Path) -> None:
    view, done = run(
        tmp_path,
        """
        started = begin("wrap")
        def work(name):
            for n in range(1000):
                print(name, n)
        threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        started.stop()
        """,
    )
    assert view.console.raw() == done.stdout


def test_ctrl_c_amid_printing_to_a_real_journal(tmp_path: Path) -> None:
    view, done = run(
        tmp_path,
        """
        import random, signal
        inside = False
        def ctrl_c(*_):
            global inside
            if inside:
                inside = False
                raise KeyboardInterrupt
        signal.signal(signal.SIGALRM, ctrl_c)
        started, hits, chance = begin("wrap"), 0, random.Random(1)
        for n in range(10_000):
            try:
                inside = True
                signal.setitimer(signal.ITIMER_REAL, chance.uniform(1e-6, 3e-5))
                sys.stdout.write(f"{n}\\n")
                for _ in range(40): pass
                inside = False
            except KeyboardInterrupt:
                hits += 1
        started.stop()
        assert hits > 500, hits
        """,
    )
    shown, kept = done.stdout.split(), view.console.raw().split()
    assert view.damage == ()
    assert len(set(kept)) == len(kept), "nothing is there twice"
    extra = set(kept) - set(shown)
    assert [line for line in kept if line not in extra] == shown
    # Ctrl-C amid a flush: Python drops the text that it had in hand, about once in 8 KiB.
    assert len(extra) < 20


def write(folder: Path, writes: Iterable[tuple[str, bytes]]) -> runlog.RunView:
    folder.mkdir()
    writer = JournalWriter(folder, "w", fsync_interval=None)
    for stream, data in writes:
        writer.append(Console(stream, data))
    assert writer.close(Finish(0))
    return runlog.open(folder)


def test_the_plain_file(tmp_path: Path) -> None:
    view = write(
        tmp_path / "run",
        [
            ("stdout", b"a\x1b[31m red\x1b[0m\n"),
            ("stderr", b"\r10%\r20%\n"),
            ("stdout", "ü".encode()),
        ],
    )
    path = tmp_path / "run" / "files" / "output.log"
    assert write_output_log(view, tmp_path / "run") == 3
    assert path.read_bytes() == "a red\n20%\nü\n".encode()
    assert os.listdir(path.parent) == ["output.log"]
    silent = write(tmp_path / "silent", [])
    assert write_output_log(silent, tmp_path / "silent") == 0
    assert not (tmp_path / "silent" / "files").exists()


def test_the_plain_file_stays_as_it_was_if_it_cannot_be_written(tmp_path: Path) -> None:
    view = write(tmp_path / "run", [("stdout", b"new \xed\xb3\xbf\n")])
    (tmp_path / "outside").mkdir()
    path = tmp_path / "outside" / "output.log"
    path.write_text("old")
    (tmp_path / "run" / "files").symlink_to(tmp_path / "outside")
    with pytest.raises(OSError, match="leads out"):
        write_output_log(view, tmp_path / "run")
    assert path.read_text() == "old"
    assert os.listdir(path.parent) == ["output.log"]


def test_the_console_as_of_then(tmp_path: Path) -> None:
    view = write(tmp_path / "run", [("stdout", b"\r%d" % n) for n in range(5)])
    assert view.console.text == "4\n"
    assert view.at(seq=3).console.text == "2\n"
    assert view.console is view.console

"""A child forked while a thread of runlog's imports something must not find it locked for good."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import os, sys, threading
sys.path.insert(0, sys.argv[1])
from runlog import forking

begun = threading.Event()
sys.modules["begun"] = begun

def background():
    with forking.importing():
        import slow

thread = threading.Thread(target=background)
thread.start()
begun.wait()
pid = os.fork()
if pid == 0:
    import slow
    os._exit(7)
thread.join()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def test_an_import_on_a_thread_does_not_hang_the_child_that_is_forked_meanwhile(
    tmp_path: Path,
) -> None:
    (tmp_path / "slow.py").write_text("import begun, time\nbegun.set()\ntime.sleep(0.3)\n")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, script, tmp_path], check=False, timeout=30)
    assert done.returncode == 7


def test_a_fork_waits_for_no_import_that_is_over(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os, runlog.forking as forking\n"
        "for _ in range(3):\n"
        "    with forking.importing():\n"
        "        pid = os.fork()\n"
        "        if pid == 0:\n"
        "            with forking.importing():\n"
        "                os._exit(0)\n"
        "    assert os.waitpid(pid, 0)[1] == 0\n"
    )
    assert subprocess.run([sys.executable, script], check=False, timeout=4).returncode == 0


ORDER = """
import os, sys
import runlog.capture.redirecting, runlog.capture.console  # the other way round
from runlog import forking

def calls(name):
    return lambda: order.append(name)

order = []
forking.on_child(calls("descriptors"), forking.DESCRIPTORS)
forking.on_child(calls("streams"), forking.STREAMS)
forking.on_child(lambda: 1 / 0, forking.JOURNALS)
forking.on_child(calls("journals"), forking.JOURNALS)
pid = os.fork()
if pid == 0:
    os._exit(0 if order == ["journals", "streams", "descriptors"] else 1)
assert order == []
assert os.waitpid(pid, 0)[1] == 0
found = [callback.__module__ for _, callback in forking._on_child if callback.__name__ == "_forked"]
assert found == [
    "runlog.run.endings", "runlog.capture.console", "runlog.capture.redirecting"
], found
"""


def test_a_child_puts_things_right_in_one_order_whatever_was_imported_first() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import runlog\n" + ORDER],
        check=False, timeout=30, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "a forked child may not record all (ZeroDivisionError" in done.stderr

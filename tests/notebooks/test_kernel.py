"""Notebooks, in a real kernel: what is captured, what is shown, and how runs end."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError
from nbformat import v4

import runlog
from runlog.run.facade import in_notebook
from tests.laws import kit

PATIENCE = 60


class Notebook:
    """A notebook, and the kernel that its cells are run in."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._client = NotebookClient(v4.new_notebook(), timeout=PATIENCE)

    def interrupt(self) -> None:
        """Interrupt the cell that runs, from any thread."""
        kernel: Any = self._client.km
        asyncio.run(kernel.interrupt_kernel())

    def run(self) -> Generator[Notebook, None, None]:
        """Start a kernel; shut it down as a person does who closes the notebook."""
        # A kernel that knows of pytest leaves its descriptors as they are.
        others = ("RUNLOG_", "WANDB_", "PYTEST_")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(others)}
        own = {"RUNLOG_DIR": self.root, "RUNLOG_SYSTEM": 0, "RUNLOG_ENVIRONMENT": 0}
        own |= {"IPYTHONDIR": self.root / "ipython", "RUNLOG_QUIET": 1}
        self._client.kernel_name = "python3"
        with self._client.setup_kernel(
            env=kept | {k: str(v) for k, v in own.items()}, cwd=str(self.root)
        ):
            yield self

    def cell(self, source: str, *, fails: str | None = None) -> list[Any]:
        """Run a cell and give its outputs; `fails` names the exception that it is to end in."""
        cell = v4.new_code_cell(textwrap.dedent(source).strip())
        if fails is not None:
            cell.metadata["tags"] = ["raises-exception"]
        self._client.nb.cells.append(cell)
        self._client.execute_cell(cell, len(self._client.nb.cells) - 1)
        errors = [o.ename for o in cell.outputs if o.output_type == "error"]
        assert errors == ([] if fails is None else [fails]), cell.outputs
        return list(cell.outputs)

    def begin(self, name: str) -> Path:
        """Run a cell that calls `init`; gives the run's folder."""
        self.cell(f"import runlog; run = runlog.init(project='p', id={name!r})")
        return self.root / "p" / name


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Generator[Notebook, None, None]:
    yield from Notebook(tmp_path_factory.mktemp("notebook")).run()


@pytest.fixture
def notebook(shared: Notebook) -> Generator[Notebook, None, None]:
    """A kernel that others have used before; starting one takes a second."""
    yield shared
    shared.cell("import runlog; runlog.finish()")


@pytest.fixture
def alone(tmp_path: Path) -> Generator[Notebook, None, None]:
    """A kernel that will not outlive the test."""
    yield from Notebook(tmp_path).run()


def shown(outputs: list[Any], name: str = "stdout") -> str:
    """What a cell printed, as the notebook shows it."""
    return "".join(o.text for o in outputs if o.output_type == "stream" and o.name == name)


def rich(outputs: list[Any]) -> list[str]:
    """HTML that a cell shows."""
    return [o.data["text/html"] for o in outputs if "text/html" in o.get("data", {})]


def kept(folder: Path, stream: str = "stdout") -> str:
    with runlog.open(folder) as view:
        assert view.damage == ()
        return view.console.raw(stream).decode()


def test_what_later_cells_print_is_captured(notebook: Notebook) -> None:
    first = notebook.cell(
        "import runlog, sys\nrun = runlog.init(project='p', id='later')\nprint('first cell')"
    )
    second = notebook.cell("print('second', 'cell'); print('to stderr', file=sys.stderr)")
    third = notebook.cell("for n in range(50): print(n)\nprint('no end of line', end='')")
    last = notebook.cell("run.finish(); print('after')")
    told = shown(first) + shown(second) + shown(third)
    assert kept(notebook.root / "p" / "later") == told
    assert told.startswith("first cell\nsecond cell\n0\n")
    assert kept(notebook.root / "p" / "later", "stderr") == "to stderr\n"
    assert shown(last) == "after\n"


def test_threads_print_between_cells_and_commands_to_their_descriptor(notebook: Notebook) -> None:
    folder = notebook.begin("threads")
    notebook.cell(
        """
        import os, subprocess, threading, time
        def work():
            while not os.path.exists("go on"): time.sleep(0.01)
            print("from a thread")
            open("done", "w").close()
        threading.Thread(target=work).start()
        """
    )
    (notebook.root / "go on").touch()
    until((notebook.root / "done").exists)  # meanwhile no cell is being run
    notebook.cell("subprocess.run(['echo', 'from a command'])")
    until(lambda: "command" in kept(folder))  # the kernel reads its descriptor when it likes
    notebook.cell("run.finish()")
    assert kept(folder) == "from a thread\nfrom a command\n"


@pytest.mark.parametrize("mode", ["wrap", "redirect"])
def test_each_mode_hears_all_once(notebook: Notebook, mode: str) -> None:
    notebook.cell(
        f"import os, runlog\nrun = runlog.init(project='p', id={mode!r}, "
        f"settings={{'console': {mode!r}}})\nprint('same cell')"
    )
    notebook.cell("print('printed')")
    notebook.cell("os.write(1, b'written\\n')")
    until(lambda: "written" in kept(notebook.root / "p" / mode))
    notebook.cell("run.finish()")
    assert kept(notebook.root / "p" / mode) == "same cell\nprinted\nwritten\n"


def test_capture_magic_shows_nothing_and_ends_nothing(notebook: Notebook) -> None:
    notebook.cell("%%capture\nimport runlog\nrun = runlog.init(project='p', id='magic')\nprint(1)")
    notebook.cell("print('after init')")
    notebook.cell("%%capture held\nprint('held back')")
    notebook.cell("assert held.stdout == 'held back\\n'\nprint('last')")
    notebook.cell("run.finish()")
    assert kept(notebook.root / "p" / "magic") == "1\nafter init\nlast\n"


def test_progress_bars_come_out_as_in_a_terminal(notebook: Notebook) -> None:
    folder = notebook.begin("bars")
    outputs = notebook.cell(
        """
        from tqdm import tqdm
        for n in tqdm(range(30), mininterval=0, ascii=True, ncols=60):
            run.log({"n": n})
        """
    )
    notebook.cell("print('below'); run.finish()")
    assert kept(folder, "stderr") == shown(outputs, "stderr")
    with runlog.open(folder) as view:
        bar, below = view.console
    assert bar.text.startswith("100%|####")
    assert below.text == "below"


def test_a_run_is_shown_once_and_without_a_word(notebook: Notebook) -> None:
    notebook.begin("shown")
    notebook.cell("for n in range(20): run.log({'loss': 1 / (n + 1)})")
    for source in ("run.display(height=300)", "run", "run.display(); None", "runlog.open(run.dir)"):
        (output,) = notebook.cell(source)  # nothing else: no warning, no True
        (html,) = rich([output])
        assert html.startswith("<iframe srcdoc=")
        assert "loss" in html
        assert "p/shown" in output.data["text/plain"]
    (output,) = notebook.cell("assert run.display(hidden=True) == True")
    assert rich([output])[0].startswith("<details>")


def test_a_second_init_ends_the_former_run_and_says_so(notebook: Notebook) -> None:
    source = "run = runlog.init(project='p', settings={'quiet': False})\nprint(run.dir)"
    folders, said = [], []
    notebook.cell("import runlog")
    for _ in range(3):
        outputs = notebook.cell(source)
        folders.append(Path(shown(outputs).strip()))
        said.append(shown(outputs, "stderr"))
        notebook.cell("run.log({'a': 1})\nprint('in', run.id)")
    notebook.cell("run.finish()")
    assert "is in" not in said[0]  # but where it is written to
    for folder, message in zip(folders, said[1:], strict=False):
        assert f"run p/{folder.name}" in message
        assert str(folder) in message
    for folder in folders:
        assert kept(folder) == f"{folder}\nin {folder.name}\n"
        with runlog.open(folder) as view:
            assert (view.status.state, view.summary["a"]) == ("finished", 1)


def test_a_run_goes_on_after_an_interrupted_cell(notebook: Notebook) -> None:
    folder = notebook.begin("interrupted")
    begun = notebook.root / "begun"

    def interrupt() -> None:
        until(begun.exists)
        notebook.interrupt()

    thread = threading.Thread(target=interrupt)
    thread.start()
    notebook.cell(
        f"""
        import sys
        n = 0
        while True:
            run.log({{"n": n}})
            sys.stdout.write(f"{{n}}\\n")  # a whole line, or none
            n += 1
            if n == 200: open({str(begun)!r}, "w").close()
        """,
        fails="KeyboardInterrupt",
    )
    thread.join()
    with runlog.open(folder) as view:
        assert view.status.state == "running"
    outputs = notebook.cell("run.log({'n': -1})\nprint('on'); print(run.step)")
    notebook.cell("run.finish()")
    with runlog.open(folder) as view:
        values = view.history(["n"]).to_arrow()["n"].to_pylist()
        assert values[:-1] == list(range(len(values) - 1))
        assert (values[-1], view.status.state) == (-1, "finished")
    lines = kept(folder).splitlines()
    assert lines[-2:] == shown(outputs).splitlines() == ["on", str(len(values))]
    assert lines[:200] == [str(n) for n in range(200)]


def until(what: Callable[[], bool]) -> None:
    """Wait for what another process is bound to do."""
    waiting = threading.Event()
    for _ in range(PATIENCE * 100):
        if what():
            return
        waiting.wait(0.01)
    raise AssertionError("it did not come about")


def test_a_forgotten_run_ends_well_with_its_kernel_whatever_cells_did(tmp_path: Path) -> None:
    running = Notebook(tmp_path).run()
    notebook = next(running)
    folder = notebook.begin("forgotten")
    notebook.cell("run.log({'a': 1})\nprint('before')\n1 / 0", fails="ZeroDivisionError")
    notebook.cell("import sys; sys.exit(3)", fails="SystemExit")
    with runlog.open(folder) as view:
        assert view.status.state == "running"
    notebook.cell("run.log({'a': 2})\nprint('last', end='')")
    running.close()  # what shuts the kernel down
    assert [path.name for path in folder.glob("*.*")] == [next(folder.glob("*.rlog")).name]
    with runlog.open(folder) as view:
        assert (view.status.state, view.status.exit_code) == ("finished", 0)
        assert view.summary["a"] == 2
    assert kept(folder) == "before\nlast"


@pytest.mark.skipif(not kit.FULL, reason="at full effort: one more kernel")
def test_a_run_whose_kernel_died_is_told_as_crashed(alone: Notebook) -> None:
    folder = alone.begin("killed")
    with pytest.raises(DeadKernelError):
        alone.cell(
            "import os, signal\nrun.log({'a': 1})\nprint('seen')\n"
            "os.kill(os.getpid(), signal.SIGKILL)"
        )
    with runlog.open(folder) as view:
        assert (view.status.state, view.summary["a"]) == ("crashed", 1)
    assert kept(folder) == "seen\n"


def test_a_shell_in_a_terminal_is_heard_from_cell_to_cell(tmp_path: Path) -> None:
    """IPython without a kernel does the same around each cell, to a stream of another kind."""
    script = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
for cell in (
    "import runlog, sys; run = runlog.init(project='p', id='r', dir=sys.argv[1])", "print('two')",
    "print('three', file=sys.stderr)", "print('four', flush=True)", "run.finish()",
):
    shell.run_cell(cell, store_history=True)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path],
        env={**os.environ, "IPYTHONDIR": str(tmp_path / "ipython")},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert done.stdout == kept(tmp_path / "p" / "r") == "two\nfour\n"
    assert kept(tmp_path / "p" / "r", "stderr") == "three\n"


@pytest.mark.parametrize("name", ["ZMQInteractiveShell", "TerminalInteractiveShell"])
def test_a_shell_made_from_that_of_a_kernel_is_one(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Colab has: there, too, a second `init` ends the former run."""
    derived = type("Shell", (type(name, (), {}),), {})()
    fake = SimpleNamespace(get_ipython=lambda: derived)
    monkeypatch.setitem(sys.modules, "IPython", fake)
    assert in_notebook() is (name == "ZMQInteractiveShell")

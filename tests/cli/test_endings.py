"""How the command ends: exit codes, one sentence, quiet interrupts, closed pipes; how it starts."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from runlog_cli import reference

from .conftest import COMMAND, PATIENCE, Call, Job, Result, flip, journal_of

Train = Callable[..., Path]

STYLE = re.compile("\x1b\\[[0-9;]*m")

READERS = ("inspect", "history", "cat", "tail", "du", "verify", "recover", "export")


@pytest.mark.parametrize("verb", READERS)
def test_a_missing_path_is_one_sentence(verb: str, call: Call) -> None:
    result = call(verb, "no/such/path")
    assert result.code == 1
    assert "no/such/path" in result.sentence()


@pytest.mark.parametrize("verb", READERS)
def test_a_file_that_is_no_journal_is_one_sentence(verb: str, call: Call, tmp_path: Path) -> None:
    other = tmp_path / "photo.rlog"
    other.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8)
    result = call(verb, other)
    assert result.code == 1
    assert "photo.rlog" in result.sentence()
    assert other.stat().st_size == 2056


@pytest.mark.parametrize("verb", READERS)
def test_an_empty_folder_is_one_sentence(verb: str, call: Call, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = call(verb, tmp_path / "empty")
    assert result.code == 1
    assert "empty" in result.sentence()


def test_the_console_script_ends_with_the_same_codes(
    train: Train, shell: Call, damaged: Path
) -> None:
    train(id="abcd1234", steps=3)
    assert shell("inspect", "abcd1234").code == 0
    assert shell("inspect", "nowhere").code == 1
    assert shell("inspect", "--no-such-option").code == 2
    assert shell("nonsense").code == 2
    assert shell("verify", damaged).code == 3


def test_an_unreadable_file_is_one_sentence_from_the_console_script(
    shell: Call, tmp_path: Path
) -> None:
    (tmp_path / "a.rlog").write_text("hello")
    result = shell("cat", tmp_path / "a.rlog")
    assert result.code == 1
    assert "a.rlog" in result.sentence()


def test_an_option_that_does_not_exist_leaves_stdout_empty(call: Call) -> None:
    result = call("ls", "--nonsense")
    assert (result.code, result.out) == (2, "")
    assert "--nonsense" in result.err


def test_a_closed_pipe_is_quiet(train: Train) -> None:
    train(id="abcd1234", steps=5000)
    for verb in (["cat", "--json"], ["cat"], ["history"], ["history", "-f", "table"]):
        with subprocess.Popen(
            [COMMAND, *verb, "abcd1234"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as command:
            assert command.stdout is not None
            command.stdout.readline()
            command.stdout.close()
            assert command.stderr is not None
            assert command.stderr.read() == b""
            assert command.wait(PATIENCE) == 141


def test_a_pipe_closed_before_the_first_line_is_quiet(train: Train) -> None:
    train(id="abcd1234", steps=1)
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [COMMAND, "inspect", "abcd1234"],
        stdout=write_end,
        stderr=subprocess.PIPE,
        timeout=PATIENCE,
        check=False,
    )
    os.close(write_end)
    assert (done.returncode, done.stderr) == (141, b"")


def test_an_interrupt_is_quiet(job: Callable[..., Job]) -> None:
    job("live0001")
    command = subprocess.Popen(
        [COMMAND, "tail", "-f", "-n", "1", "live0001"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert command.stdout is not None
    command.stdout.readline()
    command.send_signal(signal.SIGINT)
    _, err = command.communicate(timeout=PATIENCE)
    assert (command.returncode, err) == (130, b"")


def test_version(shell: Call) -> None:
    import runlog

    result = shell("--version")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"runlog {runlog.__version__},")


@pytest.mark.parametrize("arguments", [["--help"], ["ls"], ["inspect", "abcd1234", "--json"]])
def test_a_start_does_not_wait_for_arrow(arguments: list[str], train: Train) -> None:
    train(id="abcd1234", steps=3)
    script = (
        "import sys\nfrom runlog_cli.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert end.code == 0, end.code\n"
        "print(sorted({'pyarrow', 'pandas', 'polars'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=True,
    )
    assert done.stderr == "[]\n"


def test_help_and_ls_start_without_numpy(train: Train) -> None:
    train(id="abcd1234", steps=3)
    for arguments in (["--help"], ["ls"]):
        script = "import sys\nfrom runlog_cli.app import app\napp(standalone_mode=False)\n"
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "-c", script, *arguments],
            capture_output=True,
            encoding="utf-8",
            timeout=PATIENCE,
            check=True,
        )
        assert "| numpy\n" not in done.stderr.replace("|   ", "|").replace("|  ", "| ")


def test_every_verb_has_json_and_says_so(call: Call) -> None:
    for verb in (*READERS, "ls"):
        assert "--json" in call(verb, "--help").out


def test_the_reference_is_up_to_date() -> None:
    assert reference.main(["--verify"]) == 0


def test_an_outdated_reference_is_noticed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reference, "TARGET", tmp_path / "docs" / "cli.md")
    assert reference.main(["--verify"]) == 1
    assert "is missing" in capsys.readouterr().err
    assert reference.main([]) == 0
    assert reference.main(["--verify"]) == 0
    (tmp_path / "docs" / "cli.md").write_text("old")
    assert reference.main(["--verify"]) == 1
    assert "is out of date" in capsys.readouterr().err


def test_completion_offers_the_runs_of_the_root(train: Train, shell: Call) -> None:
    train(id="abcd1234", steps=1)
    environment = {
        "_RUNLOG_COMPLETE": "complete_bash",
        "COMP_WORDS": "runlog inspect ab",
        "COMP_CWORD": "2",
    }
    assert shell(env=environment).out.split() == ["abcd1234"]


def on_a_terminal(
    *arguments: str, columns: int, talk: bool = False, env: dict[str, str] | None = None
) -> Result:
    """Runs the console script on a pseudo-terminal: stdout, and stderr if `talk` is set."""
    main_end, other_end = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm-256color", **(env or {})}
    process = subprocess.Popen(
        [COMMAND, *arguments],
        stdout=other_end,
        stderr=other_end if talk else subprocess.DEVNULL,
        env=environment,
    )
    os.close(other_end)
    received = b""
    try:
        while part := os.read(main_end, 65536):
            received += part
    except OSError:  # Linux's way to say that the other end is closed
        pass
    os.close(main_end)
    return Result(process.wait(PATIENCE), received.decode(), "")


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_no_line_is_wider_than_the_terminal(columns: int, train: Train) -> None:
    folder = train(id="abcd1234", name="a rather long name for a run that people gave it")
    for verb in (["inspect"], ["history", "--samples", "5"], ["du"]):
        shown = on_a_terminal(*verb, str(folder), columns=columns)
        assert shown.code == 0
        assert max(len(line.rstrip()) for line in STYLE.sub("", shown.out).splitlines()) <= columns


def test_no_color_leaves_no_colour(train: Train) -> None:
    train(id="abcd1234")
    coloured = on_a_terminal("inspect", "abcd1234", columns=80)
    plain = on_a_terminal("inspect", "abcd1234", columns=80, env={"NO_COLOR": "1"})
    assert "\x1b[32m" in coloured.out
    assert "\x1b[32m" not in plain.out


def test_a_progress_bar_is_on_a_terminal_only(train: Train, shell: Call, tmp_path: Path) -> None:
    train(id="abcd1234")
    piped = shell("export", "abcd1234", "-o", tmp_path / "a.csv")
    assert "exporting" not in piped.out + piped.err
    shown = on_a_terminal(
        "export", "abcd1234", "-o", str(tmp_path / "b.csv"), columns=120, talk=True
    )
    assert "exporting" in shown.out


def test_a_hostile_name_cannot_move_the_cursor(call: Call) -> None:
    import runlog

    with runlog.init(project="digits", id="hostile1", config={"\x1b[2J": "\x1b]0;x\x07"}) as run:
        run.log({"\x1b[31mred[bold]": 1})
    for verb in ("inspect", "cat", "du", "tail"):
        result = call(verb, "hostile1")
        assert result.code == 0
        assert "\x1b" not in result.out
        assert "\\x1b[31mred[bold]" in result.out


def test_an_ascii_terminal_gets_ascii(train: Train, shell: Call) -> None:
    train(id="abcd1234", name="größe")
    result = shell("inspect", "abcd1234", env={"PYTHONIOENCODING": "ascii"})
    assert result.code == 0
    assert result.out.isascii()
    assert (
        shell("inspect", "abcd1234", "--json", env={"PYTHONIOENCODING": "ascii"}).json()["name"]
        == "größe"
    )


def test_every_flipped_bit_ends_in_a_code_and_no_traceback(train: Train, call: Call) -> None:
    folder = train(id="abcd1234", steps=20)
    journal = journal_of(folder)
    sound = journal.read_bytes()
    whole = {verb: call(verb, folder).out for verb in ("history", "cat")}
    for offset in range(0, len(sound), max(1, len(sound) // 60)):
        flip(journal, offset)
        for verb in ("inspect", "history", "cat", "verify"):
            result = call(verb, folder)
            # What costs none of its rows or records is no matter of a history or of `cat`.
            assert result.code == 3 or (result.code, result.out) == (0, whole.get(verb)), (
                verb,
                offset,
                result,
            )
            assert "Traceback" not in result.err
        journal.write_bytes(sound)


def test_every_truncation_ends_in_a_code_and_no_traceback(train: Train, call: Call) -> None:
    folder = train(id="abcd1234", steps=20)
    journal = journal_of(folder)
    sound = journal.read_bytes()
    for length in range(0, len(sound), max(1, len(sound) // 40)):
        journal.write_bytes(sound[:length])
        for verb in ("inspect", "history", "cat", "verify"):
            result = call(verb, folder)
            assert result.code in {0, 1, 3}, (verb, length, result)
            if result.code == 1:
                result.sentence()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("ls --nonsense", "--nonsense; see `runlog ls --help`"),
        ("nonsens", "No such command 'nonsens'; see `runlog --help`"),
        ("inspec", "Did you mean 'inspect'; see"),
        ("history --samples 0", "'0' is not a whole number from 1 on; see `runlog history --help`"),
        ("tail -n x", "'x' is not a whole number from 0 on; see `runlog tail --help`"),
        ("history --late never", "'never' is not one of 'merge', 'drop', 'only'; see"),
        ("export -o", "requires an argument"),
        ("exec", "Missing argument"),
    ],
)
def test_a_mistake_in_the_command_line_is_one_sentence(line: str, said: str, call: Call) -> None:
    result = call(*line.split())
    assert result.code == 2
    assert said in result.sentence()


def test_the_version_does_not_wait_for_the_verbs() -> None:
    script = "import sys\nfrom runlog_cli.__main__ import main\nmain()\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script, "--version"], capture_output=True, check=True, text=True
    )
    loaded = set(done.stdout.split())
    assert not loaded & {"typer", "rich", "numpy", "pyarrow", "runlog_cli.app"}

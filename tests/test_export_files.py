"""An export appears whole under its name, or leaves nothing and says in a sentence why."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import runlog
from runlog import export

SMALL = 64 << 10


@pytest.fixture
def view() -> runlog.RunView:
    with runlog.init(project="files", settings={"quiet": True}) as run:
        for step in range(50):
            run.log({"loss": 1 / (step + 1)})
    return runlog.open(run.dir)


@pytest.mark.parametrize("format", export.FORMATS)
@pytest.mark.parametrize("layout", export.LAYOUTS)
def test_only_the_file_asked_for_is_left(
    view: runlog.RunView, tmp_path: Path, format: str, layout: str
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    done = export.write(view, folder / "run", format, layout)
    assert [p.name for p in folder.iterdir()] == ["run"]
    assert (done.path, done.rows, done.bytes) == (
        folder / "run",
        50,
        (folder / "run").stat().st_size,
    )


def test_an_existing_file_is_refused_and_untouched(view: runlog.RunView, tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    path.write_text("mine")
    with pytest.raises(runlog.UsageError, match="exists already"):
        export.write(view, path, "csv")
    assert path.read_text() == "mine"
    export.write(view, path, "csv", overwrite=True)
    assert path.read_text().startswith('"_step"')


def test_a_broken_symbolic_link_counts_as_existing(view: runlog.RunView, tmp_path: Path) -> None:
    link = tmp_path / "run.csv"
    link.symlink_to(tmp_path / "nowhere")
    with pytest.raises(runlog.UsageError, match="exists already"):
        export.write(view, link, "csv")


def test_a_folder_is_no_file(view: runlog.RunView, tmp_path: Path) -> None:
    with pytest.raises(runlog.UsageError, match="is a folder"):
        export.write(view, tmp_path, overwrite=True)


def test_a_missing_folder_is_named(view: runlog.RunView, tmp_path: Path) -> None:
    with pytest.raises(runlog.UsageError, match=r"no folder .*missing"):
        export.write(view, tmp_path / "missing" / "run.parquet")


@pytest.mark.parametrize(("format", "layout"), [("xlsx", "wide"), ("csv", "tall")])
def test_an_unknown_format_or_layout_is_refused(
    view: runlog.RunView, tmp_path: Path, format: str, layout: str
) -> None:
    with pytest.raises(runlog.UsageError, match=r"choose \w+ or \w+"):
        export.write(view, tmp_path / "run", format, layout)
    assert not (tmp_path / "run").exists()


def test_an_unknown_metric_is_refused(view: runlog.RunView, tmp_path: Path) -> None:
    with pytest.raises(runlog.UnknownMetric, match="loss"):
        export.write(view, tmp_path / "run", keys=["los"])
    assert not (tmp_path / "run").exists()


def test_keys_do_not_go_with_a_history(view: runlog.RunView, tmp_path: Path) -> None:
    with pytest.raises(runlog.UsageError, match="a history is made with its own"):
        export.write(view.history(), tmp_path / "run", keys=["loss"])


def test_an_error_midway_leaves_the_old_file(view: runlog.RunView, tmp_path: Path) -> None:
    path = tmp_path / "out" / "run.jsonl"
    path.parent.mkdir()
    path.write_text("old")

    def stop(_done: int, _total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export.write(view, path, "jsonl", progress=stop, overwrite=True)
    assert list(path.parent.iterdir()) == [path]
    assert path.read_text() == "old"


@pytest.mark.parametrize("format", export.FORMATS)
def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path: Path, format: str) -> None:
    # A limit on the size of files is as close to a full disk as a process can make for itself.
    script = f"""
import random, resource, runlog
from runlog import export
with runlog.init(project="full", settings={{"quiet": True}}) as run:
    for step in range(30_000):
        run.log({{"noise": random.random()}})
resource.setrlimit(resource.RLIMIT_FSIZE, ({SMALL}, {SMALL}))
try:
    export.write(runlog.open(run.dir), {str(tmp_path / "out")!r}, {format!r})
except runlog.Error as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True, env=os.environ
    )
    assert done.stderr == ""
    assert done.stdout.startswith(f"there is no room for {tmp_path / 'out'}")
    assert not list(tmp_path.glob("*out*"))


def test_a_folder_without_permission_is_one_sentence(view: runlog.RunView) -> None:
    place = Path("/proc/self/run.csv")  # not even root may make files here
    with pytest.raises(runlog.Error, match="could not be written"):
        export.write(view, place, "csv")


@pytest.mark.parametrize("layout", export.LAYOUTS)
def test_progress_ends_at_the_number_of_rows(
    view: runlog.RunView, tmp_path: Path, layout: str
) -> None:
    told: list[tuple[int, int | None]] = []
    export.write(
        view,
        tmp_path / "run",
        layout=layout,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told[-1] == (50, 50)

"""Files kept with a run, and fetched from it, while the file system fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import runlog
from tests.faults.job import PROJECT, RUN, Job, described
from tests.faults.scene import Check, Scene, Trouble, left_over, run_folder

TEXT: Final = "kept with the run\n"
NAMES: Final = {"a.txt", "b.bin"}


def _sources(folder: Path) -> None:
    (folder / "src").mkdir()
    (folder / "src" / "a.txt").write_text(TEXT)
    (folder / "src" / "b.bin").write_bytes(bytes(range(256)) * 20)


def _keep(job: Job, trouble: Trouble) -> set[str]:
    """Save two files; gives the names of those that runlog says it found."""
    assert job.begin()
    job.log(0)
    sources = job.root / "src"
    save = job.running.save
    trouble.begin()
    found: list[str] = []
    for name, policy in (("a.txt", "now"), ("b.bin", "end")):
        path = str(sources / name)
        found += job.do("save", save, path, base_path=str(sources), policy=policy) or []
    job.finish()
    return {Path(path).name for path in found}


def _save(folder: Path, trouble: Trouble) -> Check:
    job = Job(folder, trouble)
    with job:
        found = _keep(job, trouble)
    return lambda: [*job.verdict(), *_saved(job, trouble, found)]


def _saved(job: Job, trouble: Trouble, found: set[str]) -> Iterator[str]:
    files = job.folder / "files"
    with runlog.open(job.folder) as view:
        saved = {
            file["path"]: file["digest"]
            for entry in view.records(types=["save"])
            for file in entry.record.files
            if "digest" in file
        }
        for name in NAMES:
            content = (job.root / "src" / name).read_bytes()
            if name in saved and view.blob(saved[name]) != content:
                yield f"{name} is kept with other content"
            elif name in found - saved.keys() and not (name in job.said or job.losses_told()):
                yield f"{name} is not kept, and nothing says so"
            plain = files / name
            if plain.exists() and plain.read_bytes() != content:
                yield f"files/{name} is there in part"
    if files.is_dir():
        yield from left_over(files, NAMES, trouble)


def _saved_run(folder: Path) -> None:
    """A finished run whose journal alone still has a saved file."""
    _sources(folder)
    job = Job(folder)
    with job:
        _keep(job, Trouble())
    assert job.verdict() == []
    (run_folder(folder) / "files" / "a.txt").unlink()


def _restore(folder: Path, trouble: Trouble) -> Check:
    files = run_folder(folder) / "files"
    target = files / "a.txt"
    wrong: list[str] = []
    found = None
    trouble.begin()
    try:
        found = runlog.restore("a.txt", run_path=f"{PROJECT}/{RUN}")
    except runlog.Error:
        pass
    except Exception as error:  # noqa: BLE001 - this is what is looked for
        wrong.append(f"restore raised {described(error)}")

    def check() -> list[str]:
        if found is not None and found.read() != TEXT:
            wrong.append("something else was restored")
        if target.exists() and target.read_text() != TEXT:
            wrong.append("half a file was restored")
        return [*wrong, *left_over(files, NAMES, trouble)]

    return check


SCENES: Final = (
    Scene("save", "`save`", _sources, _save),
    Scene("restore", "`restore`", _saved_run, _restore),
)

"""Export, while the file system fails: the whole file or none, and one kind of error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import runlog
from runlog.export import FORMATS, write
from tests.faults import layer
from tests.faults.job import FINISHED, PROJECT, Job, described
from tests.faults.scene import Check, Scene, Trouble, left_over, run_folder
from tests.faults.scenes.writing import train

OLD: Final = b"an older file"


def _run(folder: Path) -> None:
    """A finished run, its exports when nothing fails, and a file that is in the way."""
    job = Job(folder)
    with job:
        train(job, Trouble())
    assert job.verdict() == []
    (folder / "old").write_bytes(OLD)
    (folder / "expected").mkdir()
    with runlog.open(job.folder) as view:
        for format in FORMATS:
            write(view, folder / "expected" / format, format)


def _export(format: str, name: str) -> Callable[[Path, Trouble], Check]:
    def act(folder: Path, trouble: Trouble) -> Check:
        place = folder / name
        before = place.read_bytes() if place.exists() else None
        expected = (folder / "expected" / format).read_bytes()
        wrong: list[str] = []
        ends, hurt = {before, expected}, False
        trouble.begin()
        try:
            with runlog.open(run_folder(folder)) as view:
                write(view, place, format, overwrite=True)
                layer.mark(FINISHED)
                ends, hurt = {expected}, bool(view.damage_met)
        except runlog.Error:
            pass
        except Exception as error:  # noqa: BLE001 - this is what is looked for
            wrong.append(f"export raised {described(error)}")

        def check() -> list[str]:
            found = place.read_bytes() if place.exists() else None
            if found not in ends and not hurt:
                wrong.append("neither the whole file nor what was there before")
            names = {PROJECT, "old", "expected", place.name}
            return [*wrong, *left_over(folder, names, trouble)]

        return check

    return act


SCENES: Final = (
    Scene("export-parquet", "export to Parquet", _run, _export("parquet", "new")),
    Scene("export-csv", "export to CSV, over an older file", _run, _export("csv", "old")),
    Scene("export-jsonl", "export to JSON lines", _run, _export("jsonl", "new")),
)

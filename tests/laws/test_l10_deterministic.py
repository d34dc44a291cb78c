"""L10: the same journal gives the same JSON, the same values and the same order, every time."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa

import runlog
from runlog import export


def told(folder: str) -> str:
    """All that a reader says of a run, as text."""
    with runlog.open(folder) as view:
        out = [
            [runlog.to_json(e) for e in view.records()],
            runlog.to_json(view.config),
            runlog.to_json(view.summary),
            [[m.name, m.kinds, m.count, m.min, m.max, m.sum] for m in view.metrics.values()],
            [runlog.to_json(r) for r in view.history().rows()],
            [str(d) for d in view.damage],
            [j.writer for j in view.journals],
        ]
        sink = pa.BufferOutputStream()
        table = view.history().to_arrow()
        with pa.ipc.new_stream(sink, table.schema) as stream:
            for batch in view.history().batches():
                stream.write_batch(batch)
        arrow = hashlib.sha256(sink.getvalue()).hexdigest()
        target = Path(folder).parent / f"{os.getpid()}.parquet"
        export.write(view, target)
        parquet = hashlib.sha256(target.read_bytes()).hexdigest()
        target.unlink()
    return json.dumps([out, arrow, parquet], sort_keys=False)


def a_run(root: Path) -> Path:
    """A run of three journals with many keys, types and tags."""
    for rank in range(3):
        os.environ["RANK"] = str(rank)
        settings = {"quiet": True, "seal_bytes": 4096}
        tags = {"x", "y", "z"}
        run = runlog.init(project="p", id="r", dir=root, tags=sorted(tags), settings=settings)
        run.config.update({f"c{n}": {f"k{n}": n} for n in range(20)})
        for n in range(200):
            run.log({f"m{(n * 7 + k) % 11}": n / 3 for k in range(4)})
            if n % 20 == 0:
                run.log({"a": {"b": n, "c": None}, "s": "ü", "mixed": n if n % 40 else "text"})
                run.log({"late": n}, step=n // 2)
        run.finish()
    del os.environ["RANK"]
    return root / "p" / "r"


def in_another_process(folder: Path, seed: int) -> str:
    env = {**os.environ, "PYTHONHASHSEED": str(seed)}
    done = subprocess.run(
        [sys.executable, __file__, str(folder)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env=env,
    )
    return done.stdout.strip()


def test_two_processes_say_the_same_of_one_journal(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    first = in_another_process(folder, 1)
    assert json.loads(first)[0][0]
    assert in_another_process(folder, 2) == first
    assert told(str(folder)) == first


def test_a_copy_says_the_same(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    first = told(str(folder))
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in sorted(folder.iterdir(), reverse=True):
        shutil.copyfile(path, copy / path.name)
    assert told(str(copy)) == first


def test_records_of_several_journals_come_by_time_writer_and_seq(tmp_path: Path) -> None:
    entries = list(runlog.open(a_run(tmp_path)).records())
    assert len({e.writer for e in entries}) == 3
    assert [e.order for e in entries] == sorted(e.order for e in entries)


if __name__ == "__main__":
    print(told(sys.argv[1]))  # noqa: T201

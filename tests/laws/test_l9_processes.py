"""L9: threads, forked and spawned processes lose and duplicate nothing, and share no file."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

import runlog
from runlog.journal import keeper, verify

THREADS = 8
EACH = 600
CHILDREN = 3


def begin(root: str) -> runlog.Run:
    keeper.BACKLOG = 0  # type: ignore[misc] # seal all the time
    settings = {"quiet": True, "seal_bytes": 4096}
    return runlog.init(project="p", id="r", dir=root, settings=settings)


def log_rows(run: runlog.Run, who: str, rows: int = EACH) -> None:
    for n in range(rows):
        if n % 50 == 7:
            run.log({"who": who, "n": n, "note": f"{who}/{n}"})
        else:
            run.log({"n": n, "by": {who: float(n)}})


def threads_and_forks(root: str) -> None:
    """Eight threads log while the journal seals and rotates and processes fork."""
    run = begin(root)
    threads = [threading.Thread(target=log_rows, args=(run, f"thread{n}")) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    children = []
    for n in range(CHILDREN):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                log_rows(run, f"child{n}")
                run.finish()
                code = 0
            finally:
                os._exit(code)
        children.append(pid)
    for thread in threads:
        thread.join()
    for pid in children:
        assert os.waitpid(pid, 0)[1] == 0
    run.finish()


def silent_fork(root: str) -> None:
    """A child that logs nothing and ends must not end, or touch, its parent's run."""
    run = begin(root)
    log_rows(run, "before", 50)
    pid = os.fork()
    if pid == 0:
        sys.exit(0)  # runs atexit
    assert os.waitpid(pid, 0)[1] == 0
    log_rows(run, "after", 50)
    run.finish()


def fork_of_fork(root: str) -> None:
    run = begin(root)
    log_rows(run, "parent", 100)
    pid = os.fork()
    if pid == 0:
        log_rows(run, "child", 100)
        inner = os.fork()
        if inner == 0:
            log_rows(run, "grandchild", 100)
            sys.exit(0)
        assert os.waitpid(inner, 0)[1] == 0
        log_rows(run, "child again", 100)
        sys.exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    log_rows(run, "parent again", 100)
    run.finish()


def pool_worker(who: str) -> None:
    run = runlog.run
    assert run is not None
    log_rows(run, who, 100)


def multiprocessing_fork(root: str) -> None:
    run = begin(root)
    log_rows(run, "parent", 100)
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=pool_worker, args=(f"child{n}",)) for n in range(CHILDREN)]
    for child in children:
        child.start()
    log_rows(run, "parent again", 100)
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    run.finish()


def rank_worker(root: str, rank: int) -> None:
    os.environ["RANK"] = str(rank)
    run = begin(root)
    log_rows(run, f"rank{rank}", 100)
    run.finish()


def multiprocessing_spawn(root: str) -> None:
    context = multiprocessing.get_context("spawn")
    children = [context.Process(target=rank_worker, args=(root, n)) for n in range(CHILDREN)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
        assert child.exitcode == 0


SCENES = {
    "threads_and_forks": (
        threads_and_forks,
        {
            **{f"thread{n}": EACH for n in range(THREADS)},
            **{f"child{n}": EACH for n in range(CHILDREN)},
        },
        1 + CHILDREN,
    ),
    "silent_fork": (silent_fork, {"before": 50, "after": 50}, 1),
    "fork_of_fork": (
        fork_of_fork,
        dict.fromkeys(["parent", "child", "grandchild", "child again", "parent again"], 100),
        3,
    ),
    "multiprocessing_fork": (
        multiprocessing_fork,
        dict.fromkeys(["parent", "parent again", *(f"child{n}" for n in range(CHILDREN))], 100),
        1 + CHILDREN,
    ),
    "multiprocessing_spawn": (
        multiprocessing_spawn,
        {f"rank{n}": 100 for n in range(CHILDREN)},
        CHILDREN,
    ),
}


@pytest.mark.parametrize("scene", SCENES)
def test_nothing_is_lost_or_duplicated(scene: str, tmp_path: Path) -> None:
    _, expected, journals = SCENES[scene]
    done = subprocess.run(
        # Python 3.12 and later warn of every fork beside a thread; this shows that ours are safe.
        [sys.executable, "-W", "ignore:This process", __file__, scene, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    folder = tmp_path / "p" / "r"
    with runlog.open(folder) as view:
        assert view.damage == ()
        assert len(view.journals) == journals
        seen: Counter[tuple[str, int]] = Counter()
        writers: dict[str, set[str]] = {}
        order: dict[str, list[int]] = {}
        for entry in view.records(["log"]):
            data = entry.record.data
            who = data["who"] if "who" in data else next(iter(data["by"]))
            assert data.get("note", f"{who}/{data['n']}") == f"{who}/{data['n']}"
            assert data.get("by", {who: data["n"]}) == {who: data["n"]}
            seen[who, data["n"]] += 1
            writers.setdefault(who, set()).add(entry.writer)
            order.setdefault(who, []).append(data["n"])
        assert seen == Counter((who, n) for who, rows in expected.items() for n in range(rows))
        for who, rows in expected.items():
            assert len(writers[who]) == 1
            assert order[who] == list(range(rows))
        for journal in view.journals:
            assert journal.finished, "a process did not end its journal"
            assert (journal.tails, journal.has_footer) == (0, True)
        if scene == "threads_and_forks":
            assert sum(j.chunks for j in view.journals) > 20, "it was sealed meanwhile"
        assert view.status.state == "finished"
    assert verify(folder).ok


def test_a_child_names_its_parent_and_takes_a_journal_of_its_own(tmp_path: Path) -> None:
    run = runlog.init(project="p", dir=tmp_path, settings={"quiet": True})
    run.log({"x": 1})
    pid = os.fork()
    if pid == 0:
        run.log({"x": 2})
        os._exit(0)  # as a killed child: no end
    os.waitpid(pid, 0)
    run.log({"x": 3})
    run.finish()
    with runlog.open(run.dir) as view:
        starts = list(view.records(["run"]))
        parents = {e.writer: e.record.parent for e in starts}
        assert len(parents) == 2
        assert set(parents.values()) == {None, next(w for w, p in parents.items() if p is None)}
        values: dict[str, list[int]] = {w: [] for w in parents}
        for entry in view.records(["log"]):
            values[entry.writer].append(entry.record.data["x"])
        assert sorted(values.values()) == [[1, 3], [2]]
        assert view.status.state == "finished"  # a child's end is not the run's


if __name__ == "__main__":
    SCENES[sys.argv[1]][0](sys.argv[2])
    print(json.dumps({}))  # noqa: T201

"""Threads and processes that log to one run: no deadlock, no row lost, none twice."""

from __future__ import annotations

from collections import Counter

import pytest

import runlog

from .conftest import RunScript

LOG_ITEMS = """
import sys
import torch, wandb

class Items(torch.utils.data.Dataset):
    def __len__(self):
        return 200

    def __getitem__(self, index):
        wandb.log({"who": "worker", "n": index})
        return torch.tensor(index)
"""


def logged(view: runlog.RunView) -> Counter[tuple[str, int]]:
    """How often each (who, number) stands in the run."""
    return Counter((row["who"], row["n"]) for row in view.history(["who", "n"]).rows())


def expected(**counts: int) -> Counter[tuple[str, int]]:
    return Counter((who, n) for who, count in counts.items() for n in range(count))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_data_loader_whose_workers_log(run_script: RunScript, workers: int) -> None:
    job = run_script(
        f"""{LOG_ITEMS}
wandb.init(project="p")
loader = torch.utils.data.DataLoader(Items(), batch_size=10, num_workers={workers})
for n, batch in enumerate(loader):
    wandb.log({{"who": "trainer", "n": n}})
"""
    )
    assert logged(job.run) == expected(worker=200, trainer=20)
    assert job.run.damage == ()
    assert len(job.run.journals) == 1 + workers


def test_a_data_loader_with_workers_that_never_log_leaves_one_journal(
    run_script: RunScript,
) -> None:
    job = run_script(
        """
import torch, wandb
wandb.init(project="p")
data = torch.utils.data.TensorDataset(torch.arange(200))
loader = torch.utils.data.DataLoader(data, batch_size=10, num_workers=2, persistent_workers=True)
n = 0
for epoch in range(3):
    for (batch,) in loader:
        wandb.log({"who": "trainer", "n": n})
        n += 1
"""
    )
    assert logged(job.run) == expected(trainer=60)
    assert len(job.run.journals) == 1
    assert job.run.status.state == "finished"


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_that_are_given_the_run(run_script: RunScript, method: str) -> None:
    job = run_script(
        f"""
import multiprocessing, wandb

def work(run, who):
    for n in range(100):
        run.log({{"who": who, "n": n}})

if __name__ == "__main__":
    run = wandb.init(project="p")
    context = multiprocessing.get_context({method!r})
    processes = [context.Process(target=work, args=(run, f"child{{i}}")) for i in range(2)]
    for process in processes:
        process.start()
    for n in range(100):
        run.log({{"who": "parent", "n": n}})
    for process in processes:
        process.join()
        assert process.exitcode == 0
"""
    )
    assert logged(job.run) == expected(child0=100, child1=100, parent=100)
    assert len(job.run.journals) == 3
    assert job.run.damage == ()
    assert job.run.status.state == "finished"


def test_processes_that_join_the_run_by_its_id(run_script: RunScript) -> None:
    job = run_script(
        """
import multiprocessing, wandb

def work(run_id, who):
    run = wandb.init(project="p", id=run_id, mode="shared")
    for n in range(100):
        wandb.log({"who": who, "n": n})
    wandb.finish()

if __name__ == "__main__":
    run = wandb.init(project="p", mode="shared")
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=work, args=(run.id, f"child{i}")) for i in range(2)]
    for process in processes:
        process.start()
    for n in range(100):
        run.log({"who": "parent", "n": n})
    for process in processes:
        process.join()
        assert process.exitcode == 0
"""
    )
    assert logged(job.run) == expected(child0=100, child1=100, parent=100)
    assert job.run.damage == ()


def test_a_pool_of_threads(run_script: RunScript) -> None:
    job = run_script(
        """
from concurrent.futures import ThreadPoolExecutor
import wandb

def work(who):
    for n in range(500):
        wandb.log({"who": who, "n": n})

wandb.init(project="p")
with ThreadPoolExecutor(8) as pool:
    list(pool.map(work, [f"thread{i}" for i in range(8)]))
"""
    )
    assert logged(job.run) == expected(**{f"thread{i}": 500 for i in range(8)})
    assert [row["_step"] for row in job.run.history(["n"]).rows()] == list(range(4000))


def test_ranks_started_by_torchrun(run_script: RunScript) -> None:
    job = run_script(
        """
import os, subprocess, sys
if "RANK" not in os.environ:
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    sys.exit(subprocess.run([*launch, __file__]).returncode)

import torch, wandb
torch.distributed.init_process_group("gloo")
rank = torch.distributed.get_rank()
wandb.init(project="p", id="both")
for n in range(50):
    total = torch.tensor([rank])
    torch.distributed.all_reduce(total)
    wandb.log({"who": f"rank{rank}", "n": n, "total": total.item()})
wandb.finish()
torch.distributed.destroy_process_group()
"""
    )
    assert logged(job.run) == expected(rank0=50, rank1=50)
    assert sorted(journal.rank for journal in job.run.journals if journal.rank is not None) == [
        0,
        1,
    ]

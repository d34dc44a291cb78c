"""What `run.watch` costs per training step, in ms.

    python -m benchmarks.watch [--rounds 3] [--device cpu] [--json]

Needs torch; measures wandb beside runlog where it is installed. A transformer of 10.7 million
parameters is trained on random numbers; every way logs its loss each step. Ways take turns, and
medians over all rounds are compared. On a CPU, torch gets one thread and CPU time counts, so that
what else the machine does matters less; on a GPU, it is the time on the clock.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from statistics import median
from time import perf_counter, process_time
from typing import Any

import runlog

WIDTH, LAYERS, HEADS, TOKENS, BATCH = 384, 6, 6, 32, 4
STEPS = 20
"""Steps of a way in a round, at least; a way that logs every 100th takes 100."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to train.

    Attributes:
        library: "none", "runlog" or "wandb".
        log: what is watched.
        log_freq: every how many batches.
    """

    library: str
    log: str = ""
    log_freq: int = 0


@dataclass(frozen=True, slots=True)
class Cost:
    """What a way costs.

    Attributes:
        way: which.
        step: mean time of a step over a whole period of `log_freq` steps, ms.
        logged: median time of a step that logs, ms; None for "none".
        between: median time of a step that does not, ms; None if every step does.
    """

    way: Way
    step: float
    logged: float | None
    between: float | None


def ways() -> list[Way]:
    """All that can be measured here."""
    libraries = ["runlog"] + ["wandb"] * (importlib.util.find_spec("wandb") is not None)
    watched = [
        Way(library, log, log_freq)
        for library in libraries
        for log, log_freq in (("gradients", 1), ("all", 1), ("all", 10), ("all", 100))
    ]
    return [Way("none"), *watched]


def network(torch: Any, device: str) -> Any:
    """A transformer encoder of 10.7 million parameters in 72 tensors."""
    torch.manual_seed(0)
    layer = torch.nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, dropout=0.0, batch_first=True)
    return torch.nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False).to(device)


@contextmanager
def a_run(library: str) -> Iterator[Any]:
    """A run of that library in a folder of its own; of runlog for "none"."""
    with tempfile.TemporaryDirectory() as folder:
        if library == "wandb":
            import wandb

            os.environ["WANDB_SILENT"] = "true"
            run = wandb.init(project="watch", mode="offline", dir=folder)
        else:
            run = runlog.init(project="watch", dir=folder, settings={"quiet": True})
        yield run
        run.finish()


def train(torch: Any, model: Any, way: Way, device: str) -> list[float]:
    """Seconds of each step, those to warm up left out."""
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    batch = torch.randn(BATCH, TOKENS, WIDTH, device=device)
    seconds = []
    clock = process_time if device == "cpu" else perf_counter
    warm_up = way.log_freq if way.log_freq > 1 else 2
    with a_run(way.library) as run:
        if way.log:
            run.watch(model, log=way.log, log_freq=way.log_freq)
        for step in range(warm_up + max(STEPS, way.log_freq)):
            start = clock()
            optimizer.zero_grad()
            loss = model(batch).square().mean()
            loss.backward()
            optimizer.step()
            run.log({"loss": loss.item()})
            if step >= warm_up:
                seconds.append(clock() - start)
        if way.log:
            run.unwatch(model)
    return seconds


def measure(rounds: int, device: str, told: Callable[[str], None]) -> list[Cost]:
    """The costs of all ways."""
    import torch

    if device == "cpu":
        torch.set_num_threads(1)
    model = network(torch, device)
    taken: dict[Way, list[float]] = {way: [] for way in ways()}
    for number in range(rounds):
        for way in taken:
            told(f"round {number + 1} of {rounds}: {way}")
            gc.collect()
            taken[way] += train(torch, model, way, device)
    return [cost(way, seconds) for way, seconds in taken.items()]


def cost(way: Way, seconds: list[float]) -> Cost:
    """Medians, in ms; the steps begin with the first one of a period."""
    if not way.log_freq:
        return Cost(way, median(seconds) * 1e3, None, None)
    every = way.log_freq
    logged = median(seconds[every - 1 :: every]) * 1e3
    rest = [s for i, s in enumerate(seconds, 1) if i % every]
    between = median(rest) * 1e3 if rest else None
    step = logged if between is None else (logged + (every - 1) * between) / every
    return Cost(way, step, logged, between)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3, help="times that all ways take turns (3)")
    parser.add_argument("--device", default="cpu", help="where the model is (cpu)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()

    costs = measure(arguments.rounds, arguments.device, lambda line: print(line, file=sys.stderr))
    if arguments.json:
        print(json.dumps([asdict(c) for c in costs], indent=2))
        return
    base = costs[0].step
    print(f"{'':28}  ms per step     more   a logged step   one in between")
    for found in costs:
        way = found.way
        name = f"{way.library} {way.log} every {way.log_freq}" if way.log else "not watched"
        more = "" if not way.log else f"{found.step - base:+8.2f}"
        logged = "" if found.logged is None else f"{found.logged:.1f}"
        between = "" if found.between is None else f"{found.between:.1f}"
        print(f"{name:28}  {found.step:11.2f} {more:>8}  {logged:>14}  {between:>15}")


if __name__ == "__main__":
    main()

"""tensorboardX: one float32 event per metric, by a thread; read by TensorBoard's own reader."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from benchmarks.loggers import Log

PACKAGE = "tensorboardX"
IMPORT = "from tensorboardX import SummaryWriter"
NOTE = "stores float32; one `add_scalar` per metric"

_open: dict[str, Any] = {}


def init(folder: str) -> Log:
    """A summary writer; a row is one call per metric."""
    from tensorboardX import SummaryWriter

    writer = _open["writer"] = SummaryWriter(folder)
    add, steps = writer.add_scalar, count()

    def log(row: dict[str, float]) -> Any:
        step = next(steps)
        for key, value in row.items():
            add(key, value, step)

    return log


def finish() -> None:
    """Flush and close."""
    _open.pop("writer").close()


def files(folder: Path) -> list[Path]:
    """The event file."""
    return sorted(folder.glob("events.out.tfevents.*"))


def _columns(folder: Path) -> dict[str, list[Any]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    return {tag: events.Scalars(tag) for tag in events.Tags()["scalars"]}


def read(folder: Path) -> pa.Table:
    """All scalars; a crash leaves metrics of unequal length: the rows that all of them have."""
    import pyarrow as pa

    columns = {tag: [e.value for e in events] for tag, events in _columns(folder).items()}
    kept = min(map(len, columns.values()), default=0)
    return pa.table({key: values[:kept] for key, values in columns.items()})


def read_varied(folder: Path) -> pa.Table:
    """All scalars by step."""
    import pyarrow as pa

    columns = _columns(folder)
    count = 1 + max((events[-1].step for events in columns.values()), default=-1)
    table: dict[str, list[float | None]] = {}
    for tag, events in columns.items():
        values = table[tag] = [None] * count
        for event in events:
            values[event.step] = event.value
    return pa.table(table)

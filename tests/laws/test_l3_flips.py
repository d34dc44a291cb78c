"""L3: a flipped bit of a finished journal costs at most one page of one metric, and no record."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import runlog
from runlog.damage import Damage, DamageKind
from runlog.errors import NotFound
from runlog.journal import recover, verify
from runlog.keys import OWN, flatten, metric_name
from runlog.records import (
    Alert,
    Blob,
    Config,
    Console,
    DefineMetric,
    Finish,
    Log,
    RunStart,
    Summary,
)
from runlog.testing import JournalBuilder, flip_bit, sealed_frames
from runlog.wire import codec, framing

from . import kit

PARTS = 4
"""Tests that share the bits, so that a hang or a failure says where."""
STRIDE = 1 if kit.ALL else 15 if kit.FULL else 61
"""Every so many bits is flipped; odd, so that all bits of a byte have their turn."""
BLOB = b"a picture" * 5


def build(folder: Path, *, store: bool) -> Path:
    """Two chunks whose rows differ in keys, order and types, a blob, records of other types."""
    folder.mkdir()
    journal = JournalBuilder(folder, store=store)
    journal.add(RunStart("r", "p", host="h", pid=0), Config({"lr": 0.1}))
    for n in range(12):
        journal.log(n, {"loss": 1 / (n + 1), "acc": n} if n % 3 else {"acc": n, "loss": n / 7})
        if n % 4 == 1:
            journal.log(n, {"val": {"loss": n / 3, "note": f"n{n}"}, "none": None})
        if n % 5 == 2:
            journal.add(Console("stdout", b"line %d\n" % n))
    journal.add(Blob(hashlib.sha256(BLOB).hexdigest(), len(BLOB), "image/png", BLOB)).seal()
    journal.add(DefineMetric("loss", summary=("min", "mean")), Alert("title", "text"))
    for n in range(12, 18):
        journal.log(n, {"loss": np.float32(n), "list": [n / 2, -0.0], "ids": [n, 2**40]})
        journal.log(n, {"acc": n, "big": 10**30 if n % 2 else n, "flag": n % 3 == 0})
    journal.log(3, {"loss": 9.0, "late": 1}, late=True, explicit_step=True)
    journal.add(Summary({"best": 3}), Console("stderr", b"end\n"), Finish(0)).finish()
    return journal.journal


@dataclass(frozen=True)
class Seen:
    """What a reader says of a run, metric values apart from the rest."""

    others: tuple[Any, ...]
    facts: tuple[Any, ...]
    heads: tuple[Any, ...]
    values: dict[tuple[int, str], Any]
    order: dict[int, list[str]]
    history: list[dict[str, Any]]
    columns: dict[str, list[Any]]


def look(view: runlog.RunView) -> Seen:
    """Read all there is, in every way."""
    entries = list(view.records())
    logs = [e for e in entries if isinstance(e.record, Log)]
    leaves = {e.seq: flatten(e.record.data) for e in logs}
    table = view.history().to_arrow()
    metrics = [
        (m.name, m.kinds, m.count, m.nan, kit.bits([m.min, m.max, m.sum, m.mean, m.last]), m.order)
        for m in view.metrics.values()
    ]
    return Seen(
        others=tuple(kit.same(e) for e in entries if not isinstance(e.record, Log)),
        facts=(
            kit.bits(view.config),
            kit.bits(view.summary),
            view.status,
            repr(view.definitions),
            metrics,
            [line.text for line in view.console.lines],
            table.column_names,
            str(table.schema),
        ),
        heads=tuple(
            (e.seq, e.time, e.record.step, e.record.late, e.record.commit, e.record.explicit_step)
            for e in logs
        ),
        values={
            (seq, metric_name(path)): kit.bits(value)
            for seq, row in leaves.items()
            for path, value in row.items()
        },
        order={seq: [metric_name(path) for path in row] for seq, row in leaves.items()},
        history=[
            {k if k in OWN else metric_name(p): kit.bits(v) for p, v in flatten(row).items()
             for k in p[:1]}
            for row in view.history().rows()
        ],
        columns={name: table[name].to_pylist() for name in table.column_names},
    )  # fmt: skip


class Flipper:
    """A journal whose bits are flipped one at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = path.read_bytes()
        self.frames = {f.header.type: f for f in sealed_frames(self.data)}
        with runlog.open(path.parent) as view:
            assert view.damage == ()
            self.was = look(view)
        assert verify(path.parent).ok

    def put(self, data: bytes) -> None:
        """Write a file that nobody has written to lately: no look has to wait for its end."""
        self.path.write_bytes(data)
        long_ago = time.time() - 3600
        os.utime(self.path, (long_ago, long_ago))

    def examine(self, bit: int) -> set[str]:
        """Flip a bit, and hold what is read against what was. Gives metrics that lack values."""
        self.put(flip_bit(self.data, bit))
        with runlog.open(self.path.parent) as view:
            now = look(view)
            damage = view.damage
            self._blob(view, damage)
        found = [*damage, *verify(self.path.parent).problems]
        assert found, "the flip was not noticed"
        assert all(d.records_lost == 0 for d in found if not self._of_blob(d)), found
        assert now.others == self.was.others, "a record that is no row changed"
        assert now.facts == self.was.facts
        assert now.heads == self.was.heads, "a row was lost, or its place changed"
        assert now.values.items() <= self.was.values.items(), "a value is not what was logged"
        lost = self.was.values.keys() - now.values.keys()
        metrics = {metric for _, metric in lost}
        assert len(metrics) <= 1, "more than one metric suffered"
        for seq, metric in lost:
            assert any(d.key == metric and covers(d, seq) for d in damage), f"{metric} vanished"
        for key in {d.key for d in found} - {None}:
            assert key in metrics, f"{key} is told to be lost, and is there"
        for seq, keys in now.order.items():
            kept = [key for key in self.was.order[seq] if key not in metrics or key in keys]
            told = any("order" in d.detail for d in damage)
            assert keys == kept or (told and sorted(keys) == sorted(kept))
        self._history(now, metrics)
        return metrics

    def _history(self, now: Seen, metrics: set[str]) -> None:
        """Rows lack no more than the metric. One that a late row replaced is seen as it was."""
        steps = {head[0]: head[2] for head in self.was.heads}
        logged = {(steps[seq], key, value) for (seq, key), value in self.was.values.items()}
        assert len(now.history) == len(self.was.history)
        for row, before in zip(now.history, self.was.history, strict=True):
            step = runlog_step(row)
            for key in row.keys() | before.keys():
                if row.get(key) != before.get(key):
                    assert key in metrics
                    assert key not in row or (step, key, row[key]) in logged
        for name, column in now.columns.items():
            if name.removesuffix(":type") not in metrics:
                assert kit.bits(column) == kit.bits(self.was.columns[name]), name

    def _blob(self, view: runlog.RunView, damage: tuple[Damage, ...]) -> None:
        digest = hashlib.sha256(BLOB).hexdigest()
        try:
            assert view.blob(digest) == BLOB
        except NotFound:
            assert any(map(self._of_blob, damage)), "a blob is lost, and nobody says so"

    def _of_blob(self, damage: Damage) -> bool:
        frame = self.frames[framing.FRAME_BLOB]
        return damage.offset is not None and frame.offset <= damage.offset < frame.end


def runlog_step(row: dict[str, Any]) -> int:
    """Step of a history row in comparable form."""
    return int(codec.unpack(row["_step"][1]))


def covers(damage: Damage, seq: int) -> bool:
    return (
        damage.first_seq is not None
        and damage.last_seq is not None
        and damage.first_seq <= seq <= damage.last_seq
    )


@pytest.mark.parametrize("store", [True, False], ids=["stored", "compressed"])
@pytest.mark.parametrize("part", range(PARTS))
def test_a_flipped_bit_costs_at_most_one_metric_of_one_chunk(
    part: int, store: bool, tmp_path: Path
) -> None:
    flipper = Flipper(build(tmp_path / "run", store=store))
    bits = range(part * STRIDE, 8 * len(flipper.data), PARTS * STRIDE)
    costly = 0
    for bit in bits:
        try:
            costly += bool(flipper.examine(bit))
        except Exception as error:
            place = where(flipper.path, flipper.data, bit // 8)
            raise AssertionError(f"bit {bit % 8} of byte {bit // 8} ({place}): {error}") from error
    assert 0 < costly < len(bits) / 2


def where(path: Path, data: bytes, at: int) -> str:
    """What a byte is of."""
    path.write_bytes(data)
    for page in kit.pages(path):
        if page.start <= at < page.end:
            return f"page of {page.what} in chunk {page.chunk}"
    for frame in sealed_frames(data):
        if frame.offset <= at < frame.end:
            return f"byte {at - frame.offset} of a frame of type {frame.header.type:#x}"
    return "the file header"


def test_every_page_of_a_metric_costs_that_metric_and_any_other_page_nothing(
    tmp_path: Path,
) -> None:
    flipper = Flipper(build(tmp_path / "run", store=True))
    for page in kit.pages(flipper.path):
        flipper.put(flipper.data)
        lost = flipper.examine(8 * page.start)
        if page.what in {name for _, name in flipper.was.values}:
            assert lost == {page.what}, page
        elif page.copy is not None or page.what in {"statistics", "order"}:
            assert lost == set(), page
        else:
            assert page.what.startswith("row set"), page


def test_both_copies_of_a_vital_page_are_told_and_recovered_from(tmp_path: Path) -> None:
    sound = build(tmp_path / "sound", store=True)
    data = sound.read_bytes()
    before = {r[0]: r for r in kit.read(sound.parent)}
    twice = [p for p in kit.pages(sound) if p.copy is not None]
    assert {"seq", "time", "step", "flags", "row set 1"} <= {p.what for p in twice}
    for n, page in enumerate(twice):
        folder = tmp_path / f"run{n}"
        folder.mkdir()
        path = folder / sound.name
        assert page.copy is not None
        path.write_bytes(flip_bit(flip_bit(data, 8 * page.start), 8 * page.copy))
        with runlog.open(folder) as view:
            damage = view.damage
            left = {e.seq: e for e in view.records()}
            list(view.history().rows())
            view.history().to_arrow()
            view.summary  # noqa: B018 - no exception is what is asked for
        assert DamageKind.CHECKSUM in {d.reason for d in damage}
        for seq in before.keys() - left.keys():
            assert any(covers(d, seq) and d.records_lost for d in damage), (page, seq)
        for seq, entry in left.items():
            if kit.same(entry) != before[seq]:
                assert isinstance(entry.record, Log)
                for key in original(sound, seq) - set(map(metric_name, flatten(entry.record.data))):
                    assert any(d.key == key and covers(d, seq) for d in damage), (page, seq, key)
        made = recover(folder, force=True)
        assert made.lost or made.salvaged, page
        assert verify(folder).ok


def original(path: Path, seq: int) -> set[str]:
    """Metrics of a row."""
    with runlog.open(path.parent) as view:
        (entry,) = [e for e in view.records(["log"]) if e.seq == seq]
        return set(map(metric_name, flatten(entry.record.data)))

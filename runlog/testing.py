"""Parts for tests of anything that reads or writes runlog journals.

- `samples` gives records of every declared type, derived from the declarations.
- `JournalBuilder` writes a journal whose bytes are the same each time: salt, times and writer id
  are fixed, and pages are stored without compression, so they do not depend on zstd's version.
- `cut`, `flip_bit`, `zero_hole`, `insert` and `patch` do to bytes what disks and networks do.
- `describe` reads a run into the JSON that `fixtures/*/NAME/expected.json` has.
- `ReaderConformance` holds any reader against those fixtures; inherit it.

Nothing here is needed to log or to read, and nothing imports pytest.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

from runlog.damage import Damage
from runlog.journal import names, tails, verify
from runlog.journal.sealing import SealedFile
from runlog.keys import flatten
from runlog.read.view import RunView, open_run
from runlog.records import Blob, Entry, Log, Summary
from runlog.records.declare import BY_CLASS, BY_TAG, RecordType
from runlog.wire import codec, frames, framing
from runlog.wire.as_json import to_json
from runlog.wire.row import row_flags
from runlog.wire.tail import Schema, type_code

# ---------------------------------------------------------------- sample records

_BYTES: Final = b"sample bytes\x00\xff"
_BY_KIND: Final[dict[str, Any]] = {
    "int": 7,
    "float": 0.25,
    "bool": True,
    "bin": _BYTES,
    "value": ["any", 1],
    "map": {"a": 1, "b": {"c": 2.5}},
    "strs": ("one", "two"),
}
# Items whose meaning asks for more than their kind tells.
_SPECIAL: Final[dict[type, dict[str, Any]]] = {
    Blob: {
        "digest": hashlib.sha256(_BYTES).hexdigest(),
        "size": len(_BYTES),
        "media_type": "application/x-sample",
    },
    Summary: {"remove": (["old"], ["b", "d"])},
}


def samples(cls: type) -> tuple[Any, ...]:
    """Records of one declared type.

    Args:
        cls: a class of `runlog.records`.

    Returns:
        Two records: one with the required items alone, one with a value in every item.

    Raises:
        KeyError: the class is no declared record type.
    """
    spec = BY_CLASS[cls]
    full = {item.name: _sample(spec, item.name, item.kind) for item in spec.items}
    least = {item.name: full[item.name] for item in spec.items if item.required}
    return (cls(**least), cls(**full))


def all_samples() -> tuple[Any, ...]:
    """`samples` of every declared type, in order of their tags."""
    return tuple(record for tag in sorted(BY_TAG) for record in samples(BY_TAG[tag].cls))


def _sample(spec: RecordType, name: str, kind: str) -> Any:
    special = _SPECIAL.get(spec.cls, {})
    return special[name] if name in special else _BY_KIND.get(kind.rstrip("?"), f"the {name}")


# ---------------------------------------------------------------- a deterministic journal

SALT: Final = b"\x5a\x17\xc3\x81"
WRITER: Final = "20260102T030405-00000000a1"
BEGIN: Final = 1_767_323_045_000_000
"""Time of the first record, µs since the Unix epoch: 2026-01-02 03:04:05 UTC."""
SECOND: Final = 1_000_000
"""µs between records."""


class JournalBuilder:
    """Writes one journal, record by record, to files that are the same bytes each time.

    Records gather in an open tail. `seal` makes a chunk of it, `rotate` closes it and goes on in
    the next, `finish` leaves one `.rlog` with a footer, `close` leaves the tails, as after a crash.

    Args:
        folder: of the run; must exist, without files of this writer.
        writer: id of the journal.
        salt: four bytes that all frames repeat.
        begin: time of the first record, µs since the Unix epoch; each next is a second later.
        store: without compression, so that the bytes do not depend on zstd's version.

    Attributes:
        given: every record added, as a reader should give it back.
        seq: sequence number of the next record.
    """

    def __init__(
        self,
        folder: Path,
        *,
        writer: str = WRITER,
        salt: bytes = SALT,
        begin: int = BEGIN,
        store: bool = True,
    ) -> None:
        self.folder = folder
        self.writer = writer
        self.given: list[Entry] = []
        self.seq = 1
        self._salt = salt
        self._begin = begin
        self._store = store
        self._sealed: SealedFile | None = None
        self._schemas: dict[tuple[tuple[tuple[str, ...], ...], str], Schema] = {}
        self._written: set[int] = set()
        self._first = 1
        self._frames: list[bytes] = []

    @property
    def time(self) -> int:
        """Time of the next record, µs."""
        return self._begin + (self.seq - 1) * SECOND

    @property
    def journal(self) -> Path:
        """The `.rlog` file."""
        return names.journal_path(self.folder, self.writer)

    @property
    def tail(self) -> Path:
        """The open tail's file; there once `rotate` or `close` has written it."""
        return names.tail_path(self.folder, self.writer, self._first)

    def add(self, *records: Any, extra: tuple[Any, ...] = ()) -> JournalBuilder:
        """Add records.

        Args:
            records: of any declared type, or `runlog.records.Unknown`.
            extra: items of a newer version, behind those that the type has.
        """
        for record in records:
            if isinstance(record, Log):
                self._row(record, extra)
            else:
                tag, payload = codec.encode(record)
                if extra:
                    payload = codec.pack([*codec.unpack(payload), *extra])
                self._put(tag, payload)
            self.given.append(Entry(self.seq, self.time, self.writer, record, extra))
            self.seq += 1
        return self

    def log(self, step: int, data: Mapping[str, Any], **flags: Any) -> JournalBuilder:
        """Add a row; `flags` are the further items of `Log`."""
        return self.add(Log(step, data, **flags))

    def payload(self, tag: int, payload: bytes) -> JournalBuilder:
        """Add a record as bytes that need not be sound; it is not among `given`."""
        self._put(tag, payload)
        self.seq += 1
        return self

    def skip(self, count: int) -> JournalBuilder:
        """Give out sequence numbers without writing records (negative: give them out again)."""
        self.seq += count
        return self

    def seal(self, *, keep_tail: bool = False) -> JournalBuilder:
        """Make a chunk of the open tail, which is left on disk only if asked for."""
        data = self._tail_bytes()
        segment = tails.decode_tail(self.tail.name, data).segment_after(0)
        if segment is not None:
            self._open_sealed().append(segment)
        if keep_tail:
            self.tail.write_bytes(data)
        self._new_tail()
        return self

    def rotate(self) -> JournalBuilder:
        """Write the open tail to disk and go on in a new one."""
        self.tail.write_bytes(self._tail_bytes())
        self._new_tail()
        return self

    def close(self) -> None:
        """Leave the files as a killed writer does: what is not sealed stays in a tail."""
        if self._frames:
            self.tail.write_bytes(self._tail_bytes())
        if self._sealed is not None:
            self._sealed.close()

    def finish(self) -> None:
        """Seal what is open and write the footer."""
        self.seal()
        self._open_sealed().finish()

    def _open_sealed(self) -> SealedFile:
        if self._sealed is None:
            header = framing.FileHeader(
                framing.KIND_JOURNAL, self._salt, 1, self._begin, self.writer
            )
            self._sealed = SealedFile.create(self.journal, header, store=self._store)
        return self._sealed

    def _new_tail(self) -> None:
        self._first = self.seq
        self._frames = []
        self._written = set()

    def _tail_bytes(self) -> bytes:
        created = self._begin + (self._first - 1) * SECOND
        header = framing.FileHeader(
            framing.KIND_TAIL, self._salt, self._first, created, self.writer
        )
        return header.encode() + b"".join(self._frames)

    def _put(self, tag: int, payload: bytes) -> None:
        self._frames.append(
            framing.encode_tail_frame(self._salt, tag, self.seq, self.time, payload)
        )

    def _row(self, record: Log, extra: tuple[Any, ...]) -> None:
        leaves = flatten(record.data)
        values = list(leaves.values())
        types = "".join(map(type_code, values))
        key = (tuple(leaves), types)
        if key not in self._schemas:
            self._schemas[key] = Schema(len(self._schemas) + 1, *key, self._salt)
        schema = self._schemas[key]
        if schema.id not in self._written:
            self._written.add(schema.id)
            self._put(framing.TAG_SCHEMA, schema.payload())
        flags = row_flags(
            late=record.late, commit=record.commit, explicit_step=record.explicit_step
        )
        loose = codec.pack([v for v, code in zip(values, types, strict=True) if code == "v"])
        frame = schema.frame(self._salt, self.seq, self.time, record.step, flags, values, loose)
        if extra:
            # A row's first bytes have fixed widths, so the array is lengthened in place.
            payload = frame[framing.TAIL_HEADER.size : -4]
            more = b"".join(map(codec.pack, extra))
            self._put(framing.TAG_LOG, bytes([payload[0] + len(extra)]) + payload[1:] + more)
        else:
            self._frames.append(frame)


# ---------------------------------------------------------------- faults

Fault = Callable[[bytes], bytes]
"""What happens to a file's bytes."""


def cut(data: bytes, size: int) -> bytes:
    """The first `size` bytes; of a negative size, all but the last."""
    return data[:size]


def flip_bit(data: bytes, bit: int) -> bytes:
    """One bit inverted; bit 0 is the lowest of the first byte."""
    return patch(data, bit // 8, bytes([data[bit // 8] ^ (1 << bit % 8)]))


def zero_hole(data: bytes, offset: int, size: int) -> bytes:
    """`size` bytes from `offset` on replaced by zeros, as far as there are any."""
    size = max(0, min(size, len(data) - offset))
    return patch(data, offset, bytes(size))


def insert(data: bytes, offset: int, more: bytes) -> bytes:
    """Bytes put in between."""
    return data[:offset] + more + data[offset:]


def patch(data: bytes, offset: int, new: bytes) -> bytes:
    """Bytes written over those at `offset`."""
    return data[:offset] + new + data[offset + len(new) :]


def strike(path: Path, fault: Fault) -> None:
    """Let a fault happen to a file."""
    path.write_bytes(fault(path.read_bytes()))


def sealed_frames(data: bytes) -> list[frames.Frame]:
    """The frames of an `.rlog` file's sound bytes, in order."""

    def read(offset: int, size: int) -> bytes:
        return data[offset : offset + size]

    return [f for f in frames.scan("", read, len(data)) if isinstance(f, frames.Frame)]


def tail_frames(data: bytes) -> list[framing.TailFrame]:
    """The frames of an `.rtail` file's sound bytes, in order, schemas among them."""
    found = []
    for run in tails.decode_tail("", data).runs:
        for index in range(run.count):
            at = run.offset + index * run.size
            found.append(
                framing.TailFrame(
                    at, run.size, run.tag, run.seq + index, run.time(index), run.payload(index)
                )
            )
    return found


# ---------------------------------------------------------------- conformance

REQUIRED: Final = ("records", "config", "summary", "status", "damage")
"""Members of the JSON that every reader gives; the others of `describe` are compared if given."""
_METRIC: Final = ("kinds", "count", "nan", "min", "max", "sum", "first_step", "last_step", "last")
_DAMAGE: Final = (
    "file",
    "reason",
    "offset",
    "length",
    "first_seq",
    "last_seq",
    "key",
    "records_lost",
)


def describe(path: Path) -> dict[str, Any]:
    """Everything that a run says, as JSON that does not depend on clock, machine or place.

    Args:
        path: a run's folder.

    Returns:
        records: in the run's order, as `runlog.to_json` gives them.
        config, summary: as `RunView` gives them.
        status: `state` ("open" stands for running and crashed, which only the clock tells apart),
            `exit_code`, `started`, `ended` (µs), `duration` (seconds), `steps`, `message`.
        metrics: statistics by name.
        history: rows.
        blobs: bytes by digest.
        damage: all items but the sentence for people.
        verify: what `runlog verify` finds, in the same form.
    """
    with open_run(path) as view:
        records = list(view.records())
        return {
            "records": [to_json(entry) for entry in records],
            "config": to_json(view.config),
            "summary": to_json(view.summary),
            "status": _status(view),
            "metrics": {
                name: {field: to_json(getattr(metric, field)) for field in _METRIC}
                for name, metric in view.metrics.items()
            },
            "history": [to_json(row) for row in view.history().rows()],
            "blobs": {
                e.record.digest: to_json(_blob(view, e.record.digest))
                for e in records
                if isinstance(e.record, Blob)
            },
            "damage": _damage(view.damage),
            "verify": _damage(verify(path).problems),
        }


def _status(view: RunView) -> dict[str, Any]:
    status = dataclasses.asdict(view.status)
    if status["state"] in {"running", "crashed"}:
        status["state"] = "open"
    return status


def _blob(view: RunView, digest: str) -> bytes | None:
    from runlog.errors import NotFound

    try:
        return view.blob(digest)
    except NotFound:
        return None


def _damage(found: Iterable[Damage]) -> list[dict[str, Any]]:
    return join_damage([{field: getattr(d, field) for field in _DAMAGE} for d in found])


def join_damage(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Damage with neighbours joined: in how many pieces it is told is each reader's own affair.

    Two items are one if they are equal, or have file, reason and key in common and the second
    begins at the byte where the first ends.
    """
    out: list[dict[str, Any]] = []
    for item in found:
        last = out[-1] if out else {}
        if item == last:
            continue
        alike = all(item[name] == last.get(name) for name in ("file", "reason", "key"))
        known = item["offset"] is not None and None not in (last.get("offset"), last.get("length"))
        if alike and known and last["offset"] + last["length"] == item["offset"]:
            out[-1] = _joined(last, item)
        else:
            out.append(item)
    return out


def _joined(one: dict[str, Any], two: dict[str, Any]) -> dict[str, Any]:
    def total(name: str) -> int | None:
        return None if None in (one[name], two[name]) else one[name] + two[name]

    firsts = [d["first_seq"] for d in (one, two) if d["first_seq"] is not None]
    lasts = [d["last_seq"] for d in (one, two) if d["last_seq"] is not None]
    return one | {
        "length": total("length"),
        "first_seq": min(firsts, default=None),
        "last_seq": max(lasts, default=None),
        "records_lost": total("records_lost"),
    }


def same_json(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal, `1` and `1.0` and `true` being three different things."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def pairs(*folders: Path) -> Iterator[Path]:
    """Folders of fixtures: each holds a run's files and `expected.json`."""
    for folder in folders:
        yield from sorted(p.parent for p in folder.glob("*/expected.json"))


class ReaderConformance:
    """Holds a reader against the fixtures.

    Inherit it in a module that pytest collects:

        class TestMyReader(ReaderConformance):
            fixtures = (Path("fixtures/conformance"), Path("fixtures/damaged"))

            def read(self, path):
                return json.loads(subprocess.check_output(["my-reader", path]))

    Attributes:
        fixtures: folders of pairs; none there is a failure.
    """

    fixtures: ClassVar[tuple[Path, ...]] = ()

    def read(self, path: Path) -> dict[str, Any]:
        """Read a run's folder, as `describe` does; at least the members in `REQUIRED`."""
        raise NotImplementedError

    def same(self, member: str, read: Any, expected: Any) -> bool:  # noqa: ARG002 - for overriders
        """Whether a member of what was read is what is expected: exactly that."""
        return same_json(read, expected)

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """One test for each pair (a hook of pytest)."""
        if "pair" in metafunc.fixturenames:
            found = list(pairs(*self.fixtures))
            if not found:
                raise ValueError(f"no fixtures in {[str(f) for f in self.fixtures]}")
            ids = [f"{pair.parent.name}/{pair.name}" for pair in found]
            metafunc.parametrize("pair", found, ids=ids)

    def test_a_fixture_reads_as_expected(self, pair: Path) -> None:
        """Every member that the reader gives is the one that is expected."""
        expected = json.loads((pair / "expected.json").read_text())
        read = json.loads(json.dumps(self.read(pair)))
        for name in {"damage", "verify"} & set(read):
            read[name] = join_damage(read[name])
        wrong = [name for name in REQUIRED if name not in read]
        wrong += [name for name in read if not self.same(name, read[name], expected.get(name))]
        told = {name: {"expected": expected.get(name), "read": read.get(name)} for name in wrong}
        if wrong:
            raise AssertionError(f"{pair.name}: {json.dumps(told, indent=1)}")


__all__ = [
    "BEGIN",
    "REQUIRED",
    "SALT",
    "SECOND",
    "WRITER",
    "Fault",
    "JournalBuilder",
    "ReaderConformance",
    "all_samples",
    "cut",
    "describe",
    "flip_bit",
    "insert",
    "join_damage",
    "pairs",
    "patch",
    "same_json",
    "samples",
    "sealed_frames",
    "strike",
    "tail_frames",
    "zero_hole",
]

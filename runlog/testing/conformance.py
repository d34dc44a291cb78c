"""A run as JSON that any reader can give, and a class that holds a reader against fixtures."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Final

from runlog.damage import Damage
from runlog.journal import verify
from runlog.journal.journal import open_journals
from runlog.read.history import History
from runlog.read.view import RunView, open_run
from runlog.records import Blob
from runlog.wire.as_json import to_json

REQUIRED: Final = ("records", "config", "summary", "status", "damage")
"""Members of the JSON that every reader gives; the others of `describe` are compared if given."""
_METRIC: Final = (
    "kinds",
    "count",
    "nan",
    "min",
    "max",
    "sum",
    "mean",
    "first_step",
    "last_step",
    "last",
    "first",
    "order",
)
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

    The members are those of `expected.json`, which spec/conformance.md describes.

    Args:
        path: a run's folder.
    """
    with open_run(path) as view, open_run(path, branches="all") as whole:
        records = list(view.records())
        return {
            "records": [to_json(entry) for entry in records],
            "config": to_json(view.config),
            "summary": to_json(view.summary),
            "status": _status(view),
            "run": {name: to_json(getattr(view, name)) for name in _RUN},
            "metrics": {
                name: {field: to_json(getattr(metric, field)) for field in _METRIC}
                for name, metric in view.metrics.items()
            },
            "definitions": {
                name: to_json(_members(definition)) for name, definition in view.definitions.items()
            },
            "step_values": to_json(dict(sorted(view.step_values.items()))),
            "keys": list(view.history().keys),
            "history": [to_json(row) for row in view.history(writers=True).rows()],
            **_late(view),
            "columns": _columns(view.history(exact=True)),
            "plain": _columns(view.history()),
            "system": [to_json(row) for row in view.system.rows()],
            "environment": to_json(_members(view.environment)),
            "console": [[line.stream, line.text] for line in view.console.lines],
            "blobs": {
                e.record.digest: to_json(_blob(view, e.record.digest))
                for e in records
                if isinstance(e.record, Blob)
            },
            "losses": [[entry.writer, entry.seq] for entry in view.loss],
            "all_branches": _counts(whole),
            "generations": {j.writer: j.generation for j in open_journals(path)},
            "damage": _damage(view.damage),
            "verify": _damage(verify(path).problems),
        }


_RUN: Final = ("id", "project", "name", "notes", "tags")


def _members(value: Any) -> Any:
    return None if value is None else dataclasses.asdict(value)


def _late(view: RunView) -> dict[str, Any]:
    """Rows of late records alone, and without them; None for both if there are none."""
    late = [to_json(row) for row in view.history(late="only").rows()]
    rows = view.history(late="drop").rows()
    return {"late": late or None, "on_time": [to_json(row) for row in rows] if late else None}


def _columns(history: History) -> dict[str, Any]:
    """Arrow columns of a history: type, metadata and values of each."""
    table = history.to_arrow()
    found = {}
    for index, field in enumerate(table.schema):
        column = table.column(index)
        found[field.name] = {"type": _word(field.type), "values": to_json(column.to_pylist())}
        meta = {key.decode(): text.decode() for key, text in (field.metadata or {}).items()}
        if meta:
            found[field.name]["metadata"] = meta
    return found


def _word(kind: Any) -> str:
    """An Arrow type by the name that a schema would have it by, whatever the library calls it."""
    import pyarrow.types as arrow

    if arrow.is_dictionary(kind):
        return "dictionary"
    if arrow.is_fixed_size_list(kind):
        return f"list<{_word(kind.value_type)}>[{kind.list_size}]"
    if arrow.is_list(kind):
        return f"list<{_word(kind.value_type)}>"
    words = {"halffloat": "float16", "float": "float32", "double": "float64", "string": "utf8"}
    return words.get(str(kind), str(kind))


def _counts(view: RunView) -> dict[str, int]:
    """Records by writer."""
    found: dict[str, int] = {}
    for entry in view.records():
        found[entry.writer] = found.get(entry.writer, 0) + 1
    return found


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
    """Damage in order of place, neighbours joined.

    In which order and in how many pieces it is told is each reader's own affair. Two items are one
    if they are equal, or have file, reason and key in common and the second begins at the byte
    where the first ends.
    """
    out: list[dict[str, Any]] = []
    for item in sorted(found, key=_place):
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


def _place(item: dict[str, Any]) -> tuple[str, int, int, str]:
    offset = -1 if item["offset"] is None else item["offset"]
    return item["file"], offset, item["first_seq"] or 0, item["key"] or ""


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
        other = expected.pop("or", {})  # where a footer and the records disagree
        wrong += [
            name
            for name in read
            if not self.same(name, read[name], expected.get(name))
            and not (name in other and self.same(name, read[name], other[name]))
        ]
        told = {name: {"expected": expected.get(name), "read": read.get(name)} for name in wrong}
        if wrong:
            raise AssertionError(f"{pair.name}: {json.dumps(told, indent=1)}")

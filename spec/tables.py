"""Record types as the spec tells them: Markdown, JSON, and what their evolution may not do.

Pure functions over declarations; nothing here reads or writes files.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from runlog.records.declare import Item, RecordType

KINDS: Final = {
    "str": "string",
    "int": "integer of any size: msgpack int, or ext 1 outside 64 bits",
    "float": "float64",
    "bool": "boolean",
    "bin": "bytes: msgpack bin",
    "value": "any storable value (format.md, Values)",
    "map": "map of strings to storable values",
    "strs": "array of strings",
}
"""Word for an item's kind -> what it is on the wire. A "?" behind it allows nil."""

Locked = Mapping[str, Any]
"""Declarations as they were in a released version: the content of a file in spec/locked/."""


def as_markdown(types: Iterable[RecordType]) -> str:
    """The page `spec/records.md`."""
    ordered = sorted(types, key=lambda t: t.tag)
    out = [
        "# Records",
        "",
        "Generated from `runlog/records/` by `python -m spec.generate`; do not edit.",
        "",
        "A record's payload is a msgpack array of its items in the order given here. Items at the",
        "end that have a default may be absent, and a reader passes over items that it does not",
        "know ([format.md](format.md), Evolution). `log` has a wire form of its own (format.md,",
        "Rows); its items are what the record means. Sequence number, time and writer belong to",
        "the frame, not to the payload.",
        "",
        "Kinds of items; a `?` behind one means that nil is allowed too:",
        "",
        "| kind | on the wire |",
        "| --- | --- |",
        *(f"| `{kind}` | {doc} |" for kind, doc in KINDS.items()),
        "",
        "| tag | record |",
        "| --- | --- |",
        *(f"| {t.tag} | [{t.name}](#{t.name}) |" for t in ordered),
        "",
        "Tag 0 is the names frame of tails, which is no record. Tags are never reused.",
    ]
    for spec in ordered:
        out += ["", f"## {spec.name}", "", f"Tag {spec.tag}. {inspect.getdoc(spec.cls)}", ""]
        out += ["| # | name | kind | unit | default | description |", "| --- " * 6 + "|"]
        out += [
            f"| {number} | `{i.name}` | `{i.kind}` | {i.unit or ''} | {_default(i)} | {i.doc} |"
            for number, i in enumerate(spec.items)
        ]
    return "\n".join(out) + "\n"


def _default(item: Item) -> str:
    return "required" if item.required else f"`{json.dumps(item.default)}`"


def as_json(types: Iterable[RecordType]) -> str:
    """The file `spec/records.json`: the same as the page, for programs."""
    content = {
        "kinds": KINDS,
        "records": [
            {
                "tag": spec.tag,
                "name": spec.name,
                "doc": inspect.getdoc(spec.cls),
                "items": [
                    _item(item) | {"unit": item.unit, "doc": item.doc} for item in spec.items
                ],
            }
            for spec in sorted(types, key=lambda t: t.tag)
        ],
    }
    return _dump(content)


def _item(item: Item) -> dict[str, Any]:
    out = {"name": item.name, "kind": item.kind, "required": item.required}
    return out if item.required else out | {"default": item.default}


def as_lock(types: Iterable[RecordType]) -> str:
    """A file of `spec/locked/`: what later versions must keep."""
    content = {
        str(spec.tag): {"name": spec.name, "items": [_item(item) for item in spec.items]}
        for spec in sorted(types, key=lambda t: t.tag)
    }
    return _dump(content)


def _dump(content: Any) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def broken(locked: Locked, types: Mapping[int, RecordType]) -> list[str]:
    """What the declarations no longer keep of a locked version: one sentence each, none if all.

    A type may gain items at its end, each with a default; nothing else may change.
    """
    out: list[str] = []
    for tag, was in locked.items():
        spec = types.get(int(tag))
        if spec is None:
            out.append(f"record {was['name']!r} (tag {tag}) is gone")
            continue
        if spec.name != was["name"]:
            out.append(f"tag {tag} was {was['name']!r} and is now {spec.name!r}")
        now = json.loads(json.dumps([_item(item) for item in spec.items]))
        for number, old in enumerate(was["items"]):
            if number >= len(now):
                out.append(f"{spec.name}.{old['name']} (item {number}) is gone")
            elif now[number] != old:
                out.append(
                    f"item {number} of {spec.name} was {_told(old)} and is now {_told(now[number])}"
                )
        out += [
            f"{spec.name}.{new['name']} was added without a default"
            for new in now[len(was["items"]) :]
            if new["required"]
        ]
    return out


def _told(item: Mapping[str, Any]) -> str:
    rest = "required" if item["required"] else f"default {json.dumps(item['default'])}"
    return f"{item['name']} ({item['kind']}, {rest})"

"""What disks, networks and crashes do to bytes, and where in them to do it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from zlib import crc32

from runlog.journal import tails
from runlog.wire import frames, framing
from runlog.wire.types import LISTS

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
    """The frames of an `.rtail` file's sound bytes, in order, names among them."""
    found = []
    for stretch in tails.decode_tail("", data).stretches:
        found += [stretch.frame(start) for start in sorted([*stretch.names, *stretch.starts])]
    return found


def chunk_parts(data: bytes, frame: frames.Frame) -> dict[str, tuple[int, int]]:
    """Where the parts of a chunk stand in an `.rlog` file's sound bytes: offset and size, by name.

    The names: `header`, `head`, `tag N`, `seq`, `time`, `step`, `flags`, `set N`, `order`,
    `statistics`, `column N` (the first column of those that share a page; of lists the lengths),
    `items N`, and of what stands twice its second place as `again NAME`.
    """
    head = frame.head(lambda offset, size: data[offset : offset + size])
    names = _page_names(head)
    sizes = memoryview(head["pages"]["size"]).cast("I").tolist()
    found = {
        "header": (frame.offset, framing.FRAME_HEADER_SIZE),
        "head": (frame.offset + framing.FRAME_HEADER_SIZE, frame.header.head_size),
    }
    at = frame.body
    vital = len(names) if not frame.header.twice else head["pages"]["twice"]
    for name, size in zip(
        [*names, *(f"again {name}" for name in names[:vital])],
        [*sizes, *sizes[:vital]],
        strict=True,
    ):
        found[name] = at, size
        at += size
    found["again head"] = at, frame.header.head_size
    found["again header"] = at + frame.header.head_size, framing.FRAME_HEADER_SIZE
    return found


def _page_names(head: Mapping[str, Any]) -> list[str]:
    names = [f"tag {tag}" for tag in head["tags"]]
    if "rows" not in head:
        return names
    shared, sets = head["shared"], len(head["counts"])
    names += ["seq", "time", "step", "flags", *(f"set {n}" for n in range(1, shared + 1))]
    names += ["order"] * head["order"] + ["statistics"]
    names += [f"set {n}" for n in range(shared + 1, sets + 1)]
    column = 0
    for width in head.get("packs", [1] * len(head["types"])):
        code = head["types"][column]
        names += [f"column {column}"] * (code != "n") + [f"items {column}"] * (code in LISTS)
        column += width
    return names


def rebuilt(
    data: bytes,
    frame: frames.Frame,
    change: Callable[[dict[str, Any], list[bytes]], None],
    type_: int | None = None,
) -> bytes:
    """An `.rlog` file's bytes with a chunk whose head and pages were changed, its CRCs all right.

    Args:
        data: the file; what comes behind the chunk stays as it is.
        frame: the chunk.
        change: is given the head's map and the pages, to change them in place; sizes and CRCs of
            pages follow.
        type_: of the frame, if it is to have another.
    """
    head = frame.head(lambda offset, size: data[offset : offset + size])
    parts = chunk_parts(data, frame)
    pages = [data[at : at + size] for at, size in (parts[name] for name in _page_names(head))]
    change(head, pages)
    table = head["pages"]
    table["size"] = b"".join(len(page).to_bytes(4, "little") for page in pages)
    table["crc"] = b"".join(crc32(page).to_bytes(4, "little") for page in pages)
    header = frame.header
    salt = data[frame.offset + 4 : frame.offset + 8]
    place = frames.Place(salt, header.generation, head.pop("prev"), store=True)
    span = header.first_seq, header.last_seq, header.records
    made = frames.build(
        header.type if type_ is None else type_, place, head, pages, span, table["twice"]
    )
    return data[: frame.offset] + made.data + data[frame.end :]

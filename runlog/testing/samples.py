"""Sample records of every declared type, derived from the declarations."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from runlog.records import Blob, Summary
from runlog.records.declare import BY_CLASS, BY_TAG, RecordType

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

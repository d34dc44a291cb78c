"""Keys of metrics: paths through nested mappings, and the names that people use for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

Key = tuple[str, ...]
"""A metric's key, one element per nesting level."""


OWN = ("_step", "_timestamp", "_runtime")
"""Columns that every row has: step, seconds since the Unix epoch, seconds since the run began."""


def metric_names(paths: Iterable[Key]) -> dict[Key, str]:
    r"""What the metrics of a run are called: each its path joined by ".".

    A dot within a key looks like a joint then, which is what people expect of `{"train.loss": 1}`.
    Only where another metric of the run is, or in its escaped form would be, called the same, a
    metric has its escaped name (`metric_name`). So no two have one name.
    """
    names = {path: ".".join(path) for path in paths}
    # Of all other paths both forms are the same.
    escaped = {path: metric_name(path) for path in names if _needs_escapes(path)}
    if escaped:
        plain, owner = Counter(names.values()), {name: path for path, name in escaped.items()}
        for path, name in escaped.items():
            joined = names[path]
            if plain[joined] > 1 or owner.get(joined, path) != path:
                names[path] = name
    return names


def _needs_escapes(path: Key) -> bool:
    return any([("." in key or "\\" in key) for key in path])  # noqa: C419 - a list is faster


def metric_name(path: Key) -> str:
    r"""The escaped name of a metric, which tells its path in any run.

    The path joined by ".", a literal dot in a key written "\.".
    """
    if not _needs_escapes(path):
        return ".".join(path)
    return ".".join(key.replace("\\", "\\\\").replace(".", "\\.") for key in path)


def metric_path(name: str) -> Key:
    r"""The path that a name stands for; a backslash before any other character is itself.

    Every path is the one of its `metric_name`.
    """
    keys = [""]
    escaped = False
    for char in name:
        if escaped:
            keys[-1] += char if char in ".\\" else "\\" + char
            escaped = False
        elif char == "\\":
            escaped = True
        elif char == ".":
            keys.append("")
        else:
            keys[-1] += char
    if escaped:
        keys[-1] += "\\"
    return tuple(keys)


def flatten(data: Mapping[str, Any]) -> dict[Key, Any]:
    """Leaves of a nested mapping by path, in order; empty mappings vanish."""
    out: dict[Key, Any] = {}
    for key, value in data.items():
        if isinstance(value, Mapping):
            for path, leaf in flatten(value).items():
                out[(key, *path)] = leaf
        else:
            out[(key,)] = value
    return out


def assign(tree: dict[str, Any], path: Key, value: Any) -> None:
    """Set a leaf; a leaf in the way gives way to the newer branch, and a branch to a newer leaf."""
    for key in path[:-1]:
        below = tree.get(key)
        if not isinstance(below, dict):
            below = tree[key] = {}
        tree = below
    tree[path[-1]] = value


def nest(leaves: Mapping[Key, Any]) -> dict[str, Any]:
    """The nested dict of leaves; later ones win where paths collide."""
    tree: dict[str, Any] = {}
    for path, value in leaves.items():
        assign(tree, path, value)
    return tree

"""Keys of metrics: paths through nested mappings, and the names that people use for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Key = tuple[str, ...]
"""A metric's key, one element per nesting level."""


OWN = ("_step", "_timestamp", "_runtime")
"""Columns that every row has: step, seconds since the Unix epoch, seconds since the run began."""


def metric_name(path: Key) -> str:
    r"""The name of a metric: its path joined by ".", a literal dot in a key written "\."."""
    if not any([("." in key or "\\" in key) for key in path]):  # noqa: C419 - a list is faster
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

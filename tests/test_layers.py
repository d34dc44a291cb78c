"""Which module may import which: arrows point one way, so each layer can be read on its own."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent

# The map of the project: a part may import those on lines above its own, never beside or below.
LEVELS: tuple[tuple[str, ...], ...] = (
    ("frozen", "secrets", "visible"),
    ("damage", "interrupts", "keys", "messages", "version"),
    ("errors", "forking"),
    ("arguments", "within"),
    ("records",),
    ("fold",),
    ("wire",),
    ("segment", "console"),
    ("totals",),
    ("journal",),
    ("picture",),
    ("read",),
    ("export",),
    ("capture", "watch"),
    ("run",),
    ("shim", "testing"),
)
LEVEL = {name: number for number, names in enumerate(LEVELS) for name in names}

# Tighter than their level.
ONLY = {
    "records": {"errors", "frozen"},  # declarations, nothing else
    "fold": {"errors", "frozen", "keys", "records"},  # no clock, no files, no bytes
    "shim": {""},  # `import runlog`: public names, as any training script
}

# What holds whatever the levels say: a part, what it never imports, and why.
NEVERS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("records", ("runlog.wire",), "a declaration knows no bytes"),
    ("fold", ("runlog.wire",), "state comes from records, not from bytes"),
    ("wire", ("os", "pathlib", "io", "socket"), "bytes in, values out: no I/O"),
    ("journal", ("runlog.read",), "files are opened below, and viewed above"),
    ("capture", ("runlog.run",), "it takes a Recorder"),
    ("watch", ("runlog.run",), "it takes a Recorder"),
    ("media", ("runlog.journal",), "a value is bytes and metadata, wherever they are kept"),
    ("artifact", ("runlog.journal",), "a store of its own"),
    ("sync", ("runlog.read",), "bytes are shipped, not decoded"),
    *((part, ("runlog.shim",), "scripts come in there; nothing needs it")
      for part in LEVEL if part != "shim"),
)  # fmt: skip

LIBRARY = sorted(
    path
    for path in (ROOT / "runlog").rglob("*.py")
    if path.parent != ROOT / "runlog" or path.name != "__init__.py"
)
COMMANDS = sorted((ROOT / "cli").rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def part_of(path: Path) -> str:
    """`runlog/journal/writer.py` is part of `journal`, `runlog/keys.py` is `keys`."""
    return path.relative_to(ROOT / "runlog").parts[0].removesuffix(".py")


def imported(source: str, *, types: bool = False) -> set[str]:
    """Full names of what a module imports when it runs, functions included.

    With `types`, also of what it imports for the type checker alone.
    """
    found: set[str] = set()
    tree = ast.parse(source)
    for node in ast.walk(tree) if types else nodes_that_run(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{'.' * node.level}{node.module or ''}.{a.name}" for a in node.names}
    return found


def nodes_that_run(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those under `if TYPE_CHECKING:`, which only type checkers read."""
    yield tree
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            continue
        yield from nodes_that_run(child)


def wrong_imports(part: str, source: str) -> list[str]:
    """Imports of a part of the library that go beside or below its own level."""
    allowed = {name for name in LEVEL if LEVEL[name] < LEVEL[part]}
    allowed = ONLY.get(part, allowed) | {part}
    return sorted(
        name
        for name in imported(source)
        if name.split(".")[0] in ("runlog_cli", "")
        or (name.split(".")[0] == "runlog" and f"{name}.".split(".")[1] not in allowed)
    )


@pytest.mark.parametrize("path", LIBRARY, ids=name_of)
def test_a_module_imports_only_what_lies_above_it(path: Path) -> None:
    part = part_of(path)
    assert part in LEVEL, f"{part} is new: give it a line in LEVELS"
    assert wrong_imports(part, path.read_text()) == []


def forbidden(names: set[str], never: tuple[str, ...]) -> list[str]:
    """Imports that are, or lie in, a module that is never to be imported."""
    return sorted(n for n in names if any(f"{n}.".startswith(f"{module}.") for module in never))


@pytest.mark.parametrize(
    ("part", "never"), [n[:2] for n in NEVERS], ids=[f"{n[0]}: {n[2]}" for n in NEVERS]
)
def test_what_is_never_imported_is_not(part: str, never: tuple[str, ...]) -> None:
    for path in LIBRARY:
        if part_of(path) == part:
            assert forbidden(imported(path.read_text()), never) == [], name_of(path)


@pytest.mark.parametrize("part", ["capture", "watch"])
def test_of_the_run_only_the_recorder_is_known_even_to_the_type_checker(part: str) -> None:
    for path in LIBRARY:
        if part_of(path) == part:
            names = imported(path.read_text(), types=True)
            assert set(forbidden(names, ("runlog.run",))) <= {"runlog.run.recorder.Recorder"}


@pytest.mark.parametrize("path", COMMANDS, ids=name_of)
def test_the_command_line_uses_public_names_only(path: Path) -> None:
    for name in imported(path.read_text()):
        parts = name.split(".")
        assert parts[0] != "", f"{name}: a relative import; write the full name"
        assert parts[0] != "runlog" or not any(p.startswith("_") for p in parts), name


@pytest.mark.parametrize(
    ("part", "source"),
    [
        ("wire", "from runlog.journal.writer import Writer"),
        ("wire", "def late():\n    import runlog.read.view"),
        ("segment", "from runlog import console"),
        ("fold", "from runlog.wire.framing import VERSION"),
        ("read", "import runlog"),
        ("read", "from runlog_cli import app"),
        ("journal", "from .writer import Writer"),
    ],
)
def test_an_import_that_goes_down_is_seen(part: str, source: str) -> None:
    assert wrong_imports(part, source)


@pytest.mark.parametrize(
    ("source", "never"),
    [
        ("import os.path", "os"),
        ("from os import path", "os"),
        ("def late():\n    from runlog.run.recorder import Recorder", "runlog.run"),
        ("from runlog import shim", "runlog.shim"),
    ],
)
def test_a_never_is_seen(source: str, never: str) -> None:
    assert forbidden(imported(source), (never,))
    assert forbidden(imported("import osmosis, runlog.running"), (never,)) == []


def test_an_import_for_the_type_checker_alone_is_allowed() -> None:
    source = "if TYPE_CHECKING:\n    from runlog.read.view import RunView\n"
    assert wrong_imports("wire", source) == []

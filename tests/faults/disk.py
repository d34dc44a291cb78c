"""What a disk may hold after the power failed, by a trace of what a program asked of it.

POSIX promises only what was synced: the bytes of a file by `fsync` of it, the names in a folder by
`fsync` of that. Of everything else any part may be there and any may not, in whatever order it was
asked for: a write by pages, cut at any byte, or as zeros where only the size was kept; a name made
or removed. One thing is whole or not at all: a rename within a folder.
"""

from __future__ import annotations

import enum
import random
import struct
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.faults.layer import Kind

EVENT: Final = struct.Struct("<IiqqQqIIII")
PAGE: Final = 4096

Tree = dict[str, bytes | None]
"""Files below a folder by relative name, with their content; None for a folder."""


@dataclass(frozen=True)
class Event:
    """One call of the trace.

    Attributes:
        kind: of the call.
        error: errno; 0 if it did what was asked.
        result: that it gave; of a mark its number.
        time: monotonic, nanoseconds.
        inode: of the file or folder that it was on.
        offset: of a write, or a new size.
        path, other: names, "" where the call had a descriptor.
        data: written.
    """

    kind: Kind
    error: int
    result: int
    time: int
    inode: int
    offset: int
    path: str
    other: str
    data: bytes


def events(trace: bytes) -> Iterator[Event]:
    """All events of a trace, in order."""
    at = 0
    while at < len(trace):
        kind, error, result, time, inode, offset, *sizes = EVENT.unpack_from(trace, at)
        at += EVENT.size
        parts = []
        for size in sizes[:3]:
            parts.append(trace[at : at + size])
            at += size
        path, other, data = parts
        yield Event(
            Kind(kind), error, result, time, inode, offset, path.decode(), other.decode(), data
        )


class Fate(enum.Enum):
    """What becomes of something that was not synced."""

    LOST = enum.auto()
    KEPT = enum.auto()
    ZEROS = enum.auto()  # of a write: its size alone
    CUT = enum.auto()  # of a write: its first half


@dataclass(eq=False)
class Change:
    """Something asked of a file or a folder.

    Attributes:
        durable: whether it was synced.
        doubtful: whether a sync of it has failed: a later one does not tell (the kernel may have
            dropped its pages and called them clean).
    """

    durable: bool = False
    doubtful: bool = False


Fates = Callable[[Change], Fate]


@dataclass(eq=False)
class Write(Change):
    """Bytes put somewhere in a file, within one page."""

    offset: int = 0
    data: bytes = b""

    def on(self, content: bytearray, fate: Fate) -> None:
        """Apply it."""
        data = self.data
        if fate is Fate.CUT:
            data = data[: len(data) // 2]
        elif fate is Fate.ZEROS:
            data = bytes(len(data))
            if self.offset < len(content):  # the bytes that were there stay
                data = bytes(content[self.offset : self.offset + len(data)]).ljust(len(data), b"\0")
        if len(content) < self.offset:
            content.extend(bytes(self.offset - len(content)))
        content[self.offset : self.offset + len(data)] = data


@dataclass(eq=False)
class Resize(Change):
    """A new size of a file."""

    size: int = 0

    def on(self, content: bytearray, fate: Fate) -> None:
        """Apply it."""
        del fate
        if len(content) > self.size:
            del content[self.size :]
        else:
            content.extend(bytes(self.size - len(content)))


@dataclass(eq=False)
class Names(Change):
    """Names of a folder that now stand for something else; None for nothing any more."""

    names: Mapping[str, File | Folder | None] = field(default_factory=dict)


@dataclass(eq=False)
class File:
    """A file: what it began with, and what was asked of it."""

    content: bytes = b""
    changes: list[Write | Resize] = field(default_factory=list)

    def after(self, fate: Fates) -> bytes:
        """Its content, if each change has some fate."""
        content = bytearray(self.content)
        for change in self.changes:
            fated = fate(change)
            if fated is not Fate.LOST:
                change.on(content, fated)
        return bytes(content)


@dataclass(eq=False)
class Folder:
    """A folder, likewise."""

    changes: list[Names] = field(default_factory=list)


class Disk:
    """A folder on a disk whose power may fail.

    Args:
        root: the folder's path in the trace.
        begin: what it held before, durably.
    """

    def __init__(self, root: Path, begin: Tree) -> None:
        self._root = str(root)
        self._top = Folder()
        self._now: dict[str, File | Folder] = {self._root: self._top}
        self._inodes: dict[int, File | Folder] = {}
        self._all: list[File | Folder] = [self._top]
        for name, content in sorted(begin.items()):
            made = Folder() if content is None else File(content)
            self._name(f"{self._root}/{name}", made)
            self._all.append(made)
        for thing in self._all:
            self._settle(thing, failed=False)

    # ------------------------------------------------------------ what is asked of it

    def apply(self, event: Event) -> None:
        """Take in the next event of the trace."""
        if event.kind is Kind.SYNC:
            thing = self._inodes.get(event.inode)
            if thing is not None:
                self._settle(thing, failed=event.error != 0)
        elif event.error == 0:
            _APPLY.get(event.kind, Disk._pass)(self, event)

    def _pass(self, event: Event) -> None:
        if event.kind is Kind.OPEN and event.path in self._now:
            self._inodes[event.inode] = self._now[event.path]

    def _create(self, event: Event) -> None:
        made: File | Folder = Folder() if event.kind is Kind.MKDIR else File()
        self._inodes[event.inode] = made
        self._all.append(made)
        self._name(event.path, made)

    def _write(self, event: Event) -> None:
        file = self._file(event)
        at, end = event.offset, event.offset + len(event.data)
        while at < end:
            stop = min(end, (at // PAGE + 1) * PAGE)
            data = event.data[at - event.offset : stop - event.offset]
            file.changes.append(Write(offset=at, data=data))
            at = stop

    def _resize(self, event: Event) -> None:
        if event.path in self._now:
            self._inodes[event.inode] = self._now[event.path]
        file = self._file(event)
        file.changes.append(Resize(size=event.offset))

    def _file(self, event: Event) -> File:
        """The file of an event; one without a name (O_TMPFILE) was opened by its folder's."""
        file = self._inodes.get(event.inode)
        if not isinstance(file, File):
            file = self._inodes[event.inode] = File()
        return file

    def _rename(self, event: Event) -> None:
        thing = self._now.pop(event.path)
        old, new = Path(event.path), Path(event.other)
        if old.parent == new.parent:
            folder = self._folder(new)
            folder.changes.append(Names(names={old.name: None, new.name: thing}))
        else:
            self._folder(new).changes.append(Names(names={new.name: thing}))
            self._folder(old).changes.append(Names(names={old.name: None}))
        self._now[event.other] = thing

    def _link(self, event: Event) -> None:
        self._name(event.other, self._now[event.path])

    def _unlink(self, event: Event) -> None:
        self._now.pop(event.path, None)
        path = Path(event.path)
        self._folder(path).changes.append(Names(names={path.name: None}))

    def _name(self, path: str, thing: File | Folder) -> None:
        self._now[path] = thing
        self._folder(Path(path)).changes.append(Names(names={Path(path).name: thing}))

    def _folder(self, path: Path) -> Folder:
        folder = self._now[str(path.parent)]
        assert isinstance(folder, Folder)
        return folder

    def _settle(self, thing: File | Folder, *, failed: bool) -> None:
        for change in thing.changes:
            if failed:  # of a file: of a folder the kernel keeps what it could not write
                change.doubtful = isinstance(thing, File) and not change.durable
            elif not change.doubtful:
                change.durable = True

    # ------------------------------------------------------------ what it may hold

    def open_changes(self) -> list[Change]:
        """Whatever may be there or not, if the power fails now."""
        return [change for thing in self._all for change in thing.changes if not change.durable]

    def tree(self, fate: Fates) -> Tree:
        """What is there, if each open change has some fate."""
        found: Tree = {}
        self._walk(self._top, "", lambda c: Fate.KEPT if c.durable else fate(c), found)
        return found

    def _walk(self, folder: Folder, name: str, fate: Fates, found: Tree) -> None:
        names: dict[str, File | Folder] = {}
        for change in folder.changes:
            if fate(change) is not Fate.LOST:
                for key, thing in change.names.items():
                    if thing is None:
                        names.pop(key, None)
                    else:
                        names[key] = thing
        for key, thing in names.items():
            if isinstance(thing, Folder):
                found[name + key] = None
                self._walk(thing, f"{name}{key}/", fate, found)
            else:
                found[name + key] = thing.after(fate)

    def crashes(self, chance: random.Random, draws: int) -> Iterator[Tree]:
        """Some of what may be there if the power fails now: at random, each change alone, the ends.

        Args:
            chance: for what is drawn.
            draws: how many at random.
        """
        changes = self.open_changes()
        if not changes:
            yield self.tree(_fates(set(), Fate.KEPT, Fate.KEPT))
            return
        names: set[Change] = {change for change in changes if isinstance(change, Names)}
        alone = chance.sample(changes, min(len(changes), draws))
        for _ in range(draws):
            drawn = {change: chance.choice(list(Fate)) for change in changes}
            yield self.tree(drawn.__getitem__)
        for some in (*({change} for change in alone), names):
            yield self.tree(_fates(some, Fate.KEPT, Fate.LOST))
            yield self.tree(_fates(some, Fate.LOST, Fate.KEPT))
        for fate in (Fate.ZEROS, Fate.LOST, Fate.KEPT):
            yield self.tree(_fates(set(), Fate.KEPT, fate))


def _fates(some: AbstractSet[Change], theirs: Fate, others: Fate) -> Fates:
    return lambda change: theirs if change in some else others


_APPLY: Final[dict[Kind, Callable[[Disk, Event], None]]] = {
    Kind.CREATE: Disk._create,
    Kind.MKDIR: Disk._create,
    Kind.WRITE: Disk._write,
    Kind.TRUNCATE: Disk._resize,
    Kind.RENAME: Disk._rename,
    Kind.LINK: Disk._link,
    Kind.UNLINK: Disk._unlink,
}


def tree_of(folder: Path) -> Tree:
    """What a real folder holds."""
    return {
        path.relative_to(folder).as_posix(): None if path.is_dir() else path.read_bytes()
        for path in folder.rglob("*")
    }


def write_tree(folder: Path, tree: Tree) -> None:
    """Put it into a folder that is made for it."""
    folder.mkdir()
    for name, content in sorted(tree.items()):
        path = folder / name
        if content is None:
            path.mkdir()
        else:
            path.write_bytes(content)

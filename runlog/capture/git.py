"""Facts of the git repository that a run's code is in.

Asked from the `git` command. It never waits for a person, never writes (no optional locks), starts
no pager, file monitor or external diff, and has a time limit, after which the facts found so far
stand.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from runlog import secrets
from runlog.capture import diff_secrets

Keep = Callable[[bytes, str], str]
"""Stores bytes of a media type and returns their digest; `Run.log_blob`."""

TIMEOUT: Final = 5.0
"""Seconds for all questions together. A repository on a slow network drive may need longer."""
MAX_DIFF: Final = 4 << 20
"""Bytes of a diff that are kept."""
MAX_UNTRACKED: Final = 200
"""Names of untracked files that are kept."""

_COMMAND: Final = (
    "git", "--no-pager", "-c", "core.fsmonitor=false", "-c", "core.quotePath=true",
    "-c", "color.ui=false", "-c", "diff.noprefix=false", "-c", "diff.mnemonicPrefix=false",
)  # fmt: skip
_DIFF: Final = ("diff", "HEAD", "--no-ext-diff", "--no-textconv", "--ignore-submodules=dirty", "--")
_UNSEEN: Final = (
    ".env*", ".netrc", ".npmrc", ".pypirc", "credentials*", "id_rsa*", "id_ed25519*",
    "*.pem", "*.key", "*.p12", "*.pfx",
)  # fmt: skip
"""Files whose purpose is to hold secrets: never part of a diff."""


@dataclass(slots=True)
class _Repository:
    """Where to ask, and until when (seconds of the monotonic clock)."""

    folder: str
    deadline: float

    def ask(self, *args: str, limit: int = 1 << 20, fails: bool = False) -> bytes | None:
        """What git prints, at most `limit` + 1 bytes; None if it takes too long or fails.

        With `fails`, also what it prints before it fails.
        """
        left = self.deadline - time.monotonic()
        if left <= 0:
            return None
        try:
            process = subprocess.Popen(  # noqa: S603 - a fixed command; no shell
                [*_COMMAND, *args],
                cwd=self.folder,
                env={
                    **os.environ,
                    "GIT_TERMINAL_PROMPT": "0",
                    "GIT_OPTIONAL_LOCKS": "0",
                    "GIT_ASKPASS": "",
                    "SSH_ASKPASS": "",
                    "LC_ALL": "C",
                },
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                process_group=0,  # so that what it starts can be ended with it
            )
        except (OSError, ValueError):
            return None
        assert process.stdout is not None  # noqa: S101 - for the type checker: a pipe was asked for
        with process.stdout:
            out, whole = _read(process.stdout.fileno(), limit, self.deadline)
        if not whole:
            _end(process)
        with contextlib.suppress(subprocess.TimeoutExpired):
            # After a kill this waits only for a process that the kernel cannot end yet.
            if process.wait(1.0) == 0 or (fails and whole) or len(out) > limit:
                return out
        return None

    def text(self, *args: str, fails: bool = False) -> str:
        """The same as text; nothing for None."""
        return (self.ask(*args, fails=fails) or b"").decode("utf-8", "replace").rstrip("\n")


def _read(fd: int, limit: int, deadline: float) -> tuple[bytes, bool]:
    """Bytes up to the end, and whether it was reached before the limit and the deadline."""
    out = bytearray()
    ready = select.poll()  # select() refuses descriptors from 1,024 on
    ready.register(fd, select.POLLIN)
    while len(out) <= limit:
        if not ready.poll(max(0.0, deadline - time.monotonic()) * 1e3):
            return bytes(out), False
        data = os.read(fd, 1 << 16)
        if not data:
            return bytes(out), True
        out += data
    return bytes(out), False


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)


def facts(
    folders: Iterable[str], keep: Keep | None = None, *, timeout: float = TIMEOUT
) -> dict[str, Any]:
    """Facts of the first repository that one of these folders is in; empty if absent.

    Args:
        folders: where to look, in this order.
        keep: stores the diff of uncommitted changes; None to leave it out.
        timeout: seconds for everything.

    Returns:
        Those that could be found of: `root`, `remote` (without credentials), `commit`, `branch`
        (not if HEAD is detached), `dirty` (tracked files have changes), `diff` (digest),
        `diff_truncated`, `untracked` (names), `untracked_count`, `timed_out`.
    """
    deadline = time.monotonic() + timeout
    for folder in dict.fromkeys(folders):
        # One command for three facts: each costs the training thread half a millisecond. Without
        # a commit it fails after the first.
        where = ("rev-parse", "--show-toplevel", "HEAD", "--abbrev-ref", "HEAD")
        root, *head = _Repository(folder, deadline).text(*where, fails=True).split("\n")
        if root:
            found: dict[str, Any] = {"root": root}
            found |= _facts(_Repository(root, deadline), head, keep)
            if time.monotonic() >= deadline:
                found["timed_out"] = True
            return found
    return {}


def _facts(repository: _Repository, head: list[str], keep: Keep | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if len(head) == 2:
        found["commit"], branch = head
        found["branch"] = None if branch == "HEAD" else branch
    else:
        found["branch"] = repository.text("symbolic-ref", "--quiet", "--short", "HEAD") or None
    found["remote"] = _remote(repository)
    changed = repository.ask("status", "--porcelain", "-z", "--untracked-files=no")
    found["dirty"] = None if changed is None else bool(changed)
    if changed and "commit" in found and keep is not None:
        with contextlib.suppress(Exception):  # law L8: it could not be stored; the rest stands
            found |= _diff(repository, keep)
    found |= _untracked(repository)
    return {name: value for name, value in found.items() if value is not None}


def _remote(repository: _Repository) -> str | None:
    remotes = repository.text("config", "--null", "--get-regexp", r"^remote\..*\.url$").split("\0")
    urls = {
        name: url for name, newline, url in (each.partition("\n") for each in remotes) if newline
    }
    url = urls.get("remote.origin.url", next(iter(urls.values()), None))
    return None if url is None else secrets.text(url)


def _diff(repository: _Repository, keep: Keep) -> dict[str, Any]:
    unseen = (f":(exclude,icase,glob)**/{name}" for name in _UNSEEN)
    diff = repository.ask(*_DIFF, ".", *unseen, limit=MAX_DIFF)
    if not diff:
        return {}
    # Latin-1 gives every byte a character and takes it back: files have all sorts of encodings. To
    # git only "\n" ends a line.
    lines = io.StringIO(diff[:MAX_DIFF].decode("latin-1"), newline="\n")
    clean = bytearray()
    for number, line in enumerate(diff_secrets.source(lines)):
        clean += line.encode("latin-1")
        if number % 32 == 0:
            time.sleep(0)  # lets the training thread go on
    found: dict[str, Any] = {"diff": keep(bytes(clean), "text/x-diff")}
    return found | ({"diff_truncated": True} if len(diff) > MAX_DIFF else {})


def _untracked(repository: _Repository) -> dict[str, Any]:
    out = repository.ask(
        "ls-files", "--others", "--exclude-standard", "--directory", "--no-empty-directory", "-z"
    )
    if not out:
        return {}
    names = out.decode("utf-8", "replace").rstrip("\0").split("\0")
    return {"untracked": names[:MAX_UNTRACKED], "untracked_count": len(names)}

"""The bytes of a row."""

from __future__ import annotations

from typing import Final

# Bits of a row's flags.
LATE: Final = 1
_COMMIT: Final = {None: 0, True: 2, False: 4}
_COMMIT_MASK: Final = 6
EXPLICIT: Final = 8
KNOWN_FLAGS: Final = LATE | _COMMIT_MASK | EXPLICIT


def row_flags(*, late: bool, commit: bool | None, explicit_step: bool) -> int:
    """The flags byte of a row."""
    return LATE * late | _COMMIT[commit] | EXPLICIT * explicit_step


def flag_commit(flags: int) -> bool | None:
    """The `commit` argument that a flags byte tells."""
    return {0: None, 2: True, 4: False}.get(flags & _COMMIT_MASK)

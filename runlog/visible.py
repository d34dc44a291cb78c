r"""Text that a terminal only shows: what would move its cursor or turn its text round is escaped.

Names, notes and values of a run are anybody's text. These characters are written as Python and JSON
write them (`\x9b`, `\u202e`), so that they can be seen and do nothing:

- controls: C0 but for the end of a line and the tab, DELETE, and C1, which some terminals obey as
  they do an escape sequence;
- bidirectional controls, which show text in another order than it has;
- separators of lines and paragraphs, which end a line where none should end;
- lone surrogates, which no encoding has.
"""

from __future__ import annotations

import re
from typing import Final

_BEYOND_ASCII: Final = "\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
_UNSAFE: Final = re.compile(f"[\x00-\x08\x0b-\x1f{_BEYOND_ASCII}\ud800-\udfff]")
_UNSAFE_BUT_STYLES: Final = re.compile(f"\x1b\\[[0-9;:]*m|{_UNSAFE.pattern}")
_UNSAFE_IN_JSON: Final = re.compile(f"[{_BEYOND_ASCII}]")


def visible(text: str) -> str:
    """Text of any number of lines without anything that a terminal would obey."""
    return _UNSAFE.sub(_escaped, text)


def visible_styled(text: str) -> str:
    """The same, but sequences that set colours and the like stay."""
    return _UNSAFE_BUT_STYLES.sub(lambda m: m[0] if len(m[0]) > 1 else _escaped(m), text)


def visible_json(document: str) -> str:
    """A JSON document that says the same and has no such characters.

    They can only be within its strings, and those of ASCII are escaped in any JSON.
    """
    return _UNSAFE_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", document)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"

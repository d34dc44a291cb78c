"""The value of a secret name in source code: an expression, of which the literals are hidden.

It ends where a bracket or a comma ends it, and may go on in the next line: within brackets, between
quotes, behind a backslash. What is no literal stays, so that code stays code.
"""

from __future__ import annotations

import re
from typing import Final

from runlog.frozen import slotted
from runlog.secrets import HIDDEN, is_secret

QUOTED: Final = r"""(?<!\\)(?:"(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+')"""
"""A literal, as part of a pattern."""
TRIPLE: Final = r'"""' + r"|'''"
APOSTROPHE: Final = r"(?<=\w)(?<!\b[bfru])(?<!\b[bfru][bfru])'"
"""Of a word, and not the quote of a literal such as `b'x'`."""
_ESCAPED: Final = r"""\\"(?:[^"\\]|\\(?!"))*+\\"|\\'(?:[^'\\]|\\(?!'))*+\\'"""
"""A literal within a string, as cells of a notebook have them."""

_PART: Final = re.compile(
    rf"(?P<apostrophe>{APOSTROPHE})|(?P<triple>{TRIPLE})|(?P<escaped>{_ESCAPED})"
    rf"|(?P<literal>{QUOTED})|(?P<opens>[\[({{])|(?P<closes>[\])}}])|(?P<ends>[,;])"
    r"|(?P<comment>#)|(?P<quote>(?<!\\)[\"'])"
)
_MOST_LINES: Final = 100
"""Lines that an expression goes on for; then it was misread, or has its end elsewhere."""

_TYPES: Final = frozenset({"str", "int", "bytes", "bool", "float", "object", "Any", "None"})
_ENCODINGS: Final = frozenset({"utf-8", "utf8", "ascii", "latin-1", "hex", "base64", "r", "rb"})
_PLACEHOLDER: Final = re.compile(r"[$%{<]|\*\*\*|None\b|True\b|False\b")
_CAPITALS: Final = re.compile(r"[A-Z][A-Z_]+")
_SNAKE: Final = re.compile(r"[a-z]+(?:_[a-z]+)+")
_LONG_WORD: Final = re.compile(r"[\w+/=~:-]{20,}")


@slotted
class Expression:
    """An expression that has begun.

    Attributes:
        name: that it is given to.
        strong: whether that is a name of secrets alone.
        depth: brackets that are open.
        quote: whose end is looked for; empty if none.
        lines: that it has gone on for.
        ended: whether its end was met.
    """

    name: str
    strong: bool
    depth: int = 0
    quote: str = ""
    lines: int = 0
    ended: bool = False

    def hide(self, line: str, at: int = 0) -> tuple[str, int]:
        """Go on with it.

        Returns:
            The text from `at` on, its literals hidden; and where it ends in the line.
        """
        self.lines += 1
        out: list[str] = []
        while True:
            if self.quote:
                close = _closing(line, at, self.quote)
                inner = line[at:] if close < 0 else line[at:close]
                out.append(part_of_text(inner, strong=self.strong))
                if close < 0:
                    self.ended = self.lines >= _MOST_LINES
                    return "".join(out), len(line)
                out.append(self.quote)
                at, self.quote = close + len(self.quote), ""
            part = _PART.search(line, at)
            if part is None or part["comment"]:
                going_on = self.depth > 0 or line.endswith("\\")
                self.ended = not going_on or self.lines >= _MOST_LINES
                return "".join((*out, line[at:])), len(line)
            out.append(line[at : part.start()])
            if (part["closes"] or part["ends"]) and self.depth == 0:
                self.ended = True
                return "".join(out), part.start()
            at = part.end()
            out.append(self._taken(part, line))

    def _taken(self, part: re.Match[str], line: str) -> str:
        """What is left of one part."""
        if part["triple"] or part["quote"]:
            self.quote = part[0]
        elif part["literal"] or part["escaped"]:
            return self._literal(part[0], line[part.end() :])
        self.depth += (part["opens"] is not None) - (part["closes"] is not None)
        return part[0]

    def _literal(self, token: str, rest: str) -> str:
        """A literal, hidden unless it is a key, a type or another name."""
        size = 2 if token[0] == "\\" else 1
        quote, bare = token[:size], token[size:-size]
        is_key = self.depth > 0 and rest.lstrip().startswith(":")
        if not bare or is_key or is_placeholder(bare):
            return token
        if self.depth:
            is_name = is_capital(bare) or self.name.lower().endswith(bare.lower())
            plain = is_name or bare.lower() in _ENCODINGS
            hide = is_random(bare) or (self.strong and not plain)
        else:
            # Under names such as `cache_key` and `token_id`: another name, or a text to be made.
            is_name = not self.strong and ("{" in bare or _SNAKE.fullmatch(bare) is not None)
            hide = not is_type(bare) and not is_name and is_secret(self.name, bare)
        return f"{quote}{HIDDEN}{quote}" if hide else token


def _closing(line: str, at: int, quote: str) -> int:
    """Where an open quote ends; -1 if not in this line."""
    while (found := line.find(quote, at)) > 0 and line[found - 1] == "\\":
        at = found + 1
    return found


# ---------------------------------------------------------------- what values look like


def is_placeholder(value: str) -> bool:
    """Whether a value stands for another: `$TOKEN`, `{token}`, `<your token>`."""
    return _PLACEHOLDER.match(value) is not None


def is_type(value: str) -> bool:
    """Whether a value is the name of a type, as in `password: str`."""
    return value in _TYPES


def is_capital(value: str) -> bool:
    """Whether a value is the name of a variable of the environment."""
    return _CAPITALS.fullmatch(value) is not None


def is_random(value: str) -> bool:
    """Whether a value has the look of a key: one long word of letters and digits."""
    return (
        _LONG_WORD.fullmatch(value) is not None
        and sum(map(str.isdigit, value)) > 1
        and sum(map(str.isalpha, value)) > 1
    )


def part_of_text(line: str, *, strong: bool) -> str:
    """A line of a longer text, hidden; under a name of other things too, words stay."""
    bare = line.strip()
    if not bare or not (strong or (len(bare) >= 8 and " " not in bare)):
        return line
    return HIDDEN


def starred(value: str) -> str:
    """Hidden, with the quotes and the comma that a value has."""
    bare = value.rstrip()
    comma = "," if bare.endswith(",") else ""
    quote = bare[0] if bare[:1] in {'"', "'"} else ""
    return f"{quote}{HIDDEN}{quote}{comma}"

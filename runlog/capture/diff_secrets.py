"""Taking secrets out of a diff, line by line.

What looks secret is decided by `runlog.secrets`. Here it is found in source code and in files of
data, so that code stays code: of a program only literals count as values (`token = tokenizer(text)`
stays readable), of YAML, TOML and the like whatever stands behind a name. A value may go on in the
next lines: in brackets, between triple quotes, as a block or a list of YAML, as a private key.

The old and the new side of a diff are two texts, each with a state of its own; a line of context
belongs to both. Between lines other threads can run, which they cannot during one search with a
regular expression; so no search takes longer than its line is long, and a line that is longer than
people write is hidden whole if there may be a secret in it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePath
from typing import Final

from runlog.capture.expressions import (
    APOSTROPHE,
    QUOTED,
    TRIPLE,
    Expression,
    is_capital,
    is_placeholder,
    is_random,
    is_type,
    part_of_text,
    starred,
)
from runlog.frozen import slotted
from runlog.secrets import (
    HIDDEN,
    SUSPECT,
    is_secret,
    is_strong,
    is_suspect,
    known,
    without_shapes,
)

LONGEST: Final = 1 << 16
"""Characters of a line that is looked into."""

_DATA: Final = frozenset(
    (".yaml", ".yml", ".json", ".jsonl", ".toml", ".ini", ".cfg", ".conf", ".env", ".properties",
     ".tfvars", ".xml")
)  # fmt: skip
_CODE: Final = frozenset(
    (".py", ".pyi", ".ipynb", ".js", ".jsx", ".ts", ".tsx", ".java", ".kt", ".scala", ".c", ".h",
     ".cc", ".cpp", ".hpp", ".cu", ".cuh", ".cs", ".go", ".rs", ".rb", ".jl", ".lua", ".swift",
     ".r", ".m")
)  # fmt: skip

_NAME: Final = r"[\w.-]{1,256}+"
_WORD: Final = re.compile(
    rf"{APOSTROPHE}|(?P<triple>{TRIPLE})|(?P<literal>{QUOTED})|(?<![\w.-])(?P<name>{_NAME})"
)
"""What may be a name, or hold one."""
_GIVEN: Final = re.compile(
    r"\\?[\"']?\]?\s{0,40}(?:(?P<same>[=!]=)|(?P<typed>:\s{0,40}[A-Za-z_][\w.\[\]| ]{0,60}=(?!=))"
    r"|(?P<is>:=|=>|[:=]))\s{0,40}"
)
"""Between a name and its value."""
_LEADING: Final = re.compile(r"\s*(?:[#;]+|//+|-(?=\s))?\s*(?:export\s+|ENV\s+|ARG\s+)?[\"']?")
"""What may stand before the name that a line is about."""

# Values that are found without a look at the line as a whole.
_DOCKER: Final = re.compile(rf"\s*(?:ENV|ARG)\s+(?P<name>{_NAME})\s+(?P<value>\S.*)")
_OPTION: Final = re.compile(
    r"(?<![\w-])(?P<name>--?[A-Za-z][\w-]{0,100}+)(?:\s+|=)(?P<value>[^\s\"']+)"
)
_TAG: Final = re.compile(rf"<(?P<name>{_NAME})>(?P<value>[^<>]+)(?=</)")
_QUERY: Final = re.compile(rf"(?P<sign>^|[?&;\s])(?P<name>{_NAME})=(?P<value>[^\s&;\"']+)")
_HEADER: Final = re.compile(r"(?P<name>[A-Za-z][\w-]{0,100}+):\s*(?P<value>\S.*)")

# Values without quotes, and where they may stand.
_JSON_VALUE: Final = re.compile(r"[^\s,}\]]+")
_SHELL_VALUE: Final = re.compile(r"[^\s\"'&;,(){}\[\]]+(?=[\s\"'&;,]|\Z)")
_LAST_WORD: Final = re.compile(r"[^\s\"'()\[\]{},]+(?=\s*,?\s*\Z)")
_FLOW: Final = re.compile(r"\[[^\]\[\"'{}]+\]")
_BLOCK: Final = re.compile(r"(?:![\w!./-]+\s+)?(?:&\w+\s+)?[|>][0-9+-]{0,2}\s*(?:#.*)?")
_ITEM: Final = re.compile(rf"\s*(?:-\s+)*(?P<name>[\"']?{_NAME}[\"']?\s*[:=]\s*)?")
_SECTION: Final = re.compile(r"\s*\[{1,2}(?P<name>[\w.\"' -]{1,256}+)\]{1,2}\s*")
_COMMA: Final = re.compile(r"\s{0,40},\s{0,40}(?:default\s{0,9}=\s{0,9})?(?=[\"'][^-])")
"""Between an option and a literal that may be its value."""

_BASE64: Final = re.compile(r"\s*[\"']?[A-Za-z0-9+/]{60,}={0,2}(?:\\n)?[\"']?,?\s*")
_BEGIN: Final = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY")
_END: Final = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY")
_HUNK: Final = re.compile(r"(@@ [-+0-9, ]+ @@ ?)(.*)", re.DOTALL)


def source(lines: Iterable[str]) -> Iterator[str]:
    """Lines of a diff without secrets, one by one.

    Args:
        lines: with their ends; bytes as characters (Latin-1), whatever the files' encodings.
    """
    values = [v.encode("utf-8", "surrogateescape").decode("latin-1") for v in known(os.environ)]
    old, new = _Side(values), _Side(values)
    head = False
    for line in lines:
        text = line.rstrip("\r\n")
        end = line[len(text) :]
        if text.startswith("diff --git "):
            head = True
            old, new = _Side(values), _Side(values)
            yield line
        elif head and text.startswith(("--- ", "+++ ")):
            (old if text[0] == "-" else new).name(text)
            yield line
        elif match := _HUNK.fullmatch(text):
            head = False
            old, new = old.anew(), new.anew()
            yield match[1] + _both(old, new, match[2]) + end
            old.fresh = new.fresh = True
        elif head:
            yield line
        elif text[:1] == "+":
            yield f"+{new.read(text[1:])}{end}"
        elif text[:1] == "-":
            yield f"-{old.read(text[1:])}{end}"
        elif text[:1] == " ":
            yield f" {_both(old, new, text[1:])}{end}"
        else:
            yield _both(old, new, text) + end


def _both(old: _Side, new: _Side, text: str) -> str:
    """A line of both sides; what is hidden in either is."""
    before, after = old.read(text), new.read(text)
    return before if after == text else after


@slotted
class _Under:
    """Lines that belong to a name above them.

    Attributes:
        name: that they belong to.
        strong: whether it is a name of secrets alone.
        indent: of its line, which theirs is greater than; -1 for a section, which ends where the
            next begins.
        whole: whether they are one text, and not names and values.
    """

    name: str
    strong: bool
    indent: int
    whole: bool = False

    def takes(self, line: str) -> bool:
        """Whether a line that is not blank is one of them."""
        bare = line.lstrip()
        indent = len(line) - len(bare)
        if self.indent < 0:
            return _SECTION.fullmatch(line) is None
        return indent > self.indent or (indent == self.indent and bare.startswith("- "))


class _Side:
    """One side of a diff, read line by line.

    Attributes:
        fresh: whether the hunk has just begun, so that it may be amid a private key.
    """

    def __init__(self, values: Sequence[str], kind: str = "") -> None:
        self.fresh = False
        self._values = values
        self._kind = kind  # "data", "code" or "", if that is not known
        self._expression: Expression | None = None
        self._under: _Under | None = None
        self._in_key = False

    def anew(self) -> _Side:
        """The same file at another place."""
        return _Side(self._values, self._kind)

    def name(self, header: str) -> None:
        """The name of the file."""
        path = PurePath(header[4:].strip().strip('"'))
        suffix = path.suffix.lower() or path.name.lower()
        self._kind = "data" if suffix in _DATA else "code" if suffix in _CODE else ""

    def read(self, line: str) -> str:
        """A line of it without secrets."""
        lower = line.lower()
        suspect = any(word in lower for word in SUSPECT) or any(v in line for v in self._values)
        idle = self._expression is None and self._under is None and not self._in_key
        if len(line) > LONGEST:
            self._expression = None
            return line if idle and not suspect else HIDDEN
        fresh, self.fresh = self.fresh, self.fresh and _is_base64(line)
        if self._in_key or _BEGIN.search(line):
            return self._key(line)
        if fresh and self.fresh:
            return HIDDEN
        if idle and not suspect:
            return line
        line = without_shapes(line, self._values)
        if self._expression is not None:
            made, at = self._hide(self._expression, line)
            return made + (self._line(line[at:]) if at < len(line) else "")
        return self._below(line) if self._under is not None and line.strip() else self._line(line)

    def _key(self, line: str) -> str:
        """A line of a private key, or with the beginning of one."""
        begin, end = _BEGIN.search(line), _END.search(line)
        if self._in_key and end:
            self._in_key = False
            return line
        if begin and end and end.start() > begin.start():  # escaped, in one line
            return f"{line[: begin.start()]}{HIDDEN}{line[end.start() :]}"
        self._in_key = True
        return HIDDEN

    def _below(self, line: str) -> str:
        """A line that belongs to a name above it, if it does."""
        under, item = self._under, _ITEM.match(line)
        if under is None or item is None or not under.takes(line):
            self._under = None
            return self._line(line)
        if under.whole:
            bare = line.lstrip()
            return line[: len(line) - len(bare)] + part_of_text(bare, strong=under.strong)
        value = line[item.end() :]
        if item["name"] and (not under.strong or not value or value[0] in "#|>&*!"):
            return self._line(line)
        if not value or value[0] in "#[{" or is_placeholder(value):
            return self._line(line)
        if under.indent < 0 and not item["name"]:
            return line
        if under.strong or is_random(value.strip("\"', ")):
            return line[: item.end()] + starred(value)
        return line

    # ------------------------------------------------------------ a line by itself

    def _line(self, line: str) -> str:
        if section := _SECTION.fullmatch(line):
            strong = self._kind != "code" and is_strong(section["name"])
            self._under = _Under(section["name"], strong=True, indent=-1) if strong else None
            return line
        line = self._plain(line)
        out: list[str] = []
        done = at = 0
        leading = _LEADING.match(line)
        first = leading.end() if leading else 0
        while word := _WORD.search(line, at):
            at = word.end()
            literal = word["literal"]
            name = word["name"] or (literal or "")[1:-1]
            given = _GIVEN.match(line, at) if is_suspect(name[:256]) else None
            if given is not None:
                leads = word.start() <= first
                made, at = self._value(line, name, given, leads=leads, quoted=bool(literal))
                out += line[done : given.end()], made
                done = at
            elif literal:
                out += line[done : word.start()], literal[0], self._inner(name), literal[0]
                done = at
                if (after := _after_option(line, at, name)) is not None:
                    made, at = Expression(name, strong=True).hide(line, after)
                    out += line[done:after], made
                    done = at
        return "".join((*out, line[done:]))

    def _plain(self, line: str) -> str:
        """A line without what needs no look at it as a whole."""
        if "--" in line:
            line = _OPTION.sub(_random_option if self._kind == "code" else _hidden_option, line)
        if self._kind == "code":
            return line
        if "</" in line:
            line = _TAG.sub(_hidden, line)
        docker = _DOCKER.fullmatch(line)
        if docker and is_secret(docker["name"], docker["value"]):
            return line[: docker.start("value")] + starred(docker["value"])
        return line

    def _value(
        self, line: str, name: str, given: re.Match[str], *, leads: bool, quoted: bool
    ) -> tuple[str, int]:
        """The value of a suspect name, hidden, and where it ends.

        Args:
            line: the line.
            name: of the value.
            given: what stands between them.
            leads: whether the line is about this name.
            quoted: whether the name is.
        """
        at, strong = given.end(), is_strong(name)
        rest = line[at:]
        if given["same"]:
            literal = re.match(QUOTED, rest)
            if literal and (strong or is_random(literal[0][1:-1])):
                return starred(literal[0]), at + literal.end()
            return "", at
        indent = len(line) - len(line.lstrip())
        if given["is"] == ":" and _BLOCK.fullmatch(rest):
            self._under = _Under(name, strong, indent, whole=True)
            return rest, len(line)
        if leads and self._kind != "code" and (not rest or rest.startswith("#")):
            self._under = _Under(name, strong, indent)
            return rest, len(line)
        if strong and self._kind == "data" and (flow := _FLOW.match(line, at)):
            return f"[{HIDDEN}]", flow.end()
        bare = ""
        if self._kind != "code":
            bare = self._unquoted(line, name, given, leads=leads, quoted=quoted)
        if not bare:
            return self._hide(Expression(name, strong), line, at)
        plain = is_type(bare) or is_placeholder(bare) or not is_secret(name, bare)
        return bare if plain else HIDDEN, at + len(bare)

    def _unquoted(
        self, line: str, name: str, given: re.Match[str], *, leads: bool, quoted: bool
    ) -> str:
        """A value without quotes, as files of data and shells have them; empty if it is code."""
        at = given.end()
        if line[at : at + 1] in {"", '"', "'", "\\", "[", "(", "{"}:
            return ""
        if quoted or given[0][0] in "\"'":
            found = _JSON_VALUE.match(line, at)
        elif leads and self._kind == "data":
            return line[at:].rstrip().removesuffix(",")
        elif given[0] == "=" and (name.isupper() or is_strong(name)):
            found = _SHELL_VALUE.match(line, at)
        else:
            found = _LAST_WORD.match(line, at) if leads else None
        return found[0] if found else ""

    def _hide(self, expression: Expression, line: str, at: int = 0) -> tuple[str, int]:
        """An expression from a place on; if it goes on in the next line, that is remembered."""
        made = expression.hide(line, at)
        self._expression = None if expression.ended else expression
        return made

    def _inner(self, inner: str) -> str:
        """What is within a literal: source code in a notebook, a query, settings, a header."""
        out: list[str] = []
        done = at = 0
        while word := _WORD.search(inner, at):
            at = word.end()
            given = _GIVEN.match(inner, at) if word["name"] and is_suspect(word["name"]) else None
            if given is not None and inner[given.end() : given.end() + 1] in {"'", '"', "\\"}:
                expression = Expression(word["name"], is_strong(word["name"]))
                made, at = expression.hide(inner, given.end())
                out += inner[done : given.end()], made
                done = at
        return _settings("".join((*out, inner[done:])))


def _settings(inner: str) -> str:
    """What is within a literal without secrets: a query, a list of settings, a header."""
    if "=" in inner:
        inner = _QUERY.sub(_hidden_query, inner)
    header = _HEADER.fullmatch(inner) if ":" in inner else None
    if header is not None and not is_placeholder(header["value"]):
        name, value = header["name"], header["value"]
        if is_strong(name) or (is_suspect(name) and is_random(value)):
            return inner[: header.start("value")] + HIDDEN
    return inner


def _after_option(line: str, at: int, name: str) -> int | None:
    """Where the value begins that follows a quoted option or variable: `"--password", "x"`."""
    if not (name.startswith("-") or is_capital(name)) or not is_strong(name):
        return None
    comma = _COMMA.match(line, at)
    return comma.end() if comma else None


def _hidden(match: re.Match[str]) -> str:
    name, value = match["name"], match["value"]
    if is_placeholder(value) or not is_secret(name, value):
        return match[0]
    return match[0].removesuffix(value) + HIDDEN


def _hidden_query(match: re.Match[str]) -> str:
    sure = match["sign"] in {"?", "&"} or is_strong(match["name"]) or is_random(match["value"])
    return _hidden(match) if sure else match[0]


def _hidden_option(match: re.Match[str]) -> str:
    value = match["value"]
    sure = not value.startswith("-") and (is_strong(match["name"]) or is_random(value))
    return _hidden(match) if sure else match[0]


def _random_option(match: re.Match[str]) -> str:
    return _hidden(match) if is_random(match["value"]) else match[0]


def _is_base64(line: str) -> bool:
    """Whether a line is of the middle of a private key, as far as can be told."""
    return _BASE64.fullmatch(line) is not None and not (
        line.islower() or line.isupper() or line.strip("\"', ").isalpha()
    )

"""What a terminal finally shows of the bytes written to one stream.

A terminal without a right edge, whose last `SCREEN` rows can still be changed. The rules are
normative and stated in spec/folds.md, Console; decision 11 says why they are ours.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Callable
from itertools import groupby
from typing import Final

from runlog.fold.cells import Order

SCREEN: Final = 100
"""Rows that the cursor can reach: more than terminals have, so what fitted one is resolved."""
WIDTH: Final = 1 << 16
"""Cells of a row. A longer line goes on in the next row, and is one line again when read."""
TAB: Final = 8

_TOKEN: Final = re.compile(
    r"([^\x00-\x1f\x7f-\x9f]+)"  # 1: text
    r"|\x1b\[([0-?]*)[ -/]*([@-~])"  # 2, 3: control sequence
    r"|\x1b([\]PX^_])"  # 4: begins a string for the terminal itself
    r"|\x1b[ -/]*([0-~])?"  # 5: escape
    r"|([\x00-\x1f\x7f-\x9f])"  # 6: control
)
_UNFINISHED: Final = re.compile(r"\x1b(?:\[[0-?]*)?[ -/]*\Z")
_LONGEST_SEQUENCE: Final = 256
_STRING_END: Final = {
    "]": re.compile(r"[\x07\x18\x1a\x9c]|\x1b\\?|(?=\n)"),
    "P": re.compile(r"[\x18\x1a\x9c]|\x1b\\?"),
}

_SCREENS: Final = {"47", "1047", "1049"}
"""Modes that show another screen for a while, of which nothing stays."""

_NARROW: Final = set(map(chr, range(0x20, 0x7F)))
_ODD: Final[dict[str, int]] = {}


def _is_narrow(text: str) -> bool:
    """Whether each character takes one cell."""
    if text.isascii() or _NARROW.issuperset(text):
        return True
    for character in set(text) - _NARROW:
        width = _width(character)
        if width == 1:
            _NARROW.add(character)
        else:
            _ODD[character] = width
    return _NARROW.issuperset(text)


def _width(character: str) -> int:
    if unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def _cells(text: str) -> list[str]:
    """One string a cell; a wide character is followed by "", marks are with what they mark."""
    cells: list[str] = []
    for character in text:
        width = _ODD.get(character, 1)
        if width:
            cells.append(character)
            cells += [""] * (width - 1)
        elif cells:
            at = len(cells) - 1 - (cells[-1] == "")
            cells[at] += character
        else:
            cells.append(character)
    return cells


class Row:
    """One row of the screen.

    Attributes:
        cells: one string a cell; as one str as long as that is the same.
        styles: of each cell, as the sequence that sets it; None while there are none.
        changed: order of the last record that changed it.
        first_seq: of the first.
        full: whether text went on in the next row because this one was full.
    """

    __slots__ = ("cells", "changed", "first_seq", "full", "styles")

    def __init__(self, order: Order) -> None:
        self.cells: list[str] | str = ""
        self.styles: list[str] | None = None
        self.changed = order
        self.first_seq = order[2]
        self.full = False

    @property
    def goes_on(self) -> bool:
        """Whether its line goes on in the next row."""
        return self.full and len(self.cells) >= WIDTH

    @property
    def text(self) -> str:
        """Without colours, and without blanks at the end."""
        return "".join(self.cells).rstrip(" ")

    @property
    def styled(self) -> str:
        """With colours."""
        if self.styles is None:
            return self.text
        cells = self.cells
        size = len(cells)
        while size and cells[size - 1] == " ":
            size -= 1
        out = []
        for style, run in groupby(range(size), key=self.styles.__getitem__):
            part = "".join(cells[i] for i in run)
            out.append(f"{style}{part}\x1b[0m" if style else part)
        return "".join(out)

    def pack(self) -> None:
        """Take less memory, if there is nothing but plain text."""
        if self.styles is None and len(text := "".join(self.cells)) == len(self.cells):
            self.cells = text

    def open(self) -> list[str]:
        """The cells, to be changed."""
        if isinstance(self.cells, str):
            self.cells = list(self.cells)
        return self.cells

    def put(self, at: int, new: list[str] | str, style: str) -> None:
        """Write cells over those from `at` on."""
        end = at + len(new)
        if not self.cells and not at and isinstance(new, str) and self.styles is None and not style:
            self.cells = new
            return
        cells = self.open()
        if self.styles is None and style:
            self.styles = [""] * len(cells)
        if at > len(cells):
            self._pad(at)
        elif at < len(cells):
            _part(cells, at)
            _part(cells, end)
        if self.styles is not None:
            self.styles[at:end] = [style] * len(new)
        cells[at:end] = new

    def mark(self, at: int, marks: str) -> None:
        """Add marks to the character before a cell."""
        cells = self.open()
        at = min(at, len(cells)) - 1
        while at > 0 and cells[at] == "":
            at -= 1
        if at >= 0:
            cells[at] += marks

    def erase(self, begin: int, end: int | None) -> None:
        """Blank cells; None for all to the right."""
        cells = self.open()
        if end is None or end >= len(cells):
            _part(cells, begin)
            del cells[begin:]
            if self.styles is not None:
                del self.styles[begin:]
        elif begin < end:
            self.put(begin, " " * (end - begin), "")

    def remove(self, at: int, count: int) -> None:
        """Take cells away; what is to the right of them moves left."""
        cells = self.open()
        _part(cells, at)
        _part(cells, at + count)
        del cells[at : at + count]
        if self.styles is not None:
            del self.styles[at : at + count]

    def insert(self, at: int, count: int) -> None:
        """Put blanks in between."""
        cells = self.open()
        if at < len(cells):
            _part(cells, at)
            cells[at:at] = [" "] * count
            if self.styles is not None:
                self.styles[at:at] = [""] * count

    def _pad(self, size: int) -> None:
        cells = self.open()
        missing = size - len(cells)
        cells += [" "] * missing
        if self.styles is not None:
            self.styles += [""] * missing


def _part(cells: list[str], at: int) -> None:
    """Make a cut at a cell possible: a wide character that lies across it becomes blanks."""
    if not 0 < at < len(cells) or cells[at] != "":
        return
    begin = at
    while begin and cells[begin] == "":
        cells[begin] = " "
        begin -= 1
    cells[begin] = " "
    while at + 1 < len(cells) and cells[at + 1] == "":
        at += 1
        cells[at] = " "


class Pen:
    """The colours and styles in force, from SGR sequences."""

    __slots__ = ("_set", "style")

    _OFF: Final = {
        "22": ("1", "2"), "23": ("3",), "24": ("4",), "25": ("5",), "27": ("7",), "28": ("8",),
        "29": ("9",), "39": ("fg",), "49": ("bg",), "55": ("53",), "59": ("ul",),
    }  # fmt: skip
    _LONG: Final = {"38": "fg", "48": "bg", "58": "ul"}

    def __init__(self) -> None:
        self._set: dict[str, str] = {}
        self.style = ""

    def apply(self, parameters: str) -> None:
        """Obey one sequence: the text between `ESC [` and `m`."""
        codes = iter(parameters.split(";"))
        for code in codes:
            number = code.partition(":")[0].lstrip("0")
            if not number or code == "4:0":
                self._forget(("4",) if number else tuple(self._set))
            elif number in self._OFF:
                self._forget(self._OFF[number])
            elif number in self._LONG:
                kind = "" if ":" in code else next(codes, "")
                count = {"5": 1, "2": 3}.get(kind, 0)
                rest = [next(codes, "") for _ in range(count)]
                self._set[self._LONG[number]] = ";".join([code, kind, *rest]) if kind else code
            elif len(number) == 1 or number in {"21", "53"}:
                self._set[{"6": "5", "21": "4"}.get(number, number)] = code
            elif number[:-1] in {"3", "9"}:
                self._set["fg"] = code
            elif number[:-1] in {"4", "10"}:
                self._set["bg"] = code
        self.style = f"\x1b[{';'.join(self._set.values())}m" if self._set else ""

    def _forget(self, names: tuple[str, ...]) -> None:
        for name in names:
            self._set.pop(name, None)


class Screen:
    """The rows that can still be changed, the cursor, and what is left over of the last bytes.

    Attributes:
        rows: at least one.
        y: the cursor's row, an index into `rows`.
        x: its column.
        saved: where the cursor was when it was saved.
    """

    def __init__(self, order: Order) -> None:
        self.rows = [Row(order)]
        self.y = 0
        self.x = 0
        self._pen = Pen()
        self._order = order
        self._bytes = b""
        self._text = ""
        self._string: str | None = None
        self._page: int | None = None
        self.saved = (0, 0)
        self._alternate = False

    def feed(self, data: bytes, order: Order) -> None:
        """Take what was written; `order` is that of its record."""
        self._order = order
        if self._bytes:
            data = self._bytes + data
        decoded, used = codecs.utf_8_decode(data, "replace", False)
        self._bytes = data[used:]
        text = self._text + decoded
        self._text = ""
        if "\x1b" in text:
            last = text.rfind("\x1b")
            if len(text) - last < _LONGEST_SEQUENCE and _UNFINISHED.match(text, last):
                text, self._text = text[:last], text[last:]
        self._obey(text)

    def drop(self, count: int) -> None:
        """Forget the first rows; they are lines now."""
        del self.rows[:count]
        self.y -= count
        self.saved = (self.saved[0] - count, self.saved[1])
        if self._page is not None:
            self._page = max(0, self._page - count)

    # ------------------------------------------------------------ tokens

    def _obey(self, text: str) -> None:
        at = self._skip_string(text, 0) if self._string else 0
        match = _TOKEN.match
        while at < len(text):
            token = match(text, at)
            if token is None:  # the pattern takes any character
                return
            at = token.end()
            kind = token.lastindex
            if self._alternate and kind not in {3, 4}:
                continue
            if kind == 1:
                self._print(token[1])
            elif kind == 6:
                self._control(token[6])
            elif kind == 3:
                self._sequence(token[2], token[3])
            elif kind == 4:
                self._string = "]" if token[4] == "]" else "P"
                at = self._skip_string(text, at)
            elif kind == 5:
                self._escape(token[5])

    def _skip_string(self, text: str, at: int) -> int:
        """Past a title, a picture or the like, if it ends here."""
        end = _STRING_END[self._string or "P"].search(text, at)
        if end is None:
            return len(text)
        self._string = None
        # An escape that is not the end's own begins something else.
        return end.start() if end[0] == "\x1b" else end.end()

    def _print(self, text: str) -> None:
        cells: str | list[str] = text if _is_narrow(text) else self._odd(text)
        while self.x + len(cells) > WIDTH:
            room = max(0, WIDTH - self.x)
            self._write(cells[:room])
            cells = cells[room:]
            self.rows[self.y].full = True
            self.rows[self.y].pack()
            self._line_feed()
        self._write(cells)

    def _odd(self, text: str) -> list[str]:
        """The cells of text that is not narrow; a mark at its beginning joins the cell before."""
        cells = _cells(text)
        if self.x and _ODD.get(cells[0][0]) == 0:
            self._touched().mark(self.x, cells.pop(0))
        return cells

    def _write(self, cells: str | list[str]) -> None:
        self._touched().put(self.x, cells, self._pen.style)
        self.x += len(cells)

    def _touched(self) -> Row:
        row = self.rows[self.y]
        row.changed = self._order
        return row

    def _control(self, character: str) -> None:
        if character == "\n" or character in "\x0b\x0c":
            self._line_feed()
        elif character == "\r":
            self.x = 0
        elif character == "\b":
            self.x = max(0, self.x - 1)
        elif character == "\t":
            self._tab()

    def _line_feed(self) -> None:
        self.x = 0
        self.y += 1
        if self.y == len(self.rows):
            self.rows.append(Row(self._order))

    def _tab(self) -> None:
        """At the end of a row it is a character, elsewhere a move of the cursor."""
        size = TAB - self.x % TAB
        if self.x >= len(self.rows[self.y].cells) and self.x + size <= WIDTH:
            self._write(["\t"] + [""] * (size - 1))
        else:
            self.x += size

    # ------------------------------------------------------------ sequences

    def _escape(self, final: str) -> None:
        if final == "7":
            self.saved = (self.y, self.x)
        elif final == "8":
            self._go(*self.saved)
        elif final == "D":
            column = self.x
            self._line_feed()
            self.x = column
        elif final == "E":
            self._line_feed()
        elif final == "M":
            self._go(self.y - 1, self.x)
        elif final == "c":
            self._pen = Pen()
            self._erase_display(2)

    def _sequence(self, parameters: str, final: str) -> None:
        private = parameters[:1] in {"<", "=", ">", "?"}
        if private and final in "hl" and _SCREENS & set(parameters[1:].split(";")):
            self._alternate = final == "h"
        if private or self._alternate:
            return
        if final == "m":
            self._pen.apply(parameters)
            return
        first, second = _numbers(parameters)
        count = max(1, first or 1)
        if final in _MOVES:
            self._go(*_MOVES[final](self, count, max(1, second or 1)))
        elif final == "s":
            self.saved = (self.y, self.x)
        else:
            self._edit(final, first or 0, min(count, WIDTH))

    def _edit(self, final: str, mode: int, count: int) -> None:
        if final == "J":
            self._erase_display(mode)
        elif final == "K":
            begin = self.x if mode == 0 else 0
            self._touched().erase(begin, self.x + 1 if mode == 1 else None)
        elif final == "X":
            self._touched().erase(self.x, self.x + count)
        elif final == "P":
            self._touched().remove(self.x, count)
        elif final == "@":
            self._touched().insert(self.x, count)
        elif final == "L":
            blank = [Row(self._order) for _ in range(min(count, SCREEN))]
            self.rows[self.y : self.y] = blank
            del self.rows[max(self.y + 1, self.top + SCREEN) :]
        elif final == "M":
            del self.rows[self.y : self.y + count]
            if self.y == len(self.rows):
                self.rows.append(Row(self._order))

    @property
    def top(self) -> int:
        """First row that the cursor can reach."""
        return max(self._page or 0, len(self.rows) - SCREEN)

    def _go(self, y: int, x: int) -> None:
        top = self.top
        self.y = min(max(y, top), top + SCREEN - 1)
        self.x = min(max(x, 0), WIDTH - 1)
        while len(self.rows) <= self.y:
            self.rows.append(Row(self._order))

    def _erase_display(self, mode: int) -> None:
        if mode == 0:
            self._touched().erase(self.x, None)
            del self.rows[self.y + 1 :]
        elif mode == 1:
            for row in self.rows[self.top : self.y]:
                row.erase(0, None)
            self._touched().erase(0, self.x + 1)
        elif mode == 2:
            self._new_page()

    def _new_page(self) -> None:
        """Clear the screen. The first time, what is there stays as lines above."""
        begin = len(self.rows) if self._page is None else self.top
        if begin == len(self.rows) and not self.rows[-1].cells:
            begin -= 1
        self.rows[begin:] = [Row(self._order)]
        self._page = self.y = begin


def _numbers(parameters: str) -> tuple[int | None, int | None]:
    """The first two parameters; None where one is left out."""
    found = [int(p) if p.isdecimal() and len(p) < 10 else None for p in parameters.split(";")[:2]]
    return found[0], found[1] if len(found) > 1 else None


_MOVES: Final[dict[str, Callable[[Screen, int, int], tuple[int, int]]]] = {
    "A": lambda screen, n, _: (screen.y - n, screen.x),
    "B": lambda screen, n, _: (screen.y + n, screen.x),
    "C": lambda screen, n, _: (screen.y, screen.x + n),
    "D": lambda screen, n, _: (screen.y, screen.x - n),
    "E": lambda screen, n, _: (screen.y + n, 0),
    "F": lambda screen, n, _: (screen.y - n, 0),
    "G": lambda screen, n, _: (screen.y, n - 1),
    "H": lambda screen, n, m: (screen.top + n - 1, m - 1),
    "a": lambda screen, n, _: (screen.y, screen.x + n),
    "d": lambda screen, n, _: (screen.top + n - 1, screen.x),
    "e": lambda screen, n, _: (screen.y + n, screen.x),
    "f": lambda screen, n, m: (screen.top + n - 1, m - 1),
    "`": lambda screen, n, _: (screen.y, n - 1),
    "u": lambda screen, _, __: screen.saved,
}
"""Where the cursor goes: by a sequence's final byte, from its two parameters, 1 where left out."""

"""What the console's lines are: control characters, colours, splits, several screens, long runs."""

from __future__ import annotations

import random
import time

import pytest

from runlog.console import terminal
from runlog.console.lines import ConsoleState, Line, lines
from runlog.read.console import ConsoleView
from runlog.records import Config, Console, Entry

Write = bytes | tuple[str, bytes]


def entries(*writes: Write, writer: str = "w") -> list[Entry]:
    """Console records, one a microsecond; on stdout unless said otherwise."""
    pairs = [("stdout", w) if isinstance(w, bytes) else w for w in writes]
    return [Entry(n, n, writer, Console(*pair)) for n, pair in enumerate(pairs, 1)]


def shown(*writes: Write, merged: bool = False) -> list[str]:
    """Texts of the lines."""
    return [line.text for line in lines(entries(*writes), merged=merged)]


def styled(*writes: bytes) -> list[str]:
    return [line.styled for line in lines(entries(*writes))]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (b"", []),
        (b"a\nb\n", ["a", "b"]),
        (b"a\nb", ["a", "b"]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"a\n\n\nb\n\n", ["a", "", "", "b", ""]),
        (b"   \n", [""]),
        (b"10%\r20%\r30%\n", ["30%"]),
        (b"abcdef\rxy", ["xycdef"]),
        (b"abc\b\bX\n", ["aXc"]),
        (b"\b\b\bX", ["X"]),
        (b"a\tb\n", ["a\tb"]),
        (b"12345678\rab\tZ", ["ab345678Z"]),
        (b"a\tb\r  X", ["  X     b"]),
        (b"one\ntwo\x1b[Aup", ["oneup", "two"]),
        (b"one\ntwo\n\x1b[2Fnew", ["new", "two"]),
        (b"one\ntwo\n\x1b[1A\x1b[2Kthree", ["one", "three"]),
        (b"abcdef\x1b[3D\x1b[K", ["abc"]),
        (b"abcdef\x1b[3D\x1b[1K", ["    ef"]),
        (b"abcdef\x1b[1G\x1b[2PX", ["Xdef"]),
        (b"abcdef\x1b[1G\x1b[2@", ["  abcdef"]),
        (b"abcdef\x1b[2G\x1b[3X", ["a   ef"]),
        (b"a\nb\nc\x1b[2A\x1b[J", ["a"]),
        (b"a\nb\nc\x1b[2A\r\x1b[M", ["b", "c"]),
        (b"a\nb\x1b[A\r\x1b[L*", ["*", "a", "b"]),
        (b"\x1b[5Cx", ["     x"]),
        (b"a\x1b[3Bb", ["a", "", "", " b"]),
        (b"\x1b7abc\x1b8X", ["Xbc"]),
        (b"log\n\x1b[2J\x1b[Hone\n\x1b[2J\x1b[Htwo\n", ["log", "two"]),
        (b"\x1b[H\x1b[2J\x1b[3Jafter clear\n", ["after clear"]),
        (b"before\x1b[?1049hEDITOR\x1b[2J\n\n\x1b[?1049l after", ["before after"]),
        (b"\x1b]0;title\x07text", ["text"]),
        (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", ["link"]),
        (b"\x1b]0;never ended\nnext", ["", "next"]),
        (b"\x1bPq#0;2\n;0\x1b\\picture", ["picture"]),
        (b"\x1b(B\x1b=\x1b[?25lplain\x1b[?25h", ["plain"]),
        (b"\x1b[>4;2mnot a colour\x1b[m", ["not a colour"]),
        (b"ding\x07\x00\x0e\x0f\x7f\n", ["ding"]),
        (b"\xff\xfebad", ["��bad"]),
        ("\u009b1mC1".encode(), ["1mC1"]),
        ("训练中abc\r完成".encode(), ["完成中abc"]),
        ("训练\rabX".encode(), ["abX"]),
        ("训练\rX".encode(), ["X 练"]),
        ("e\u0301te\u0301\r\x1b[3CX".encode(), ["e\u0301te\u0301X"]),
        ("👩\u200d🚀 go".encode(), ["👩\u200d🚀 go"]),
    ],
)
def test_a_line_is_what_a_terminal_finally_shows(written: bytes, expected: list[str]) -> None:
    assert shown(written) == expected
    single = [written[n : n + 1] for n in range(len(written))]
    assert shown(*single) == expected, "split into single bytes, it says something else"


def test_colours_are_kept_line_by_line_or_left_out() -> None:
    written = b"\x1b[1;31merror\x1b[0m: \x1b[38;5;12mblue\nstill\x1b[39m not\n"
    assert shown(written) == ["error: blue", "still not"]
    assert styled(written) == [
        "\x1b[1;31merror\x1b[0m: \x1b[38;5;12mblue\x1b[0m",
        "\x1b[38;5;12mstill\x1b[0m not",
    ]


@pytest.mark.parametrize(
    ("sequence", "style"),
    [
        (b"\x1b[1m\x1b[22m", ""),
        (b"\x1b[1;4m\x1b[24m", "\x1b[1m"),
        (b"\x1b[31m\x1b[91m", "\x1b[91m"),
        (b"\x1b[41;31m\x1b[49m", "\x1b[31m"),
        (b"\x1b[38;2;1;2;3m", "\x1b[38;2;1;2;3m"),
        (b"\x1b[38:2::1:2:3m\x1b[1m", "\x1b[38:2::1:2:3;1m"),
        (b"\x1b[4:3m\x1b[4:0m", ""),
        (b"\x1b[31m\x1b[m", ""),
        (b"\x1b[31m\x1bc", ""),
        (b"\x1b[38m", "\x1b[38m"),
        (b"\x1b[99999m", ""),
    ],
)
def test_the_pen(sequence: bytes, style: str) -> None:
    assert styled(sequence + b"x") == [f"{style}x\x1b[0m" if style else "x"]


def test_an_overwritten_part_of_a_coloured_line_has_its_own_colour() -> None:
    assert styled(b"\x1b[31mredredred\x1b[0m\r\x1b[3Cnot") == [
        "\x1b[31mred\x1b[0mnot\x1b[31mred\x1b[0m"
    ]


def test_a_character_split_between_records_is_joined_and_one_never_ended_waits() -> None:
    euro = "€".encode()
    assert shown(euro[:1], euro[1:2], euro[2:]) == ["€"]
    assert shown(b"a" + euro[:2]) == ["a"]
    assert shown(euro[:2], b"x") == ["\ufffdx"]
    assert shown(("stdout", euro[:2]), ("stderr", b"!\n"), ("stdout", euro[2:])) == ["!", "€"]


def test_several_bars_that_move_the_cursor_between_them() -> None:
    writes = [
        b"\n" * bar + b"\rbar%d %3d%%" % (bar, step * 10) + b"\x1b[A" * bar
        for step in range(11)
        for bar in range(3)
    ]
    assert shown(*writes) == ["bar0 100%", "bar1 100%", "bar2 100%"]
    gone = [b"\n" * bar + b"\r         \r" + b"\x1b[A" * bar for bar in range(3)]
    assert shown(*writes, *gone) == []
    assert shown(*writes, *gone, b"done\n") == ["done"]


def test_each_stream_has_its_own_screen_unless_they_are_merged() -> None:
    writes: list[Write] = [("stderr", b"\r 50%"), b"loss 1\n", ("stderr", b"\r100%\n"), b"end\n"]
    assert shown(*writes) == ["loss 1", "100%", "end"]
    assert shown(*writes, merged=True) == [" 50%loss 1", "100%", "end"]


def test_a_line_says_whose_it_is_and_when_it_changed_last() -> None:
    writes: list[Write] = [b"a", ("stderr", b"e\n"), b"b\n", b"\x1b[Ac"]
    found = list(lines(entries(*writes)))
    assert found == [
        Line("e", "e", "stderr", 2, "w", 1, 2, 2),
        Line("cb", "cb", "stdout", 4, "w", 1, 1, 4),
    ]


def test_writers_do_not_share_a_screen() -> None:
    one = entries(b"one 1\r", b"one 2\r", writer="1")
    two = entries(b"two 1\r", b"two 2\n", writer="2")
    mixed = sorted([*one, *two], key=lambda e: e.order)
    assert [(line.writer, line.text) for line in lines(mixed)] == [("1", "one 2"), ("2", "two 2")]


def test_a_bar_that_lives_on_holds_nobody_up_and_ends_where_it_was_finished() -> None:
    state = ConsoleState()
    writes: list[Write] = [("stderr", b"\r  0%")]
    for n in range(1000):
        writes.append(b"line %d\n" % n)
        if n % 100 == 0:
            writes.append(("stderr", b"\r%3d%%" % (n // 10)))
    closed = [line for entry in entries(*writes) for line in state.add(entry)]
    assert [line.text for line in closed] == [f"line {n}" for n in range(901)]
    rest = [line.text for line in state.rest()]
    assert rest == [" 90%", *(f"line {n}" for n in range(901, 1000))]


def test_an_old_line_of_one_stream_comes_before_newer_ones_of_the_other() -> None:
    writes: list[Write] = [("stderr", b"warning\n"), *(b"%d\n" % n for n in range(300))]
    assert shown(*writes) == ["warning", *map(str, range(300))]


def test_what_scrolled_out_of_reach_cannot_be_overwritten() -> None:
    many = b"".join(b"%d\n" % n for n in range(250))
    found = shown(many + b"\x1b[999AX")
    assert found[: 250 - terminal.SCREEN + 1] == [str(n) for n in range(151)]
    assert found[151] == "X51"
    assert found[152:] == [str(n) for n in range(152, 250)]


@pytest.mark.parametrize("merged", [False, True])
def test_going_on_from_a_prefix_is_the_same_as_going_through(merged: bool) -> None:
    chance = random.Random(7)
    found = entries(*noise(chance, 400))
    whole = list(lines(found, merged=merged))
    for _ in range(20):
        cut = chance.randrange(len(found))
        state = ConsoleState(merged=merged)
        before = [line for entry in found[:cut] for line in state.add(entry)]
        then = state.rest()
        later = state.copy()
        after = [line for entry in found[cut:] for line in later.add(entry)]
        assert before + after + later.rest() == whole
        assert state.rest() == then, "going on from a copy changed the state"


def noise(chance: random.Random, count: int) -> list[tuple[str, bytes]]:
    """Writes such as no program makes on purpose."""
    parts = [b"text ", "ü训".encode(), b"\n", b"\r", b"\b", b"\t", b"\x1b", b"\x1b[", b"\xe2\x82"]
    parts += [b"\x1b[%d%c" % (chance.randrange(5), c) for c in b"ABCDEFGHJKLMPXm@sud"]
    parts += [b"\x1b]0;t", b"\x07", b"\x1b\\", b"\x1bM", b"\x1bD", b"\x1bc", b"\x1b[?1049h"]
    parts += [b"\x1b[?1049l", b"\x1b7", b"\x1b8", b"\n" * 60, b"\x9c", b"9;1"]
    return [
        (chance.choice(["stdout", "stderr"]), b"".join(chance.choices(parts, k=5)))
        for _ in range(count)
    ]


def test_no_bytes_whatever_are_too_much() -> None:
    chance = random.Random(11)
    for _ in range(50):
        mad: list[Write] = [*noise(chance, 50), *(chance.randbytes(50) for _ in range(20))]
        chance.shuffle(mad)
        for line in lines(entries(*mad)):
            assert not set(line.text) & {"\n", "\r", "\x1b", "\x07"}


def test_the_way_output_is_cut_into_records_changes_no_text() -> None:
    chance = random.Random(13)
    for _ in range(50):
        data = b"".join(text for _, text in noise(chance, 40))
        cuts = sorted(chance.choices(range(len(data)), k=20))
        parts = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
        assert shown(*parts) == shown(data)


def test_a_line_of_many_megabytes_is_whole() -> None:
    text = "".join(map(str, range(1_000_000)))
    (found,) = lines(entries(text.encode(), b"\n"))
    assert found.text == text
    (found,) = lines(entries(*[b"x" * 999] * 2000))
    assert len(found.text) == 999 * 2000
    assert found.number == 1
    after = list(lines(entries(*[b"x" * 999] * 2000, b"\n", b"next\n")))
    assert after[1].number > after[0].number


def test_a_full_row_that_was_overwritten_is_a_line_of_its_own() -> None:
    long = b"x" * (terminal.WIDTH + 10)
    assert shown(long + b"\x1b[A\r\x1b[Kshort") == ["short", "x" * 10]


def test_a_hundred_thousand_updates_of_one_line_are_cheap() -> None:
    updates = entries(*(b"\r%6d/100000 %s" % (n, b"#" * 60) for n in range(100_000)))
    state = ConsoleState()
    begin = time.process_time()
    for entry in updates:
        assert state.add(entry) == []
    assert time.process_time() - begin < 20
    (line,) = state.rest()
    assert line.text.startswith(" 99999/100000")


def test_a_million_rows_are_not_kept() -> None:
    state = ConsoleState()
    count = 0
    for entry in entries(*(b"row\n" * 1000 for _ in range(100))):
        count += len(state.add(entry))
        assert sum(len(t.screen.rows) for t in state._tubes.values()) <= terminal.SCREEN
    assert count + len(state.rest()) == 100_000


def test_the_console_of_a_view() -> None:
    found = [
        *entries(b"a\n", ("stderr", b"\x1b[31m<e>\x1b[0m\n"), b"b"),
        Entry(4, 4, "w", Config({"lr": 1})),
    ]
    console = ConsoleView(lambda: found)
    assert console.text == str(console) == "a\n<e>\nb\n"
    assert [line.text for line in console] == ["a", "<e>", "b"]
    assert len(console) == 3
    assert [line.text for line in console.merged] == ["a", "<e>", "b"]
    assert console.raw() == b"a\n\x1b[31m<e>\x1b[0m\nb"
    assert console.raw("stderr") == b"\x1b[31m<e>\x1b[0m\n"
    assert repr(console) == "<runlog console: 3 lines, last 'b'>"
    assert "&lt;e&gt;" in console._repr_html_()
    assert repr(ConsoleView(list)) == "<runlog console: 0 lines>"

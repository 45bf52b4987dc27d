"""The cell diff against a terminal emulator: what it sends must show what the whole stream shows."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.pty_program import Emulator
from tui.cells import Screen
from tui.frames import FrameReader
from tui.pens import DEFAULT_PEN, Pens, read_sgr

PIECES = [
    "p99", "fraud", " ", "   ", "          ", "0.71", "x3.9", "▁▂▃▄", "⣿⡇⠀⢸", "━┄─", "é", "ß", "日本", "漢", "😀",
    "Ω", "a b c",
]  # fmt: skip
CLUSTERS = ["e\u0301", "👩\u200d👩\u200d👧", "❤\ufe0f", "🇩🇪", "👍🏽"]
SGRS = [
    "", "", "1", "2", "1;2", "3", "4", "7", "9", "31", "32;44", "1;38;5;203", "38;2;1;2;3;48;2;18;18;18", "48;5;17",
    "97;100",
    "38;2;200;200;200;48;2;18;18;18", "2;38;2;200;200;200;48;2;18;18;18", "4;7;35",
]  # fmt: skip


class Twins:
    """Two emulators, one fed with everything and one with what the diff sends."""

    def __init__(self, width: int, height: int, *, cluster_width: Any = cell_len) -> None:
        self.whole = Emulator(width, height, cluster_width=cluster_width)
        self.diffed = Emulator(width, height, cluster_width=cluster_width)
        self.screen = Screen(width, height, Pens())
        self.reader = FrameReader(self.screen, self._send)
        self.bytes_whole = self.bytes_diffed = 0

    def _send(self, text: str) -> None:
        self.bytes_diffed += len(text.encode())
        self.diffed.feed(text)

    def write(self, data: str) -> None:
        self.bytes_whole += len(data.encode())
        self.whole.feed(data)
        self.reader.feed(data)
        self._send(self.screen.compose(self.reader.park))

    def resize(self, width: int, height: int) -> None:
        self.whole.resize(width, height)
        self.diffed.resize(width, height)
        self.screen = Screen(width, height, self.screen.pens)
        self.reader.resize(self.screen)

    def check(self) -> None:
        assert self.diffed.picture() == self.whole.picture()


def styled(rng: random.Random, text: str) -> str:
    sgr = rng.choice(SGRS)
    return f"\x1b[{sgr}m{text}\x1b[0m" if sgr else text


def run_of(rng: random.Random, width: int, pieces: list[str]) -> str:
    """Random text of exactly `width` cells in random styles."""
    out, used = [], 0
    while used < width:
        text = rng.choice(pieces)
        if used + cell_len(text) > width:
            text = " " * (width - used) if rng.random() < 0.5 else "x"
        out.append(styled(rng, text))
        used += cell_len(text)
    return "".join(out)


def frame(
    rng: random.Random, width: int, height: int, pieces: list[str], memory: dict[tuple[int, int, int], str]
) -> str:
    """A frame as Textual writes it: a region, row by row, some rows just as they were before."""
    top, bottom = sorted((rng.randrange(height), rng.randrange(height)))
    left, right = (0, width) if rng.random() < 0.4 else sorted((rng.randrange(width), rng.randrange(width) + 1))
    rows = []
    for y in range(top, bottom + 1):
        key = (y, left, right)
        if key not in memory or rng.random() < 0.4:
            blank = rng.random() < 0.2
            memory[key] = " " * (right - left) if blank else run_of(rng, right - left, pieces)
        rows.append(f"\x1b[{y + 1};{left + 1}H{memory[key]}")
    return "\n".join(rows) + f"\x1b[{rng.randint(1, height)};{rng.randint(1, width)}H"


@given(st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_the_diffed_stream_shows_what_the_whole_stream_shows(seed: int) -> None:
    rng = random.Random(seed)
    width, height = rng.choice([(80, 24), (40, 8), (13, 5), (120, 30)])
    twins = Twins(width, height)
    memory: dict[tuple[int, int, int], str] = {}
    pieces = rng.choice([PIECES[:7], PIECES, PIECES, PIECES + CLUSTERS])
    twins.write("\x1b[?1049h\x1b[?25l\x1b[2J")
    for _ in range(35):
        what = rng.random()
        if what < 0.02:
            twins.write("\x1b[2J")
        elif what < 0.04:
            width, height = rng.choice([(80, 24), (40, 8), (60, 20)])
            memory.clear()
            twins.resize(width, height)
            twins.write("".join(f"\x1b[{y + 1};1H{run_of(rng, width, pieces)}" for y in range(height)))
        elif what < 0.07:
            row = rng.randint(1, height)
            twins.write(
                rng.choice([f"\x1b[{row};3H\x1b[K", f"\x1b[{row};1H\x1b[L", "\x1b[1;1H\x1bM", f"\x1b[{row};4H\x1b[2X"])
            )
        elif what < 0.10:
            twins.write(rng.choice(["\x07", "\x1b]0;mltriage\x07", "\x1b[?1000h", "\x1b[?25h", "\x1b[?25l"]))
        else:
            twins.write(frame(rng, width, height, pieces, memory))
        twins.check()


def test_a_terminal_with_other_ideas_of_cluster_widths_shows_the_rest_of_the_line_in_place() -> None:
    rng = random.Random(7)
    twins = Twins(60, 6, cluster_width=lambda text: sum(max(1, cell_len(char)) for char in text))
    for _ in range(200):
        y, at = rng.randrange(6), rng.randrange(40)
        before, after = run_of(rng, at, PIECES[:5]), run_of(rng, 60 - at - 2, PIECES[:5])
        twins.write(f"\x1b[{y + 1};1H{before}{rng.choice(['👩' + chr(0x200D) + '👧', '❤' + chr(0xFE0F), '👍'])}{after}")
        shown = "".join(cell[0] for cell in twins.diffed.picture()[y])
        wanted = "".join(twins.screen.text[y])
        assert shown[:at] == wanted[:at]
        assert shown.endswith("".join(twins.screen.text[y][at + 2 :]))


def test_an_unchanged_frame_sends_nothing() -> None:
    twins = Twins(80, 24)
    rng = random.Random(1)
    rows = [f"\x1b[{y + 1};1H{run_of(rng, 80, PIECES)}" for y in range(24)]
    twins.write("\n".join(rows) + "\x1b[1;1H")
    twins.write("\x1b[?25l")
    sent = twins.bytes_diffed
    twins.write("\n".join(rows) + "\x1b[1;1H")
    twins.reader.forget_chunks()
    twins.write("\n".join(rows) + "\x1b[1;1H")
    assert twins.bytes_diffed == sent


def test_one_changed_digit_costs_a_jump_a_style_and_the_digit() -> None:
    twins = Twins(80, 24)
    twins.write("\x1b[?25l")
    line = "\x1b[10;1H\x1b[31m{:>40}\x1b[0m" + " " * 40 + "\x1b[1;1H"
    twins.write(line.format(1234))
    before = twins.bytes_diffed
    twins.write(line.format(1235))
    assert twins.bytes_diffed - before == len("\x1b[10;40H\x1b[31m5\x1b[m")
    twins.check()


def test_a_blank_tail_is_erased_rather_than_written() -> None:
    twins = Twins(80, 24)
    twins.write("\x1b[?25l\x1b[3;1H" + "x" * 80 + "\x1b[1;1H")
    before = twins.bytes_diffed
    twins.write("\x1b[3;1Hab" + " " * 78 + "\x1b[1;1H")
    assert twins.bytes_diffed - before == len("\x1b[3Hab\x1b[K")
    twins.check()


def test_a_wide_character_in_the_place_of_another_moves_nothing() -> None:
    twins = Twins(40, 3)
    line = "\x1b[2;1Ha{}b" + "." * 25 + "{}" + "." * 10
    twins.write(line.format("漢", 1))
    twins.write(line.format("日", 2))
    twins.check()


def test_a_cell_of_unknown_content_is_sent_even_if_it_was_sent_before() -> None:
    twins = Twins(20, 3)
    twins.write("\x1b[1;1Hhello")
    twins.write("\x1b[2;1H\x1b[5X")
    before = twins.bytes_diffed
    twins.write("\x1b[1;1Hhello")
    assert twins.bytes_diffed - before >= len("hello")
    twins.check()


@pytest.mark.parametrize(
    "data",
    [
        "\x1b]52;c;aGVsbG8=\x07",
        "\x1b]0;title\x1b\\",
        "\x1b[?1003h",
        "\x1b[>25u",
        "\x1b[?2026$p",
        "\x07",
        "\x1bPq\x1b\\",
        "\x1b[6n",
        "\x1b[2 q",
    ],
)
def test_what_is_not_painting_goes_through_unchanged(data: str) -> None:
    sent: list[str] = []
    screen = Screen(80, 24, Pens())
    FrameReader(screen, sent.append).feed(data)
    assert sent == [data]
    assert screen.compose() == ""


def test_synchronised_updates_are_noted_and_not_sent() -> None:
    sent: list[str] = []
    reader = FrameReader(Screen(80, 24, Pens()), sent.append)
    reader.feed("\x1b[?2026h")
    within = reader.in_sync
    reader.feed("\x1b[?2026l")
    assert (within, reader.in_sync, reader.synchronised) == (True, False, True)
    assert sent == []


def test_a_sequence_that_is_not_understood_is_sent_with_its_place_and_pen() -> None:
    sent: list[str] = []
    screen = Screen(80, 24, Pens())
    reader = FrameReader(screen, sent.append)
    reader.feed("\x1b[2;3H\x1b[31mred\x1b[4:3mcurly\x1b[0m")
    assert "".join(sent) == "\x1b[2;3H\x1b[31mred\x1b[m\x1b[2;6H\x1b[31m\x1b[4:3mcurly\x1b[0m\x1b[m"
    assert screen.compose() == ""


def test_a_hyperlink_belongs_to_its_cells() -> None:
    screen = Screen(80, 24, Pens())
    reader = FrameReader(screen, lambda _: None)
    link = "\x1b[1;1Hsee \x1b]8;id=1;https://example.org\x1b\\docs\x1b]8;;\x1b\\."
    reader.feed(link)
    assert screen.compose() == "\x1b[Hsee \x1b]8;id=1;https://example.org\x1b\\docs\x1b]8;;\x1b\\."
    reader.feed(link.replace("example.org", "example.com"))
    assert "example.com" in screen.compose()


@given(st.lists(st.sampled_from([s for s in SGRS if s] + ["0", "22", "39", "24", "21", "53"]), min_size=1, max_size=6))
def test_a_pen_change_does_what_the_whole_style_does(sgrs: list[str]) -> None:
    pens = Pens()
    pen = DEFAULT_PEN
    for sgr in sgrs:
        after = pens.read(pen, sgr)
        assert after is not None
        change = pens.change(pen, after)
        assert (change == "") == (pen == after)
        assert not change or pens.read(pen, change[2:-1]) == after
        pen = after


@pytest.mark.parametrize("parameters", ["38", "38;5", "38;2;1;2", "58;5;1", "200", "48;9;1"])
def test_an_unknown_style_is_not_guessed(parameters: str) -> None:
    assert read_sgr(("",) * 12, parameters) is None

"""Blocks of a sample are moved into one row group where they would lie over two."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from analysis.view import Window
from connectors.dialect import MICROS
from connectors.logfiles import RowGroup, aligned
from connectors.sqlsample import blocks

SPAN = Window(1_000, 5_000)


def groups(*bounds: float) -> list[RowGroup]:
    """Row groups that follow each other, cut at these seconds."""
    edges = [round(bound * MICROS) for bound in bounds]
    return [RowGroup(first, last - 1, 1_000) for first, last in pairwise(edges)]


def touched(block: Window, known: list[RowGroup]) -> int:
    return sum(g.first < block.end * MICROS and g.last >= block.start * MICROS for g in known)


def test_a_block_over_two_row_groups_is_moved_back_to_where_the_first_of_them_begins() -> None:
    known = groups(900, 1_040.5, 1_100, 1_200)
    (moved,) = aligned((Window(1_090, 1_120),), (SPAN,), known)
    assert moved == Window(1_041, 1_071)
    assert touched(moved, known) == 1


def test_what_fits_is_longer_or_has_no_room_stays_where_it_is() -> None:
    known = groups(900, 1_040, 1_100, 1_200)
    for block in (Window(1_050, 1_080), Window(1_090, 1_160), Window(1_030, 1_060), Window(9_000, 9_030)):
        assert aligned((block,), (SPAN,), known) == (block,)
    before = Window(1_041, 1_060)
    assert aligned((before, Window(1_090, 1_120)), (SPAN,), known) == (before, Window(1_090, 1_120))
    assert aligned((before,), (SPAN,), []) == (before,)


@given(
    st.lists(st.floats(500, 6_000), min_size=2, max_size=30, unique=True),
    st.floats(0.001, 0.45),
)
def test_blocks_keep_their_lengths_and_order_and_their_span(bounds: list[float], share: float) -> None:
    known, spans = groups(*sorted(bounds)), (SPAN, Window(6_000, 7_000))
    given_blocks = blocks(spans, share)
    moved = aligned(given_blocks, spans, known)
    assert [w.length for w in moved] == [w.length for w in given_blocks]
    assert all(a.end <= b.start for a, b in pairwise(moved))
    for one, other in zip(moved, given_blocks, strict=True):
        assert any(w.start <= one.start and one.end <= w.end for w in spans)
        assert touched(one, known) <= touched(other, known)

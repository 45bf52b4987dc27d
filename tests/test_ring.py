"""The ring asks for what is missing, and for what may still change, and for nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from analysis.evidence import Counts, Fetched
from analysis.slices import cut_counts, merge_counts
from analysis.view import Frame, View, Window
from connectors.base import UnreachableError
from tui.ring import Ring, fresh_from

KEY = (("m",),)


class Store:
    """Counts of one per bucket, plus what is added later; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Window, ...]] = []
        self.extra: dict[int, float] = {}
        self.down = False

    async def fetch(self, spans: Sequence[Window]) -> Fetched[Counts | None]:
        self.asked.append(tuple(spans))
        if self.down:
            raise UnreachableError("down")
        t = np.array([b for span in spans for b in range(span.start, span.end, 60)], dtype=np.int64)
        n = np.array([[1.0 + self.extra.get(int(b), 0.0)] for b in t]).reshape(len(t), 1)
        return Fetched(Counts(t, 60, KEY, n), "query")


def ring(store: Store) -> Ring[Counts]:
    return Ring(store.fetch, merge_counts, cut_counts)


async def test_a_second_read_asks_only_for_the_newest_buckets() -> None:
    store = Store()
    kept = ring(store)
    await kept.read((Window(0, 6000),), fresh_from=5880)
    await kept.read((Window(60, 6060),), fresh_from=5940)
    assert store.asked == [(Window(0, 6000),), (Window(5940, 6060),)]
    assert kept.value is not None
    assert kept.value.t.tolist() == list(range(60, 6060, 60))


async def test_a_row_that_arrives_late_replaces_its_bucket_instead_of_adding() -> None:
    store = Store()
    kept = ring(store)
    await kept.read((Window(0, 600),), fresh_from=480)
    store.extra[540] = 4.0
    await kept.read((Window(0, 600),), fresh_from=480)
    assert kept.value is not None
    assert kept.value.n.sum() == 10 + 4


async def test_buckets_outside_the_question_are_dropped() -> None:
    store = Store()
    kept = ring(store)
    await kept.read((Window(0, 600), Window(6000, 6600)), fresh_from=6480)
    await kept.read((Window(6000, 6600),), fresh_from=6480)
    assert kept.value is not None
    assert kept.value.t.min() == 6000
    await kept.read((Window(0, 600), Window(6000, 6600)), fresh_from=6480)
    assert store.asked[-1][0] == Window(0, 600)


async def test_a_failed_read_keeps_what_was_known() -> None:
    store = Store()
    kept = ring(store)
    await kept.read((Window(0, 600),), fresh_from=480)
    store.down = True
    with pytest.raises(UnreachableError):
        await kept.read((Window(60, 660),), fresh_from=540)
    assert kept.value is not None
    assert kept.value.n.sum() == 10
    store.down = False
    await kept.read((Window(60, 660),), fresh_from=540)
    assert kept.value.n.sum() == 10


def test_what_the_source_had_not_delivered_is_asked_again() -> None:
    frame: Frame = View(window_s=1800).frame(6000.0)
    assert fresh_from(frame, None) == frame.live.end - 120
    assert fresh_from(frame, 5000.0) == 4980
    assert fresh_from(frame, frame.live.end + 10.0) == frame.live.end - 120

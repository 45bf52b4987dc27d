"""A fall of accuracy that only a segment shows: looked for now and then, told beside what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from analysis.answer import Severity, Signal
from analysis.evidence import Fetched, Labels
from analysis.filters import Eq
from analysis.labels import merge_labels
from analysis.view import View, Window
from connectors.base import By, UnreachableError
from tests.evidence import after
from tests.evidence import steady as level
from tests.labelled import delays_of, labelled
from tests.stores import NOW, Logs, steady
from tests.test_session import Clock, session
from tui.scouting import EVERY_S
from tui.session import Session

VIEW = View(window_s=1_800)
FRAME = VIEW.frame(NOW)


def of(value: str, drop: float, per_minute: int, seed: int) -> Labels:
    right = after(FRAME.live.start - 1_200, -drop, 0.0) if drop else level(0.0)
    found = labelled(frame=FRAME, right=right, delays=delays_of(600.0), per_minute=per_minute, seed=seed)
    return replace(found, keys=(("fraud", value),))


def store(drop: float = 0.3) -> Logs:
    """Rows of two regions; the labels of one fall by `drop` and are a tenth of all."""
    logs = Logs(steady(every=5))
    whole = labelled(frame=FRAME, delays=delays_of(600.0), per_minute=330, model="fraud")
    apart = merge_labels(of("eu", drop, 30, 2), of("us", 0.0, 300, 3))

    def all_of_them(spans: Sequence[Window], step: int, known_at: float | None) -> Fetched[Labels | None]:
        return Fetched(whole, "labels")

    def by_region(by: By) -> Fetched[Labels | None]:
        assert by.field == "region"
        return Fetched(apart, "labels by region")

    logs.labels_logged, logs.labels_by = all_of_them, by_region
    return logs


async def explained(one: Session) -> list[str]:
    """Subjects of the findings about accuracy, after everything was asked."""
    await one.poll_all()
    await one.explain(one.answer()[1])
    return [f.subject for f in one.answer()[0].findings if f.signal is Signal.ACCURACY]


async def test_a_region_that_erodes_is_told_though_the_whole_has_not_moved() -> None:
    one = session(store(), view=VIEW)
    assert await explained(one) == ["region=eu"]
    snapshot = one.answer()[0]
    (finding,) = (f for f in snapshot.findings if f.signal is Signal.ACCURACY)
    assert finding.where[0].where == (("region", "eu"),)
    assert one.case(finding.key) is not None
    assert [row.state for row in snapshot.models] == [Severity.WARNING]


async def test_nothing_is_told_where_nothing_fell() -> None:
    assert await explained(session(store(0.0), view=VIEW)) == []


async def test_it_is_looked_for_seldom_and_what_is_known_of_a_view_comes_back_with_it() -> None:
    logs, clock = store(), Clock()
    one = session(logs, view=VIEW, clock=clock)

    def looks() -> int:
        return logs.names().count("top_values")

    assert await explained(one) == ["region=eu"]
    asked = looks()
    assert await explained(one) == ["region=eu"]
    assert looks() == asked
    one.ask(replace(VIEW, where=Eq("region", "us")))
    one.ask(VIEW)
    assert await explained(one) == ["region=eu"]
    assert looks() == asked
    clock.now += EVERY_S + 1
    assert await explained(one) == ["region=eu"]
    assert looks() > asked


@pytest.mark.parametrize("error", [UnreachableError("refused", "no route", "check the tunnel"), ValueError("odd")])
async def test_a_store_that_fails_at_it_is_asked_again_later(error: Exception) -> None:
    logs, clock = store(), Clock()
    one = session(logs, view=VIEW, clock=clock)
    logs.fails["top_values"] = error
    assert await explained(one) == []
    del logs.fails["top_values"]
    assert await explained(one) == []
    clock.now += EVERY_S + 1
    assert await explained(one) == ["region=eu"]

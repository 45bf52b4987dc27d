"""An error that neither the window nor its references know is NEW only if the day before does not know it either."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from analysis.answer import PanelStatus, State
from analysis.error_history import day_before, last_seen, unseen, with_history
from analysis.errors import error_cases, errors_panel
from analysis.evidence import Counts, ErrorCounts, Fetched, LogEvidence
from analysis.view import DAY_S, Baseline, Window
from connectors.base import UnreachableError
from tests.evidence import FRAME, NEWEST, NOW, ONSET, Model, after, model_logs, steady
from tests.stores import Logs, Metrics, Row
from tui.feeds import LogFeed, MetricFeed
from tui.lookback import CHUNK_S, RETRY_S, STEP_S, LookBack
from tui.question import Question

KEY = ("shop", "ValueError")
LAST = FRAME.span.start - 5 * 3_600


def logs_of(then: float = 0.004) -> LogEvidence:
    return model_logs(Model(errors={"timeout": steady(0.002), "ValueError": after(ONSET, then, 0.0)}))


def errors_of(then: float = 0.004) -> ErrorCounts:
    errors = logs_of(then).errors
    assert errors is not None
    return errors


def counted(at: Sequence[int], key: tuple[str, str] = KEY) -> ErrorCounts:
    t = np.array(at, dtype=np.int64)
    return ErrorCounts(Counts(t, STEP_S, (key,), np.ones((len(t), 1))), {})


class Past:
    """A store that had errors at some times, and what it was asked."""

    def __init__(self, *at: int) -> None:
        self.at, self.asked, self.fails = at, list[Window](), False

    async def __call__(self, spans: Sequence[Window], step: int) -> Fetched[ErrorCounts | None]:
        if self.fails:
            raise UnreachableError("no answer")
        self.asked += spans
        inside = sorted({t // step * step for t in self.at for span in spans if span.start <= t < span.end})
        return Fetched(counted(inside) if inside else None, "")


def test_the_day_before_leaves_out_what_the_references_hold() -> None:
    spans = day_before(FRAME, FRAME.references)
    assert spans == (Window(FRAME.live.start - DAY_S, FRAME.span.start),)


def test_only_an_error_that_the_references_do_not_have_is_looked_for() -> None:
    assert unseen(errors_of(), FRAME) == {KEY}
    assert unseen(errors_of(0.0), FRAME) == frozenset()


def test_an_error_of_the_night_before_is_back_and_says_after_how_long() -> None:
    logs = logs_of(0.01)
    assert logs.errors is not None
    assert logs.traffic is not None
    known = with_history(logs.errors, last_seen(counted([LAST - 600, LAST])), FRAME)
    (case,) = error_cases(known, logs.traffic, FRAME, NEWEST, "shop")
    hours = round((ONSET - LAST - STEP_S) / 3_600)
    assert case.finding.title.startswith("ValueError 0% -> ")
    assert f"back after ~{hours}h" in case.finding.title
    panel = errors_panel(known, logs.traffic, FRAME, "shop", PanelStatus(State.LIVE))
    assert [row.state for row in panel.rows] == ["back", "steady"]
    assert panel.rows[0].first_seen == logs.errors.first_seen[KEY]


def test_a_handful_of_an_error_that_is_known_from_the_night_is_no_finding() -> None:
    logs = logs_of()
    assert logs.errors is not None
    assert logs.traffic is not None
    few = logs.errors.counts.n.copy()
    few[:, logs.errors.counts.keys.index(KEY)] = 0
    few[-4:, logs.errors.counts.keys.index(KEY)] = 1
    errors = replace(logs.errors, counts=replace(logs.errors.counts, n=few))
    assert [c.finding.title[-3:] for c in error_cases(errors, logs.traffic, FRAME, NEWEST, "shop")] == ["NEW"]
    back = with_history(errors, {KEY: float(LAST)}, FRAME)
    assert error_cases(back, logs.traffic, FRAME, NEWEST, "shop") == []


def test_what_was_seen_more_than_a_day_before_or_after_the_window_does_not_count() -> None:
    for at in (FRAME.live.start - DAY_S - 1.0, FRAME.live.end + 1.0):
        assert with_history(errors_of(), {KEY: at}, FRAME).before == {}


async def test_the_store_is_asked_in_pieces_until_the_error_is_seen_and_never_twice() -> None:
    past = Past(LAST)
    look = LookBack(past, lambda: NOW)
    assert await look.read(errors_of(), FRAME)
    assert past.asked == [Window(FRAME.span.start - CHUNK_S, FRAME.span.start)]
    assert not await look.read(errors_of(), FRAME)
    assert len(past.asked) == 1
    told = look.told(errors_of(), FRAME)
    assert told is not None
    assert told.before[KEY] <= LAST + STEP_S


async def test_an_error_without_a_past_costs_one_day_and_is_new() -> None:
    past = Past()
    look = LookBack(past, lambda: NOW)
    assert not await look.read(errors_of(), FRAME)
    assert sum(span.length for span in past.asked) == FRAME.span.start - (FRAME.live.start - DAY_S)
    assert max(span.length for span in past.asked) <= CHUNK_S
    before = len(past.asked)
    assert not await look.read(errors_of(), FRAME)
    assert len(past.asked) == before
    told = look.told(errors_of(), FRAME)
    assert told is not None
    assert told.before == {}


async def test_without_such_an_error_nobody_is_asked() -> None:
    past = Past(LAST)
    look = LookBack(past, lambda: NOW)
    assert not await look.read(errors_of(0.0), FRAME)
    assert not await look.read(None, FRAME)
    assert past.asked == []


async def test_a_store_that_fails_is_asked_again_after_a_minute_and_the_notes_say_so() -> None:
    now = [float(NOW)]
    past = Past(LAST)
    past.fails = True
    look = LookBack(past, lambda: now[0])
    assert await look.read(errors_of(), FRAME)
    assert "no answer" in look.problem
    past.fails = False
    assert not await look.read(errors_of(), FRAME)
    now[0] += RETRY_S
    assert await look.read(errors_of(), FRAME)
    assert look.problem == ""


def rows_of(*errors: float) -> list[Row]:
    usual = [Row(float(t), "fraud") for t in range(int(NOW) - DAY_S, int(NOW), 300)]
    return usual + [Row(at, "fraud", error="oom") for at in errors]


async def test_both_kinds_of_feed_tell_that_an_error_is_back() -> None:
    live = [NOW - 60.0 * i for i in range(1, 6)]
    question = Question(FRAME)
    feed = LogFeed(Logs(rows_of(float(LAST), *live)), (0.0, 1.0), lambda: float(NOW))
    async for _ in feed.poll(question):
        pass
    assert feed.evidence is not None
    assert feed.evidence.errors is not None
    assert feed.evidence.errors.before.keys() == {("fraud", "oom")}
    quiet = MetricFeed(Metrics(rows_of()), lambda: float(NOW))
    async for _ in quiet.poll(question):
        pass
    assert quiet.evidence is not None
    assert quiet.notes == ()


async def test_an_error_of_another_version_that_the_night_knew_is_back_too() -> None:
    versions = [replace(row, version="41" if i % 2 else "42") for i, row in enumerate(rows_of())]
    live = [Row(NOW - 60.0 * i, "fraud", version="42", error="oom") for i in range(1, 6)]
    night = Row(float(FRAME.live.start - 7_000), "fraud", version="42", error="oom")
    feed = LogFeed(Logs([*versions, night, *live]), (0.0, 1.0), lambda: float(NOW))
    async for _ in feed.poll(Question(FRAME, baseline=Baseline("version", version="41"))):
        pass
    assert feed.evidence is not None
    assert feed.evidence.errors is not None
    assert feed.evidence.errors.before.keys() == {("fraud", "oom")}

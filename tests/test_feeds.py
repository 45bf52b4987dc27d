"""A feed asks a store what is new, keeps what it heard, and says in which state it is."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from analysis.answer import State
from analysis.evidence import CategoryBins, Fetched, Labels, LogEvidence
from analysis.filters import Eq, Not
from analysis.view import Baseline, View, Window
from connectors.base import FeatureSpec, UnreachableError
from tests.labelled import labelled
from tests.stores import NOW, Logs, Metrics, Row, steady
from tui.feeds import REBIN_S, REDISCOVER_S, LogFeed, MetricFeed
from tui.question import Question

EDGES = (0.0, 0.5, 1.0)


class Clock:
    """A clock that a test sets."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def question(clock: Clock, view: View | None = None) -> Question:
    view = view or View(window_s=600)
    return Question(view.frame(clock()), view.where, view.baseline, view.end)


async def poll(feed: LogFeed | MetricFeed, asked: Question) -> int:
    """Poll to the end; how often something was new."""
    return len([None async for _ in feed.poll(asked)])


def requests(feed: LogFeed, window: Window, version: str | None = None) -> float:
    assert feed.evidence is not None
    assert feed.evidence.traffic is not None
    counts = feed.evidence.traffic.requests
    inside = (counts.t >= window.start) & (counts.t < window.end)
    keys = [i for i, key in enumerate(counts.keys) if version in (None, key[1])]
    return float(counts.n[inside][:, keys].sum())


async def test_the_first_answer_arrives_in_parts_and_a_refresh_at_once() -> None:
    clock, store = Clock(), Logs(steady())
    feed = LogFeed(store, EDGES, clock)
    seen: list[LogEvidence | None] = []
    async for _ in feed.poll(question(clock)):
        seen.append(feed.evidence)
    assert [bool(e and e.traffic) for e in seen] == [True] * 7
    assert [bool(e and e.errors) for e in seen] == [False] + [True] * 6
    assert [bool(e and e.features) for e in seen] == [False] * 3 + [True] * 4
    assert feed.status.state is State.LIVE
    assert await poll(feed, question(clock)) == 1


async def test_a_refresh_reads_only_what_may_have_changed() -> None:
    clock, store = Clock(), Logs(steady())
    feed = LogFeed(store, EDGES, clock)
    await poll(feed, question(clock))
    clock.now += 60
    store.rows += steady(clock.now, 60)
    store.asked.clear()
    await poll(feed, question(clock))
    reads = [spans for name, spans, _ in store.asked if name in ("series", "errors", "features")]
    assert len(reads) == 3
    assert all(span.start >= NOW - 120 for spans in reads for span in spans)
    assert "feature_bins" not in store.names()


async def test_a_row_that_arrives_late_is_counted_once() -> None:
    clock, store = Clock(), Logs(steady(NOW - 60))
    feed = LogFeed(store, EDGES, clock)
    await poll(feed, question(clock))
    live = question(clock).frame.live
    before = requests(feed, live)
    store.rows += [Row(NOW - 90), Row(NOW - 30)]
    await poll(feed, question(clock))
    await poll(feed, question(clock))
    assert requests(feed, live) == before + 2


async def test_all_labels_are_read_again_each_minute_because_old_rows_gain_them() -> None:
    clock, store = Clock(), Logs(steady())
    feed = LogFeed(store, EDGES, clock)
    reads: list[tuple[int, int]] = []

    def answer(spans: Sequence[Window], step: int, known_at: float | None) -> Fetched[Labels | None]:
        reads.append((min(w.start for w in spans), max(w.end for w in spans)))
        return Fetched(labelled(frame=question(clock).frame, per_minute=6), "labels", elapsed_s=5.0)

    store.labels_logged = answer
    spans = [question(clock).frame.span]
    for _ in range(4):
        await poll(feed, question(clock))
        clock.now += 30
    assert reads == [(spans[0].start, spans[0].end)], "reading takes 5 s, so a minute is too often"
    assert feed.evidence is not None
    assert feed.evidence.labels is not None
    for view in (None, View(window_s=600, end=int(clock.now)), View(window_s=600, end=int(clock.now) - 60)):
        spans.append(question(clock, view).frame.span)
        await poll(feed, question(clock, view))
    assert reads == [(span.start, span.end) for span in spans], "each moment of the past knows other labels"


async def test_a_pinned_moment_is_told_to_the_store() -> None:
    clock, store = Clock(), Logs(steady())
    moments: list[float | None] = []

    def answer(spans: Sequence[Window], step: int, known_at: float | None) -> Fetched[Labels | None]:
        moments.append(known_at)
        return Fetched(None, "labels")

    store.labels_logged = answer
    feed = LogFeed(store, EDGES, clock)
    await poll(feed, question(clock))
    await poll(feed, question(clock, View(window_s=600, end=int(NOW) - 60)))
    assert moments == [None, NOW - 60]


async def test_older_files_that_appear_later_fill_the_baseline() -> None:
    clock, store = Clock(), Logs(steady(seconds=900))
    feed = LogFeed(store, EDGES, clock)
    await poll(feed, question(clock))
    oldest = question(clock).frame.references[-1]
    assert requests(feed, oldest) == 0
    store.rows += steady(NOW - 900, 3 * 3_600)
    await poll(feed, question(clock))
    assert requests(feed, oldest) == 60


async def test_a_failure_keeps_the_evidence_and_says_since_when_until_an_answer_clears_it() -> None:
    clock, store = Clock(), Logs(steady())
    feed = LogFeed(store, EDGES, clock)
    await poll(feed, question(clock))
    kept = feed.evidence
    feed.failed(UnreachableError("refused", "no route", "check the tunnel"))
    clock.now += 30
    feed.failed(UnreachableError("refused", "still", "check the tunnel"))
    status = feed.status
    assert (status.state, status.error, status.hint) == (State.FAILED, "refused: still", "check the tunnel")
    assert status.failing_since == NOW
    assert feed.evidence is kept
    await poll(feed, question(clock))
    status = feed.status
    assert (status.state, status.error, status.hint, status.failing_since) == (State.LIVE, None, None, None)


async def test_an_unexpected_error_is_named_by_its_class() -> None:
    feed = LogFeed(Logs(), EDGES, Clock())
    feed.failed(ValueError("odd"))
    assert feed.status.error == "unexpected ValueError: odd"


async def test_old_data_is_stale_and_none_is_empty() -> None:
    clock = Clock()
    for rows, state in ((steady(NOW - 600), State.STALE), ([], State.EMPTY), ([Row(NOW + 7_200)], State.EMPTY)):
        feed = LogFeed(Logs(rows), EDGES, clock)
        await poll(feed, question(clock))
        assert feed.status.state is state


async def test_a_past_window_is_live_when_there_were_rows_at_its_end() -> None:
    clock = Clock()
    feed = LogFeed(Logs(steady()), EDGES, clock)
    await poll(feed, question(clock, View(window_s=600, end=int(NOW) - 3_600)))
    assert feed.status.state is State.LIVE


async def test_a_pinned_moment_inside_the_last_bucket_is_live() -> None:
    moment = NOW - 3_000
    feed = LogFeed(Logs(steady(moment)), EDGES, Clock())
    long = View(window_s=3 * 86_400, end=int(moment))
    assert long.frame(NOW).live.end - moment > 180
    await poll(feed, question(Clock(), long))
    assert feed.status.state is State.LIVE


async def test_a_row_from_the_future_does_not_hide_that_the_data_stopped() -> None:
    clock = Clock()
    feed = LogFeed(Logs([*steady(NOW - 300), Row(NOW + 3_600)]), EDGES, clock)
    await poll(feed, question(clock))
    assert feed.status.state is State.STALE
    assert feed.status.newest_sample == NOW - 300
    assert any("1h in the future" in note for note in feed.notes)


async def test_a_store_that_cannot_describe_itself_at_first_is_asked_again() -> None:
    clock, store = Clock(), Logs(steady())
    store.fails["describe"] = UnreachableError("no log files")
    feed = LogFeed(store, EDGES, clock)
    with pytest.raises(UnreachableError):
        await poll(feed, question(clock))
    assert feed.schema is None
    del store.fails["describe"]
    await poll(feed, question(clock))
    assert feed.status.state is State.LIVE
    assert "series" in store.names()


async def test_bins_stay_those_of_the_first_look_at_a_baseline() -> None:
    clock, store = Clock(), Logs(steady())
    feed = LogFeed(store, EDGES, clock)
    await poll(feed, question(clock))
    store.rows += steady(NOW, 600, 5, merchant="games")
    await poll(feed, question(clock, View(window_s=900)))
    await poll(feed, question(clock))
    assert feed.evidence is not None
    bins = feed.evidence.features["merchant"].bins
    assert isinstance(bins, CategoryBins)
    assert "games" not in bins.labels
    assert store.names().count("feature_bins") == 2


async def test_bins_are_asked_for_again_while_the_baseline_is_empty() -> None:
    clock, store = Clock(), Logs(steady(seconds=300))
    feed = LogFeed(store, EDGES, clock)
    await poll(feed, question(clock))
    assert feed.evidence is not None
    assert not feed.evidence.features
    await poll(feed, question(clock))
    assert store.names().count("feature_bins") == 1
    clock.now += REBIN_S
    store.rows += steady(NOW - 300)
    await poll(feed, question(clock))
    assert feed.evidence.features


async def test_a_fixed_baseline_is_not_read_again_as_the_clock_moves() -> None:
    clock, store = Clock(), Logs(steady())
    fixed = View(window_s=600, baseline=Baseline("range", Window(int(NOW) - 9_000, int(NOW) - 3_000)))
    feed = LogFeed(store, EDGES, clock)
    await poll(feed, question(clock, fixed))
    store.asked.clear()
    clock.now += 120
    await poll(feed, question(clock, fixed))
    assert "feature_bins" not in store.names()
    assert all(span.start >= NOW - 120 for name, spans, _ in store.asked if name != "labels" for span in spans)


async def test_columns_that_change_are_read_anew() -> None:
    clock, store = Clock(), Logs(steady())
    feed = LogFeed(store, EDGES, clock)
    await poll(feed, question(clock))
    store.features_logged = (*store.features_logged, FeatureSpec("amount", "numeric"))
    await poll(feed, question(clock))
    assert store.names().count("feature_bins") == 2


async def test_another_version_is_compared_over_the_same_time() -> None:
    clock = Clock()
    frame = View(window_s=600).frame(NOW)
    old = [Row(float(t), version="41") for t in range(frame.live.start, frame.live.end, 5)]
    new = [Row(float(t), version="42") for t in range(frame.live.start, frame.live.end, 20)]
    store = Logs([*old, *new])
    feed = LogFeed(store, EDGES, clock)
    await poll(feed, question(clock, View(window_s=600, baseline=Baseline("version", version="41"))))
    assert requests(feed, frame.live, "42") == 30
    assert requests(feed, frame.live, "41") == 0
    assert requests(feed, frame.references[0], "41") == 120
    assert requests(feed, frame.references[0], "42") == 0
    assert feed.evidence is not None
    assert feed.evidence.features["merchant"].n.sum() == 150
    wheres = {where for name, _, where in store.asked if name == "series"}
    assert wheres == {Eq("version", "41"), Not(Eq("version", "41"))}


async def test_a_metric_store_is_discovered_again_after_a_while() -> None:
    clock, store = Clock(), Metrics(steady())
    feed = MetricFeed(store, clock)
    for _ in range(2):
        await poll(feed, question(clock))
    assert store.names().count("discover") == 1
    clock.now += REDISCOVER_S + 1
    await poll(feed, question(clock))
    assert store.names().count("discover") == 2
    assert feed.notes == (), "what is not exposed is for doctor"


async def test_metrics_keep_their_ring_when_the_filter_changes() -> None:
    clock, store = Clock(), Metrics(steady())
    feed = MetricFeed(store, clock)
    await poll(feed, question(clock))
    store.asked.clear()
    filtered = question(clock, View(window_s=600, where=Eq("region", "eu")))
    assert feed.covers(filtered)
    await poll(feed, filtered)
    spans = [spans for name, spans, _ in store.asked if name == "metrics"]
    assert all(span.start >= NOW - 120 for one in spans for span in one)

"""What the scrape store answers from memory while no page answers."""

from __future__ import annotations

from dataclasses import replace

import httpx
import numpy as np
import pytest

from analysis.answer import State
from analysis.filters import Eq
from analysis.view import View, Window
from connectors.base import By, SourceError
from connectors.scrape import ScrapeStore
from tests.metrics_fleet import START
from tests.test_scrape import Clock, pages
from tui.feeds import MetricFeed
from tui.question import Question


async def test_questions_about_the_past_are_answered_while_the_pages_are_dead() -> None:
    texts = [f'model_requests_total{{model="a",version="{v}"}} {n}\n' for n in (0, 90) for v in ("1", "2")]
    page = ["".join(texts[:2])]
    clock, minute = Clock(), Window(START, START + 60)

    def answer() -> str | httpx.Response:
        return page[0] if page[0] else httpx.Response(503)

    store = ScrapeStore(["http://x:1"], transport=pages({"x:1": answer}), clock=clock)
    await store.poll()
    clock.now, page[0] = START + 60, "".join(texts[2:])
    await store.poll()
    clock.now, page[0] = START + 120, ""
    with pytest.raises(SourceError):
        await store.watermark()
    traffic = (await store.metrics([minute], 60)).value.traffic
    assert traffic is not None
    assert np.nansum(traffic.requests.n) == pytest.approx(180, rel=0.02)
    cube = (await store.segments([minute], "a", None)).value
    assert cube.n.sum() == pytest.approx(180, rel=0.02)
    split = (await store.traffic_by([minute], 60, "a", By("version", ("1", "2")))).value
    assert [float(np.nansum(split.requests.n[:, i])) for i in range(2)] == pytest.approx([90, 90], rel=0.02)
    assert 'version="2"' in await store.count_promql("a", Eq("version", "2"), minute)
    await store.close()


async def test_a_filter_chosen_while_the_pages_are_dead_is_answered_from_memory() -> None:
    grow = (f'model_requests_total{{model="a",version="{v}"}} {{n}}\n' for v in ("1", "2"))
    text, clock, alive = "".join(grow), Clock(START + 600), [True]

    def answer() -> str | httpx.Response:
        return text.replace("{n}", str(clock.now - START)) if alive[0] else httpx.Response(503)

    store = ScrapeStore(["http://x:1"], transport=pages({"x:1": answer}), clock=clock)
    for _ in range(8):
        await store.poll()
        clock.now += 15
    feed = MetricFeed(store, clock)
    view = View(window_s=300)
    async for _ in feed.poll(Question.of(view, view.frame(clock()))):
        pass
    alive[0] = False
    clock.now += 15
    narrow = replace(view, where=Eq("version", "2"))
    with pytest.raises(SourceError) as failure:
        async for _ in feed.poll(Question.of(narrow, narrow.frame(clock()))):
            pass
    feed.failed(failure.value)
    assert feed.status.state is State.FAILED
    assert feed.answered is not None
    assert feed.answered.where == narrow.where
    assert feed.evidence is not None
    assert feed.evidence.traffic is not None
    assert np.nansum(feed.evidence.traffic.requests.n) == pytest.approx(120, abs=20)
    await store.close()

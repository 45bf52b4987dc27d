"""Explaining a finding from a log that is too large to count whole: first from a sample, then in full."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.answer import Finding, Severity, Signal
from analysis.cases import Case
from analysis.filters import Not, Null
from analysis.view import View
from connectors import sqlsample
from connectors.duckdb_store import DuckDbStore
from tests.logs import START, rows, write_parquet
from tui import explaining
from tui.explaining import Explainer
from tui.feeds import LogFeed
from tui.session import Session

END = START + 3_600
VIEW = View(window_s=900, end=END, models=("fraud",))
FAILED = Not(Null("error_type"))


@pytest.fixture
async def session(tmp_path: Path) -> AsyncIterator[Session]:
    """A log of an hour in whose last quarter the free tier in eu-w1 fails, after one poll."""
    frame = rows(24_000)
    broken = (frame["ts"] >= pd.to_datetime(END - 900, unit="s")) & (frame["region"] == "eu-w1")
    broken &= (frame["tier"] == "free") & (np.arange(len(frame)) % 3 > 0)
    frame.loc[broken, "error_type"] = "Timeout"
    write_parquet(tmp_path / "a.parquet", frame, row_group=2_048)
    store = DuckDbStore([str(tmp_path)])
    one = Session([LogFeed(store, (0.0, 0.5, 1.0), lambda: float(END))], (), VIEW, clock=lambda: float(END))
    await one.poll_all()
    yield one
    await one.close()


def case(session: Session) -> Case:
    """The rise of the errors, with its rows."""
    finding = Finding(Signal.ERROR, "fraud", Severity.CRITICAL, "errors rose", 5, 5, 1, 1)
    return Case(finding, FAILED, session.frame().live)


async def test_a_sampled_ranking_is_told_first_and_then_counted_in_full(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = case(session)
    whole = Explainer(session.logs, session.clock)
    assert await whole.explain([one], session.question(), lambda: True, lambda: None)
    expected = whole.found[one.finding.key].answer.segments[0]
    monkeypatch.setattr(explaining, "CELLS", 0)
    monkeypatch.setattr(sqlsample, "SAMPLE_ROWS", 2_000)
    explainer = Explainer(session.logs, session.clock)
    previews: list[float] = []

    def preview() -> None:
        segment = explainer.found[one.finding.key].answer.segments[0]
        assert segment.sampled
        previews.append(segment.counted)

    assert await explainer.explain([one], session.question(), lambda: True, preview)
    (found,) = explainer.found[one.finding.key].answer.segments
    # The ranking comes before anything is counted, and then how far the counting is.
    assert previews[0] == 0
    assert previews == sorted(set(previews))
    assert len(previews) == 1 + explaining.PIECES
    assert previews[-1] < 1
    assert dict(found.where) == {"region": "eu-w1", "tier": "free"} == dict(expected.where)
    assert not found.sampled
    assert (found.n, found.rate_in, found.rate_before) == pytest.approx(
        (expected.n, expected.rate_in, expected.rate_before)
    )
    assert found.share_of_change == pytest.approx(expected.share_of_change, abs=0.1)


async def test_traffic_in_a_large_log_is_searched_in_a_sample(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explaining, "CELLS", 0)
    monkeypatch.setattr(sqlsample, "SAMPLE_ROWS", 2_000)
    finding = Finding(Signal.REQUEST_RATE, "fraud", Severity.WARNING, "requests fell", -1, 1, 1, 1)
    explainer = Explainer(session.logs, session.clock)
    steady = Case(finding, None, session.frame().live)
    assert not await explainer.explain([steady], session.question(), lambda: True, lambda: None)
    assert explainer.found[finding.key].answer.segments == ()
    assert not explainer.notes

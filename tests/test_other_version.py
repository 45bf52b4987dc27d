"""Another version of the metrics as the baseline: of counts, on the screen's answer, and where it is not known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analysis.answer import ErrorsPanel as ErrorsPart
from analysis.answer import PanelStatus, Signal, State
from analysis.evidence import Counts, MetricEvidence, Traffic
from analysis.other_version import against_version
from analysis.view import Baseline, Frame, View, Window
from connectors.scrape import ScrapeStore
from tests.labelled_fleet import END, labelled_text
from tests.panel_app import LOOK
from tests.sample import sample
from tui.feeds import MetricFeed
from tui.session import Session
from widgets.errors import ErrorsPanel
from widgets.lines import plain
from widgets.look import Scene

LIVE = Window(1_200, 1_800)
FRAME = Frame(LIVE, (Window(600, 1_200), Window(0, 600)), 600)


def counts(*rows: tuple[float, float], versions: tuple[str, str] = ("41", "42")) -> Counts:
    """Three windows of one bucket each, the oldest first."""
    return Counts(np.array([0, 600, 1_200]), 600, tuple(("a", v) for v in versions), np.array(rows, dtype=np.float64))


def evidence(requests: Counts, errors: Counts | None) -> MetricEvidence:
    return MetricEvidence(Traffic(requests, errors, None), None, {}, ())


def column(part: Counts, version: str) -> list[float]:
    n = part.n[:, part.keys.index(("a", version))]
    return [float(n[part.t == t].sum()) for t in (0, 600, 1_200)]


def test_the_other_version_of_this_very_window_is_the_newest_reference() -> None:
    known = evidence(counts((10, 1), (20, 2), (30, 3)), counts((1, 0), (2, 0), (3, 1)))
    split = against_version(known, "41", FRAME)
    assert split is not None
    assert split.traffic is not None
    assert column(split.traffic.requests, "41") == [20, 30, 0]
    assert column(split.traffic.requests, "42") == [0, 0, 3]
    assert split.traffic.errors is not None
    assert column(split.traffic.errors, "41") == [2, 3, 0]
    assert column(split.traffic.errors, "42") == [0, 0, 1]


def test_errors_without_a_version_are_left_out_and_an_unknown_version_splits_nothing() -> None:
    blind = counts((1, 0), (2, 0), (3, 0), versions=("", " "))
    blind = Counts(blind.t, blind.step, (("a", ""),), blind.n[:, :1])
    known = evidence(counts((10, 1), (20, 2), (30, 3)), blind)
    split = against_version(known, "41", FRAME)
    assert split is not None
    assert split.traffic is not None
    assert split.traffic.errors is None
    assert against_version(known, "7", FRAME) is None


@pytest.mark.parametrize("version", ["41", "7"])
async def test_versions_of_metrics_alone_are_compared_with_each_other(tmp_path: Path, version: str) -> None:
    path = tmp_path / "metrics.om"
    path.write_text(labelled_text())
    feed = MetricFeed(ScrapeStore([str(path)], clock=lambda: END), lambda: float(END))
    view = View(window_s=900, end=END, baseline=Baseline("version", version=version))
    session = Session([], [feed], view, clock=lambda: float(END))
    await session.poll(feed)
    snapshot, cases = session.answer()
    assert any(f"metrics tell no version {version}" in note for note in snapshot.notes) == (version == "7")
    if version == "41":
        assert any(note.startswith("baseline: version 41") for note in snapshot.notes)
        (row,) = snapshot.models
        assert row.compared
        assert await session.explain(cases)
        error = next(f for f in session.answer()[0].findings if f.signal is Signal.ERROR)
        assert dict(error.where[0].where) == {"route": "/score"}
    await session.close()


def test_a_source_that_tells_no_kinds_of_errors_does_not_say_that_there_were_none() -> None:
    part = ErrorsPart(PanelStatus(State.LIVE), "a", n=2_900, ratio=0.08, ratio_baseline=0.002)
    (line,) = ErrorsPanel(LOOK).empty(part, Scene.of(sample()), 80)
    assert plain(line) == "  8.0% of 2.9k requests failed: of which kind is not told"
    (line,) = ErrorsPanel(LOOK).empty(replace(part, ratio=0.0), Scene.of(sample()), 80)
    assert plain(line) == "  no errors in 2.9k requests"

"""What panels say and do, apart from how they look."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from textual.geometry import Region

from analysis.answer import Signal, State
from analysis.cases import all_requests
from analysis.causes import told
from analysis.evidence import NumericBins, just_above
from analysis.filters import parse_filter
from analysis.view import Window
from tests.panel_app import LOOK, PANELS, PanelApp, give
from tests.sample import sample
from widgets.accuracy import AccuracyPanel
from widgets.changes import ChangesPanel
from widgets.confidence import ConfidencePanel
from widgets.errors import ErrorsPanel
from widgets.features import FeaturesPanel
from widgets.header import HeaderPanel
from widgets.infra import InfraPanel
from widgets.latency import LatencyPanel
from widgets.lines import cells
from widgets.listing import ListPanel
from widgets.look import Look, Scene
from widgets.models import ModelsPanel
from widgets.panel import Panel, same, text_of
from widgets.segments import SegmentsPanel
from widgets.text import share

ROOT = Path(__file__).resolve().parent.parent
DATA_PANELS = (LatencyPanel, ConfidencePanel, ErrorsPanel, FeaturesPanel, InfraPanel, AccuracyPanel)


class Refreshes:
    """Counts what a panel asks to have repainted."""

    def __init__(self, panel: Panel[Any], monkeypatch: pytest.MonkeyPatch) -> None:
        self.regions: list[Region | None] = []
        original = panel.refresh

        def refresh(*regions: Region, **options: Any) -> Any:
            self.regions.extend(regions or [None])
            return original(*regions, **options)

        monkeypatch.setattr(panel, "refresh", refresh)


@pytest.mark.parametrize("kind", PANELS)
async def test_an_equal_part_draws_and_refreshes_nothing(
    kind: type[Panel[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = PanelApp(kind(LOOK))
    async with app.run_test(size=(100, 20)):
        counted = Refreshes(app.panels[0], monkeypatch)
        drawn: list[object] = []
        monkeypatch.setattr(app.panels[0], "_draw", lambda: drawn.append(1))
        give(app.panels[0], sample())
        assert (counted.regions, drawn) == ([], [])


@pytest.mark.parametrize("kind", DATA_PANELS)
async def test_when_only_time_passes_only_lines_with_ages_are_refreshed(
    kind: type[Panel[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = PanelApp(kind(LOOK))
    async with app.run_test(size=(100, 20)):
        counted = Refreshes(app.panels[0], monkeypatch)
        panel = app.panels[0]
        assert panel.scene is not None
        panel.show(panel.part, replace(panel.scene, now=panel.scene.now + 3))
        assert counted.regions == [Region(0, 0, 100, 1)]


async def test_one_changed_model_refreshes_its_row_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    app = PanelApp(ModelsPanel(LOOK))
    async with app.run_test(size=(100, 20)):
        counted = Refreshes(app.panels[0], monkeypatch)
        models = app.snapshot.models
        changed = (*models[:3], replace(models[3], error_ratio=0.03), *models[4:])
        give(app.panels[0], replace(app.snapshot, models=changed))
        assert counted.regions == [Region(0, 5, 100, 1)]


@pytest.mark.parametrize("kind", DATA_PANELS)
@pytest.mark.parametrize(
    ("state", "words"),
    [
        (State.LOADING, "loading"),
        (State.EMPTY, "no data"),
        (State.FAILED, "FAILED"),
        (State.ABSENT, "not logged"),
        (State.STALE, "STALE"),
    ],
)
async def test_every_state_is_a_word_in_the_title(kind: type[Panel[Any]], state: State, words: str) -> None:
    app = PanelApp(kind(LOOK), snapshot=sample(state=state, message="no route to host", data=False))
    async with app.run_test(size=(80, 12)):
        title, *body = text_of(app.panels[0])
        assert words in title
        assert len(title) == 80
        if state is not State.STALE or kind is not ErrorsPanel:
            assert "no route to host" in "\n".join(body)


@pytest.mark.parametrize("kind", DATA_PANELS)
async def test_a_failed_source_keeps_the_last_good_data_and_says_what_failed(kind: type[Panel[Any]]) -> None:
    good, failed = PanelApp(kind(LOOK)), PanelApp(kind(LOOK), snapshot=sample(state=State.FAILED, message="refused"))
    async with good.run_test(size=(100, 20)):
        before = text_of(good.panels[0])
    async with failed.run_test(size=(100, 20)):
        after = text_of(failed.panels[0])
    assert before[1:] == after[1:]
    assert "FAILED" in after[0]
    assert "refused" in after[0]


@pytest.mark.parametrize("kind", PANELS)
@pytest.mark.parametrize("size", [(1, 1), (12, 1), (20, 2), (38, 7), (60, 13), (200, 45)])
async def test_a_panel_fits_any_size(kind: type[Panel[Any]], size: tuple[int, int]) -> None:
    app = PanelApp(kind(LOOK))
    async with app.run_test(size=size):
        lines = app.panels[0]._lines
        assert len(lines) <= size[1]
        assert {cells(line) for line in lines} == {size[0]}


@pytest.mark.parametrize("kind", PANELS)
async def test_ascii_mode_draws_ascii_only(kind: type[Panel[Any]]) -> None:
    app = PanelApp(kind(Look(ascii=True)))
    async with app.run_test(size=(130, 40)):
        assert "\n".join(text_of(app.panels[0])).isascii()


async def test_nothing_wrong_is_said_in_words() -> None:
    app = PanelApp(ChangesPanel(LOOK), snapshot=replace(sample(), findings=()))
    async with app.run_test(size=(80, 6)):
        assert "nothing changed: 6 models within their usual range (1d ago)" in text_of(app.panels[0])[1]


async def test_nothing_is_called_unchanged_while_a_source_is_still_being_read() -> None:
    snapshot = replace(sample(), findings=())
    half = replace(snapshot.sources[0], state=State.LOADING)
    app = PanelApp(ChangesPanel(LOOK), snapshot=replace(snapshot, sources=(half, *snapshot.sources[1:])))
    async with app.run_test(size=(80, 6)):
        assert "nothing found yet: the sources are still being read" in text_of(app.panels[0])[1]


async def test_a_story_is_one_line_and_its_cause_until_it_is_unfolded() -> None:
    plain = sample()
    told_once = replace(plain, findings=told(plain.findings, plain.frame.step))
    app = PanelApp(ChangesPanel(LOOK), snapshot=told_once)
    async with app.run_test(size=(120, 12)) as pilot:
        panel = app.panels[0]
        assert isinstance(panel, ListPanel)
        panel.focus()
        before = text_of(panel)
        assert "▸ t-10m  error    fraud" in before[1]
        assert "+3" in before[1]
        assert "└ t-11m  deploy   fraud" in before[2]
        assert "cause?" in before[2]
        await pilot.press("full_stop", "down", "down")
        assert "▾ t-10m" in text_of(panel)[1]
        assert panel.item is not None
        assert panel.item.folded_into == told_once.findings[0].key
        await pilot.press("full_stop")
        assert text_of(panel)[1].rstrip() == before[1].rstrip()
        assert panel.item == told_once.findings[0]


async def test_a_segment_is_named_in_whole_terms_and_a_change_without_one_has_its_room() -> None:
    app = PanelApp(ChangesPanel(LOOK))
    async with app.run_test(size=(80, 12)):
        rows = {line.split()[1]: line for line in text_of(app.panels[0])[1:] if line.strip()}
        assert "region=eu-w1… " in rows["error"]
        assert "merchant_cat=crypto  [WARN]" in rows["conf"]
        assert "merchant_cat drift .42, null 0% -> 12%  " in rows["feature"]


async def test_a_version_is_not_told_to_lie_in_its_own_requests() -> None:
    panel, known = ChangesPanel(LOOK), sample()
    told_of = replace(
        known.findings[1],
        signal=Signal.VERSION,
        subject="42",
        title="version 41 -> 42: confidence 0.91 -> 0.84, 19% of requests",
        where=known.findings[0].where[1:2],
    )
    app = PanelApp(panel)
    async with app.run_test(size=(80, 12)):
        give(panel, replace(known, findings=(told_of,)))
        (line,) = [line for line in text_of(panel) if "deploy" in line]
        assert "confidence 0.91 -> 0.84" in line
        assert "version=42" not in line


async def test_before_the_first_answer_a_panel_says_that_it_is_loading() -> None:
    panel = ChangesPanel(LOOK)
    app = PanelApp()
    async with app.run_test(size=(80, 6)) as pilot:
        await app.mount(panel)
        await pilot.pause()
        assert "loading" in text_of(panel)[0]


async def test_the_cursor_stays_on_its_row_while_rows_come_and_go() -> None:
    app = PanelApp(ChangesPanel(LOOK))
    async with app.run_test(size=(80, 12)) as pilot:
        panel = app.panels[0]
        assert isinstance(panel, ListPanel)
        panel.focus()
        await pilot.press("down", "down", "down")
        chosen = panel.item
        assert chosen == app.snapshot.findings[3]
        give(panel, replace(app.snapshot, findings=app.snapshot.findings[2:]))
        assert panel.item == chosen
        give(panel, replace(app.snapshot, findings=app.snapshot.findings[::-1]))
        assert panel.item == chosen
        give(panel, replace(app.snapshot, findings=app.snapshot.findings[:2]))
        assert panel.item == app.snapshot.findings[1]


async def test_keys_move_the_cursor_and_enter_opens() -> None:
    app = PanelApp(ModelsPanel(LOOK))
    async with app.run_test(size=(80, 5)) as pilot:
        app.panels[0].focus()
        await pilot.press("up", "end", "home", "pagedown", "enter")
        said = [(type(message).__name__, getattr(message, "item").model) for message in app.heard]  # noqa: B009
        assert said == [
            ("Highlighted", "recs-v2"),
            ("Highlighted", "fraud"),
            ("Highlighted", "search-embed"),
            ("Selected", "search-embed"),
        ]


async def test_the_row_under_the_cursor_is_always_visible() -> None:
    app = PanelApp(ModelsPanel(LOOK))
    async with app.run_test(size=(80, 4)) as pilot:
        app.panels[0].focus()
        for model in app.snapshot.models:
            marked = [line for line in text_of(app.panels[0]) if line.startswith(">")]
            assert [line.split()[1] for line in marked] == [model.model]
            await pilot.press("down")


async def test_a_click_moves_the_cursor_and_a_second_one_opens() -> None:
    app = PanelApp(ModelsPanel(LOOK))
    async with app.run_test(size=(80, 12)) as pilot:
        await pilot.click(ModelsPanel, offset=(5, 4))
        await pilot.click(ModelsPanel, offset=(5, 4))
        await pilot.click(ModelsPanel, offset=(5, 0))
        assert [type(message).__name__ for message in app.heard] == ["Highlighted", "Selected"]
        assert {getattr(message, "item").model for message in app.heard} == {"search-embed"}  # noqa: B009


async def test_an_update_that_moves_the_cursor_says_nothing() -> None:
    app = PanelApp(ModelsPanel(LOOK))
    async with app.run_test(size=(80, 12)) as pilot:
        give(app.panels[0], replace(app.snapshot, models=app.snapshot.models[1:]))
        await pilot.pause()
        assert app.heard == []


async def test_enter_closes_the_histogram_of_a_large_features_panel_and_opens_the_row_of_a_small_one() -> None:
    app = PanelApp(FeaturesPanel(LOOK))
    async with app.run_test(size=(100, 30)) as pilot:
        app.panels[0].focus()
        assert any("crypto  " in line for line in text_of(app.panels[0]))
        await pilot.press("enter")
        assert not any("crypto  " in line for line in text_of(app.panels[0]))
        assert app.heard == []
        await pilot.resize_terminal(60, 8)
        await pilot.press("enter")
        assert [type(message).__name__ for message in app.heard] == ["Selected"]


@pytest.mark.parametrize("kind", [LatencyPanel, ConfidencePanel])
async def test_enter_on_a_chart_asks_for_it_in_large(kind: type[Panel[Any]]) -> None:
    app = PanelApp(kind(LOOK))
    async with app.run_test(size=(60, 10)) as pilot:
        app.panels[0].focus()
        await pilot.press("enter")
        assert [getattr(message, "panel") for message in app.heard] == [app.panels[0]]  # noqa: B009


def test_panels_load_neither_numpy_nor_plotext_before_they_draw() -> None:
    names = "header changes models latency confidence errors features infra accuracy segments keys"
    imports = ", ".join(f"widgets.{name}" for name in names.split())
    code = f"import sys, {imports}; print('loaded', {{'numpy', 'plotext'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "loaded set()\n"


async def test_what_comes_from_outside_is_never_sent_as_it_is() -> None:
    bomb = "\x1b]52;c;ZXZpbA==\x07\x9b2J\u202e[bold]x"
    plain = sample()
    hostile = replace(
        plain,
        findings=tuple(replace(finding, title=bomb, model=bomb) for finding in plain.findings),
        models=tuple(replace(model, model=bomb, versions=(bomb,)) for model in plain.models),
        latency=replace(plain.latency, model=bomb),
        confidence=replace(plain.confidence, model=bomb, direction=bomb),
        errors=replace(
            plain.errors, rows=tuple(replace(row, error_type=bomb, sample=bomb) for row in plain.errors.rows)
        ),
        features=replace(
            plain.features, rows=tuple(replace(row, feature=bomb, direction=bomb) for row in plain.features.rows)
        ),
        infra=replace(plain.infra, rows=tuple(replace(row, name=bomb, note=bomb) for row in plain.infra.rows)),
        accuracy=replace(plain.accuracy, model=bomb),
        sources=tuple(replace(source, name=bomb, state=State.FAILED, error=bomb) for source in plain.sources),
        notes=(bomb,),
    )
    app = PanelApp(HeaderPanel(LOOK), *(kind(LOOK) for kind in PANELS), snapshot=hostile)
    async with app.run_test(size=(140, 120)):
        for panel in app.panels:
            shown = "".join(text_of(panel))
            assert not any(char in shown for char in "\x1b\x07\x9b\u202e")
            assert type(panel) is HeaderPanel or "␛]52" in shown


@pytest.mark.parametrize(
    ("change", "equal"),
    [
        (lambda s: s, True),
        (lambda s: replace(s, latency=replace(s.latency, n=1)), False),
        (lambda s: replace(s, latency=replace(s.latency, t=s.latency.t + 60)), False),
        (lambda s: replace(s, errors=replace(s.errors, rows=s.errors.rows[1:])), False),
        (lambda s: replace(s, confidence=replace(s.confidence, now=np.flip(s.confidence.now))), False),
    ],
)
def test_snapshots_are_compared_by_their_values(change: Callable[[Any], Any], equal: bool) -> None:
    assert same(sample(), change(sample())) is equal


async def test_the_feature_under_the_cursor_has_the_readings_of_other_tools_and_its_volume() -> None:
    row = sample().features.rows[1]
    bins = NumericBins((-math.inf, 0.0, just_above(0.0), 5.0, math.inf))
    special = replace(row, bins=bins, now=np.array([0.0, 0.5, 0.3, 0.2]), baseline=np.array([0.1, 0.3, 0.4, 0.2]))
    app = PanelApp(FeaturesPanel(LOOK))
    async with app.run_test(size=(100, 30)):
        features = replace(app.snapshot.features, rows=(special,))
        give(app.panels[0], replace(app.snapshot, features=features))
        text = "\n".join(text_of(app.panels[0]))
        assert special.readings is not None
        assert f" PSI {share(special.readings.psi)} " in text
        assert " values/min 37k -> 37k" in text
        assert ">0" in text
        assert "e-300" not in text


async def test_an_estimate_that_must_not_be_believed_says_why() -> None:
    app = PanelApp(AccuracyPanel(LOOK))
    async with app.run_test(size=(130, 30)):
        shown = "\n".join(text_of(app.panels[0]))
        assert (
            "scores promise 79.8% [78.9-80.7]  do not rely on it: the same scores are right 5.9pp less often" in shown
        )
        assert "labels 12k, 41% of the rows (usual at this age 42%)  half come in 21m, most in 1h05m" in shown
        part = replace(sample().accuracy, doubt="", note="label times are not logged", now=None)
        app.panels[0].show(part, Scene.of(sample()))
        shown = "\n".join(text_of(app.panels[0]))
        assert "if a score means what it meant" in shown
        assert " label times are not logged" in shown
        assert "\n accuracy " not in shown


async def test_words_that_have_no_room_go_to_the_next_line() -> None:
    app = PanelApp(AccuracyPanel(LOOK))
    async with app.run_test(size=(70, 24)):
        lines = [line.rstrip() for line in text_of(app.panels[0])]
        assert "  do not rely on it: the same scores are right 5.9pp less often" in lines
        assert all(len(line) <= 70 for line in lines)


def test_where_says_that_there_is_nothing_to_locate_where_no_finding_stands() -> None:
    quiet = all_requests("fraud", Window(0, 60)).finding
    panel = SegmentsPanel(LOOK)
    (line,) = panel.empty(quiet, Scene.of(sample()), 100)
    assert "nothing to locate: no finding stands for these rows" in "".join(text for text, _ in line)
    left_out = replace(Scene.of(sample()), question=replace(sample().view, where=parse_filter("version!=42")))
    (line,) = panel.empty(quiet, left_out, 100)
    assert "nothing to locate: nothing changed in the rows that the filter leaves" in "".join(text for text, _ in line)
    (line,) = panel.empty(quiet, replace(left_out, compared=0), 100)
    assert "nothing to compare: the baseline holds none of these rows" in "".join(text for text, _ in line)
    (line,) = panel.empty(quiet, replace(left_out, loading=True), 100)
    assert "not known yet: a source is still being read" in "".join(text for text, _ in line)

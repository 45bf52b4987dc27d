"""The header: window, baseline, clocks, sources, and what must be known."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

from analysis.answer import Severity, State
from tests.panel_app import LOOK, PanelApp, give
from tests.sample import NOW, sample
from widgets.header import Alert, HeaderPanel, HeaderPart
from widgets.keys import Hint, KeysLine
from widgets.look import Scene
from widgets.panel import text_of


def test_the_header_says_when_buckets_are_wider_than_a_minute() -> None:
    part = HeaderPart.of(sample())
    scene = Scene.of(sample())
    lines = ["".join(run for run, _ in HeaderPanel(LOOK).body(part, replace(scene, step=step), 200, 1)[0])
             for step in (60, 3_600)]  # fmt: skip
    assert "buckets" not in lines[0]
    assert "buckets of 1h" in lines[1]


def test_wide_buckets_are_announced_at_the_design_size_while_sources_load() -> None:
    part = HeaderPart.of(sample())
    loading = tuple(replace(source, name="a-long-name-of-a-source", state=State.LOADING) for source in part.sources)
    part = replace(part, sources=loading, view=replace(part.view, end=NOW, window_s=7 * 86_400))
    scene = replace(Scene.of(sample()), step=7_200)
    line = "".join(run for run, _ in HeaderPanel(LOOK).body(part, scene, 80, 1)[0])
    assert "buckets of 2h" in line
    assert len(line) <= 80


def header_lines(part: HeaderPart, width: int, height: int = 2) -> list[str]:
    scene = Scene.of(sample())
    return ["".join(text for text, _ in line) for line in HeaderPanel(LOOK).body(part, scene, width, height)]


def test_the_header_names_window_baseline_utc_and_local_time_age_and_sources() -> None:
    part = HeaderPart.of(sample(), environment="prod-eu", incidents=1)
    first, second = header_lines(part, 120)
    for words in ("prod-eu", "LIVE", "30m vs 1d ago", "03:12:40Z (05:12 CEST)", "data 4s", "INC 1", "logs ok"):
        assert words in first
    assert "the baseline has 5 of 7 days" in second


def test_who_reads_in_utc_sees_the_time_once() -> None:
    part, scene = HeaderPart.of(sample()), Scene.of(sample())
    body = HeaderPanel(replace(LOOK, zone=ZoneInfo("Africa/Accra"))).body(part, scene, 120, 1)
    line = "".join(text for text, _ in body[0])
    assert "03:12:40Z" in line
    assert "(" not in line.partition("data 4s")[0]


def test_a_paused_header_says_so_and_shows_the_pinned_moment() -> None:
    part = HeaderPart.of(sample())
    pinned = replace(part, view=replace(part.view, end=NOW - 3_600))
    scene = replace(Scene.of(sample()), now=NOW - 3_600)
    line = "".join(text for text, _ in HeaderPanel(LOOK).body(pinned, scene, 120, 1)[0])
    assert "PAUSED" in line
    assert "02:12:44Z" in line


def test_a_failed_source_and_an_alert_come_before_notes() -> None:
    part = HeaderPart.of(sample())
    failed = replace(
        part.sources[0], state=State.FAILED, error="timeout", hint="check the tunnel", failing_since=NOW - 61
    )
    part = replace(part, sources=(failed, part.sources[1]), alerts=(Alert(Severity.CRITICAL, "burn 22x"),))
    first, second = header_lines(part, 160)
    assert "prometheus FAILED" in first
    assert second.index("!! burn 22x") < second.index("prometheus FAILED for 61s: timeout: check the tunnel")
    assert second.index("check the tunnel") < second.index("5 of 7 days")


async def test_the_header_takes_a_second_line_only_when_there_is_something_to_say() -> None:
    app = PanelApp(HeaderPanel(LOOK), snapshot=replace(sample(), notes=()))
    async with app.run_test(size=(100, 10)) as pilot:
        assert app.panels[0].size.height == 1
        give(app.panels[0], sample())
        await pilot.pause()
        assert app.panels[0].size.height == 2


def test_hints_are_shown_whole_or_not_at_all() -> None:
    line = KeysLine().line((Hint("Enter", "drill"), Hint("/", "filter"), Hint("F", "flag")), 24)
    assert "".join(text for text, _ in line).split() == ["Enter", "drill", "/", "filter"]


def test_a_picture_that_no_source_renews_is_called_old_with_its_moment() -> None:
    part = HeaderPart.of(sample())
    silent = tuple(replace(source, state=State.FAILED, error="refused") for source in part.sources)
    late = replace(Scene.of(sample()), now=NOW + 600)
    for width in (80, 120):
        first = "".join(run for run, _ in HeaderPanel(LOOK).body(replace(part, sources=silent), late, width, 2)[0])
        assert "OLD 30m" in first
        assert "LIVE" not in first
        assert "as of 03:12:40Z" in first
        assert "data 10m" in first
    one_flows = replace(part, sources=(silent[0], part.sources[1]))
    assert "LIVE 30m" in header_lines(one_flows, 120)[0]
    paused = replace(part, sources=silent, view=replace(part.view, end=NOW))
    assert "PAUSED 30m" in header_lines(paused, 120)[0]


def test_what_to_do_about_a_failed_source_has_room_before_its_own_words() -> None:
    part = HeaderPart.of(sample())
    failed = replace(
        part.sources[0],
        state=State.FAILED,
        error="refused: http://prometheus.monitoring.svc.cluster.local:9090 Errno 111",
        hint="check the tunnel",
        failing_since=NOW - 61,
    )
    part = replace(part, sources=(failed,), notes=())
    assert header_lines(part, 80)[1] == " prometheus FAILED for 61s: refused: check the tunnel"
    assert "Errno 111: check the tunnel" in header_lines(part, 140)[1]
    pinned = replace(Scene.of(sample()), now=NOW - 3_600)
    second = "".join(run for run, _ in HeaderPanel(LOOK).body(part, pinned, 80, 2)[1])
    assert "FAILED since 03:11Z" in second


REFUSED = replace(
    HeaderPart.of(sample()).sources[0],
    name="127.0.0.1:9/metrics",
    state=State.FAILED,
    error="connection refused: http://127.0.0.1:9/metrics",
    hint="nothing listens there: check port and tunnel",
    failing_since=NOW - 61,
)


async def test_what_to_do_is_never_cut_off_in_80_columns() -> None:
    part = replace(HeaderPart.of(sample()), sources=(REFUSED,), notes=())
    slow = replace(sample(), sources=(REFUSED,), notes=())
    app = PanelApp(HeaderPanel(LOOK), snapshot=slow)
    async with app.run_test(size=(80, 24)):
        shown = text_of(app.panels[0])[1:]
        assert len(shown) == 2 + len(HeaderPanel(LOOK)._alerts(HeaderPart.of(slow)))
        assert " ".join("".join(shown[-2:]).split()).endswith("nothing listens there: check port and tunnel")
    alerts = (Alert(Severity.CRITICAL, "burn 22x"),)
    lines = header_lines(replace(part, alerts=alerts), 80, 5)
    assert [line.split()[0] for line in lines[1:3]] == ["!!", "127.0.0.1:9/metrics"]
    assert lines[-1].endswith("check port and tunnel")


def test_each_failed_source_has_a_line() -> None:
    part = replace(HeaderPart.of(sample()), sources=tuple(replace(REFUSED, name=f"page {i}") for i in "abcd"), notes=())
    lines = header_lines(part, 80, 5)[1:]
    assert [line.split()[1] for line in lines] == ["a", "b", "c"]
    assert all(len(line) <= 80 for line in lines)


async def test_a_terminal_without_room_says_it_in_one_line() -> None:
    app = PanelApp(HeaderPanel(LOOK), snapshot=replace(sample(), sources=(REFUSED,), notes=()))
    async with app.run_test(size=(60, 15)):
        assert app.panels[0].size.height == 2


def test_the_second_line_ends_with_a_whole_word() -> None:
    part = HeaderPart.of(sample())
    failed = replace(part.sources[0], state=State.FAILED, error="no answer in time: nothing within 10 s")
    part = replace(part, sources=(failed,), notes=())
    whole = header_lines(part, 100)[1]
    for width in range(40, len(whole)):
        line = header_lines(part, width)[1]
        assert len(line) <= width
        assert whole.startswith(line.removesuffix("…") + " "), line

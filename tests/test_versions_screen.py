"""The versions screen as an engineer uses it, and what its panels write."""

from __future__ import annotations

from pathlib import Path

from analysis.answer import PanelStatus, ShadowRow, State
from analysis.answer import ShadowPanel as ShadowPart
from analysis.comparison import Comparison, ComparisonRow, Verdict
from tests.panel_app import LOOK
from tests.sample import sample
from tests.test_app import fleet, located, options, until
from tui.app import Triage
from widgets.lines import plain
from widgets.look import Scene
from widgets.shadow import ShadowPanel
from widgets.versions import VersionsPanel

__all__ = ["fleet"]

LIVE = PanelStatus(State.LIVE)


async def test_v_compares_the_newest_version_with_the_most_used_and_other_keys_choose(fleet: Path) -> None:
    async with Triage(options(fleet)).run_test(size=(120, 40)) as pilot:
        app = await located(pilot)
        await pilot.press("V")
        panel = app.main.query_one(VersionsPanel)
        await until(pilot, lambda: panel.part is not None and bool(panel.part.rows))
        assert panel.part is not None
        assert (panel.part.model, panel.part.a, panel.part.b) == ("fraud", "41", "42")
        verdicts = {row.measure: row.verdict for row in panel.part.rows}
        assert {name for name, verdict in verdicts.items() if verdict is Verdict.WORSE} >= {
            "p95",
            "errors",
            "confidence",
        }
        assert verdicts["inputs"] is Verdict.SAME
        assert panel.size.height == len(panel.part.rows) + 2, "the rest of the page is left to the shadows"
        await pilot.press("greater_than_sign")
        await until(pilot, lambda: panel.part is not None and panel.part.a == "42")
        assert panel.part.b == "41"
        await pilot.press("down", "enter")
        assert app.main.page == "latency"
        await pilot.press("escape")
        assert app.main.page == "overview"


def drawn(row: ComparisonRow, width: int = 118) -> str:
    part = Comparison(LIVE, "fraud", "41", "42", ("41", "42"), 0.0, 600.0, (row,))
    _, put = VersionsPanel(LOOK).table(part, Scene.of(sample()), width)
    return plain(put(row))


def test_a_ratio_that_nothing_bounds_is_written_as_no_more_than_a_hundred() -> None:
    text = drawn(ComparisonRow("errors", "ratio", 0.0, 0.08, 900, 40, 284.0, (0.001, 1e9), True, Verdict.OPEN, "later"))
    assert "x>100" in text
    assert "<0.01..>100" in text


def test_a_measure_that_is_not_logged_is_a_gap() -> None:
    text = drawn(ComparisonRow("p99", "ms", None, 712.0, 100, 900))
    assert "--" in text
    assert "712ms" in text
    assert " 0" not in text.replace(" 100", "").replace(" 900", "")


TIMES = ({"p50": 91.0, "p99": 236.0}, {"p50": 96.0, "p99": 250.0})
SHADOW = ShadowRow(
    "5", "s1", 3_605, 29_000, 0.949, (0.941, 0.956), 0.97, 0.0102, (0.83, 0.82), TIMES, (0.001, 0.002),
    445, 60, 18, 0.00001, 0.00002, -0.09, 0.03,
)  # fmt: skip


def shadow_text(row: ShadowRow, width: int = 190) -> str:
    _, put = ShadowPanel(LOOK).table(ShadowPart(LIVE, "churn", (row,)), Scene.of(sample()), width)
    return plain(put(row))


def test_a_shadow_shows_both_sides_and_who_is_right() -> None:
    text = shadow_text(SHADOW)
    for part in (
        "s1",
        "94.9%",
        "94.1%..95.6%",
        "97.0%",
        "3.6k",
        "91ms -> 96ms",
        "236ms -> 250ms",
        "0.83 -> 0.82",
        "worse, 18 to 60",
    ):
        assert part in text, part


def test_a_shadow_without_labels_or_errors_does_not_say_zero() -> None:
    text = shadow_text(ShadowRow("5", "s1", 300, 0, 0.9, (0.86, 0.93), None, None, None, None, None))
    assert "no labels yet" in text
    assert text.count("--") == 6


def test_who_is_right_is_told_in_whole_sentences_below_the_row() -> None:
    panel = ShadowPanel(LOOK)
    part = ShadowPart(LIVE, "churn", (SHADOW,))
    for width in (80, 120):
        lines = ["".join(text for text, _ in line) for line in panel.body(part, Scene.of(sample()), width, 12)]
        said = " ".join(" ".join(lines[2:]).split())
        for words in (
            "worse: of 445 labelled answers only s1 was right in 18, only 5 in 60",
            "accuracy -9.0pp; p <0.0001 however often one looks, McNemar <0.0001",
            "94.9% of 3.6k answers, 95% between 94.1% and 95.6%; before 97.0%",
            "0.83 -> 0.82, 0.010 apart on average",
        ):
            assert words in said, said
        assert all(len(line) <= width for line in lines)
    assert len(panel.body(part, Scene.of(sample()), 120, 4)) == 2

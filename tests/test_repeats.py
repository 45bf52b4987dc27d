"""Requests that are sent or logged again: counted in the store, judged against what is usual."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.answer import Finding, Severity, Signal
from analysis.evidence import Counts, Fetched, LogEvidence, Repeats
from analysis.filters import Eq, In
from analysis.merging import merge_logs, shift_logs
from analysis.repeats import repeats_case
from analysis.slices import cut_repeats
from analysis.view import View, Window
from connectors import sqlrepeats
from connectors.duckdb_store import DuckDbStore
from tests.evidence import FRAME, NEWEST, ONSET, Model, Over, after, evidence, model_logs, steady, times
from tests.logs import START, rows, unix, write_parquet
from tests.panel_app import LOOK
from tests.sample import sample
from tests.test_triage import answer
from tui.feeds import LogFeed
from tui.session import Session
from tui.yank import text
from widgets.lines import plain
from widgets.look import Scene
from widgets.segments import SegmentsPanel

STEP = 300
HOUR = Window(START, START + 3_600)

Ask = Callable[..., Fetched[Repeats | None]]


def repeats(share: Over, *, per_bucket: int = 1_200, seed: int = 1) -> Repeats:
    """Rows of `shop`, of which a share came again."""
    rng, t = np.random.default_rng(seed), times()
    n = rng.poisson(per_bucket, len(t))
    again = rng.binomial(n, [share(float(x)) for x in t])
    counts = (Counts(t, FRAME.step, (("shop",),), x[:, None].astype(float)) for x in (n, again))
    return Repeats(*counts)


def test_a_rise_is_a_warning_with_both_shares_its_onset_and_no_segment() -> None:
    case = repeats_case(repeats(after(ONSET, 0.06, 0.002)), FRAME, NEWEST, "shop")
    assert case is not None
    finding = case.finding
    assert (finding.signal, finding.check, finding.subject) == (Signal.QUALITY, "duplicate_ids", "request_id")
    assert finding.severity is Severity.WARNING
    assert finding.now == pytest.approx(0.06, abs=0.006)
    assert finding.baseline == pytest.approx(0.002, abs=0.0005)
    assert finding.title.startswith("sent again 0.20% -> ")
    assert finding.title.endswith("% by request_id")
    assert finding.onset == pytest.approx(ONSET, abs=2 * FRAME.step)
    assert case.outcome is None


def test_ids_that_never_came_again_have_a_baseline_of_zero() -> None:
    case = repeats_case(repeats(after(ONSET, 0.05, 0.0)), FRAME, NEWEST, "shop")
    assert case is not None
    assert case.finding.title.startswith("sent again 0% -> ")
    assert case.finding.onset == pytest.approx(ONSET, abs=2 * FRAME.step)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("share", [0.0, 0.001, 0.04])
def test_usual_retries_are_silent(share: float, seed: int) -> None:
    assert repeats_case(repeats(steady(share), seed=seed), FRAME, NEWEST, "shop") is None


def test_fewer_repeats_a_trace_of_them_or_few_rows_are_no_finding() -> None:
    assert repeats_case(repeats(after(ONSET, 0.001, 0.05)), FRAME, NEWEST, "shop") is None
    assert repeats_case(repeats(after(ONSET, 0.004, 0.001)), FRAME, NEWEST, "shop") is None
    assert repeats_case(repeats(after(ONSET, 0.3, 0.0), per_bucket=2), FRAME, NEWEST, "shop") is None
    assert repeats_case(repeats(after(ONSET, 0.06, 0.001)), FRAME, NEWEST, "other") is None


def test_an_answer_tells_retries_as_what_the_errors_brought_about() -> None:
    failing = Model(errors={"timeout": after(ONSET, 0.2, 0.002)})
    logs = replace(model_logs(failing), repeats=repeats(after(ONSET + 60, 0.06, 0.001)))
    listed = answer(evidence(logs)).findings
    errors, again = (next(f for f in listed if f.signal is signal) for signal in (Signal.ERROR, Signal.QUALITY))
    assert [cause.key for cause in again.causes] == [errors.key]
    assert again.folded_into == errors.key
    assert again.key not in [cause.key for cause in errors.causes]


def test_a_log_without_repeats_has_nothing_to_say_of_them() -> None:
    logs = replace(model_logs(Model()), repeats=repeats(steady(0.001)))
    assert not [f for f in answer(evidence(logs)).findings if f.signal is Signal.QUALITY]


def test_the_screen_does_not_claim_that_repeats_are_spread_over_all_segments() -> None:
    case = repeats_case(repeats(after(ONSET, 0.06, 0.002)), FRAME, NEWEST, "shop")
    assert case is not None
    panel, scene = SegmentsPanel(LOOK), Scene.of(sample())
    assert "no segment is sought: a row does not say" in plain(panel.empty(case.finding, scene, 80)[0])
    assert plain(tuple(panel.summary(case.finding, scene))) == "no segment is sought"


@settings(max_examples=25, deadline=None)
@given(st.integers(0, len(times())), st.integers(-100, 100))
def test_parts_add_up_and_moving_changes_no_count(at: int, minutes: int) -> None:
    whole = repeats(steady(0.01))
    border = times()[0] + at * FRAME.step
    parts = [LogEvidence(repeats=cut_repeats(whole, keep)) for keep in (lambda t: t < border, lambda t: t >= border)]
    joined = shift_logs(merge_logs(*parts), minutes * 60).repeats
    assert joined is not None
    for counts, expected in ((joined.rows, whole.rows), (joined.repeated, whole.repeated)):
        assert np.array_equal(counts.t, expected.t + minutes * 60)
        assert np.array_equal(counts.n, expected.n)


def doubled(seed: int = 7) -> pd.DataFrame:
    """An hour of rows; a tenth comes again a second later, some a third time; a few have no id or an empty one."""
    once = rows()
    once.loc[once.index[:40], "request_id"] = None
    once.loc[once.index[40:60], "request_id"] = ""
    rng = np.random.default_rng(seed)
    again = [once[rng.random(len(once)) < share] for share in (0.1, 0.02)]
    frames = [once, *(frame.assign(ts=frame["ts"] + pd.Timedelta(seconds=1)) for frame in again)]
    return pd.concat(frames).sort_values("ts", kind="stable", ignore_index=True)


def counted(frame: pd.DataFrame) -> dict[tuple[int, str], tuple[float, float]]:
    """(rows, repeated rows) per bucket and model, by pandas."""
    known = frame[frame["request_id"].fillna("") != ""].assign(t=unix(frame)[frame["request_id"].fillna("") != ""])
    groups = known.assign(t=known["t"] // STEP * STEP).groupby(["t", "model"])["request_id"]
    found = groups.agg(["size", "nunique"]).reset_index()
    return {(int(t), str(m)): (float(n), float(n - ids)) for t, m, n, ids in found.to_numpy().tolist()}


def cells(found: Repeats | None) -> dict[tuple[int, str], tuple[float, float]]:
    assert found is not None
    return {
        (int(t), key[0]): (found.rows.n[i, j], found.repeated.n[i, j])
        for i, t in enumerate(found.rows.t)
        for j, key in enumerate(found.rows.keys)
        if found.rows.n[i, j]
    }


async def asked(folder: Path, spans: tuple[Window, ...] = (HOUR,), where: Eq | In | None = None) -> Repeats | None:
    store = DuckDbStore([str(folder)])
    try:
        return (await store.repeats(spans, STEP, *([] if where is None else [where]))).value
    finally:
        await store.close()


async def test_rows_whose_id_came_before_in_their_bucket_are_counted_by_model(tmp_path: Path) -> None:
    frame = doubled()
    write_parquet(tmp_path / "a.parquet", frame[:2_000])
    write_parquet(tmp_path / "b.parquet", frame[2_000:])
    expected = counted(frame)
    assert cells(await asked(tmp_path)) == {key: n for key, n in expected.items() if key[0] < HOUR.end}
    spans = (Window(START, START + 600), Window(START + 1_800, START + 2_400))
    inside = {key: n for key, n in expected.items() if any(w.start <= key[0] < w.end for w in spans)}
    assert cells(await asked(tmp_path, spans)) == inside
    only = {key: n for key, n in counted(frame[frame["region"] == "eu-w1"]).items() if key[0] < HOUR.end}
    assert cells(await asked(tmp_path, where=Eq("region", "eu-w1"))) == only


async def test_a_bucket_is_never_cut_in_two_however_large_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = doubled()
    write_parquet(tmp_path / "a.parquet", frame)
    monkeypatch.setattr("connectors.duckdb_store.CELLS_PER_QUERY", 50)
    assert cells(await asked(tmp_path)) == {key: n for key, n in counted(frame).items() if key[0] < HOUR.end}


async def test_of_many_rows_a_share_of_the_ids_is_looked_at_with_all_their_repeats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = doubled()
    write_parquet(tmp_path / "a.parquet", frame)
    monkeypatch.setattr(sqlrepeats, "LOOKED_AT", len(frame) // 3)
    n, again = np.sum([*cells(await asked(tmp_path)).values()], axis=0)
    all_n, all_again = np.sum([*counted(frame).values()], axis=0)
    assert n == pytest.approx(all_n / 3, rel=0.1)
    assert again / n == pytest.approx(all_again / all_n, abs=0.02), "drawing rows instead of ids would lose most twins"


async def test_rows_of_a_shadow_version_are_no_repeats_even_when_a_filter_names_them(tmp_path: Path) -> None:
    once = rows(1_000).assign(shadow=False)
    write_parquet(tmp_path / "a.parquet", pd.concat([once, once.assign(shadow=True, version="s1")]))
    for where in (None, In("shadow", ("true", "false"))):
        found = await asked(tmp_path, where=where)
        assert found is not None
        assert (found.rows.n.sum(), found.repeated.n.sum()) == (1_000, 0)


async def test_ids_that_are_numbers_are_compared_too(tmp_path: Path) -> None:
    frame = rows(600)
    write_parquet(tmp_path / "a.parquet", frame.assign(request_id=np.arange(600) // 2))
    found = await asked(tmp_path)
    assert found is not None
    assert found.rows.n.sum() == 600
    assert found.repeated.n.sum() == sum(again for _, again in counted(frame.assign(request_id=_texts())).values())


def _texts() -> list[str]:
    return [str(i // 2) for i in range(600)]


async def test_a_log_without_request_ids_cannot_say(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", rows(200).drop(columns="request_id"))
    assert await asked(tmp_path) is None


async def triaged(folder: Path, end: int) -> list[tuple[Finding, str]]:
    """The findings about request ids of a window of 10 minutes up to `end`, each with what `y` copies of it."""
    store = DuckDbStore([str(folder)])
    try:
        view = View(window_s=600, end=end)
        one = Session([LogFeed(store, (0.0, 1.0), lambda: float(end))], [], view, clock=lambda: float(end))
        await one.poll_all()
        snapshot, _ = one.answer()
        found = [f for f in snapshot.findings if f.check == "duplicate_ids"]
        return [(finding, await text(one, snapshot, finding, None)) for finding in found]
    finally:
        await store.close()


async def test_rows_logged_twice_are_told_by_model_with_the_query_that_counted_them(tmp_path: Path) -> None:
    seconds = 5_400
    once = rows(18_000, seconds)
    retried = once[np.random.default_rng(3).random(len(once)) < 0.001]
    fault = START + seconds - 420
    twice = once[(once["model"] == "fraud") & (unix(once) >= fault)][::8]
    write_parquet(tmp_path / "a.parquet", pd.concat([once, retried]))
    assert await triaged(tmp_path, START + seconds) == []
    write_parquet(tmp_path / "b.parquet", twice)
    ((finding, copied),) = await triaged(tmp_path, START + seconds)
    assert (finding.model, finding.severity) == ("fraud", Severity.WARNING)
    assert finding.now == pytest.approx(1 / 9, abs=0.02)
    assert finding.onset == pytest.approx(fault, abs=120)
    assert 'count(DISTINCT hash("request_id"))' in copied

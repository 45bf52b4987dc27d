"""Error types of one model: which are new, rising or fading, and what the panel shows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from analysis.answer import ErrorRow, ErrorsPanel, Finding, PanelStatus, Severity, Signal
from analysis.cases import Case
from analysis.error_kinds import ErrorKind, error_kinds
from analysis.error_mix import MOVED, MixChange, mix_change
from analysis.error_states import BACK, MAX_Q, MIN_RISING, NEW, RISING, ErrorState, classify_errors
from analysis.evidence import ErrorCounts, Traffic
from analysis.filters import Not, Null
from analysis.proportions import share_test
from analysis.ranking import severity, share_bound, weighted
from analysis.scales import Scale, scale_since, scales
from analysis.since import since
from analysis.slices import grid, grid_times, model_counts, window_sum, window_sums
from analysis.view import Frame, Window
from analysis.words import duration, percent, ratio

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ERROR_UNIT = 0.01
"""One point of the requests is worth a look."""

ABOUT_S = 900
"""The day before is known in buckets of a quarter of an hour."""

TOTAL_HOLDS = 1.5
"""Times its baseline within which the share of errors counts as unchanged, for the mix."""

NEW_SHARE = 0.001
"""A type never seen before is worth a look from this share of the requests on."""


def error_cases(
    errors: ErrorCounts | None, traffic: Traffic, frame: Frame, newest: float | None, model: str
) -> list[Case]:
    """Every new or rising error type of a model; the total instead where types are not logged.

    Where none is told, that the mix of types changed is.
    """
    requests = model_counts(traffic.requests, model)
    t = traffic.requests.t
    kinds = [] if errors is None else error_kinds(errors, model)
    if errors is None or not kinds:
        total = _total_case(traffic, frame, newest, model)
        return [] if total is None else [total]
    counts = _aligned(_by_kind(errors, kinds), errors.counts.t, t)
    first = [_earliest(kind) for kind in kinds]
    found: dict[str, Case] = {}
    for scale in scales(frame, newest):
        live, windows = window_sum(t, counts, scale.live), window_sums(t, counts, scale.references)
        n, reference_n = float(window_sum(t, requests, scale.live)), window_sums(t, requests, scale.references)
        states = classify_errors(live, windows, n, reference_n, first_seen=first, window_start=frame.live.start)
        for i, (kind, state) in enumerate(zip(kinds, states, strict=True)):
            if not _is_told(state, float(live[i])):
                continue
            test = share_test(min(live[i], n), n, windows[:, i], reference_n)
            bound = share_bound(test, windows[:, i], reference_n, ERROR_UNIT)
            if state.state == NEW and test.now >= NEW_SHARE:
                bound = max(bound, 1.0)
            bound = max(bound, min(0.5 * math.log2(max(state.ratio, 1.0)), 0.9))
            new = state.state == NEW
            case = _case(kind, bound, counts[:, i], requests, t, scale, frame, newest, model, first[i] if new else None)
            if kind.name not in found or case.finding.score > found[kind.name].finding.score:
                found[kind.name] = case
    if not found and (mixed := _mix_case(kinds, counts, requests, t, frame, model)) is not None:
        return [mixed]
    return list(found.values())


def _earliest(kind: ErrorKind) -> float | None:
    """Unix seconds at which a kind is known to have been there: in what was read, or in the day before."""
    return min((at for at in (kind.first_seen, kind.before) if at is not None), default=None)


def _is_told(state: ErrorState, count: float) -> bool:
    """A kind that is back needs as much evidence as one that rises: that it may occur is known."""
    back = state.state == BACK and state.q < MAX_Q and count >= MIN_RISING
    return back or state.state in (NEW, RISING)


def _mix(live: Floats, windows: Floats, n: float, reference_n: Floats) -> MixChange | None:
    """The change of the mix where it matters and the total holds: otherwise what rose tells it better."""
    change = mix_change(live, windows)
    if change is None or not change.matters or n <= 0 or not reference_n.sum():
        return None
    total = share_test(min(n, float(live.sum())), n, windows.sum(axis=1), reference_n)
    return change if 1 / TOTAL_HOLDS < total.ratio < TOTAL_HOLDS else None


def _mix_case(
    kinds: Sequence[ErrorKind], counts: Floats, requests: Floats, t: Ints, frame: Frame, model: str
) -> Case | None:
    """That errors are of other kinds although there are as many; what follows from it is not known, so it is info."""
    live, windows = window_sum(t, counts, frame.live), window_sums(t, counts, frame.references)
    n, reference_n = float(window_sum(t, requests, frame.live)), window_sums(t, requests, frame.references)
    change = _mix(live, windows, n, reference_n)
    if change is None:
        return None
    kind, at = kinds[change.grown], change.grown
    before, now = float(windows[:, at].sum() / windows.sum()), float(live[at] / live.sum())
    onset = since(t, counts[:, at], counts.sum(axis=1), frame)
    bound = min(change.moved / MOVED, 0.9)
    return Case(
        Finding(
            signal=Signal.ERROR,
            model=model,
            severity=Severity.INFO,
            title=f"error mix changed: {kind.name} {percent(before)} -> {percent(now)} of errors, as many in all",
            effect=change.moved / MOVED,
            score=weighted(Signal.ERROR, bound),
            n=float(live.sum()),
            n_baseline=float(windows.sum()),
            now=now,
            baseline=before,
            unit="ratio",
            onset=None if onset is None else float(onset.start),
            onset_between=None if onset is None else onset.between,
            subject="mix",
            check="mix",
        ),
        kind.outcome,
        frame.live if onset is None else Window(onset.start, frame.live.end),
    )


def _by_kind(errors: ErrorCounts, kinds: Sequence[ErrorKind]) -> Floats:
    """[T, C] errors of each kind."""
    out = np.zeros((len(errors.counts.t), len(kinds)))
    for i, kind in enumerate(kinds):
        out[:, i] = errors.counts.n[:, kind.columns].sum(axis=1)
    return out


def _aligned(counts: Floats, t: Ints, wanted: Ints) -> Floats:
    """Counts on the buckets of the requests; a bucket without errors is zero. counts: [E, C] -> [T, C]"""
    out = np.zeros((len(wanted), *counts.shape[1:]))
    _, at, of = np.intersect1d(wanted, t, return_indices=True)
    out[at] = counts[of]
    return out


def _case(
    kind: ErrorKind | None, bound: float, hits: Floats, requests: Floats, t: Ints, scale: Scale, frame: Frame,
    newest: float | None, model: str, new_since: float | None,
) -> Case:  # fmt: skip
    """One kind of error, or all errors where kinds are not known, measured from the onset on where one is known."""
    moment = since(t, hits, requests, frame) if new_since is None else None
    onset = new_since if moment is None else float(moment.start)
    if onset is not None:
        scale = scale_since(frame, onset, newest) or scale
    window = scale.live
    n, reference_n = float(window_sum(t, requests, window)), window_sums(t, requests, scale.references)
    reference_hits = window_sums(t, hits, scale.references)
    test = share_test(min(n, float(window_sum(t, hits, window))), n, reference_hits, reference_n)
    bound = max(bound, share_bound(test, reference_hits, reference_n, ERROR_UNIT))
    now, base = (share if math.isfinite(share) else 0.0 for share in (test.now, test.baseline))
    name = "" if kind is None else kind.name
    change = "NEW" if new_since is not None else ratio(now, base)
    if kind is not None and base == 0 and new_since is None and kind.before is not None and onset is not None:
        away = max(0.0, onset - kind.before)
        change = f"back after ~{duration(round(away / ABOUT_S) * ABOUT_S)}"
    return Case(
        Finding(
            signal=Signal.ERROR,
            model=model,
            severity=severity(Signal.ERROR, bound),
            title=f"{name or 'errors'} {percent(base)} -> {percent(now)} {change}".rstrip(),
            effect=max(bound, (now - base) / ERROR_UNIT),
            score=weighted(Signal.ERROR, bound),
            n=n,
            n_baseline=float(reference_n.sum()),
            now=now,
            baseline=base,
            unit="ratio",
            onset=onset,
            onset_between=None if moment is None else moment.between,
            subject=name,
        ),
        Not(Null("error_type")) if kind is None else kind.outcome,
        window,
    )


def _total_case(traffic: Traffic, frame: Frame, newest: float | None, model: str) -> Case | None:
    if traffic.errors is None:
        return None
    t, requests = traffic.requests.t, model_counts(traffic.requests, model)
    failed = _aligned(model_counts(traffic.errors, model), traffic.errors.t, t)
    best: tuple[float, Scale] | None = None
    for scale in scales(frame, newest):
        n, reference_n = float(window_sum(t, requests, scale.live)), window_sums(t, requests, scale.references)
        hits = window_sums(t, failed, scale.references)
        test = share_test(min(n, float(window_sum(t, failed, scale.live))), n, hits, reference_n)
        bound = share_bound(test, hits, reference_n, ERROR_UNIT)
        if test.p < 0.001 and test.now > test.baseline and (best is None or bound > best[0]):
            best = (bound, scale)
    if best is None or best[0] <= 0:
        return None
    return _case(None, best[0], failed, requests, t, best[1], frame, newest, model, None)


def errors_panel(
    errors: ErrorCounts | None, traffic: Traffic, frame: Frame, model: str, status: PanelStatus
) -> ErrorsPanel:
    """Every error type of the live window or the baseline with its state, the most telling first."""
    t, requests = traffic.requests.t, model_counts(traffic.requests, model)
    n, reference_n = float(window_sum(t, requests, frame.live)), window_sums(t, requests, frame.references)
    ratio_now = ratio_base = None
    if traffic.errors is not None and n:
        failed = model_counts(traffic.errors, model)
        ratio_now = float(window_sum(traffic.errors.t, failed, frame.live)) / n
        base_failed = window_sums(traffic.errors.t, failed, frame.references).sum()
        ratio_base = float(base_failed / reference_n.sum()) if reference_n.sum() else None
    rows: list[ErrorRow] = []
    mix = ""
    if errors is not None:
        kinds = error_kinds(errors, model)
        counts = _by_kind(errors, kinds)
        live = grid(errors.counts.t, counts, frame.live, errors.counts.step)
        windows = window_sums(errors.counts.t, counts, frame.references)
        first = [_earliest(kind) for kind in kinds]
        mix = _mix_words(live.sum(axis=0), windows, n, reference_n)
        states = classify_errors(
            live.sum(axis=0), windows, n, reference_n,
            first_seen=first, window_start=frame.live.start, buckets=live,
        ) if kinds else []  # fmt: skip
        for i, (kind, state) in enumerate(zip(kinds, states, strict=True)):
            rows.append(
                ErrorRow(
                    error_type=kind.name,
                    state=state.state,
                    count=float(live[:, i].sum()),
                    per_1k=state.per_1k_live,
                    per_1k_baseline=state.per_1k_base,
                    counts=live[:, i],
                    first_seen=kind.first_seen,
                    sample=kind.sample,
                    score=STATE_ORDER.index(state.state) if state.state in STATE_ORDER else len(STATE_ORDER),
                )
            )
    rows.sort(key=lambda row: (row.score, -row.count, row.error_type))
    return ErrorsPanel(
        status=status,
        model=model,
        t=grid_times(frame.live, frame.step),
        rows=tuple(rows),
        ratio=ratio_now,
        ratio_baseline=ratio_base,
        n=n,
        mix=mix,
    )


def _mix_words(live: Floats, windows: Floats, n: float, reference_n: Floats) -> str:
    """What is said of the mix above the list: that it changed, that it holds, or nothing with too few errors."""
    change = mix_change(live, windows)
    if change is None:
        return ""
    held = _mix(live, windows, n, reference_n) is None
    return "" if held and change.matters else "mix holds" if held else f"mix changed: {percent(change.moved)} moved"


STATE_ORDER = ("NEW", "back", "rising", "burst", "steady", "fading", "gone")
"""The order of the panel: what is getting worse first."""

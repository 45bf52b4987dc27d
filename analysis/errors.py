"""Error types of one model: which are new, rising or fading, and what the panel shows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from analysis.answer import ErrorRow, ErrorsPanel, Finding, PanelStatus, Signal
from analysis.cases import Case
from analysis.error_kinds import ErrorKind, error_kinds
from analysis.error_states import NEW, RISING, classify_errors
from analysis.evidence import ErrorCounts, Traffic
from analysis.filters import Not, Null
from analysis.proportions import share_test
from analysis.ranking import severity, share_bound, weighted
from analysis.scales import Scale, scale_since, scales
from analysis.since import since
from analysis.slices import grid, grid_times, model_counts, window_sum, window_sums
from analysis.view import Frame
from analysis.words import percent, ratio

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ERROR_UNIT = 0.01
"""One point of the requests is worth a look."""

NEW_SHARE = 0.001
"""A type never seen before is worth a look from this share of the requests on."""


def error_cases(
    errors: ErrorCounts | None, traffic: Traffic, frame: Frame, newest: float | None, model: str
) -> list[Case]:
    """Every new or rising error type of a model; the total instead where types are not logged."""
    requests = model_counts(traffic.requests, model)
    t = traffic.requests.t
    kinds = [] if errors is None else error_kinds(errors, model)
    if errors is None or not kinds:
        total = _total_case(traffic, frame, newest, model)
        return [] if total is None else [total]
    counts = _aligned(_by_kind(errors, kinds), errors.counts.t, t)
    first = [kind.first_seen for kind in kinds]
    found: dict[str, Case] = {}
    for scale in scales(frame, newest):
        live, windows = window_sum(t, counts, scale.live), window_sums(t, counts, scale.references)
        n, reference_n = float(window_sum(t, requests, scale.live)), window_sums(t, requests, scale.references)
        states = classify_errors(live, windows, n, reference_n, first_seen=first, window_start=frame.live.start)
        for i, (kind, state) in enumerate(zip(kinds, states, strict=True)):
            if state.state not in (NEW, RISING):
                continue
            test = share_test(min(live[i], n), n, windows[:, i], reference_n)
            bound = share_bound(test, windows[:, i], reference_n, ERROR_UNIT)
            if state.state == NEW and test.now >= NEW_SHARE:
                bound = max(bound, 1.0)
            bound = max(bound, min(0.5 * math.log2(max(state.ratio, 1.0)), 0.9))
            new_since = first[i] if state.state == NEW else None
            case = _case(kind, bound, counts[:, i], requests, t, scale, frame, newest, model, new_since)
            if kind.name not in found or case.finding.score > found[kind.name].finding.score:
                found[kind.name] = case
    return list(found.values())


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
    if errors is not None:
        kinds = error_kinds(errors, model)
        counts = _by_kind(errors, kinds)
        live = grid(errors.counts.t, counts, frame.live, errors.counts.step)
        windows = window_sums(errors.counts.t, counts, frame.references)
        first = [kind.first_seen for kind in kinds]
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
                    first_seen=first[i],
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
    )


STATE_ORDER = ("NEW", "rising", "burst", "steady", "fading", "gone")
"""The order of the panel: what is getting worse first."""

"""Shadow versions: how often they answer as the live one does, where that changed, and which of the two is right."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.answer import Finding, PanelStatus, Severity, ShadowPanel, ShadowRow, Signal
from analysis.canary import KAPPA, always_valid_p, log_e, mean_reach
from analysis.cases import Case
from analysis.evidence import NumericBins, Pairs
from analysis.filters import Eq, Not, Null, Same, conjunction
from analysis.latency import summary
from analysis.proportions import ShareTest, share_test, wilson
from analysis.ranking import severity, share_bound, weighted
from analysis.scales import Scale, scale_since, scales
from analysis.since import since
from analysis.slices import window_sum, window_sums
from analysis.special import binom_sf
from analysis.view import Frame, Window
from analysis.words import percent

Floats = NDArray[np.float64]

AGREEMENT_UNIT = 0.005
"""Half a point of the requests. A pair is free of the noise of traffic, so that less of a change means something."""

MIN_PAIRS = 200
MAX_P = 0.005
"""One question per shadow version, not one per feature: less strict than where many are asked."""
ANY_DIFFERENCE = 2.0
"""Disagreements that the prior is worth where every share of them is as likely."""

MIN_DISCORDANT = 10
"""Labelled disagreements below which neither version is called the better one."""


@dataclass(frozen=True, slots=True)
class McNemar:
    """Two versions on the same labelled requests."""

    p: float
    """Two-sided, exact; valid for one look."""
    difference: float
    """Accuracy of the second minus that of the first."""
    se: float
    """Standard error of the difference."""


def mcnemar(only_first: float, only_second: float, n: float) -> McNemar:
    """Which of two versions is right more often, from the requests that only one of them got right.

    McNemar's exact test: under equal accuracy each such request is a fair coin (binomial, two-sided). Paired, a drop of
    2 points in 2,000 requests is found in 91 % of cases, unpaired in 19 %. Counts are rounded for the exact p, because
    weighted rows have fractions.

    Args:
        n: labelled requests, > 0.
    """
    b, c = round(only_first), round(only_second)
    p = min(1.0, 2 * float(binom_sf(max(b, c) - 1, b + c, 0.5))) if b + c else 1.0
    difference = only_second - only_first
    variance = only_first + only_second - difference**2 / n
    return McNemar(p, difference / n, math.sqrt(max(variance, 0.0)) / n)


def uneven_p(only_first: float, only_second: float) -> float:
    """The p-value, valid at every look, that disagreements are not won evenly.

    The mean of two mixtures is an e-value as well: one expects a small difference and needs many disagreements to see
    it, the other expects any, and is sure of 13 among 14.
    """
    narrow, wide = (log_e(only_first, only_second, 0.5, kappa) for kappa in (KAPPA, ANY_DIFFERENCE))
    return always_valid_p(np.logaddexp(narrow, wide) - math.log(2))


class _Course:
    """The counts of one (live, shadow) pair of versions over time."""

    def __init__(self, pairs: Pairs, model: str, live: str, shadow: str) -> None:
        counts = pairs.counts
        self.t = counts.t
        self._n = counts.n
        self._at = {key[3]: i for i, key in enumerate(counts.keys) if key[:3] == (model, live, shadow)}

    def __getitem__(self, measure: str) -> Floats:
        """[T] counts of one measure."""
        at = self._at.get(measure)
        column: Floats = np.zeros(len(self.t)) if at is None else self._n[:, at]
        return column

    def sum(self, measure: str, window: Window) -> float:
        """The measure over a window."""
        return float(window_sum(self.t, self[measure], window))

    def means(self, first: str, second: str, n: float, window: Window) -> tuple[float, float] | None:
        """Two measures per one of n; None where they are not logged or n is zero."""
        if not n or first not in self._at:
            return None
        return self.sum(first, window) / n, self.sum(second, window) / n


def versions_of(pairs: Pairs, model: str) -> tuple[tuple[str, str], ...]:
    """(live, shadow) versions of a model that answered the same requests."""
    return tuple(sorted({(key[1], key[2]) for key in pairs.counts.keys if key[0] == model}))


def agreement_cases(pairs: Pairs, frame: Frame, newest: float | None, model: str) -> list[Case]:
    """The change of each shadow version's agreement with the live one.

    Requests, not versions, are compared: a shadow that always differed in 3 of 100 is no finding, one that begins to
    differ in 5 is. Its rows are pairs, so that the segments say where the two part.
    """
    found = []
    for live, shadow in versions_of(pairs, model):
        case = _case(_Course(pairs, model, live, shadow), frame, newest, model, shadow)
        if case is not None:
            found.append(case)
    return found


def _case(course: _Course, frame: Frame, newest: float | None, model: str, shadow: str) -> Case | None:
    changes = [change for scale in scales(frame, newest) if (change := _change(course, scale)) is not None]
    best = max(changes, key=lambda change: change[0], default=None)
    if best is None or best[0] <= 0:
        return None
    parted = best[1].now > best[1].baseline
    onset = since(course.t, course["pairs"] - course["agree"] if parted else course["agree"], course["pairs"], frame)
    if onset is not None and (begun := scale_since(frame, onset.start, newest)) is not None:
        sharper = _change(course, begun)
        best = max((best, sharper), key=lambda change: change[0]) if sharper is not None else best
    bound, share, window = best
    same = Same("prediction", "shadow_prediction")
    known = (Not(Null("prediction")), Not(Null("shadow_prediction")))
    return Case(
        Finding(
            signal=Signal.AGREEMENT,
            model=model,
            severity=severity(Signal.AGREEMENT, bound) if parted else Severity.INFO,
            title=f"shadow {shadow} agrees in {percent(1 - share.baseline)} -> {percent(1 - share.now)} of requests",
            effect=(share.baseline - share.now) / AGREEMENT_UNIT,
            score=weighted(Signal.AGREEMENT, bound) if parted else min(bound, 0.9),
            n=share.n,
            n_baseline=share.n_baseline,
            now=1 - share.now,
            baseline=1 - share.baseline,
            unit="ratio",
            onset=None if onset is None else float(onset.start),
            onset_between=None if onset is None else onset.between,
            subject=shadow,
        ),
        Not(same) if parted else same,
        window,
        among=conjunction(Eq("shadow_version", shadow), *known),
    )


def _change(course: _Course, scale: Scale) -> tuple[float, ShareTest, Window] | None:
    """(lower bound in units, the test, the window) of the share of disagreements at one scale."""
    pairs, apart = course["pairs"], course["pairs"] - course["agree"]
    n, n_windows = float(window_sum(course.t, pairs, scale.live)), window_sums(course.t, pairs, scale.references)
    if n < MIN_PAIRS or n_windows.sum() < MIN_PAIRS:
        return None
    k_windows = window_sums(course.t, apart, scale.references)
    share = share_test(float(window_sum(course.t, apart, scale.live)), n, k_windows, n_windows)
    if share.p >= MAX_P:
        return None
    return share_bound(share, k_windows, n_windows, AGREEMENT_UNIT), share, scale.live


def shadow_panel(pairs: Pairs, frame: Frame, model: str, status: PanelStatus) -> ShadowPanel:
    """Every shadow version of a model over the window."""
    rows = (_row(pairs, frame, model, live, shadow) for live, shadow in versions_of(pairs, model))
    return ShadowPanel(status, model, tuple(row for row in rows if row.n or row.n_baseline))


def _row(pairs: Pairs, frame: Frame, model: str, live: str, shadow: str) -> ShadowRow:
    course, window = _Course(pairs, model, live, shadow), frame.live
    n, agree = course.sum("pairs", window), course.sum("agree", window)
    before, agreed = (sum(course.sum(name, w) for w in frame.references) for name in ("pairs", "agree"))
    answered, scored = course.sum("answered", window), course.sum("scored", window)
    labelled, only_live, only_shadow = (
        course.sum(name, window) for name in ("labelled", "only_live_right", "only_shadow_right")
    )
    told = mcnemar(only_live, only_shadow, labelled) if labelled else None
    enough = told is not None and only_live + only_shadow >= MIN_DISCORDANT
    return ShadowRow(
        live=live,
        shadow=shadow,
        n=n,
        n_baseline=before,
        agreement=agree / n if n else None,
        interval=wilson(agree, n),
        agreement_baseline=agreed / before if before else None,
        moved=course.sum("moved", window) / scored if scored else None,
        confidence=course.means("live_score", "shadow_score", scored, window),
        latency_ms=_latency(pairs, frame, model, live, shadow),
        errors=course.means("live_failed", "shadow_failed", answered, window),
        labelled=labelled,
        only_live_right=only_live,
        only_shadow_right=only_shadow,
        p=told.p if told is not None and enough else None,
        p_always=uneven_p(only_live, only_shadow) if enough else None,
        accuracy_difference=None if told is None else told.difference,
        accuracy_reach=None if told is None else mean_reach(told.se * math.sqrt(labelled), labelled),
    )


def _latency(
    pairs: Pairs, frame: Frame, model: str, live: str, shadow: str
) -> tuple[dict[str, float | None], dict[str, float | None]] | None:
    latency = pairs.latency
    if latency is None or not isinstance(latency.bins, NumericBins):
        return None
    both = [key for side in ("live", "shadow") if (key := (model, live, shadow, side)) in latency.keys]
    if len(both) < 2:
        return None
    first, second = (
        summary(window_sum(latency.t, latency.n[:, latency.keys.index(key)], frame.live), latency.bins) for key in both
    )
    return first, second

"""Whether a distribution moved by more than its reference windows differ among themselves, and how far.

Two gates: `p` answers "is it real", `js_adj` and `auc` answer "does it matter".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.direction import direction, scale_factor
from analysis.distances import (
    chi_squared,
    hellinger,
    js_distance,
    js_divergence,
    js_noise,
    ks,
    psi,
    psi_noise,
    shares,
    tv,
    w1,
)
from analysis.multiple import cauchy_combine
from analysis.proportions import PRIOR_WEIGHT, shrunk_dispersion
from analysis.special import f_sf, t_two_sided

if TYPE_CHECKING:
    from analysis.evidence import Floats

__all__ = [
    "AUC_FLOOR",
    "JS_FLOOR",
    "ShiftCase",
    "ShiftSizes",
    "ShiftTest",
    "direction",
    "dispersion",
    "hellinger",
    "js_distance",
    "js_noise",
    "ks",
    "pool_small",
    "psi",
    "psi_noise",
    "scale_factor",
    "shift_sizes",
    "shift_test",
    "shift_tests",
    "trend_z",
    "tv",
    "w1",
]

JS_FLOOR = 0.06
"""Noise-adjusted Jensen-Shannon distance that is worth a look (a PSI of about 0.02)."""

AUC_FLOOR = 0.03
"""|AUC - ½| that is worth a look."""

MIN_EXPECTED = 5.0
"""Bins that expect fewer rows are pooled before testing."""


@dataclass(frozen=True, slots=True)
class ShiftTest:
    """One feature, live against its reference windows."""

    js: float
    """Jensen-Shannon distance of the pooled bins, 0..1."""
    js_adj: float
    """The same without the part that noise explains."""
    psi_adj: float
    noise: float
    """JS distance that noise alone produces."""
    auc: float
    """P(live > baseline) with ties as half; ½ for unordered bins."""
    p: float
    D: float
    """Between-window dispersion, at least 1."""
    n: float
    m: float
    se: float
    """Standard error of js_adj from sampling and dispersion."""


@dataclass(frozen=True, slots=True)
class ShiftCase:
    """One feature's counts: [B] live, [K, B] reference windows, and the rows without a finite value."""

    live: Floats
    windows: Floats
    ordered: bool
    null: float = 0.0
    nulls: Floats | None = None
    """[K]; None counts as no nulls at all."""


def dispersion(windows: ArrayLike) -> tuple[float, float]:
    """Pearson heterogeneity of [K, B] windows per degree of freedom, and the degrees of freedom (K-1)(B-1).

    First-order Rao-Scott correction estimated from replicate windows. (1, 0) when there is nothing to estimate from.
    """
    counts = np.asarray(windows, dtype=np.float64)[None]
    value, df = _dispersions(counts)
    return float(value[0]), float(df[0])


def _dispersions(windows: Floats) -> tuple[Floats, Floats]:
    """[F] dispersion and degrees of freedom of [F, K, B] windows."""
    sizes, summed = windows.sum(axis=2), windows.sum(axis=1)
    q = shares(summed)
    # sum (c - n q)^2 / (n q) = sum c^2 / (n q) - sum n: two passes over the windows instead of five
    part = np.divide(1.0, sizes, out=np.zeros_like(sizes), where=sizes > 0)
    squares = np.matmul(part[:, None, :], windows * windows)[:, 0]
    terms = np.divide(squares, q, out=np.zeros_like(squares), where=q > 0)
    used = np.maximum((summed > 0).sum(axis=1) - 1, 0)
    df = (np.maximum((sizes > 0).sum(axis=1) - 1, 0) * used).astype(np.float64)
    total = np.maximum(0.0, terms.sum(axis=1) - sizes.sum(axis=1))
    return np.divide(total, df, out=np.ones_like(total), where=df > 0), df


def trend_z(live: ArrayLike, baseline: ArrayLike, score: ArrayLike) -> Floats:
    """z of the difference of mean scores of [..., B] counts, with the pooled variance; zero where it is undefined."""
    x, y, u = (np.asarray(v, dtype=np.float64) for v in (live, baseline, score))
    n, m = x.sum(axis=-1), y.sum(axis=-1)
    p = shares(x + y)
    centre = (p * u).sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = (p * (u - centre) ** 2).sum(axis=-1) * (1 / n + 1 / m)
    usable = (n > 0) & (m > 0) & (variance > 1e-300)
    change = (shares(x) * u).sum(axis=-1) - (shares(y) * u).sum(axis=-1)
    return np.where(usable, change / np.sqrt(np.where(usable, variance, 1.0)), 0.0)


def pool_small(live: Floats, windows: Floats, ordered: ArrayLike, min_expected: float) -> tuple[Floats, Floats]:
    """[F, B] live and [F, K, B] windows with bins pooled until each expects `min_expected` rows in one window.

    Neighbours are pooled where bins are ordered, the rarest where they are not; a last group that stays too small joins
    the one before. Freed bins are zero and at the end.
    """
    both = live + windows.sum(axis=1)
    sizes = windows.sum(axis=2)
    held = (sizes > 0).sum(axis=1)
    typical = np.divide(sizes.sum(axis=1), held, out=np.zeros(len(live)), where=held > 0)
    expected = shares(both) * np.minimum(live.sum(axis=1), typical)[:, None]
    count, width = both.shape
    order = np.where(np.asarray(ordered)[:, None], np.arange(width)[None], np.argsort(-expected, axis=1, kind="stable"))
    expected = np.take_along_axis(expected, order, axis=1)
    group, held_rows = np.zeros(count, dtype=np.int64), np.zeros(count)
    groups = np.zeros((count, width), dtype=np.int64)
    empty = np.take_along_axis(both, order, axis=1) == 0
    for b in range(width):
        groups[:, b] = group
        held_rows += expected[:, b]
        closed = (held_rows >= min_expected) & ~empty[:, b]
        group += closed
        held_rows[closed] = 0.0
    last = np.where(group > 0, group - 1, 0)[:, None]
    groups = np.minimum(groups, last)
    at = np.empty_like(groups)
    np.put_along_axis(at, order, groups, axis=1)
    changed = np.flatnonzero((at != np.arange(width)).any(axis=1))
    if not len(changed):
        return live, windows
    member = (at[changed][:, :, None] == np.arange(width)).astype(np.float64)
    pooled, pooled_windows = live.copy(), windows.copy()
    pooled[changed] = np.matmul(live[changed][:, None, :], member)[:, 0]
    pooled_windows[changed] = np.matmul(windows[changed], member)
    return pooled, pooled_windows


def may_matter(live: ArrayLike, baseline: ArrayLike, ordered: ArrayLike) -> Floats:
    """[F] one where [F, B] counts may pass the second gate, zero where no test can help them: cheap to know.

    Taking off the noise and pooling bins only lower the distance; pooling moves the mean rank by less than half its
    floor.
    """
    x, y = np.asarray(live, dtype=np.float64), np.asarray(baseline, dtype=np.float64)
    q = shares(y)
    auc = (shares(x) * (np.cumsum(q, axis=-1) - q / 2)).sum(axis=-1)
    moved = np.asarray(ordered) & (np.abs(auc - 0.5) >= AUC_FLOOR / 2)
    return np.where((js_distance(x, y) >= JS_FLOOR) | moved, 1.0, 0.0)


@dataclass(frozen=True, slots=True)
class _Pooled:
    """F features with their rare bins pooled, side by side."""

    ordered: NDArray[np.bool_]
    values: Floats
    """[F, B] live"""
    value_windows: Floats
    """[F, K, B]"""
    x: Floats
    """[F, B+1] live, with the nulls as a last bin."""
    c: Floats
    """[F, K, B+1]"""
    factor: Floats
    """[F] between-window dispersion, at least 1."""
    freedom: Floats
    """[F] its degrees of freedom."""

    @classmethod
    def of(cls, cases: Sequence[ShiftCase], min_expected: float) -> _Pooled:
        width = max(case.live.shape[-1] for case in cases)
        depth = max(1, *(case.windows.shape[0] for case in cases))
        live, windows = np.zeros((len(cases), width)), np.zeros((len(cases), depth, width))
        for i, case in enumerate(cases):
            live[i, : case.live.shape[-1]] = case.live
            windows[i, : case.windows.shape[0], : case.live.shape[-1]] = case.windows
        ordered = np.array([case.ordered for case in cases])
        values, value_windows = (
            pool_small(live, windows, ordered, min_expected) if min_expected > 0 else (live, windows)
        )
        x, c = _with_nulls(cases, values, value_windows, min_expected)
        raw, freedom = _dispersions(c)
        return cls(ordered, values, value_windows, x, c, np.maximum(1.0, raw), freedom)


@dataclass(frozen=True, slots=True)
class ShiftSizes:
    """How far F features moved, whatever chance may do; [F] each, as in `ShiftTest`."""

    js: Floats
    js_adj: Floats
    psi_adj: Floats
    noise: Floats
    auc: Floats
    n: Floats
    m: Floats
    se: Floats


def shift_sizes(cases: Sequence[ShiftCase], *, min_expected: float = MIN_EXPECTED) -> ShiftSizes:
    """The sizes of `shift_tests` without their p-values, which cost as much again. At least one case."""
    return _sizes(_Pooled.of(cases, min_expected))


def _sizes(f: _Pooled) -> ShiftSizes:
    x, y = f.x, f.c.sum(axis=1)
    n, m = x.sum(axis=1), y.sum(axis=1)
    bins = _bins_used(x, y)
    known = (n > 0) & (m > 0)
    n1, m1 = np.maximum(n, 1), np.maximum(m, 1)
    floor = np.where(known, psi_noise(n1, m1, bins, f.factor), 0.0)
    divergence = js_divergence(x, y)
    raw_psi = psi(x, y)
    js = np.minimum(1.0, np.sqrt(divergence / math.log(2)))
    h = np.where(known, f.factor * (1 / n1 + 1 / m1), 0.0)
    # Delta method on js = √(PSI / 8 ln2), with the variance of a non-central chi-squared for PSI / h.
    spread = np.sqrt(2 * (bins - 1) * h**2 + 4 * np.maximum(raw_psi - floor, 0.0) * h)
    se = spread / (16 * math.log(2) * np.maximum(js, np.sqrt(floor / (8 * math.log(2))) + 1e-12))
    adjusted = np.minimum(1.0, np.sqrt(np.maximum(divergence - floor / 8, 0.0) / math.log(2)))
    noise = np.where(known, js_noise(n1, m1, bins, f.factor), 1.0)
    before = f.value_windows.sum(axis=1)
    ranked = f.ordered & (f.values.sum(axis=1) > 0) & (before.sum(axis=1) > 0)
    auc = np.where(ranked, (shares(f.values) * _ridit(before)).sum(axis=1), 0.5)
    return ShiftSizes(js, adjusted, np.where(known, raw_psi - floor, 0.0), noise, auc, n, m, se)


def _bins_used(x: Floats, y: Floats) -> Floats:
    """[F] bins that are filled on either side, at least one."""
    used: Floats = np.maximum(1, ((x + y) > 0).sum(axis=1)).astype(np.float64)
    return used


def _ridit(counts: Floats) -> Floats:
    """[F, B] share of the rows in lower bins, and half of those in the bin itself."""
    q = shares(counts)
    lower: Floats = np.cumsum(q, axis=1) - q / 2
    return lower


def _p_values(f: _Pooled) -> Floats:
    """[F] the tests of bins, location, spread and nulls together."""
    x, y = f.x, f.c.sum(axis=1)
    statistic, df = chi_squared(x, y)
    # One window has no spread to estimate: the textbook test is all that is left.
    freedom = np.where(f.freedom > 0, f.freedom, np.inf)
    p_bins = f_sf(np.divide(statistic, df, out=np.zeros_like(df), where=df > 0) / f.factor, df, freedom)

    location = 2 * _ridit(f.value_windows.sum(axis=1)) - 1
    is_null = np.zeros_like(x)
    is_null[:, -1] = 1.0
    held = (f.c.sum(axis=2) > 0).sum(axis=1)
    components = (
        (f.ordered, f.values, f.value_windows, location),
        (f.ordered, f.values, f.value_windows, 1.5 * location**2 - 0.5),
        (x[:, -1] + y[:, -1] > 0, x, f.c, is_null),
    )
    zs = []
    for applies, now, before, score in components:
        total = before.sum(axis=1)
        own = _score_dispersion(before, total, score)
        z = trend_z(now, total, score) / np.sqrt(_shrunk(own, held, f.factor))
        zs.append(np.where(applies & (df > 0), z, np.nan))
    p_components = t_two_sided(np.stack(zs), np.maximum(held, 1) + PRIOR_WEIGHT - 1)
    combined: Floats = cauchy_combine(np.stack([p_bins, *p_components]), axis=0)
    return combined


def shift_tests(cases: Sequence[ShiftCase], *, min_expected: float = MIN_EXPECTED) -> list[ShiftTest]:
    """`shift_test` of many features at once; their numbers of bins and windows may differ."""
    if not cases:
        return []
    pooled = _Pooled.of(cases, min_expected)
    sizes = _sizes(pooled)
    p = np.where((sizes.n > 0) & (sizes.m > 0), _p_values(pooled), 1.0)
    columns = (
        sizes.js, sizes.js_adj, sizes.psi_adj, sizes.noise, sizes.auc, p, pooled.factor, sizes.n, sizes.m, sizes.se
    )  # fmt: skip
    return [ShiftTest(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def _with_nulls(
    cases: Sequence[ShiftCase], live: Floats, windows: Floats, min_expected: float
) -> tuple[Floats, Floats]:
    """[F, B+1] live and [F, K, B+1] windows: the pooled bins and a last one of nulls, empty where too few are expected.

    Too few to be a bin of their own, nulls are left to their exact test (quality.null_rate): pooled with values they
    would look like values.
    """
    null, nulls = np.zeros(len(cases)), np.zeros(windows.shape[:2])
    for i, case in enumerate(cases):
        if case.nulls is not None:
            null[i], nulls[i, : len(case.nulls)] = case.null, case.nulls
    sizes = windows.sum(axis=2) + nulls
    held = (sizes > 0).sum(axis=1)
    typical = np.divide(sizes.sum(axis=1), held, out=np.zeros(len(cases)), where=held > 0)
    rows = live.sum(axis=1) + null
    total = rows + sizes.sum(axis=1)
    share = np.divide(null + nulls.sum(axis=1), total, out=np.zeros_like(total), where=total > 0)
    used = share * np.minimum(rows, typical) >= max(min_expected, 1e-9)
    return (
        np.concatenate([live, np.where(used, null, 0.0)[:, None]], axis=1),
        np.concatenate([windows, np.where(used[:, None], nulls, 0.0)[:, :, None]], axis=2),
    )


def _score_dispersion(windows: Floats, total: Floats, score: Floats) -> Floats:
    """[F] between-window variance of a mean score over its iid variance, of [F, K, B] windows."""
    q = shares(total)
    centre = (q * score).sum(axis=1)
    variance = (q * score**2).sum(axis=1) - centre**2
    sizes = windows.sum(axis=2)
    sums = np.matmul(windows, score[:, :, None])[:, :, 0]
    off = np.divide(sums, sizes, out=np.broadcast_to(centre[:, None], sizes.shape).copy(), where=sizes > 0)
    between = (sizes * (off - centre[:, None]) ** 2).sum(axis=1)
    weight = variance * np.maximum((sizes > 0).sum(axis=1) - 1, 0)
    out: Floats = np.divide(between, weight, out=np.ones_like(between), where=weight > 1e-12)
    return out


def _shrunk(own: Floats, held: np.ndarray[tuple[int, ...], np.dtype[np.int64]], prior: Floats) -> Floats:
    out = np.ones_like(own)
    for windows in np.unique(held):
        alike = held == windows
        out[alike] = shrunk_dispersion(own[alike], max(int(windows), 1), prior[alike])
    return out


def shift_test(
    live: ArrayLike,
    windows: ArrayLike,
    *,
    ordered: bool,
    null: float = 0.0,
    nulls: ArrayLike | None = None,
    min_expected: float = MIN_EXPECTED,
) -> ShiftTest:
    """Whether [B] live counts differ from [K, B] reference windows by more than those differ among themselves.

    The F test of the bins with the windows' dispersion; for ordered bins the t tests of location (rank score) and
    spread (its second Legendre polynomial); for nulls, a bin of their own, the t test of their share; each with its own
    dispersion shrunk to the bins', and all combined by Cauchy. Estimating the dispersion from the live window would
    hide the incident.
    """
    counted = None if nulls is None else np.asarray(nulls, dtype=np.float64)
    x, c = np.asarray(live, dtype=np.float64), np.asarray(windows, dtype=np.float64)
    return shift_tests([ShiftCase(x, c, ordered, null, counted)], min_expected=min_expected)[0]

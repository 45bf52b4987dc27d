"""Data-quality checks: nulls, unseen categories, range, constants, clipping, changes of unit; and request ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from analysis.direction import UNSEEN_SHARE, clipped_bin, constant_bin, is_unit, scale_factor
from analysis.distances import tv
from analysis.evidence import UNSEEN, Bins, CategoryBins, NumericBins
from analysis.proportions import rate_test_conditional, share_test
from analysis.special import binom_sf

if TYPE_CHECKING:
    from analysis.evidence import Floats

MIN_EFFECT_PP = 0.5
MIN_RATIO = 1.5
MAX_P = 0.001
MIN_UNSEEN = 3
MIN_ROWS = 30
"""Rows from which one bin holding 90 % is called a constant."""
TAIL_SHARE = 0.001
"""Baseline share beyond each outermost edge: the edges are the .1 and 99.9 % quantiles."""


@dataclass(frozen=True, slots=True)
class QualityCheck:
    """A check that failed."""

    check: str
    """null_rate, unseen_category, out_of_range, constant, clipping, unit_change or duplicate_ids."""
    now: float
    """Share of rows, 0..1."""
    baseline: float
    effect_pp: float
    """now - baseline in percentage points."""
    p: float
    n: float
    n_baseline: float


def _share_check(
    check: str, k: float, n: float, k_windows: ArrayLike, n_windows: ArrayLike, floor: float = 0.0
) -> QualityCheck | None:
    """A change of a share that is real (p < .001 with the windows' dispersion) and matters (0.5 pp, factor 1.5)."""
    test = share_test(k, n, k_windows, n_windows)
    if test.n <= 0 or test.n_baseline <= 0 or test.p >= MAX_P:
        return None
    baseline = max(test.baseline, floor)
    effect = (test.now - baseline) * 100
    if abs(effect) < MIN_EFFECT_PP or max(test.ratio, 1 / test.ratio) < MIN_RATIO:
        return None
    return QualityCheck(check, test.now, baseline, effect, test.p, n, test.n_baseline)


def null_rate(nulls: float, n: float, nulls_windows: ArrayLike, n_windows: ArrayLike) -> QualityCheck | None:
    """Nulls among n rows (nulls included) against [K] reference windows; a fall is reported as well as a rise."""
    return _share_check("null_rate", nulls, n, nulls_windows, n_windows)


def out_of_range(outside: float, n: float, outside_windows: ArrayLike, n_windows: ArrayLike) -> QualityCheck | None:
    """Values beyond the outermost baseline quantiles, where 0.1 % on each side is expected; only a rise is reported."""
    found = _share_check("out_of_range", outside, n, outside_windows, n_windows, floor=2 * TAIL_SHARE)
    return found if found is not None and found.effect_pp > 0 else None


def out_of_scale(outside: float, n: float, outside_windows: ArrayLike, n_windows: ArrayLike) -> QualityCheck | None:
    """Values that cannot be, such as a probability of 1.7; only a rise is reported."""
    found = _share_check("out_of_range", outside, n, outside_windows, n_windows)
    return found if found is not None and found.effect_pp > 0 else None


def duplicate_ids(repeated: float, n: float, repeated_windows: ArrayLike, n_windows: ArrayLike) -> QualityCheck | None:
    """Rows whose request id came before among n rows with an id; only a rise is reported."""
    found = _share_check("duplicate_ids", repeated, n, repeated_windows, n_windows)
    return found if found is not None and found.effect_pp > 0 else None


def unseen_category(unseen: float, n: float, unseen_baseline: float, n_baseline: float) -> QualityCheck | None:
    """Values that the baseline never had: at least 3, 0.2 % of the rows, and exact binomial p < .001."""
    if n <= 0 or n_baseline <= 0 or unseen < MIN_UNSEEN or unseen / n < UNSEEN_SHARE:
        return None
    now, before = unseen / n, unseen_baseline / n_baseline
    p = rate_test_conditional(unseen, unseen_baseline, n, n_baseline)
    if p >= MAX_P or now < MIN_RATIO * before:
        return None
    return QualityCheck("unseen_category", now, before, (now - before) * 100, p, n, n_baseline)


def constant(live: Floats, baseline: Floats, bins: Bins) -> QualityCheck | None:
    """One of [B] bins holds at least 90 % of at least 30 rows and held less than half before.

    An open outer bin never counts: many different values may lie beyond the range (`out_of_range` says so).
    """
    n, m = float(np.sum(live)), float(np.sum(baseline))
    stuck = constant_bin(live, baseline, bins) if n >= MIN_ROWS and m > 0 else None
    if stuck is None:
        return None
    now, before = float(live[stuck]) / n, float(baseline[stuck]) / m
    p = float(binom_sf(float(live[stuck]) - 1, n, before)) if before > 0 else 0.0
    return QualityCheck("constant", now, before, (now - before) * 100, p, n, m)


def clipping(live: Floats, windows: Floats, bins: NumericBins) -> QualityCheck | None:
    """Values beyond a limit now have the limit as their value: [B] live and [K, B] reference counts.

    Real when the share beyond the limit fell with p < .001 (`direction.clipped_bin` says that it is piled up on one
    bin), and worth a look from half a point on. now and baseline are shares of the bin that holds the limit.
    """
    baseline = windows.sum(axis=0)
    i = clipped_bin(live, baseline)
    if i is None:
        return None
    n, m = float(live.sum()), float(baseline.sum())
    upper = float(live[i + 1 :].sum()) / n < float(baseline[i + 1 :].sum()) / m
    beyond = slice(i + 1, None) if upper else slice(0, i)
    test = share_test(float(live[beyond].sum()), n, windows[:, beyond].sum(axis=1), windows.sum(axis=1))
    now, before = float(live[i]) / n, float(baseline[i]) / m
    if test.p >= MAX_P or (now - before) * 100 < MIN_EFFECT_PP:
        return None
    return QualityCheck("clipping", now, before, (now - before) * 100, test.p, n, m)


def unit_change(
    live: Floats, baseline: Floats, bins: Bins, p: float, *, mean: float | None, mean_baseline: float | None
) -> QualityCheck | None:
    """All values were multiplied by the factor of a usual change of unit; [B] counts, `p` of the shift test.

    now is the share of rows in other bins than before (total variation), baseline is 0.
    """
    if not isinstance(bins, NumericBins) or p >= MAX_P:
        return None
    factor = scale_factor(live, baseline, bins.edges, mean=mean, mean_baseline=mean_baseline)
    if factor is None or not is_unit(factor):
        return None
    moved = float(tv(live, baseline))
    return QualityCheck("unit_change", moved, 0.0, moved * 100, p, float(live.sum()), float(baseline.sum()))


def quality_checks(
    live: ArrayLike, live_null: float, windows: ArrayLike, windows_null: ArrayLike, bins: Bins
) -> list[QualityCheck]:
    """All checks that apply to a feature: [B] live and [K, B] reference counts of its finite values, and the nulls."""
    x, c = np.asarray(live, dtype=np.float64), np.asarray(windows, dtype=np.float64)
    sizes, nulls = c.sum(axis=1), np.asarray(windows_null, dtype=np.float64)
    n = float(x.sum())
    found = [null_rate(live_null, n + live_null, nulls, sizes + nulls), constant(x, c.sum(axis=0), bins)]
    if isinstance(bins, NumericBins) and bins.reference and len(bins) > 2:
        found.append(out_of_range(float(x[0] + x[-1]), n, c[:, 0] + c[:, -1], sizes))
    if isinstance(bins, NumericBins) and n >= MIN_ROWS:
        found.append(clipping(x, c, bins))
    if isinstance(bins, CategoryBins) and UNSEEN in bins.labels:
        last = bins.labels.index(UNSEEN)
        found.append(unseen_category(float(x[last]), n, float(c[:, last].sum()), float(sizes.sum())))
    return [check for check in found if check is not None]

"""Traffic moved, rates did not: how much of a changed rate comes from a changed mix of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analysis.answer import MixShift, PanelStatus, State
from analysis.cubes import align, expectation
from analysis.evidence import OTHER
from analysis.mix import Mix, MixRow, Replaced

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.cubes import Aligned
    from analysis.evidence import Cube, Floats

SHOWN = 8
"""Values of a dimension that are listed, those that moved most."""
MOST = 0.5
"""Share of a rate's change that the mix must explain to be the answer."""
FEW = 0.05
"""Share of the rows below which a value is as good as absent: a canary before its roll-out, a remainder after it."""
TAKEN_OVER = 0.8
"""Share of the rows, before and now, whose value must be as good as absent at the other time to call it replaced."""


@dataclass(frozen=True, slots=True)
class _Dim:
    """The values of one dimension: [V] each."""

    name: str
    values: tuple[str, ...]
    n: Floats
    before: Floats
    hits: Floats
    hits_before: Floats

    @property
    def moved(self) -> Floats:
        """Change of each value's share of the rows."""
        moved: Floats = self.n / self.n.sum() - self.before / self.before.sum()
        return moved

    def parts(self, change: float) -> Floats:
        """What the moved shares make of a change of the total rate; 0 for values without a rate before.

        Against the mean rate: a share that moves to a value of that rate changes nothing.
        """
        known, mean = self.before > 0, float(self.hits_before.sum() / self.before.sum())
        part = np.zeros(len(self.n))
        part[known] = self.moved[known] * (self.hits_before[known] / self.before[known] - mean) / change
        return part


def _dims(table: Aligned) -> list[_Dim]:
    found = []
    for name, values, codes in zip(table.dims, table.values, table.codes, strict=True):
        columns = (table.n, table.n_baseline, table.hits, table.hits_baseline)
        n, before, hits, hits_before = (np.bincount(codes, c, len(values)).astype(np.float64) for c in columns)
        found.append(_Dim(name, values, n, before, hits, hits_before))
    return found


def mix_of(live: Cube, baseline: Cube, outcome: int | None) -> Mix:
    """The shares of every value before and now, the dimension that moved most first (half the sum of all shifts).

    Args:
        outcome: column of hits whose rate is to be explained; None where the rows themselves are the matter.
    """
    table = align(live, baseline, outcome)
    loading = PanelStatus(State.LIVE)
    n, before = float(table.n.sum()), float(table.n_baseline.sum())
    if n <= 0 or before <= 0:
        return Mix(loading, n=n, n_baseline=before)
    rates = (float(table.hits_baseline.sum()) / before, float(table.hits.sum()) / n) if outcome is not None else None
    change = rates[1] - rates[0] if rates is not None else 0.0
    dims = sorted(_dims(table), key=lambda dim: -float(np.abs(dim.moved).sum()))
    rows: list[MixRow] = []
    best: tuple[float, str] | None = None
    for dim in dims:
        parts = dim.parts(change) if change else None
        if parts is not None and (best is None or float(parts.sum()) > best[0]):
            best = (float(parts.sum()), dim.name)
        rows += [_mix_row(dim, i, parts) for i in np.argsort(-np.abs(dim.moved), kind="stable")[:SHOWN].tolist()]
    before_rate, now_rate = rates if rates is not None else (None, None)
    part, name = best if best is not None else (None, "")
    return Mix(loading, "", "", before_rate, now_rate, part, name, n, before, _replaced(dims), tuple(rows))


def _replaced(dims: Sequence[_Dim]) -> Replaced | None:
    """The dimension whose values were replaced, the version before others: pods and instances go with it."""
    found: dict[str, Replaced] = {}
    for dim in dims:
        before, now = dim.before / dim.before.sum(), dim.n / dim.n.sum()
        left, came = np.where(now < FEW, before, 0.0), np.where(before < FEW, now, 0.0)
        if min(left.sum(), came.sum()) >= TAKEN_OVER:
            found[dim.name] = Replaced(dim.name, dim.values[int(left.argmax())], dim.values[int(came.argmax())])
    return found.get("version") or next(iter(found.values()), None)


def _mix_row(dim: _Dim, i: int, parts: Floats | None) -> MixRow:
    n, before = float(dim.n[i]), float(dim.before[i])
    return MixRow(
        where=((dim.name, dim.values[i]),),
        share_before=before / float(dim.before.sum()),
        share_now=n / float(dim.n.sum()),
        n=n,
        rate_before=float(dim.hits_before[i]) / before if parts is not None and before > 0 else None,
        rate_now=float(dim.hits[i]) / n if parts is not None and n > 0 else None,
        part=float(parts[i]) if parts is not None and before > 0 else None,
    )


def mix_shift(live: Cube, baseline: Cube, outcome: int, *, limit: int = 5) -> tuple[MixShift, ...]:
    """The values whose share of the rows moved, where that explains at least half of the change of the rate.

    The change of a rate is the sum of what the mix did (shares now at rates before) and what the rates did (Kitagawa
    1955). Values of the one dim whose shares explain most come first by their part; empty when the rates moved.
    """
    table = align(live, baseline, outcome)
    rows, before = float(table.n.sum()), float(table.n_baseline.sum())
    if not table.dims or rows <= 0 or before <= 0:
        return ()
    rate, rate_before = float(table.hits.sum()) / rows, float(table.hits_baseline.sum()) / before
    change = rate - rate_before
    by_mix = float(expectation(table)[0].sum()) / rows - rate_before
    if change == 0 or by_mix / change < MOST:
        return ()
    best: list[MixShift] = []
    for dim in _dims(table):
        part = dim.parts(change)
        if part.sum() > sum(shift.share_of_change for shift in best):
            told = [
                (_mix_row(dim, i, part), float(part[i])) for i in np.argsort(-part).tolist() if dim.values[i] != OTHER
            ]
            best = [
                MixShift(row.where, row.share_before, row.share_now, row.rate_before, share)
                for row, share in told
                if row.rate_before is not None
            ]
    return tuple(best[:limit])

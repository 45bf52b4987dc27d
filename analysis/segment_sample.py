"""A segment search over a sample: coded rows as cubes, codes as names again, and exact counts in place of estimates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from analysis.answer import MixShift, Segment
from analysis.evidence import OTHER, CodedRows, Cube
from analysis.filters import Eq, Filter, conjunction
from analysis.segment_cover import MIN_SHARE
from analysis.segments import ALPHA, MIN_HITS

if TYPE_CHECKING:
    from analysis.evidence import Codes, Floats, Ints

Where = tuple[tuple[str, str], ...]
CodedWhere = tuple[tuple[str, int], ...]

_SCOUTED = 10_000
_TABLED = 200
KEPT_VALUES = 2_000
"""Values of a dim that are searched; the rarest beyond are `OTHER`."""


def cubes(live: CodedRows, baseline: CodedRows, outcomes: tuple[Filter, ...]) -> tuple[Cube, Cube]:
    """The two samples as cubes over one set of values, which are named by their codes."""
    split = len(live.n)
    weight = np.concatenate([live.n + 100 * live.hits.sum(axis=1), baseline.n])
    values: list[tuple[str, ...]] = []
    # Column by column in memory: that is how a search reads it.
    codes = np.empty((len(weight), len(live.dims)), dtype=np.int64, order="F")
    for d in range(len(live.dims)):
        known, codes[:, d] = _coded(np.concatenate([live.codes[:, d], baseline.codes[:, d]]), weight)
        values.append(known)

    def cube(rows: CodedRows, at: slice) -> Cube:
        drawn = rows.drawn if float(rows.drawn.max(initial=0.0)) > 0 else None
        return Cube(live.dims, tuple(values), codes[at], rows.n, rows.hits, outcomes, drawn, rows.hit_weight)

    return cube(live, slice(0, split)), cube(baseline, slice(split, None))


def _coded(column: Codes, weight: Floats) -> tuple[tuple[str, ...], Ints]:
    """The values of a dim, as text, and the [R] index of each row's; the rarest beyond the limit become OTHER."""
    known, index = _factorised(column)
    if len(known) <= KEPT_VALUES:
        return tuple(str(code) for code in known.tolist()), index
    kept = np.sort(np.argsort(-np.bincount(index, weight), kind="stable")[:KEPT_VALUES])
    place = np.full(len(known), KEPT_VALUES, dtype=np.int64)
    place[kept] = np.arange(KEPT_VALUES)
    return (*(str(code) for code in known[kept].tolist()), OTHER), place[index]


def _factorised(column: Codes) -> tuple[Codes, Ints]:
    """The distinct codes, ascending, and the [R] position of each row's.

    Codes are hashes, so 16 bits of one mostly tell the values of a dim apart: a table is ten times as fast as a sort.
    """
    known = np.unique(column[:: max(1, len(column) // _SCOUTED)])
    if 0 < len(known) <= _TABLED:
        for shift in (48, 32, 16):
            table = np.zeros(2**16, dtype=np.int64)
            table[(known >> np.uint64(shift)) & np.uint64(0xFFFF)] = np.arange(len(known))
            index = table[(column >> np.uint64(shift)) & np.uint64(0xFFFF)]
            if np.array_equal(known[index], column):
                return known, index
    known, index = np.unique(column, return_inverse=True)
    return known, index.astype(np.int64)


def coded(segments: Sequence[Segment], mix: Sequence[MixShift] = ()) -> tuple[CodedWhere, ...]:
    """Every conjunction of codes that the segments, their other names and the moved shares use, each once."""
    wheres = [where for segment in segments for where in (segment.where, *segment.aliases)]
    found = dict.fromkeys((*wheres, *(shift.where for shift in mix)))
    return tuple(tuple((dim, int(code)) for dim, code in where) for where in found)


def renamed(
    segments: Sequence[Segment], mix: Sequence[MixShift], names: Mapping[CodedWhere, Where]
) -> tuple[tuple[Segment, ...], tuple[MixShift, ...]]:
    """The same with the values that the codes stand for; what has no name is left out."""

    def plain(where: Where) -> Where | None:
        return names.get(tuple((dim, int(code)) for dim, code in where))

    told = []
    for segment in segments:
        where = plain(segment.where)
        if where is not None:
            aliases = tuple(name for alias in segment.aliases if (name := plain(alias)) is not None)
            told.append(replace(segment, where=where, aliases=aliases))
    moved = [replace(shift, where=where) for shift in mix if (where := plain(shift.where)) is not None]
    return tuple(told), tuple(moved)


def filter_of(segment: Segment) -> Filter:
    """The rows of a segment."""
    return conjunction(*(Eq(dim, value) for dim, value in segment.where))


def verified(segment: Segment, now: Floats, before: Floats, total: tuple[float, float]) -> Segment | None:
    """A sampled segment with counts of every row; None when it does not stand up to them.

    What was expected of it scales with its rows. It must show enough hits, and the excess that made it significant.

    Args:
        now, before: [2] rows and hits in the window and in the baseline.
        total: the same of all rows of the window.
    """
    n, hits = float(now[0]), float(now[1])
    if n <= 0 or hits < MIN_HITS or segment.rate_without is None:
        return None
    rows = segment.n / segment.support
    sampled_hits = segment.rate_in * segment.n + segment.rate_out * (rows - segment.n)
    sampled_excess = sampled_hits - segment.rate_without * rows
    expected = max(0.0, segment.rate_in - sampled_excess / segment.n) * n
    known = float(before[0]) > 0
    rate_before = float(before[1] / before[0]) if known else segment.rate_before
    cautious = max(expected, n * rate_before if known else 0.0, 1e-9)
    variance = cautious * n / max(float(before[0]), 1.0)
    llr = hits * math.log(hits / cautious) - (hits - cautious) if hits > cautious else 0.0
    share = segment.share_of_change * (hits - expected) / sampled_excess if sampled_excess > 0 else 0.0
    if llr * cautious / (cautious + variance) <= -math.log(ALPHA) or share < MIN_SHARE:
        return None
    out_rows, out_hits = total[0] - n, total[1] - hits
    floor = max(out_hits, 0.5) / (out_rows + (0 if out_hits else 1)) if out_rows > 0 else 1.0
    return replace(
        segment,
        share_of_change=share,
        rate_in=hits / n,
        rate_out=out_hits / out_rows if out_rows > 0 else 0.0,
        rate_before=rate_before,
        lift=hits / n / floor,
        support=n / total[0],
        n=n,
        rate_without=(total[1] - (hits - expected)) / total[0],
        sampled=False,
    )

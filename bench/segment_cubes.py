"""Cubes with known causes: planted conjunctions of one to three values, moved mixes, collinear dims, bursty rates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.evidence import Cube
from analysis.filters import ALL

Where = tuple[tuple[str, str], ...]
Codes = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Case:
    """A pair of cubes and what was planted in the live one."""

    live: Cube
    baseline: Cube
    causes: tuple[Where, ...]
    twins: dict[str, str]
    """Collinear dim -> the dim whose values it renames."""


def case(seed: int, *, causes: int | None = None) -> Case:
    """A cube of 4 to 7 dims with a moved mix; `causes` is 0 for a null cube, None for one or two by the seed.

    The rate differs by main effects, by pairs of values, and from leaf to leaf and window to window (over-dispersion:
    a gamma of 5 to 30 % of a leaf's rate, and of 0 to 10 % of a value's). A third of the cubes has a dim that renames
    another's values.
    """
    rng = np.random.default_rng(seed)
    cards = [int(card) for card in rng.choice([2, 3, 4, 5, 6, 8, 10, 15, 25], rng.integers(4, 8))]
    while np.prod(cards) > 60_000:
        cards[int(np.argmax(cards))] //= 2
    before = [rng.dirichlet(np.full(card, 2.0)) for card in cards]
    now = [rng.dirichlet(share * rng.uniform(15, 80) + 0.3) for share in before]
    leaves = np.stack(np.unravel_index(np.arange(int(np.prod(cards))), cards), axis=1).astype(np.int64)
    score = np.zeros(len(leaves))
    for d, card in enumerate(cards):
        score += rng.normal(0, 0.35, card)[leaves[:, d]]
    a, b = rng.choice(len(cards), 2, replace=False)
    score += rng.normal(0, 0.3, (cards[a], cards[b]))[leaves[:, a], leaves[:, b]]
    rate = np.minimum(0.4, rng.uniform(0.004, 0.05) * np.exp(score))
    rows = int(rng.choice([20_000, 60_000, 200_000]))
    n_before, n_now = (_rows(rng, total, mix, leaves) for total, mix in ((rows * 6, before), (rows, now)))
    wanted = int(rng.integers(1, 3)) if causes is None else causes
    planted = _plant(rng, wanted, leaves, n_now, rate)
    bursts = float(rng.uniform(0.05, 0.3))
    swing = float(rng.choice([0.0, 0.03, 0.1]))

    def hits(n: Floats, extra: Floats) -> Floats:
        noise = rng.gamma(1 / bursts**2, bursts**2, len(n))
        for d, card in enumerate(cards):
            noise = noise * np.exp(rng.normal(0, swing / 2, card))[leaves[:, d]]
        return rng.binomial(n.astype(np.int64), np.minimum(1.0, rate * noise + extra)).astype(np.float64)

    extra = np.zeros(len(leaves))
    for cause, lift in planted:
        extra = np.maximum(extra, np.where(_inside(leaves, cause), lift, 0.0))
    hit_before, hit_now = hits(n_before, np.zeros(len(leaves))), hits(n_now, extra)
    dims = [f"dim{d}" for d in range(len(cards))]
    values = [tuple(f"v{v}" for v in range(card)) for card in cards]
    twins: dict[str, str] = {}
    if rng.random() < 1 / 3:
        source = int(rng.integers(len(cards)))
        twins["twin"] = dims[source]
        dims.append("twin")
        values.append(tuple(f"t{v}" for v in range(cards[source])))
        leaves = np.concatenate([leaves, leaves[:, source : source + 1]], axis=1)

    def cube(n: Floats, hit: Floats) -> Cube:
        kept = n > 0
        return Cube(tuple(dims), tuple(values), leaves[kept], n[kept], hit[kept, None], (ALL,))

    named = tuple(tuple((dims[d], values[d][v]) for d, v in cause) for cause, _ in planted)
    return Case(cube(n_now, hit_now), cube(n_before, hit_before), named, twins)


def _rows(rng: np.random.Generator, total: int, mix: list[Floats], leaves: Codes) -> Floats:
    share = np.ones(len(leaves))
    for d, part in enumerate(mix):
        share *= part[leaves[:, d]]
    drawn: Floats = rng.poisson(total * share / share.sum()).astype(np.float64)
    return drawn


def _inside(leaves: Codes, cause: list[tuple[int, int]]) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = np.logical_and.reduce([leaves[:, d] == v for d, v in cause])
    return inside


def _plant(
    rng: np.random.Generator, wanted: int, leaves: Codes, n: Floats, rate: Floats
) -> list[tuple[list[tuple[int, int]], float]]:
    """Causes of 1 to 3 values that hold 0.3 to 30 % of the rows, with the rate that each adds: a visible excess."""
    planted: list[tuple[list[tuple[int, int]], float]] = []
    for _ in range(1_000):
        if len(planted) == wanted:
            break
        dims = sorted(int(d) for d in rng.choice(leaves.shape[1], rng.integers(1, 4), replace=False))
        cause = [(d, int(rng.integers(leaves[:, d].max() + 1))) for d in dims]
        inside = _inside(leaves, cause)
        rows = float(n[inside].sum())
        overlap = any(float(n[inside & _inside(leaves, other)].sum()) > 0.2 * rows for other, _ in planted)
        if overlap or rows < 0.003 * n.sum() or rows > 0.3 * n.sum():
            continue
        # An excess of at least 8 standard deviations and 60 rows, as a change that made somebody look has.
        expected = float((n * rate)[inside].sum())
        enough = max(60.0, 8 * expected**0.5, 0.4 * expected) / rows
        lift = min(0.8, enough * float(rng.uniform(1.0, 4.0)))
        if lift >= enough:
            planted.append((cause, lift))
    return planted

"""Labels as evidence, from simulated predictions whose score, truth and delay a test chooses."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from analysis.evidence import Labels
from analysis.labels import DELAYS_S, SCORES
from analysis.view import Frame
from tests.evidence import FRAME, Floats, Ints, Over, steady

Draw = Callable[[np.random.Generator, Ints], Floats]
"""(random numbers, [N] unix seconds of the rows) -> [N] values."""


def scores_of(mean: float = 0.8) -> Draw:
    """Scores between one half and one."""
    return lambda rng, t: np.clip(rng.normal(mean, 0.08, len(t)), 0.5, 0.999)


def delays_of(median_s: float = 300.0) -> Draw:
    """Lognormal delays."""
    return lambda rng, t: median_s * np.exp(0.8 * rng.normal(size=len(t)))


def labelled(
    *,
    frame: Frame = FRAME,
    moment: float | None = None,
    per_minute: int = 600,
    right: Over = steady(0.0),  # noqa: B008 - a pure function
    scores: Draw | None = None,
    delays: Draw | None = None,
    late_when_wrong: float = 1.0,
    seed: int = 1,
    model: str = "shop",
) -> Labels:
    """Labels of a calibrated model that is right with the probability of its score plus `right` of the time.

    Args:
        moment: unix seconds up to which labels have come; the end of the live window by default.
        late_when_wrong: factor on the delay of labels that show an error.
    """
    rng = np.random.default_rng(seed)
    now = float(frame.live.end) if moment is None else moment
    span = frame.span
    t = np.sort(rng.integers(span.start, min(span.end, int(now)), per_minute * span.length // 60))
    score = (scores or scores_of())(rng, t)
    moments, at = np.unique(t, return_inverse=True)
    correct = rng.random(len(t)) < score + np.array([right(float(x)) for x in moments])[at]
    delay = (delays or delays_of())(rng, t) * np.where(correct, 1.0, late_when_wrong)
    known = t + delay <= now
    return Labels(
        step=frame.step,
        keys=((model,),),
        scores=SCORES,
        delays=DELAYS_S,
        t=t // frame.step * frame.step,
        served=t // frame.step * frame.step,
        key=np.zeros(len(t), dtype=np.int64),
        score=np.searchsorted(np.array(SCORES.edges), score, side="right") - 1,
        delay=np.where(known, np.searchsorted(np.array(DELAYS_S), delay, side="right") - 1, -1),
        n=np.ones(len(t)),
        correct=(correct & known).astype(float),
        total=score,
        newest={model: float((t + delay)[known].max())} if known.any() else {},
    )

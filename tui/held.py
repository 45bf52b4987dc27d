"""What a feed holds of one question: its rings, and the evidence that they amount to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from analysis.evidence import LogEvidence, MetricEvidence
from analysis.filters import Eq, Filter, Not, conjunction
from analysis.spans import union
from analysis.view import Frame, Window
from tui.ring import Ring, fresh_from

if TYPE_CHECKING:
    from analysis.answer import SourceStatus
    from analysis.evidence import Bins, Traffic
    from connectors.base import LogStore
    from tui.lookback import LookBack
    from tui.question import Question

PARTS = ("traffic", "errors", "confidence", "features", "labels", "pairs", "repeats")
"""The order in which a poll reads: what the overview needs first comes first."""


def baseline_of(question: Question) -> Filter:
    """The rows that are the baseline."""
    if question.version is None:
        return question.where
    return conjunction(question.where, Eq("version", question.version))


def newest_row(traffic: Traffic | None, now: float) -> float | None:
    """The end of the newest bucket with rows that has begun, at most `now`; unix seconds."""
    if traffic is None:
        return None
    filled = traffic.requests.t[traffic.requests.n.sum(axis=1) > 0]
    past = filled[filled <= now]
    return min(now, float(past.max()) + traffic.requests.step) if len(past) else None


@dataclass(frozen=True, slots=True)
class Rows:
    """Which rows of which windows a set of rings holds."""

    where: Filter
    step: int
    windows: Callable[[Frame], tuple[Window, ...]]
    known_at: float | None = None
    """Unix seconds after which no label was known; None for now."""
    shift_s: int = 0
    """By how much the evidence is moved in time."""


class RingSet:
    """The rings of one set of rows."""

    def __init__(self, store: LogStore, rows: Rows, edges: Sequence[float], bins: Mapping[str, Bins]) -> None:
        from analysis import error_kinds, labels, slices

        self._store, self._rows, self._edges = store, rows, edges
        where, step = rows.where, rows.step
        self.rings: dict[str, Ring[Any]] = {
            "traffic": Ring(lambda s: store.series(s, step, where), slices.merge_traffic, slices.cut_traffic),
            "errors": Ring(
                lambda s: store.errors(s, step, where),
                lambda a, b: error_kinds.bounded(slices.merge_errors(a, b)),
                slices.cut_errors,
            ),
            "confidence": Ring(
                lambda s: store.confidence(s, step, edges, where), slices.merge_histograms, slices.cut_histogram
            ),
            "labels": Ring(
                lambda s: store.labels(s, step, labels.SCORES.edges, labels.DELAYS_S, rows.known_at, where),
                labels.merge_labels,
                labels.cut_labels,
            ),
            "pairs": Ring(lambda s: store.agreement(s, step, where), slices.merge_pairs, slices.cut_pairs),
            "repeats": Ring(lambda s: store.repeats(s, step, where), slices.merge_repeats, slices.cut_repeats),
        }
        self.freeze(bins)

    def freeze(self, bins: Mapping[str, Bins]) -> None:
        """Read the features in these bins from now on."""
        from analysis import slices

        self.bins = bins
        store, step, where = self._store, self._rows.step, self._rows.where
        self.rings["features"] = Ring(
            lambda s: store.features(s, step, bins, where), slices.merge_features, slices.cut_features
        )

    def branch(self, rows: Rows) -> RingSet:
        """The same rows of other windows, with all that is known of them but the labels, which time adds to."""
        other = RingSet(self._store, rows, self._edges, self.bins)
        for part in PARTS:
            if part != "labels":
                other.rings[part].take(self.rings[part])
        return other

    async def read(self, part: str, frame: Frame, newest: float | None) -> None:
        """Bring one part up to a frame; `newest` as in `fresh_from`."""
        await self.rings[part].read(union(self._rows.windows(frame)), fresh_from(frame, newest))

    def evidence(self) -> LogEvidence:
        """What the rings hold."""
        from analysis.merging import shift_logs

        found = LogEvidence(
            traffic=self.rings["traffic"].value,
            confidence=self.rings["confidence"].value,
            features=self.rings["features"].value or {},
            errors=self.rings["errors"].value,
            labels=self.rings["labels"].value,
            pairs=self.rings["pairs"].value,
            repeats=self.rings["repeats"].value,
        )
        return shift_logs(found, self._rows.shift_s) if self._rows.shift_s else found


def rows_asked(question: Question) -> tuple[Rows, ...]:
    """The sets of rows that a question is about: one, or two where another version is the baseline."""
    frame, version = question.frame, question.version
    if version is None:
        return (Rows(question.where, frame.step, lambda f: (f.live, *f.references), question.known_at),)
    others = conjunction(question.where, Not(Eq("version", version)))
    return (
        Rows(others, frame.step, lambda f: (f.live,), question.known_at),
        # The other version's rows, up to this very window, moved back by one window: there they are the references.
        Rows(
            baseline_of(question),
            frame.step,
            lambda f: f.baseline(version),
            question.known_at,
            -frame.live.length,
        ),
    )


@dataclass(slots=True)
class HeldLogs:
    """One question to a log store, its rings, and its last answer."""

    shape: object
    """What it shares with questions that differ in their moment alone."""
    sets: tuple[RingSet, ...]
    look_back: LookBack
    newest: float | None = None
    oldest: float | None = None
    """Unix seconds of the source's newest and oldest row at the last read."""
    labelled_at: float | None = None
    labels_took_s: float = 0.0
    """When the labels were last read, and how many seconds that took."""
    evidence: LogEvidence | None = None
    answered: Question | None = None
    status: SourceStatus | None = None
    """Of the source, when all of the question had been answered."""
    queries: Mapping[str, str] = field(default_factory=dict)
    elapsed_s: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def rings(self) -> tuple[Ring[Any], ...]:
        """Every ring."""
        return tuple(ring for rings in self.sets for ring in rings.rings.values())


@dataclass(slots=True)
class HeldMetrics:
    """One question to a metric store, its ring, and its last answer."""

    identity: object
    ring: Ring[MetricEvidence]
    look_back: LookBack
    newest: float | None = None
    oldest: float | None = None
    """Unix seconds of the source's newest and oldest sample at the last read."""
    evidence: MetricEvidence | None = None
    answered: Question | None = None
    status: SourceStatus | None = None
    """Of the source, when all of the question had been answered."""
    against: str | None = None
    """The version whose requests stand where the references are; None where the series cannot tell it."""
    notes: tuple[str, ...] = ()

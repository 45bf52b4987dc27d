"""Stories: findings that one incident explains are told once, the symptom first, with what may have caused it.

A cause is a finding that can bring the other about (a table of mechanisms), in the same model or a dependency that
several models share, that began with it or before it, and whose segment does not contradict. What is left is not
proof: on the screen it carries a question mark.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from analysis.answer import Cause, Finding, FindingKey, Segment, Signal
from analysis.outline import FELT, beside
from analysis.ranking import ranked
from analysis.words import duration

TOGETHER_S = 240.0
"""Onsets this close are called one moment: each estimate is right to about two minutes."""

TOGETHER_BUCKETS = 3
"""The same in buckets, for windows whose buckets are long."""

INPUTS = frozenset({Signal.FEATURE, Signal.QUALITY})
QUEUES = frozenset({"in_flight", "queue_depth", "queue_time"})
"""Gauges that follow from slow answers or many requests (Little's law) and start nothing."""

UNCOUNTED = frozenset({"missing", "idle"})
"""Checks of replicas whose requests are no longer counted, whoever answers them."""

SENT_AGAIN = "duplicate_ids"
"""The check that follows from what users feel: clients send again what failed or was slow."""

SHARED = frozenset({Signal.DEPENDENCY, Signal.ERROR, Signal.FEATURE, Signal.QUALITY})
"""Findings of two models with one subject and one onset are one story: the dependency or the upstream job is shared."""

_LEADS_TO: Mapping[Signal, frozenset[Signal]] = {
    Signal.VERSION: FELT | INPUTS | {Signal.INFRA, Signal.DEPENDENCY},
    Signal.DEPENDENCY: FELT | INPUTS | {Signal.INFRA, Signal.REQUEST_RATE},
    Signal.REQUEST_RATE: FELT | INPUTS | {Signal.INFRA, Signal.DEPENDENCY},
    Signal.INFRA: frozenset(
        {Signal.LATENCY, Signal.ERROR, Signal.BUSINESS, Signal.STALENESS, Signal.INFRA, Signal.REQUEST_RATE}
    ),
    Signal.QUALITY: FELT - {Signal.LATENCY},
    Signal.FEATURE: FELT - {Signal.LATENCY, Signal.ERROR},
    Signal.STALENESS: frozenset({Signal.STALENESS, Signal.REQUEST_RATE}),
    Signal.LATENCY: frozenset({Signal.INFRA, Signal.QUALITY}),
    Signal.ERROR: frozenset({Signal.QUALITY}),
    Signal.CONFIDENCE: frozenset({Signal.ACCURACY, Signal.CALIBRATION}),
}
"""What can bring about what, within one model."""

_CONFIDENCE = ("high", "medium", "low")
_FOLDED = ("high", "medium")


def told(findings: Sequence[Finding], step: int) -> tuple[Finding, ...]:
    """The findings with their causes, in the order in which they are read: what stands unfolded, then the rest.

    Leaders come in the order of `ranked`, each followed by the one other finding that explains it best (its cause, or
    what it did to users); the folded rest follows in the same order of stories. May be called again on its own result
    when segments have become known.

    Args:
        step: seconds per bucket, the resolution of onsets.
    """
    listed = ranked(findings)
    tolerance = max(TOGETHER_S, TOGETHER_BUCKETS * float(step))
    links = _links(listed, tolerance)
    stories = _stories(listed, links, tolerance)
    leaders = [_leader(story, links) for story in stories]
    place = {finding.key: at for at, finding in enumerate(listed)}
    order = sorted(range(len(stories)), key=lambda i: (-leaders[i].severity.rank, place[leaders[i].key]))
    first: list[Finding] = []
    rest: list[Finding] = []
    for i in order:
        leader = leaders[i]
        within = {f.key: replace(f, causes=links.get(f.key, ()), folded_into=leader.key) for f in stories[i]}
        lead = replace(within[leader.key], folded_into=None)
        next_to = beside(lead, [within[f.key] for f in stories[i] if f.key != leader.key])
        first += [lead] if next_to is None else [lead, next_to]
        shown = {lead.key} | (set() if next_to is None else {next_to.key})
        rest += [within[f.key] for f in stories[i] if f.key not in shown]
    return (*first, *rest)


def _leader(story: Sequence[Finding], links: Mapping[FindingKey, tuple[Cause, ...]]) -> Finding:
    """The worst of a story; among equals a symptom before its cause, and before a symptom that it explains."""
    worst = max(f.severity.rank for f in story)
    worst_first = [f for f in story if f.severity.rank == worst]
    candidates = [f for f in worst_first if f.signal in FELT or f.signal is Signal.STALENESS] or worst_first
    keys = {f.key for f in candidates}
    return next((f for f in candidates if not any(c.key in keys for c in links.get(f.key, ()))), candidates[0])


def _links(findings: Sequence[Finding], tolerance: float) -> dict[FindingKey, tuple[Cause, ...]]:
    """Every finding's causes, the likeliest first."""
    by_kind: dict[tuple[str, Signal], list[Finding]] = {}
    for finding in findings:
        by_kind.setdefault((finding.model, finding.signal), []).append(finding)
    found: dict[FindingKey, tuple[Cause, ...]] = {}
    for effect in findings:
        # What concerns no model concerns all of them: a host, a source.
        causes = [
            (cause, link)
            for signal, effects in _LEADS_TO.items()
            if effect.signal in effects
            for model in dict.fromkeys((effect.model, ""))
            for cause in by_kind.get((model, signal), ())
            if cause.key != effect.key
            and _can_cause(cause, effect)
            and (link := _link(cause, effect, tolerance)) is not None
        ]
        if causes:
            causes.sort(key=lambda pair: (_CONFIDENCE.index(pair[1].confidence), _depth(pair[0])))
            found[effect.key] = tuple(link for _, link in causes)
    return found


def _depth(cause: Finding) -> int:
    """How far from a root a kind of finding is: what people do and what comes from outside starts a chain."""
    roots = (Signal.VERSION, Signal.DEPENDENCY, Signal.REQUEST_RATE, Signal.QUALITY, Signal.FEATURE, Signal.STALENESS)
    return roots.index(cause.signal) if cause.signal in roots else len(roots)


def _can_cause(cause: Finding, effect: Finding) -> bool:
    """What the table of mechanisms cannot say: it depends on the metric, the direction or the subject."""
    if Signal.STALENESS in (cause.signal, effect.signal) and cause.signal is effect.signal:
        return not cause.model  # a source that falls silent takes its models along
    if cause.signal is Signal.REQUEST_RATE and cause.effect < 0:
        return False
    if cause.check == SENT_AGAIN:
        return False
    if cause.signal is Signal.INFRA and effect.signal is Signal.REQUEST_RATE:
        return cause.check in UNCOUNTED and effect.effect < 0
    if cause.signal is Signal.INFRA and effect.signal is Signal.INFRA:
        return cause.check == "memory" and effect.check in ("restarts", "oom")
    if cause.signal is Signal.INFRA:
        return cause.check not in QUEUES
    if cause.signal is Signal.LATENCY:
        return effect.check in QUEUES or effect.check == SENT_AGAIN
    if cause.signal is Signal.ERROR:
        return effect.check == SENT_AGAIN
    if cause.signal is Signal.CONFIDENCE and effect.signal is Signal.CALIBRATION:
        return _opens(cause, effect)
    if cause.signal is Signal.CONFIDENCE:
        return effect.check == "inputs"
    return True


def _opens(confidence: Finding, calibration: Finding) -> bool:
    """Whether a confidence that moved away from what the model is right opens the gap on its side."""
    if confidence.check not in ("mean", "below"):
        return True
    falling = (confidence.effect < 0) == (confidence.check == "mean")
    return calibration.check == ("under_confident" if falling else "over_confident")


def _link(cause: Finding, effect: Finding, tolerance: float) -> Cause | None:
    """How a possible cause relates to an effect; None where time or place speaks against it."""
    if _contradict(cause.where, effect.where):
        return None
    lead_s = math.nan if cause.onset is None or effect.onset is None else effect.onset - cause.onset
    if lead_s < -tolerance:
        return None
    shared = _carries(cause, effect) or _same_place(cause.where, effect.where)
    # A version that is seen apart from the others and does not carry the change is at most a coincidence.
    apart = cause.signal is Signal.VERSION and bool(effect.where) and not shared
    confidence: Literal["high", "medium", "low"]
    if math.isnan(lead_s):
        confidence = "medium" if shared else "low"
    elif shared:
        confidence = "high"
    else:
        confidence = "medium" if lead_s <= tolerance and not apart else "low"
    return Cause(cause.key, _words(cause, effect, lead_s, tolerance, shared=shared), confidence)


def _words(cause: Finding, effect: Finding, lead_s: float, tolerance: float, *, shared: bool) -> str:
    what = f"version {cause.subject} appeared" if cause.signal is Signal.VERSION else cause.title
    # A deploy is an event with a moment of its own; of two onsets that are estimates only their order is said.
    exact = cause.signal is Signal.VERSION or lead_s > tolerance
    if math.isnan(lead_s):
        when = ""
    elif exact and lead_s >= 60:
        when = f" {duration(lead_s)} before"
    else:
        when = " at the same time"
    place = ""
    if shared and cause.signal is Signal.VERSION:
        place = " and carries it"
    elif shared:
        place = " on the same segment"
    return f"{what}{when}{place}"


def _carries(cause: Finding, effect: Finding) -> bool:
    """Whether a version is what carries a change."""
    return cause.signal is Signal.VERSION and any(("version", cause.subject) in s.where for s in effect.where[:2])


def _same_place(a: Sequence[Segment], b: Sequence[Segment]) -> bool:
    """Whether the first segments of two findings have a term in common."""
    return bool(a and b and set(a[0].where) & set(b[0].where))


def _contradict(a: Sequence[Segment], b: Sequence[Segment]) -> bool:
    """Whether no segment of one finding can overlap one of the other: one dimension, two values."""
    if not a or not b:
        return False
    return all(
        any(dim in named and named[dim] != value for dim, value in other.where)
        for one in a
        for named in (dict(one.where),)
        for other in b
    )


def _stories(
    findings: Sequence[Finding], links: Mapping[FindingKey, tuple[Cause, ...]], tolerance: float
) -> list[list[Finding]]:
    """The findings in groups, each in the order given."""
    parent = {finding.key: finding.key for finding in findings}

    def root(key: FindingKey) -> FindingKey:
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for key, causes in links.items():
        for cause in causes:
            if cause.confidence in _FOLDED:
                parent[root(key)] = root(cause.key)
    anchors: dict[object, list[Finding]] = {}
    for finding in findings:
        for kind in _kinds(finding):
            known = anchors.setdefault(kind, [])
            anchor = next((other for other in known if _together(finding, other, tolerance)), None)
            if anchor is None:
                known.append(finding)
            else:
                parent[root(finding.key)] = root(anchor.key)
    stories: dict[FindingKey, list[Finding]] = {}
    for finding in findings:
        stories.setdefault(root(finding.key), []).append(finding)
    return list(stories.values())


def _kinds(finding: Finding) -> list[object]:
    """What a finding may be one of several of: symptoms, inputs or resources of a model, one subject of many models."""
    kinds: list[object] = []
    group = next((g for g, signals in enumerate((FELT, INPUTS, {Signal.INFRA})) if finding.signal in signals), None)
    if group is not None:
        kinds.append((group, finding.model))
    if finding.signal in INPUTS:
        kinds.append(("input", finding.model, finding.subject))
    if finding.signal in SHARED:
        kinds.append((finding.signal, finding.subject))
    return kinds


def _together(a: Finding, b: Finding, tolerance: float) -> bool:
    """Whether two findings of one kind began together and in places that can overlap."""
    if _contradict(a.where, b.where):
        return False
    if a.signal in INPUTS and (a.model, a.subject) == (b.model, b.subject):
        return True
    return a.onset is not None and b.onset is not None and abs(a.onset - b.onset) <= tolerance

"""What counts as one kind of error: the logged type, or the template of the message where that tells more."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np

from analysis.evidence import OTHER, ErrorCounts, Key
from analysis.filters import Eq, Filter, In, Not, Null, conjunction
from analysis.messages import templates
from analysis.slices import key_index

MAX_KINDS = 60
"""Kinds of one error type; the rarer ones are one kind. 60 is what the rate of false alarms was measured with."""

MAX_KEYS = 2_000
"""Keys of error counts that are kept; the rarest are folded, so that messages without end do not fill the memory."""


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """One kind of error of one model."""

    name: str
    """The type; "type: template" where a type has several messages; the template where no type is logged."""
    outcome: Filter
    """Holds for its rows."""
    columns: tuple[int, ...]
    """Columns of the error counts that add up to it."""
    first_seen: float | None
    """Unix seconds."""
    before: float | None
    """Unix seconds of its last row in the day before the live window, outside the references."""
    sample: str


def error_kinds(errors: ErrorCounts, model: str) -> list[ErrorKind]:
    """The kinds of error of one model, from all that is known of it, so that baseline and window agree on the names."""
    by_type: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for column in key_index(errors.counts.keys, model=model):
        key = errors.counts.keys[int(column)]
        by_type[key[1]][_message(key)].append(int(column))
    return [kind for name, texts in sorted(by_type.items()) for kind in _kinds_of(errors, name, texts)]


def _message(key: Key) -> str:
    return key[2] if len(key) > 2 else ""


def _kinds_of(errors: ErrorCounts, error_type: str, texts: dict[str, list[int]]) -> list[ErrorKind]:
    whole = Eq("error_type", error_type)
    shapes = templates(text for text in texts if text != OTHER)
    groups: dict[str, list[str]] = defaultdict(list)
    for text in texts:
        groups[shapes.get(text, OTHER)].append(text)
    if error_type and len(groups.keys() - {""}) <= 1:
        return [_kind(errors, error_type, whole, [i for columns in texts.values() for i in columns])]
    total = errors.counts.n.sum(axis=0)
    size = {name: float(sum(total[i] for text in members for i in texts[text])) for name, members in groups.items()}
    ranked = sorted((name for name in groups if name != OTHER), key=lambda name: (-size[name], name))
    rest = [text for name in (*ranked[MAX_KINDS:], *([OTHER] if OTHER in groups else [])) for text in groups[name]]
    kinds = []
    named: list[str] = []
    for name in ranked[:MAX_KINDS]:
        members = sorted(groups[name])
        named += members
        found = _within(error_type, In("error_template", tuple(members)))
        kinds.append(_kind(errors, _named(error_type, name), found, [i for text in members for i in texts[text]]))
    if rest:
        other = _within(error_type, Not(In("error_template", tuple(named))))
        kinds.append(_kind(errors, _named(error_type, "(other messages)"), other, [i for t in rest for i in texts[t]]))
    return kinds


def _within(error_type: str, part: Filter) -> Filter:
    return conjunction(Eq("error_type", error_type) if error_type else Not(Null("error_type")), part)


def _named(error_type: str, template: str) -> str:
    if not error_type or template.startswith(error_type):
        return template
    return f"{error_type}: {template or '(no message)'}"


def _kind(errors: ErrorCounts, name: str, outcome: Filter, columns: list[int]) -> ErrorKind:
    keys = [errors.counts.keys[i] for i in columns]
    seen = sorted((errors.first_seen[key], key) for key in keys if key in errors.first_seen)
    sample = next((errors.samples[key] for _, key in seen if key in errors.samples), "")
    wanted = set(keys)
    if isinstance(outcome, Eq):
        # The whole type: whichever message it had the day before.
        wanted |= {key for key in errors.before if key[:2] == keys[0][:2]}
    before = max((errors.before[key] for key in wanted if key in errors.before), default=None)
    return ErrorKind(name, outcome, tuple(columns), seen[0][0] if seen else None, before, sample)


def bounded(errors: ErrorCounts) -> ErrorCounts:
    """At most about `MAX_KEYS` keys: beyond, the rarest messages of each type count as `OTHER` of that type."""
    counts = errors.counts
    if len(counts.keys) <= MAX_KEYS:
        return errors
    total = counts.n.sum(axis=0)
    ranked = sorted(range(len(counts.keys)), key=lambda i: (-total[i], counts.keys[i]))
    kept = set(ranked[: MAX_KEYS // 2])
    renamed = [key if i in kept or len(key) < 3 else (key[0], key[1], OTHER) for i, key in enumerate(counts.keys)]
    keys = tuple(sorted(set(renamed)))
    at = {key: i for i, key in enumerate(keys)}
    n = np.zeros((len(counts.t), len(keys)))
    first: dict[Key, float] = {}
    samples: dict[Key, str] = {}
    for i, (old, new) in enumerate(zip(counts.keys, renamed, strict=True)):
        n[:, at[new]] += counts.n[:, i]
        if old in errors.first_seen:
            first[new] = min(errors.first_seen[old], first.get(new, errors.first_seen[old]))
        if old in errors.samples:
            samples.setdefault(new, errors.samples[old])
    return ErrorCounts(replace(counts, keys=keys, n=n), first, samples, errors.before)

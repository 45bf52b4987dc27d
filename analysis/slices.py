"""Cutting and merging evidence: it is additive, so a window is a sum of buckets and a refresh replaces some."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from analysis.evidence import Calls, Counts, Cube, ErrorCounts, Histogram, Key, Pairs, Repeats, Traffic
from analysis.view import Window

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
E = TypeVar("E")


def inside(t: Ints, window: Window) -> slice:
    """The bucket starts (ascending) that lie in the window."""
    first, end = np.searchsorted(t, (window.start, window.end))
    return slice(int(first), int(end))


def window_sum(t: Ints, n: Floats, window: Window) -> Floats:
    """Sum over the buckets of one window. n: [T, ...] -> [...]"""
    total: Floats = n[inside(t, window)].sum(axis=0)
    return total


def window_sums(t: Ints, n: Floats, windows: Sequence[Window]) -> Floats:
    """Sum over the buckets of each window. n: [T, ...] -> [len(windows), ...]"""
    sums: Floats = np.zeros((len(windows), *n.shape[1:]))
    if not len(t) or not windows:
        return sums
    bounds = np.searchsorted(t, [(w.start, w.end) for w in windows])
    first, end = bounds[:, 0], bounds[:, 1]
    held = np.flatnonzero(first < end)
    if not held.size:
        return sums
    # reduceat adds from each index to the next, so pairs of (first, last) give every window and, between, what nobody
    # asked for. It may not begin at the end of the array: the last row is added by hand.
    last = end[held] - 1
    pairs = np.stack([first[held], last], axis=1).ravel()
    inner: Floats = np.add.reduceat(n, pairs, axis=0)[::2]
    longer = last > first[held]
    inner[longer] += n[last[longer]]
    sums[held] = inner
    return sums


def grid(t: Ints, n: Floats, window: Window, step: int) -> Floats:
    """Counts on the full time grid of a window; buckets without rows are zero. n: [T, ...] -> [length / step, ...]"""
    out = np.zeros((window.length // step, *n.shape[1:]))
    rows = inside(t, window)
    out[(t[rows] - window.start) // step] = n[rows]
    return out


def grids(t: Ints, n: Floats, windows: Sequence[Window], step: int) -> Floats:
    """`grid` of windows of one length: [T] counts -> [len(windows), length / step]."""
    if not windows or not len(t):
        return np.zeros((len(windows), windows[0].length // step if windows else 0))
    wanted = np.array([w.start for w in windows])[:, None] + np.arange(0, windows[0].length, step)
    at = np.minimum(np.searchsorted(t, wanted), len(t) - 1)
    return np.where(t[at] == wanted, n[at], 0.0)


def grid_times(window: Window, step: int) -> Ints:
    """Bucket starts of the full time grid of a window."""
    return np.arange(window.start, window.end, step, dtype=np.int64)


def tiles(windows: Iterable[Window], length: int) -> tuple[Window, ...]:
    """Each window cut into consecutive windows of `length` seconds, counted from its end; a remainder is left out."""
    return tuple(
        Window(end - length, end) for window in windows for end in range(window.end, window.start + length - 1, -length)
    )


def key_index(keys: Sequence[Key], **wanted: str) -> NDArray[np.intp]:
    """Positions of the keys whose first part is `model` and, if given, whose second part is `second`."""
    model, second = wanted.get("model"), wanted.get("second")
    return np.array(
        [
            i
            for i, key in enumerate(keys)
            if (model is None or key[0] == model) and (second is None or (len(key) > 1 and key[1] == second))
        ],
        dtype=np.intp,
    )


def merge_counts(a: Counts, b: Counts) -> Counts:
    """The sum of two sets of counts over the union of their buckets and keys."""
    t, keys, (n,) = _union([(a.t, a.keys, (a.n,)), (b.t, b.keys, (b.n,))])
    return Counts(t, a.step, keys, n)


def merge_histograms(a: Histogram, b: Histogram) -> Histogram:
    """The sum of two histograms with the same bins over the union of their buckets and keys.

    Raises:
        ValueError: the bins differ; frozen bins are what makes histograms additive.
    """
    if a.bins != b.bins:
        raise ValueError("histograms with different bins do not add")
    t, keys, (n, null, nonfinite, total) = _union([(h.t, h.keys, (h.n, h.null, h.nonfinite, h.total)) for h in (a, b)])
    return Histogram(t, a.step, keys, a.bins, n, null, nonfinite, total)


def merge_traffic(a: Traffic, b: Traffic) -> Traffic:
    """The sum of two sources or spans of traffic. A part that one side does not log is taken from the other."""
    return Traffic(
        merge_counts(a.requests, b.requests),
        either(a.errors, b.errors, merge_counts),
        either(a.latency, b.latency, lambda x, y: merge_histograms(x, y) if x.bins == y.bins else x),
    )


def merge_errors(a: ErrorCounts, b: ErrorCounts) -> ErrorCounts:
    """The sum of two sets of error counts; first occurrences are the earlier ones."""
    first = dict(a.first_seen)
    for key, seen in b.first_seen.items():
        first[key] = min(seen, first.get(key, seen))
    before = dict(a.before)
    for key, seen in b.before.items():
        before[key] = max(seen, before.get(key, seen))
    return ErrorCounts(merge_counts(a.counts, b.counts), first, {**b.samples, **a.samples}, before)


def merge_features(a: Mapping[str, Histogram], b: Mapping[str, Histogram]) -> Mapping[str, Histogram]:
    """The sum of two sets of feature histograms."""
    merged = dict(a)
    for name, histogram in b.items():
        merged[name] = merge_histograms(merged[name], histogram) if name in merged else histogram
    return merged


def merge_pairs(a: Pairs, b: Pairs) -> Pairs:
    """The sum of two spans or stores."""
    return Pairs(merge_counts(a.counts, b.counts), either(a.latency, b.latency, merge_histograms))


def merge_repeats(a: Repeats, b: Repeats) -> Repeats:
    """The sum of two spans or stores; an id that both have in one bucket is no repeat of the other's."""
    return Repeats(merge_counts(a.rows, b.rows), merge_counts(a.repeated, b.repeated))


def merge_calls(a: Calls, b: Calls) -> Calls:
    """The sum of two spans or stores."""
    return Calls(merge_counts(a.rows, b.rows), merge_counts(a.total, b.total))


def cut_counts(counts: Counts, keep: Callable[[Ints], NDArray[np.bool_]]) -> Counts:
    """Only the buckets whose start `keep` accepts."""
    rows = keep(counts.t)
    return Counts(counts.t[rows], counts.step, counts.keys, counts.n[rows])


def cut_histogram(h: Histogram, keep: Callable[[Ints], NDArray[np.bool_]]) -> Histogram:
    """Only the buckets whose start `keep` accepts."""
    rows = keep(h.t)
    return Histogram(h.t[rows], h.step, h.keys, h.bins, h.n[rows], h.null[rows], h.nonfinite[rows], h.total[rows])


def cut_traffic(traffic: Traffic, keep: Callable[[Ints], NDArray[np.bool_]]) -> Traffic:
    """Only the buckets whose start `keep` accepts."""
    return Traffic(
        cut_counts(traffic.requests, keep),
        None if traffic.errors is None else cut_counts(traffic.errors, keep),
        None if traffic.latency is None else cut_histogram(traffic.latency, keep),
    )


def cut_errors(errors: ErrorCounts, keep: Callable[[Ints], NDArray[np.bool_]]) -> ErrorCounts:
    """Only the buckets whose start `keep` accepts; first occurrences stay."""
    return replace(errors, counts=cut_counts(errors.counts, keep))


def cut_features(
    features: Mapping[str, Histogram], keep: Callable[[Ints], NDArray[np.bool_]]
) -> Mapping[str, Histogram]:
    """Only the buckets whose start `keep` accepts, of every feature."""
    return {name: cut_histogram(histogram, keep) for name, histogram in features.items()}


def cut_pairs(pairs: Pairs, keep: Callable[[Ints], NDArray[np.bool_]]) -> Pairs:
    """Only the buckets whose start `keep` accepts."""
    return Pairs(cut_counts(pairs.counts, keep), None if pairs.latency is None else cut_histogram(pairs.latency, keep))


def cut_repeats(repeats: Repeats, keep: Callable[[Ints], NDArray[np.bool_]]) -> Repeats:
    """Only the buckets whose start `keep` accepts."""
    return Repeats(cut_counts(repeats.rows, keep), cut_counts(repeats.repeated, keep))


def model_counts(counts: Counts, model: str) -> Floats:
    """Counts of one model, summed over the other parts of the key. [T]"""
    total: Floats = counts.n[:, key_index(counts.keys, model=model)].sum(axis=1)
    return total


def model_histogram(histogram: Histogram, model: str) -> Histogram:
    """The histogram of one model, summed over the other parts of the key."""
    if histogram.keys == ((model,),):
        return histogram
    at = key_index(histogram.keys, model=model)
    return Histogram(
        histogram.t,
        histogram.step,
        ((model,),),
        histogram.bins,
        histogram.n[:, at].sum(axis=1, keepdims=True),
        histogram.null[:, at].sum(axis=1, keepdims=True),
        histogram.nonfinite[:, at].sum(axis=1, keepdims=True),
        histogram.total[:, at].sum(axis=1, keepdims=True),
    )


def without(cube: Cube, dims: frozenset[str]) -> Cube:
    """The cube summed over some of its dimensions; leaves that become equal are not joined, they add up anyway."""
    keep = [i for i, dim in enumerate(cube.dims) if dim not in dims]
    return replace(
        cube,
        dims=tuple(cube.dims[i] for i in keep),
        values=tuple(cube.values[i] for i in keep),
        codes=cube.codes[:, keep],
    )


def either(a: E | None, b: E | None, merge: Callable[[E, E], E]) -> E | None:
    """Both merged, or the one that is there."""
    if a is None or b is None:
        return a if b is None else b
    return merge(a, b)


def _union(
    parts: Sequence[tuple[Ints, tuple[Key, ...], tuple[Floats, ...]]],
) -> tuple[Ints, tuple[Key, ...], tuple[Floats, ...]]:
    t = np.unique(np.concatenate([part[0] for part in parts]))
    keys = tuple(sorted(set().union(*(part[1] for part in parts))))
    position = {key: i for i, key in enumerate(keys)}
    merged: list[Floats] = []
    for array in range(len(parts[0][2])):
        out = np.zeros((len(t), len(keys), *parts[0][2][array].shape[2:]))
        for part_t, part_keys, arrays in parts:
            rows = np.searchsorted(t, part_t)
            columns = np.array([position[key] for key in part_keys], dtype=np.intp)
            out[np.ix_(rows, columns)] += arrays[array]
        merged.append(out)
    return t, keys, tuple(merged)

"""By how much the series of a query grew over some spans, asked of a Prometheus: one instant query per span."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from analysis.view import Window
from connectors.base import SourceError
from connectors.metric_segments import Growth, nearest_edge
from connectors.presets import Matcher
from connectors.prom_api import PromApi, Result
from connectors.promql import select, union
from connectors.signals import Query

MAX_SERIES = 5_000
"""Series of one span that are looked at; of more, those that grew most. A thousand pods have a few series each."""


class PromGrowth:
    """Growth of raw series over the union of spans; remembers what was asked and what the server remarked.

    Args:
        extra: matchers that every selector carries.
    """

    def __init__(self, api: PromApi, spans: Sequence[Window], extra: Sequence[Matcher]) -> None:
        self._api = api
        self._spans = spans
        self._extra = extra
        self.queries: dict[str, None] = {}
        self.remarks: dict[str, None] = {}
        self.rows = 0

    async def __call__(self, query: Query, edge: float) -> list[Growth]:
        """Growth of each series by its labels; of a histogram the buckets `+Inf` and the one nearest to `edge`.

        Raises:
            SourceError: the server did not answer or refused.
        """
        if query.kind == "histogram" and not query.native:
            query = replace(query, where=(*query.where, await self._bucket(query, edge)))
        found: dict[tuple[tuple[str, str], ...], float] = {}
        for results in await asyncio.gather(*(self._asked(query, span) for span in self._spans)):
            for labels, value in _grown(results):
                key = tuple(sorted(labels.items()))
                found[key] = found.get(key, 0.0) + value
        self.rows += len(found)
        return [Growth(dict(key), value) for key, value in found.items()]

    async def _bucket(self, query: Query, edge: float) -> Matcher:
        """Matcher of two buckets, spelled as this server spells their edges."""
        match = select(query.metrics[0], (*query.where, *self._extra))
        try:
            reply = await self._api.get("label/le/values", {"match[]": match})
        except SourceError:
            # Some proxies refuse match[]: all buckets are fetched then.
            return Matcher("le", "!=", "")
        infinite = [text for text in reply.data if text.lstrip("+").lower() == "inf"]
        nearest = nearest_edge(map(str, reply.data), edge)
        texts = [*infinite, *([nearest] if nearest is not None else [])]
        return Matcher("le", "=~", "|".join(text.replace("+", r"\+").replace(".", r"\.") for text in texts))

    async def _asked(self, query: Query, span: Window) -> Sequence[Result]:
        where = (*query.where, *self._extra)
        suffix = "_bucket" if query.kind == "histogram" and not query.native else ""
        results: list[Result] = []
        for sign, name in query.terms:
            wrap = f"increase({{}}[{span.length}s])".format
            grown = union(name + suffix, where, query.any_of, wrap)
            # Series that stood still say nothing, and a native histogram cannot be compared with a number.
            expr = grown if query.native else f"topk({MAX_SERIES}, {grown} > 0)"
            expr = expr if sign > 0 else f"-1 * {expr}"
            self.queries[f"{expr} @ {span.end}"] = None
            reply = await self._api.query("query", {"query": expr, "time": str(span.end)})
            self.remarks |= dict.fromkeys(reply.remarks)
            results += reply.data
        return results


def _grown(results: Sequence[Result]) -> list[tuple[dict[str, str], float]]:
    """(labels, growth) of each series; a native histogram becomes cumulative buckets."""
    found: list[tuple[dict[str, str], float]] = []
    edges = sorted({float(b[2]) for r in results if r.histogram for b in r.histogram[1].buckets})
    for result in results:
        if result.value is not None:
            found.append((result.metric, float(result.value[1])))
        if result.histogram is not None:
            buckets = result.histogram[1]
            for edge in edges:
                below = sum(float(n) for _, _, right, n in buckets.buckets if float(right) <= edge)
                found.append(({**result.metric, "le": repr(edge)}, below))
            found.append(({**result.metric, "le": "+Inf"}, float(buckets.count)))
    return found

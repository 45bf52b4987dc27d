"""Segment questions over logs too large for a GROUP BY of all dims: a bounded sample, and counts of finalists in full.

All rows with an outcome are fetched (above a limit, thinned), for the numerators; of the rest only some blocks of time,
for the denominators. Values travel as hashes, because whole columns of text cost twice as much to fetch.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from analysis.evidence import CodedRows
from analysis.filters import Filter, fields_of
from analysis.view import Window
from connectors.base import MissingDataError
from connectors.dialect import Dialect
from connectors.sqlcut import Cuts, dim_text
from connectors.sqlfilter import Kind, where_sql
from connectors.sqlrows import floats, strings

if TYPE_CHECKING:
    from analysis.evidence import Floats

SAMPLE_ROWS = 50_000
"""Rows without an outcome that are fetched at most, on average."""
SAMPLE_HITS = 60_000
"""Rows with an outcome that are fetched at most, on average."""
BLOCKS = 12
"""Blocks of time that are read of rows that are not all read: 8 lose a cause of 4 % in 100 M rows, 16 cost a tenth more
(`bench.search`)."""
SCANNED_ROWS = 1_250_000
"""Rows of which all with an outcome are fetched: a window mostly holds fewer, its baseline may hold more."""
SCOUTED = 0.02
"""Share of the time from which the number of rows is guessed."""
_WHOLE = 0.5
"""Share from which all is read: the blocks would lie too close to skip anything."""
MAX_FINALISTS = 16


class Reply(Protocol):
    """What one question to the engine answered."""

    @property
    def parts(self) -> Sequence[Any]:
        """Columns of each statement."""
        ...

    def numbers(self, name: str) -> Floats:
        """One numeric column over all parts, null as 0."""
        ...

    def column(self, name: str) -> list[Any]:
        """One column over all parts, null as None."""
        ...


Where = tuple[tuple[str, str], ...]
CodedWhere = tuple[tuple[str, int], ...]
Ask = Callable[[Sequence[Window], Collection[str], Callable[[str], str]], Awaitable[Reply]]
"""(spans, canonical names, SQL of a relation) -> reply."""


Align = Callable[[Sequence[Window], Sequence[Window]], Awaitable[tuple[Window, ...]]]
"""(blocks, the spans that hold them) -> as many blocks of the same lengths."""


@dataclass(frozen=True, slots=True)
class SampleQuery:
    """SQL of the segment questions of one store."""

    outcomes: tuple[Filter, ...]
    dims: tuple[str, ...]
    weight: str
    kinds: Mapping[str, Kind]
    dialect: Dialect
    cuts: Cuts = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = [dim for dim in self.dims if dim not in self.kinds]
        if unknown:
            raise MissingDataError(f"the log has no dimension {unknown[0]!r}")

    @property
    def names(self) -> set[str]:
        """Canonical columns that the outcomes read."""
        return {name for outcome in self.outcomes for name in fields_of(outcome)}

    def _tests(self) -> list[str]:
        return [f"coalesce({where_sql(o, self.kinds, self.dialect)}, FALSE)" for o in self.outcomes]

    @property
    def _any(self) -> str:
        tests = [where_sql(outcome, self.kinds, self.dialect) for outcome in self.outcomes]
        return "(" + " OR ".join(tests) + ")" if tests else "FALSE"

    def _text(self, dim: str) -> str:
        return dim_text(dim, self.kinds, self.dialect, self.cuts)

    def total(self, relation: str) -> str:
        """Rows and their weight."""
        return f"SELECT count(*) AS rows, sum({self.weight}) AS n FROM {relation} AS logs"

    def rows(self, relation: str, condition: str) -> str:
        """Codes, weight and outcomes of the rows that meet a condition."""
        codes = "".join(f"{self.dialect.code(self._text(dim))} AS d{i}, " for i, dim in enumerate(self.dims))
        outcomes = "".join(f", CASE WHEN {test} THEN 1 ELSE 0 END AS o{i}" for i, test in enumerate(self._tests()))
        return f"SELECT {codes}{self.weight} AS w{outcomes} FROM {relation} AS logs WHERE {condition}"

    def with_outcome(self, share: float) -> str:
        """Condition of the rows that have an outcome, thinned to a share."""
        return self._any if share >= 1 else f"{self._any} AND {self.drawn(share)}"

    def drawn(self, share: float) -> str:
        """Condition of about a share of all rows."""
        return "TRUE" if share >= _WHOLE else self.dialect.drawn(self.dialect.ident("ts"), share)

    def named(self, relation: str, wheres: Sequence[CodedWhere]) -> str:
        """The texts of one row of each conjunction of codes."""
        width = max(len(where) for where in wheres)
        parts = []
        for i, where in enumerate(wheres):
            texts = [self._text(dim) for dim, _ in where]
            columns = "".join(f", {texts[k] if k < len(texts) else 'NULL'} AS v{k}" for k in range(width))
            test = " AND ".join(
                f"{self.dialect.code(text)} = {code}" for text, (_, code) in zip(texts, where, strict=True)
            )
            parts.append(f"(SELECT {i} AS i{columns} FROM {relation} AS logs WHERE {test} LIMIT 1)")
        return " UNION ALL ".join(parts)

    def counted(self, relation: str, segments: Sequence[Filter]) -> str:
        """Rows and outcomes by the set of segments that a row lies in: one scan for all of them."""
        tests = [where_sql(segment, self.kinds, self.dialect) for segment in segments]
        member = " + ".join(f"CASE WHEN {test} THEN {2**i} ELSE 0 END" for i, test in enumerate(tests))
        flags = "".join(f", {test} AS o{i}" for i, test in enumerate(self._tests()))
        sums = "".join(f", sum(CASE WHEN o{i} THEN w ELSE 0 END) AS h{i}" for i in range(len(self.outcomes)))
        return (
            f"SELECT m, sum(w) AS n{sums} FROM (SELECT {member} AS m, {self.weight} AS w{flags} "
            f"FROM {relation} AS logs WHERE {' OR '.join(tests)}) AS flagged GROUP BY m"
        )


async def sample_rows(
    query: SampleQuery, spans: Sequence[Window], ask: Ask, align: Align, known: float | None = None
) -> CodedRows:
    """The rows of one side of a search; weights add up to the number of rows that there are.

    Args:
        align: moves blocks of the spans to where they are cheap to read.
        known: about how many rows there are, each of weight one, where that is known without asking.
    """
    import numpy as np

    names = {*query.names, *query.dims}
    rows, everything = (known, known) if known is not None else await _scouted(query, spans, ask)
    read: Sequence[Window] = spans
    if rows <= SCANNED_ROWS:
        total = await ask(spans, query.names, query.total)
        rows, everything = (float(total.numbers(name).sum()) for name in ("rows", "n"))
    else:
        # A log of any size costs the same: of larger ones the rows with an outcome are read in blocks, too.
        read = await align(blocks(spans, SCANNED_ROWS / rows), spans)
    part = _length(read) / max(1, _length(spans))
    share = min(1.0, SAMPLE_ROWS / max(1.0, rows))
    pieces = blocks(spans, share)
    # Blocks are whole seconds: of very dense ones a part is drawn.
    left = min(1.0, share * _length(spans) / max(1, _length(pieces)))
    drawn = await ask(pieces, names, lambda r: query.rows(r, query.drawn(left)))
    sampled = _part(query, drawn)
    hit = sampled.hits.sum(axis=1) > 0
    clean = _chosen(sampled, ~hit)
    if not query.outcomes:
        return _weighted(clean, everything)
    expected_hits = part * rows * float(hit.sum()) / max(1, len(sampled.n))
    kept = min(1.0, SAMPLE_HITS / max(1.0, expected_hits))
    counted = _part(query, await ask(read, names, lambda r: query.rows(r, query.with_outcome(kept))))
    hits = _weighted(counted, float(counted.n.sum()) / (kept * part))
    clean = _weighted(clean, max(0.0, everything - float(hits.n.sum())))
    return CodedRows(
        query.dims,
        np.concatenate([clean.codes, hits.codes]),
        np.concatenate([clean.n, hits.n]),
        np.concatenate([clean.drawn, hits.drawn]),
        np.concatenate([clean.hits, hits.hits]),
        1 / (kept * part),
    )


async def _scouted(query: SampleQuery, spans: Sequence[Window], ask: Ask) -> tuple[float, float]:
    """About how many rows there are, and their weight, from those of a small part of the time."""
    scouted = blocks(spans, SCOUTED)
    total = await ask(scouted, query.names, query.total)
    times = _length(spans) / max(1, _length(scouted))
    return float(total.numbers("rows").sum()) * times, float(total.numbers("n").sum()) * times


def _length(spans: Sequence[Window]) -> int:
    return sum(span.length for span in spans)


def blocks(spans: Sequence[Window], share: float) -> tuple[Window, ...]:
    """Evenly spaced blocks of whole seconds that cover about a share of the spans.

    A column store skips all that lies between them by the statistics of its row groups.
    """
    if share >= _WHOLE:
        return tuple(spans)
    pieces = []
    total = _length(spans)
    for span in spans:
        count = max(1, min(span.length, round(BLOCKS * span.length / total)))
        for i in range(count):
            start, end = (span.start + span.length * k // count for k in (i, i + 1))
            width = max(1, round((end - start) * share))
            middle = start + (end - start - width) // 2
            pieces.append(Window(middle, middle + width))
    return tuple(pieces)


def _part(query: SampleQuery, reply: Reply) -> CodedRows:
    """Fetched rows as they are, each standing for its own weight."""
    import numpy as np

    weight = reply.numbers("w")
    columns = [
        np.concatenate([np.asarray(part[f"d{i}"], dtype=np.uint64) for part in reply.parts])
        for i in range(len(query.dims))
    ]
    codes = np.stack(columns, axis=1) if columns else np.zeros((len(weight), 0), np.uint64)
    tested = [reply.numbers(f"o{i}") * weight for i in range(len(query.outcomes))]
    hits = np.stack(tested, axis=1) if tested else np.zeros((len(weight), 0))
    return CodedRows(query.dims, codes, weight, np.zeros(len(weight)), hits, 1.0)


def _chosen(rows: CodedRows, at: Any) -> CodedRows:
    return CodedRows(rows.dims, rows.codes[at], rows.n[at], rows.drawn[at], rows.hits[at], rows.hit_weight)


def _weighted(rows: CodedRows, total: float) -> CodedRows:
    """The rows standing for `total` of them: what the draw got too much or too little of does not count."""
    each = total / max(float(rows.n.sum()), 1e-9)
    variance = rows.n**2 * each * max(each - 1, 0.0)
    return CodedRows(rows.dims, rows.codes, rows.n * each, variance, rows.hits * each, rows.hit_weight)


async def names_of(
    query: SampleQuery, spans: Sequence[Window], wheres: Sequence[CodedWhere], ask: Ask
) -> dict[CodedWhere, Where]:
    """The values of each conjunction of codes; without those that no row has."""
    if not wheres:
        return {}
    reply = await ask(spans, query.dims, lambda relation: query.named(relation, wheres))
    found: dict[CodedWhere, Where] = {}
    texts = [reply.column(f"v{k}") for k in range(max(len(where) for where in wheres))]
    for row, i in enumerate(reply.column("i")):
        where = wheres[int(i)]
        named = [strings([texts[k][row]])[0] for k in range(len(where))]
        found[where] = tuple((dim, text) for (dim, _), text in zip(where, named, strict=True))
    return found


async def count_exactly(query: SampleQuery, spans: Sequence[Window], segments: Sequence[Filter], ask: Ask) -> Floats:
    """[S, 1 + O] rows and outcome counts of each segment. At most `MAX_FINALISTS` segments."""
    import numpy as np

    if len(segments) > MAX_FINALISTS:
        raise ValueError(f"more than {MAX_FINALISTS} segments in one question")
    counts = np.zeros((len(segments), 1 + len(query.outcomes)))
    if segments:
        needed = query.names | {name for segment in segments for name in fields_of(segment)}
        reply = await ask(spans, needed, lambda relation: query.counted(relation, segments))
        sets = reply.numbers("m").astype(np.int64)
        sums = np.stack([floats(reply.numbers(name)) for name in ("n", *(f"h{i}" for i in range(len(query.outcomes))))])
        for i in range(len(segments)):
            counts[i] = sums[:, (sets >> i) & 1 == 1].sum(axis=1)
    return counts

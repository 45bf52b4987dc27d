"""The text formats: live /metrics pages with the library's parsers, recorded histories with a lean one of our own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connectors.base import MalformedError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

ACCEPT = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
MILLISECONDS_FROM = 1e11
"""A timestamp this large is in milliseconds (text format 0.0.4); as seconds it would be the year 5138."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One line of a page. `at` is the server's own time, if it sends one."""

    name: str
    labels: Mapping[str, str]
    value: float
    at: float | None


@dataclass(frozen=True, slots=True)
class Recorded:
    """One series of a history, in time order."""

    name: str
    labels: Mapping[str, str]
    t: Floats
    """[N] unix seconds."""
    v: Floats
    """[N]"""


def parse_page(text: str, content_type: str) -> Iterator[Sample]:
    """The samples of a live page, without `_created` series.

    Raises:
        MalformedError: a line is in neither format.
    """
    if content_type == "application/openmetrics-text":
        from prometheus_client.openmetrics import parser
    else:
        from prometheus_client import parser  # type: ignore[no-redef]
    try:
        for family in parser.text_string_to_metric_families(text):  # type: ignore[no-untyped-call]
            for sample in family.samples:
                if not sample.name.endswith("_created"):
                    at = float(sample.timestamp) if sample.timestamp is not None else None
                    yield Sample(sample.name, sample.labels, float(sample.value), at)
    except (ValueError, KeyError, IndexError) as error:
        raise MalformedError("not a /metrics page", str(error)[:300], "check the path of the target") from error


def parse_history(lines: Iterable[str]) -> list[Recorded]:
    """Every series of an OpenMetrics text in which every sample carries a timestamp.

    A series name is parsed once, later lines only split at their last two blanks: 0.8 million samples per CPU second
    against 37 thousand of the library's parser. Exemplars, comments and `_created` series are left out.

    Raises:
        MalformedError: a line is no sample, or has no timestamp.
    """
    import numpy as np

    index: dict[str, int] = {}
    names: list[tuple[str, dict[str, str]]] = []
    ids: list[int] = []
    values: list[str] = []
    times: list[str] = []
    for number, line in enumerate(lines, 1):
        head, _, rest = line.rpartition(" ")
        series, _, value = head.rpartition(" ")
        at = index.get(series)
        if at is None:
            parsed = _sample(line, number)
            if parsed is None:
                continue
            series, value, rest = parsed
            at = index.get(series)
            if at is None:
                at = index[series] = len(names)
                names.append(_name(series))
        ids.append(at)
        values.append(value)
        times.append(rest)
    try:
        v = np.fromiter(map(float, values), np.float64, len(values))
        t = np.fromiter(map(float, times), np.float64, len(times))
    except ValueError as error:
        raise MalformedError("not an OpenMetrics history", str(error)[:300]) from error
    t = np.where(t > MILLISECONDS_FROM, t / 1e3, t)
    of = np.array(ids, dtype=np.int64)
    order = np.lexsort((t, of))
    ends = np.cumsum(np.bincount(of, minlength=len(names))) if names else np.zeros(0, np.int64)
    pieces = np.split(order, ends[:-1])
    return [
        Recorded(name, labels, t[piece], v[piece])
        for (name, labels), piece in zip(names, pieces, strict=len(names) > 0)
        if not name.endswith("_created")
    ]


_SAMPLE = re.compile(
    r"""([A-Za-z_:][\w:]*(?:\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\})?)[ \t]+(\S+)[ \t]+([-+.\deE]+)[ \t]*(?:\#.*)?\s*""", re.A
)
_LABEL = re.compile(r'([A-Za-z_][\w.]*)="((?:[^"\\]|\\.)*)"')
_ESCAPES = {"\\n": "\n", '\\"': '"', "\\\\": "\\"}


def _sample(line: str, number: int) -> tuple[str, str, str] | None:
    """Series text, value and timestamp of a line; None for a comment or an empty line."""
    if line[:1] == "#" or not line.strip():
        return None
    found = _SAMPLE.fullmatch(line)
    if not found:
        raise MalformedError(
            "not an OpenMetrics history", f"line {number}: {line.strip()[:200]}", "name value timestamp"
        )
    return found[1], found[2], found[3]


def _name(series: str) -> tuple[str, dict[str, str]]:
    name, _, labels = series.partition("{")
    found = {key: re.sub(r"\\[n\"\\]", lambda m: _ESCAPES[m[0]], value) for key, value in _LABEL.findall(labels)}
    return name, found

"""Which alerts a silence holds back: matchers on labels, as Alertmanager reads them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_ONE = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))\s*,?')
_ESCAPED = re.compile(r"\\(.)")


class MatcherError(ValueError):
    """No matchers; the message says what would be."""


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on one label."""

    label: str
    operator: str
    """=, !=, =~ or !~."""
    value: str

    def __str__(self) -> str:
        escaped = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'{self.label}{self.operator}"{escaped}"'

    @property
    def as_json(self) -> Mapping[str, object]:
        """As API v2 has it."""
        positive, regex = self.operator in ("=", "=~"), self.operator.endswith("~")
        return {"name": self.label, "value": self.value, "isRegex": regex, "isEqual": positive}


def parse_matchers(text: str) -> tuple[Matcher, ...]:
    """Matchers from `model=fraud region="eu west"`, with or without commas.

    Raises:
        MatcherError: it cannot be read, or it would hold back every alert there is.
    """
    found, at = [], 0
    while at < len(text.rstrip()):
        one = _ONE.match(text, at)
        if one is None:
            raise MatcherError(f'cannot read {text[at:].strip()!r}: write label="value", label!=value or label=~regex')
        label, operator, quoted, bare = one.groups()
        value = bare if quoted is None else _ESCAPED.sub(_unescaped, quoted)
        found.append(Matcher(label, operator, value))
        at = one.end()
    if not any(matcher.operator == "=" and matcher.value for matcher in found):
        raise MatcherError("at least one label must have a value, such as model=fraud: the rest is not to fall silent")
    return tuple(found)


def _unescaped(escape: re.Match[str]) -> str:
    return {"n": "\n"}.get(escape[1], escape[1])


def format_matchers(matchers: Iterable[Matcher]) -> str:
    """Matchers as `parse_matchers` reads them."""
    return " ".join(map(str, matchers))


def matchers_of(model: str, where: Iterable[tuple[str, str]], *, but: str = "") -> tuple[Matcher, ...]:
    """The alerts of a model in a segment, whose dimensions are taken for labels of the same names.

    Args:
        but: the name of an alert that is not to fall silent with them.
    """
    named = [("model", model), *where] if model else list(where)
    own = tuple(Matcher(label, "=", value) for label, value in named if _ONE.fullmatch(f'{label}="x"') and value)
    return (*own, Matcher("alertname", "!=", but)) if own and but else own


def borne(matchers: Iterable[Matcher], alerts: Iterable[Mapping[str, str]]) -> tuple[Matcher, ...]:
    """Those matchers whose label some alert bears: a dimension of the logs is not always a label of the alerts."""
    labels = {label for alert in alerts for label in alert}
    return tuple(matcher for matcher in matchers if matcher.label in labels)


def matches(matchers: Iterable[Matcher], alert: Mapping[str, str]) -> bool:
    """Whether a silence with these matchers holds an alert back. A label that is missing counts as empty."""
    return all(_holds(matcher, alert.get(matcher.label, "")) for matcher in matchers)


def _holds(matcher: Matcher, value: str) -> bool:
    if matcher.operator in ("=", "!="):
        return (value == matcher.value) is (matcher.operator == "=")
    try:
        found = re.fullmatch(matcher.value, value) is not None
    except re.error:
        return False
    return found is (matcher.operator == "=~")

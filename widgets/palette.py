"""Colours by role. Hues are Okabe and Ito's, which stay apart for colour-blind readers; red never meets green.

Source: Okabe and Ito, "Color Universal Design", 2008. A colour is never the only sign: state also has a word, a glyph
and a place, so that NO_COLOR and 16 colours lose nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Literal

from rich.style import Style

from analysis.answer import Severity

Ground = Literal["dark", "light", "ansi"]

_DARK = {
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "green": "#2FB58E",
    "yellow": "#F0E442",
    "vermillion": "#F07030",
    "purple": "#CC79A7",
    "grey": "#8A93A0",
    "faint": "#5B6470",
    "strong": "#F2F4F8",
    "cursor": "#2A3442",
    "unfocused": "#1F2630",
}
_LIGHT = {
    "orange": "#A86400",
    "sky": "#0072B2",
    "green": "#007A5A",
    "yellow": "#7A6A00",
    "vermillion": "#B84A00",
    "purple": "#A34E82",
    "grey": "#5A6470",
    "faint": "#98A2AE",
    "strong": "#000000",
    "cursor": "#C9DDF0",
    "unfocused": "#E2E8EF",
}
_ANSI = {
    "orange": "yellow",
    "sky": "cyan",
    "green": "blue",
    "yellow": "bright_yellow",
    "vermillion": "bright_red",
    "purple": "magenta",
    "grey": "white",
    "faint": "bright_black",
    "strong": "default",
    "cursor": "",
    "unfocused": "",
}
_ROLES = {
    "": "",
    "bold": "bold {strong}",
    "dim": "{grey}",
    "rule": "{faint}",
    "title": "bold {strong}",
    "accent": "{sky}",
    "title_focus": "bold {sky}",
    "ok": "{grey}",
    "info": "{sky}",
    "warning": "{yellow}",
    "critical": "bold {vermillion}",
    "stale": "{purple}",
    "now": "{sky}",
    "base": "{grey}",
    "p50": "{sky}",
    "p90": "{green}",
    "p95": "{purple}",
    "p99": "{orange}",
    "limit": "{vermillion}",
    "onset": "{vermillion}",
    "version": "{yellow}",
    "incident": "{purple}",
    "alert": "{orange}",
    "annotation": "{sky}",
    "time": "bold {strong}",
    "selection": "{sky}",
    "key": "bold {strong}",
    "spark": "{sky}",
}
SEVERITY_WORDS = {
    Severity.CRITICAL: ("!!CRIT", "[CRIT]"),
    Severity.WARNING: ("!WARN", "[WARN]"),
    Severity.INFO: ("info", "[info]"),
    Severity.OK: ("ok", "[ok]"),
}
"""Severity -> (word in a column of states, word in brackets)."""

PHASE_WORDS = {"new": "[new?]", "clearing": "[gone]"}
"""What stands in place of a severity where a finding is too young to have one, or over."""


@cache
def styles(ground: Ground) -> Mapping[str, Style]:
    """Role -> style on a dark, a light or the terminal's own background; `cursor` and `unfocused` are overlays."""
    colours = {"dark": _DARK, "light": _LIGHT, "ansi": _ANSI}[ground]
    found = {role: Style.parse(text.format(**colours)) for role, text in _ROLES.items()}
    found["cursor"] = Style(bold=True, bgcolor=colours["cursor"] or None, reverse=not colours["cursor"] or None)
    found["unfocused"] = Style(bgcolor=colours["unfocused"] or None, bold=None if colours["unfocused"] else True)
    return found

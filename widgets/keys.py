"""The line of keys at the foot of the screen."""

from __future__ import annotations

from dataclasses import dataclass

from widgets.lines import Line, Run, cells
from widgets.look import Scene
from widgets.panel import Panel


@dataclass(frozen=True, slots=True)
class Hint:
    """One key and what it does here."""

    key: str
    does: str
    enabled: bool = True


class KeysLine(Panel[tuple[Hint, ...]]):
    """As many hints as have room, the first ones first."""

    DEFAULT_CSS = """
    KeysLine { height: 1; }
    """

    def body(self, part: tuple[Hint, ...], scene: Scene, width: int, height: int) -> list[Line]:
        return [self.line(part, width)]

    def put(self, hints: tuple[Hint, ...]) -> None:
        """Show these hints; the same ones again cost nothing."""
        if hints != self.part:
            self.part = hints
            self.redraw()

    def line(self, hints: tuple[Hint, ...], width: int) -> Line:
        """The hints that fit in `width` cells, whole or not at all."""
        out: list[Run] = [(" ", "")]
        for hint in hints:
            more: list[Run] = [
                (hint.key, "key" if hint.enabled else "rule"),
                (f" {hint.does}  ", "dim" if hint.enabled else "rule"),
            ]
            if cells((*out, *more)) - 2 > width:
                break
            out += more
        return tuple(out)

    def _draw(self) -> None:
        state = (self.size, self._ground())
        if self._drawn != state or not self._body_fresh:
            self._lines = [self.line(self.part or (), self.size.width)]
            self._drawn, self._body_fresh = state, True

"""Write mode: whether the program may ask other systems to page somebody or to hold alerts back."""

from __future__ import annotations

LASTS_S = 300.0
"""Write mode ends by itself when it was not used for this long."""


class WriteMode:
    """Off at the start. Moments are seconds of a clock that never goes back."""

    def __init__(self) -> None:
        self._until: float | None = None

    def left_s(self, now: float) -> float:
        """How long it still lasts; 0 when it is off."""
        return 0.0 if self._until is None else max(0.0, self._until - now)

    def turn(self, now: float) -> bool:
        """Enter it, or leave it; whether it is on afterwards."""
        self._until = None if self.left_s(now) else now + LASTS_S
        return self._until is not None

    def used(self, now: float) -> None:
        """Something was written: it lasts on from here."""
        if self.left_s(now):
            self._until = now + LASTS_S

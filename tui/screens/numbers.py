"""Every number of the screens in plain words; docs/statistics.md says the same."""

from __future__ import annotations

from tui.screens.number import Number
from tui.screens.numbers_asked import ASKED
from tui.screens.numbers_live import LIVE

NUMBERS: dict[str, tuple[Number, ...]] = LIVE | ASKED

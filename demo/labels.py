"""Labels of a live fleet: what was not known when its row was written is delivered to a file of its own when it is."""

from __future__ import annotations

import heapq
import json
from pathlib import Path

from demo.blocks import Simulation
from demo.lines import append_lines, time_text
from demo.rows import rows


class Deliveries:
    """The labels that are still to come, soonest first."""

    def __init__(self, path: Path, sim: Simulation) -> None:
        self._path = path
        self._sim = sim
        self._waiting: list[tuple[int, int, str]] = []

    def expect(self, start: float, end: float, known_at: float) -> None:
        """Wait for the labels of the rows of [start, end) that are not known at `known_at`; unix seconds."""
        for model in self._sim.fleet.models:
            block = rows(self._sim, model, start, end)
            late = (block.label_us > round(known_at * 1e6)) & (block.error == 0) & ~block.shadow
            labels = [model.classes[code] for code in block.label[late].tolist()]
            for item in zip(block.label_us[late].tolist(), block.request_ids()[late].tolist(), labels, strict=True):
                heapq.heappush(self._waiting, item)

    def deliver(self, now: float) -> int:
        """Append the labels that are known at `now` (unix seconds); how many there were."""
        lines = []
        while self._waiting and self._waiting[0][0] <= round(now * 1e6):
            us, request_id, label = heapq.heappop(self._waiting)
            record = {"request_id": f"{request_id:X}", "label": label, "label_ts": time_text(us)}
            lines.append(json.dumps(record, separators=(",", ":")) + "\n")
        if lines:
            append_lines(self._path, lines)
        return len(lines)

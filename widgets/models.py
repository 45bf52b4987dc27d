"""MODELS: every model's state and its handful of numbers, one line each."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from analysis.answer import ModelRow, Severity
from analysis.objectives import times
from widgets.lines import Column, Line, Run, heading, layout, row
from widgets.listing import ListPanel
from widgets.look import Scene
from widgets.palette import SEVERITY_WORDS
from widgets.text import NONE, age, count, duration, ms, percent, share, sparkline

SPENDING = ("burn", "5m", "left", "pages")
"""Columns of the error budget, which are there where something is promised; the last three need room."""


class ModelsPanel(ListPanel[tuple[ModelRow, ...], ModelRow]):
    """The fleet as a table. Takes `Snapshot.models`, whose order it keeps."""

    NAME = "MODELS"
    CLOCKED = True

    def items(self, part: tuple[ModelRow, ...]) -> Sequence[ModelRow]:
        return part

    def key_of(self, item: ModelRow) -> Hashable:
        return item.model

    def has_data(self, part: tuple[ModelRow, ...]) -> bool:
        return True

    def heading(self, part: tuple[ModelRow, ...], scene: Scene) -> list[Run]:
        hidden = len(part) - len(self._at)
        return [(f" {len(part)}", "dim"), *([(f"  {hidden} more", "dim")] if self._at and hidden > 0 else [])]

    def empty(self, part: tuple[ModelRow, ...], scene: Scene, width: int) -> list[Line]:
        return [((f"  {scene.unseen}", "dim"),)]

    def summary(self, part: tuple[ModelRow, ...], scene: Scene) -> list[Run]:
        bad = [model for model in part if model.stale or model.state.rank >= Severity.WARNING.rank]
        names = ", ".join(self.foreign(model.model) for model in bad)
        unknown = f", {sum(not model.compared for model in part)} without a baseline"
        fine = "all ok" if all(model.compared for model in part) else f"none known to be bad{unknown}"
        return [(f"{len(part)} ", ""), (f"not ok: {names}" if names else fine, "")]

    def table(
        self, part: tuple[ModelRow, ...], scene: Scene, width: int
    ) -> tuple[list[Line], Callable[[ModelRow], Line]]:
        names = max((len(self.foreign(model.model)) for model in part), default=5)
        versions = max((len(self._versions(model)) for model in part), default=0)
        window = duration(scene.end - scene.start)
        columns = [
            Column("model", min(max(5, names), 12), right=False, grow=2, most=max(5, names)),
            Column("state", 7, right=False),
            Column("r/s", 5, rank=2),
            Column("p50", 6, rank=6),
            Column("p90", 6, rank=9 if width < 100 else 7),
            Column("p95", 6, rank=10 if width < 100 else 7),
            Column("p99", 6),
            Column("err%", 5),
            Column("burn", 4, rank=2),
            Column("5m", 4, rank=11),
            Column("left", 4, rank=11),
            Column("pages", 5, rank=12),
            Column("conf", 4, rank=3),
            Column("drift", 5, rank=4),
            Column(f"last {window}", 10, right=False, rank=5, grow=3, most=60),
            Column("version", min(max(7, versions), 16), right=False, rank=8),
            Column("age", 4, rank=1),
        ]
        if width < 100:
            columns = [column for column in columns if column.name not in ("p90", "p95", "version", *SPENDING[1:])]
        if all(model.burn is None for model in part):
            columns = [column for column in columns if column.name not in SPENDING]
        sizes = layout(columns, width)
        trend = next(size for column, size in zip(columns, sizes, strict=True) if column.name.startswith("last"))

        def draw(model: ModelRow) -> Line:
            state, role = self._state(model)
            loud = role if role in ("critical", "warning", "stale") else ""
            latency = {name: ms(model.latency_ms.get(name)) for name in ("p50", "p90", "p95", "p99")}
            error = NONE if model.error_ratio is None else f"{model.error_ratio * 100:.2f}"
            passed = None if model.newest_sample is None else scene.now - model.newest_sample
            values: dict[str, Run] = {
                "model": (self.foreign(model.model), "bold"),
                "state": (state, role),
                "r/s": (count(model.request_rate), ""),
                **{name: (text, "") for name, text in latency.items()},
                "err%": (error, ""),
                **self._spending(model),
                "conf": (share(model.confidence_mean), ""),
                "drift": (share(model.drift), ""),
                f"last {window}": (sparkline(model.trend, trend, ascii=self.look.ascii), loud or "spark"),
                "version": (self._versions(model), "dim"),
                "age": (age(passed) + ("!" if model.stale else ""), "stale" if model.stale else "dim"),
            }
            return row(columns, sizes, [values[column.name] for column in columns], ascii=self.look.ascii)

        return [heading(columns, sizes)], draw

    def _spending(self, model: ModelRow) -> dict[str, Run]:
        """How fast the error budget goes, what is left of it, and when somebody is paged."""
        soon = model.pages_in_s
        pages = "" if soon is None else "now" if soon <= 0 else f"~{duration(soon)}"
        burns = (("burn", model.burn), ("5m", model.burn_5m))
        left = NONE if model.budget_left is None else percent(max(0.0, model.budget_left))
        return {
            **{name: (times(burn), "warning" if burn is not None and burn >= 1 else "") for name, burn in burns},
            "left": (left, "warning" if model.budget_left is not None and model.budget_left <= 0 else ""),
            "pages": (pages, "critical"),
        }

    def _state(self, model: ModelRow) -> tuple[str, str]:
        if model.stale:
            return "?STALE", "stale"
        if not model.compared and model.state is Severity.OK:
            return "no base", "dim"
        return SEVERITY_WORDS[model.state][0], str(model.state.value)

    def _versions(self, model: ModelRow) -> str:
        return ",".join(self.foreign(version, 16) for version in model.versions)

"""What is typed: filters, moments, baselines and columns, each checked before it becomes a question."""

from __future__ import annotations

import time
from dataclasses import replace

from analysis.filters import ALL, FilterError, format_filter, parse_filter
from analysis.view import Baseline, BaselineKind, Window
from tui.completion import Completer
from tui.navigation import Navigation
from tui.screens.prompt import Prompt, nothing
from tui.timespec import TimeSpecError, format_baseline, parse_baseline, parse_time

CYCLE: tuple[BaselineKind, ...] = ("previous", "range", "1d", "1w")
"""Kinds of baseline that `c` steps through; "range" is the time before the onset of the finding at hand."""

BEFORE_ONSET = 8
"""Windows before the onset that serve as its baseline."""


class Prompts(Navigation):
    """The part of the application that asks for a line and turns it into a view."""

    @property
    def completer(self) -> Completer | None:
        """What completes names and values; None before there is a session."""
        return Completer(self.session) if self.session is not None else None

    def action_filter(self) -> None:
        """Type a filter."""

        def take(text: str) -> str | None:
            try:
                where = parse_filter(text)
            except FilterError as error:
                return str(error)
            self.filter_by(where if text.strip() else ALL)
            return None

        completer = self.completer
        complete = nothing if completer is None else completer.filter
        self.main.query_one(Prompt).ask("/", take, format_filter(self.view.where), complete)

    def action_jump(self) -> None:
        """Type a moment."""

        def take(text: str) -> str | None:
            now = self.session.clock() if self.session is not None else time.time()
            try:
                moment = parse_time(text, now, self.options.zone)
            except TimeSpecError as error:
                return str(error)
            self.ask(replace(self.view, end=None if moment >= now else moment))
            return None

        self.main.query_one(Prompt).ask("@", take)

    def action_baseline(self) -> None:
        """The next baseline."""
        finding, kind = self.main.finding, self.view.baseline.kind
        at = CYCLE.index(kind) if kind in CYCLE else -1
        following = CYCLE[(at + 1) % len(CYCLE)]
        if following != "range":
            baseline = Baseline(following)
        elif finding is not None and finding.onset is not None:
            end = int(finding.onset) // 60 * 60
            baseline = Baseline("range", span=Window(end - BEFORE_ONSET * self.view.window_s, end))
        else:
            baseline = Baseline("1d")
        self.ask(replace(self.view, baseline=baseline))

    def action_any_baseline(self) -> None:
        """Type a baseline."""

        def take(text: str) -> str | None:
            try:
                baseline = parse_baseline(text, time.time(), self.options.zone)
            except TimeSpecError as error:
                return str(error)
            self.ask(replace(self.view, baseline=baseline))
            return None

        completer = self.completer
        complete = nothing if completer is None else completer.baseline
        self.main.query_one(Prompt).ask("baseline", take, format_baseline(self.view.baseline), complete)

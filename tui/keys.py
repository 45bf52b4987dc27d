"""Every key: its id (for remapping in the config), its action, and what the help says of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.binding import Binding


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the program."""

    id: str
    keys: str
    """As Textual names them; several are separated by commas."""
    label: str
    """As the help writes it."""
    action: str
    what: str
    hint: str = ""
    """Short form for the key line at the bottom; empty keeps it out."""

    def binding(self) -> Binding:
        """The binding of the application."""
        from textual.binding import Binding  # the command line checks key ids without loading the screen

        return Binding(self.keys, self.action, self.what, id=self.id, show=False, priority=False)


ON_DEMAND = ("records", "split", "selection", "mix", "means", "versions", "incidents")
"""Pages beside the answer; Esc leads back to where they were opened from."""

PAGES = ("overview", "latency", "confidence", "errors", "features", "infra", "records", "accuracy", "versions",
         "incidents", "mix")  # fmt: skip

KEYS = (
    Key("drill", "enter", "Enter", "drill", "open what the cursor is on; a segment becomes the filter", "drill"),
    Key("back", "escape", "Esc", "back", "back to the page before, then undo the last filter", ""),
    *(Key(page, str(i + 1), str(i + 1), f"page('{page}')", f"{page} screen") for i, page in enumerate(PAGES[:6])),
    Key("next_panel", "tab", "Tab", "app.focus_next", "next panel"),
    Key("previous_panel", "shift+tab", "Shift+Tab", "app.focus_previous", "previous panel"),
    Key("filter", "slash", "/", "filter", "filter rows: region=eu-w1 tier!=free amount>=100 device~ios", "filter"),
    Key("undo_filter", "u,backspace", "u", "undo_filter", "undo the last filter"),
    Key("exclude", "x", "x", "exclude", "leave out the segment under the cursor"),
    Key("records", "7,o", "7 o", "page('records')", "records: the rows behind the finding at hand"),
    Key("incidents", "8", "8", "page('incidents')", "incidents of everybody on this store, with timeline and delivery"),
    Key("accuracy", "9", "9", "page('accuracy')", "accuracy screen: labels, calibration, estimate"),
    Key("versions", "V", "V", "page('versions')", "versions side by side, and what a shadow version answers"),
    Key("version_a", "less_than_sign", "<", "version('a')", "on the versions screen: the next version as A"),
    Key("version_b", "greater_than_sign", ">", "version('b')", "on the versions screen: the next version as B"),
    Key("split", "s", "s", "split", "split the chart by a dimension"),
    Key("select", "v", "v", "select", "what do selected rows (slow, errors, a range of time ...) have in common"),
    Key("mix", "m", "m", "page('mix')", "mix: how the traffic behind the finding at hand moved, and what that makes"),
    Key("means", "t", "t", "means", "where the mean of latency, confidence or a feature moved"),
    Key("dims", "D", "D", "dims", "search segments by features, too: numbers are cut at quantiles of the baseline"),
    Key("columns", "comma", ",", "columns", "choose the columns of the records"),
    Key("palette", "colon,ctrl+p", ":", "command_palette", "command palette", "command"),
    Key("pause", "space", "Space", "pause", "hold this moment while data keeps coming; again to go on", "pause"),
    Key("earlier", "left_square_bracket", "[", "move(-1)", "a quarter window earlier", ""),
    Key("later", "right_square_bracket", "]", "move(1)", "a quarter window later", ""),
    Key("longer", "plus", "+", "zoom(1)", "longer window"),
    Key("shorter", "minus", "-", "zoom(-1)", "shorter window"),
    Key("cursor_left", "left", "←", "cursor(-1)", "time cursor one bucket earlier: every chart reads out its values"),
    Key("cursor_right", "right", "→", "cursor(1)", "time cursor one bucket later; beyond the last it vanishes"),
    Key("next_anomaly", "n", "n", "anomaly(1)", "next anomaly of the model in focus"),
    Key("previous_anomaly", "N", "N", "anomaly(-1)", "previous anomaly of the model in focus"),
    Key("live", "0", "0", "live", "back to live"),
    Key("jump", "at", "@", "jump", "jump to a time: 03:01, -2h, 2026-11-22T03:12Z"),
    Key("baseline", "c", "c", "baseline", "next baseline: before, before the onset, 1d ago, 1w ago", "compare"),
    Key("any_baseline", "C", "C", "any_baseline", "type a baseline: previous, 1d, 1w, FROM..TO, version:V"),
    Key("model", "g", "g", "next_model", "go to the next model"),
    Key("zone", "z", "z", "zone", "times in UTC or in your zone"),
    Key("flag", "F", "F", "flag", "flag the change at hand as an incident: on the disk before anybody is told", "flag"),
    Key("note", "a", "a", "note", "add a note to the incident at hand: under the cursor, or the one flagged last"),
    Key("severity", "S", "S", "severity", "another severity of the incident at hand, and why"),
    Key("status", "T", "T", "status", "another status of the incident at hand: mitigating, resolved, false alarm ..."),
    Key("role", "R", "R", "role", "who has which role in the incident at hand: commander, scribe, comms, operations"),
    Key("link", "L", "L", "link", "add a link to the incident at hand: a dashboard, a chat, a change"),
    Key("criterion", "X", "X", "criterion", "exit criterion of the incident at hand, or how one stands: met 1"),
    Key("write_mode", "W", "W", "write_mode", "write mode on or off: Z and P need it; unused it ends after 5 minutes"),
    Key("silence", "Z", "Z", "silence", "in write mode: hold back alerts of the incident at hand; again: end, extend"),
    Key("page", "P", "P", "page_somebody", "in write mode: page whoever is on call about the incident at hand"),
    Key("copy", "y", "y", "copy", "copy the finding, record or incident at hand; a filter also as PromQL and SQL"),
    Key("copy_report", "Y", "Y", "copy('report')", "copy the whole report"),
    Key("export", "e", "e", "export", "write the report to files (Markdown, JSON) and the screen (SVG)"),
    Key("mouse", "M", "M", "mouse", "mouse on or off: off leaves text selection to the terminal"),
    Key("refresh", "r", "r", "refresh", "ask every source again now"),
    Key("help", "question_mark,f1", "?", "help", "why this segment (in WHERE); else help and all keys", "help"),
    Key("quit", "q", "q", "quit", "quit"),
)  # fmt: skip

LIST_KEYS = (
    Key("list.up", "up", "↑", "move(-1)", "row up"),
    Key("list.down", "down", "↓", "move(1)", "row down"),
    Key("list.page_up", "pageup", "PgUp", "page(-1)", "page up"),
    Key("list.page_down", "pagedown", "PgDn", "page(1)", "page down"),
    Key("list.first", "home", "Home", "move(-1000000)", "first row"),
    Key("list.last", "end", "End", "move(1000000)", "last row"),
    Key(
        "list.fold",
        "full_stop",
        ".",
        "fold",
        "show all of what belongs to the change under the cursor, or fold it away",
    ),
    Key("list.open", "enter", "Enter", "choose", "open the row under the cursor"),
    Key("panel.open", "enter", "Enter", "open", "open the panel in focus"),
)
"""Keys that the panels bind themselves; they can be remapped like all others."""

BY_ID = {key.id: key for key in (*KEYS, *LIST_KEYS)}

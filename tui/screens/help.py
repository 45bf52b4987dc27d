"""Help: what the page shows, in one sentence per number, and every key. Generated from the key map."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.keys import KEYS
from tui.screens.number import sentence
from tui.screens.numbers import NUMBERS

EXPLAINED = {
    "overview": (
        "WHAT CHANGED lists what differs from the baseline, surest and largest first. A change is listed only if it is"
        " real (more than the baseline's own ups and downs) and large enough to matter. t-10m is when it began."
        " CRIT: users feel it now; WARN: look soon; info: it explains something else; new?: too young to be sure; gone:"
        " over, still watched. What one incident explains stands"
        " under its first line: cause? began with it or before it and can bring it about; +5 more are folded (.)."
        " burn: how fast the error budget of the model is used up; below 1 it lasts the month, 14 is gone in two days."
    ),
    "latency": (
        "Requests sorted by duration: p50 is the middle one, p99 is slower than 99 in 100. Solid lines are now, dotted"
        " ones the baseline. If p99 moved and p50 did not, a part of the requests is slow: look at the segments."
    ),
    "confidence": (
        "How sure the model says it is, per request. Bars compare the window with the baseline. More mass at the low"
        " end usually means unfamiliar input; more at the top without better accuracy means over-confidence. Values"
        " outside 0..1 are a defect of the data: their share is shown, and nothing else counts them."
    ),
    "errors": (
        "Errors by type per 1,000 requests, now and in the baseline. NEW: not seen in the baseline nor in the day"
        " before; back: seen in that day; rising and fading are judged against how unsteady the type usually is. mix:"
        " whether errors are of the usual kinds."
    ),
    "features": (
        "Inputs whose distribution moved. Drift is the Jensen-Shannon distance without the part that chance explains:"
        " 0 is the same, 0.1 is worth a look, 1 is wholly different. null is the share of rows without a value."
    ),
    "infra": (
        "Memory against its limit, CPU and GPU, queues, requests in flight, restarts, and calls to dependencies."
        " Usual values come from the same baseline as everything else."
    ),
    "accuracy": (
        "Share of predictions that equal their label. Labels come late, so rows are compared with rows that were looked"
        " at when they were as old. Per score band: what the model says, how often it is right (95 % interval), and how"
        " often before; a change there is concept drift, a change of the mix is another kind of input. Usual is a"
        " calibration error near what chance alone gives. What the scores promise counts only while they mean the same."
        " Where accuracy fell, look at the segments below, then roll back or retrain."
    ),
    "versions": (
        "Version A against B of the model in focus, since both ran. B to A is a ratio (of a share of requests, for"
        " latency those slower than A's percentile) or a difference, on the mix of B's traffic: a canary that gets"
        " harder requests is not blamed for them. The interval stays valid however often you look; 'no difference'"
        " is said only when all of it is within 10%. < and > choose other versions, Enter opens the page of a measure."
        " In the list of changes a version says what it surely does worse than the old one at the same times."
        " SHADOW compares the requests that a version answered without effect: agreement, both latencies, and who is"
        " right where labels came. The segments are those of the finding at hand: where the two part."
    ),
    "split": (
        "The model in focus by the values of one dimension: requests, share of the traffic before and now, p50 and p99,"
        " errors, and the course of what the finding is about. All charts share one scale. A value whose numbers moved"
        " while the others did not is where to look; Enter makes it the filter. At most 8 values, the rest is (other)."
        " From the accuracy page, or a finding about it, the split is of how often each value is right, over the span"
        " that the accuracy is told of, against rows of the same label age."
    ),
    "selection": (
        "What the selected rows have in common: the segments in which they are more frequent than among the other rows"
        " of the window. holds: share of the selected rows that lie in the segment; selected and outside: share of the"
        " rows that are selected, in it and elsewhere. No baseline is needed. Enter makes a segment the filter."
    ),
    "mix": (
        "How the traffic behind the finding moved: the share of each value of each dimension before and now, the"
        " dimension that moved most first. of change: what the moved share makes of the change of the rate of all rows,"
        " at the rate that its rows had before; below 0 it works against the change. When traffic moved and rates did"
        " not, ask who sends it, not what broke. Enter makes a value the filter."
    ),
    "means": (
        "Where the mean of a value moved from what the baseline, at the same mix, predicts. explains: part of the moved"
        " sum that lies in the segment, below 0 where it works against the rest; times: mean inside over mean outside."
        " Shown is what moved by more than chance and by 0.3 standard deviations. Enter makes a segment the filter."
    ),
    "incidents": (
        "What was flagged, by everybody who writes to this folder (in the title; private or shared). sev: 1 is the"
        " worst. age: since it was declared. told: the last word of each target; ok has arrived, retry goes on, failed"
        " needs you, unknown may have arrived and is not sent twice. The newest lines of the timeline stand last; Enter"
        " shows all. a adds a note, S another severity, T another status (resolved closes it), R a role, L a link; y"
        " copies it as text. W turns write mode on, which the header shows until it ends: only then Z silences alerts"
        " (again: ends or extends that) and P pages, and each asks once more and names whom. silence: what holds alerts"
        " back, as its Alertmanager said within the last half minute; until it was asked, as the journal says."
        " On the charts the purple marks are these incidents. No row: nothing was flagged here; F flags."
    ),
    "records": (
        "The newest rows of the log behind the finding that was at hand, at most 100: the question stands in the title."
        " Enter shows one whole, y copies it as JSON, comma chooses the columns. *** is a field that the configuration"
        " calls sensitive, - is null."
    ),
}


class HelpScreen(ModalScreen[None]):
    """One page of text; any of its keys closes it."""

    DEFAULT_CSS = """
    HelpScreen { align: center middle; background: $background 60%; }
    HelpScreen VerticalScroll {
        width: 84; max-width: 100%; height: auto; max-height: 100%;
        background: $surface; border: round $primary; padding: 0 1;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,enter,f1", "dismiss_help", "Close", show=False)
    ]

    def __init__(self, page: str) -> None:
        super().__init__()
        self._page = page

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Static(self.text(), markup=False)

    def text(self) -> Text:
        """The explanation of the page, then every key."""
        text = Text(f"{self._page.upper()}\n", style="bold")
        text.append(EXPLAINED.get(self._page, "") + "\n\n", style="not bold")
        for number in NUMBERS.get(self._page, ()):
            text.append(f"{number.name}: ", style="bold")
            text.append(f"{sentence(number)}\n", style="not bold")
        text.append("\nKEYS\n" if self._page in NUMBERS else "KEYS\n", style="bold")
        for key in KEYS:
            text.append(f" {key.label:<10}", style="bold")
            text.append(f" {key.what}\n", style="not bold")
        text.append("\nEsc closes this help.", style="dim")
        return text

    def action_dismiss_help(self) -> None:
        """Close."""
        self.dismiss()

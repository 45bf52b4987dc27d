"""What the draft of a postmortem and the handoff say beyond the facts: suspects, the harm, and how to ask again."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest

from analysis.filters import Eq
from incidents.events import Actor
from incidents.export import HANDOFF_LINES, QUERY_CHARS, as_markdown, handoff
from incidents.fold import line_of
from incidents.record import Criterion, Incident, Line, Reading, Silence
from incidents.suspects import suspect_words, suspects
from tests.sample import NOW, ONSET, sample
from tui.cli import mltriage
from tui.incident_commands import ask_again


def seen(kind: str, after_s: float, text: str = "41->42") -> Line:
    return line_of(ONSET + after_s, kind, text)


KNOWN = Incident(
    "INC-260921-7K2Q",
    "fraud is slow",
    onset=ONSET,
    declared=ONSET + 300,
    readings=(Reading("error", "fraud", "Timeout 0.1% -> 4.8%", "Timeout", 0.048, 0.001, "ratio", ONSET, 10_000.0),),
    timeline=(
        seen("version", -4_000, "40->41"),
        seen("annotation", -600, "new features"),
        seen("alert", -30, "HighLatency"),
        seen("version", -60),
        Line(ONSET + 300, Actor("alice", "host"), "declared", "declared SEV-2", "01"),
    ),
)


def test_what_was_seen_shortly_before_the_onset_is_a_suspect_the_nearest_first() -> None:
    assert [suspect_words(one, ONSET) for one in suspects(KNOWN)] == [
        "version 41->42, 1m before the onset",
        "annotation new features, 10m before the onset",
    ]
    assert suspects(replace(KNOWN, onset=None)) == ()
    factors = as_markdown(KNOWN).split("## Contributing factors")[1].split("##")[0]
    assert "- version 41->42, 1m before the onset: a cause?" in factors
    assert "by ?; version 41->42, 1m before the onset" in handoff(KNOWN, NOW)


def test_the_harm_of_an_error_is_counted() -> None:
    assert "About 470 of 10k requests ended in Timeout beyond the usual." in as_markdown(KNOWN)


def test_a_query_that_no_reader_takes_in_is_named_and_not_shown() -> None:
    snapshot = sample()
    assert snapshot.errors is not None
    status = replace(snapshot.errors.status, query="SELECT " + "x" * QUERY_CHARS)
    long = replace(snapshot, errors=replace(snapshot.errors, status=status))
    text = as_markdown(KNOWN, long, again="mltriage report --at 03:00Z")
    assert "xxxx" not in text
    assert "Longer ones, in `queries` of `--format json`: errors." in text
    assert "```\nmltriage report --at 03:00Z\n```" in text
    assert "histogram_quantile(...)" in text


def test_the_command_that_asks_again_is_one_that_the_program_reads() -> None:
    snapshot = sample()
    view = replace(snapshot.view, where=Eq("region", "eu w1"), models=("fraud",))
    words = shlex.split(ask_again(replace(snapshot, view=view)))
    assert words[:2] == ["mltriage", "report"]
    assert words[-2:] == ["--filter", 'region="eu w1"']
    report = mltriage.get_command(None, "report")  # type: ignore[arg-type]
    assert report is not None
    assert report.make_context("report", words[2:], resilient_parsing=False).params["model"] == ("fraud",)
    assert ask_again(None) == ""


@pytest.mark.parametrize("silences", [0, 1, 5])
def test_the_handoff_has_room_for_what_happened_last(silences: int) -> None:
    full = replace(
        KNOWN,
        links=("https://chat.example/1",),
        criteria=(Criterion("p99 below 200 ms"),),
        silences=tuple(Silence("am", f'n="{i}"', NOW + 3_600, told="ok") for i in range(silences)),
    )
    lines = handoff(full, NOW).splitlines()
    assert len(lines) <= HANDOFF_LINES
    assert lines[-1].endswith("alice: declared SEV-2")
    assert "links: https://chat.example/1" in lines

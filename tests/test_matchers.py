"""Matchers of silences: read as an engineer types them, and never so wide that everything falls silent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents.matchers import (
    Matcher,
    MatcherError,
    borne,
    format_matchers,
    matchers_of,
    matches,
    parse_matchers,
)

LABELS = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,8}", fullmatch=True)
VALUES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)


def test_matchers_are_read_with_and_without_quotes_and_commas() -> None:
    assert parse_matchers('model=fraud, region!="eu west" node=~"gpu.*" tier!~free') == (
        Matcher("model", "=", "fraud"),
        Matcher("region", "!=", "eu west"),
        Matcher("node", "=~", "gpu.*"),
        Matcher("tier", "!~", "free"),
    )


@given(st.lists(st.builds(Matcher, LABELS, st.sampled_from(["=", "!=", "=~", "!~"]), VALUES), max_size=4))
def test_what_is_written_is_read_again(more: list[Matcher]) -> None:
    matchers = (Matcher("model", "=", "fraud"), *more)
    assert parse_matchers(format_matchers(matchers)) == matchers


@pytest.mark.parametrize("text", ["", "  ", "fraud", 'model=""', "model=~.*", "model!=fraud", "model=fraud 7=x", "a="])
def test_what_cannot_be_read_or_would_silence_everything_is_refused(text: str) -> None:
    with pytest.raises(MatcherError):
        parse_matchers(text)


def test_the_segment_of_a_model_becomes_labels_where_it_can() -> None:
    matchers = matchers_of("fraud", [("region", "eu-w1"), ("feature:amount", "9")])
    assert format_matchers(matchers) == 'model="fraud" region="eu-w1"'
    alerts = [{"alertname": "Slow", "model": "fraud"}, {"alertname": "Down", "model": "rank"}]
    assert format_matchers(borne(matchers, alerts)) == 'model="fraud"'


def test_a_matcher_holds_back_what_alertmanager_would() -> None:
    alert = {"alertname": "Slow", "model": "fraud"}
    for text, held in (
        ("model=fraud", True),
        ("model=fraud region=eu", False),
        ('model=fraud region!="eu"', True),
        ("model=fraud alertname=~S.*w", True),
        ("model=fraud alertname=~S", False),
        ("model=fraud alertname!~S.*", False),
        ("model=fraud alertname=~[", False),
    ):
        assert matches(parse_matchers(text), alert) is held, text


def test_the_alert_of_the_incident_itself_is_left_out_of_what_is_offered() -> None:
    offered = matchers_of("fraud", (("region", "eu"),), but="MltriageIncident")
    assert format_matchers(offered) == 'model="fraud" region="eu" alertname!="MltriageIncident"'
    assert not matches(offered, {"model": "fraud", "region": "eu", "alertname": "MltriageIncident"})
    assert matchers_of("", (), but="MltriageIncident") == ()

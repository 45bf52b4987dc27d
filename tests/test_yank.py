"""What is copied can be asked again elsewhere: the filter as typed, as PromQL and as SQL."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import duckdb
import pytest

from analysis.filters import And, Eq, In, Match, Not, Null, Or, Range, parse_filter
from connectors.selectors import selector
from tests.test_app import clipboard, fleet, located, options, until
from tui.app import Triage

__all__ = ["fleet"]


@pytest.mark.parametrize(
    ("where", "text"),
    [
        (And(), "{}"),
        (Eq("region", "eu-w1"), '{region="eu-w1"}'),
        (And((Eq("region", "eu-w1"), Not(Eq("tier", "free")))), '{region="eu-w1",tier!="free"}'),
        (In("version", ("41", "4.2")), '{version=~"41|4\\\\.2"}'),
        (Not(In("version", ("41", "42"))), '{version!~"41|42"}'),
        (Null("region"), '{region=""}'),
        (Eq("region", "(null)"), '{region=""}'),
        (Match("device", "^ios"), '{device=~".*(?:^ios).*"}'),
        (Eq("path", 'a"b\\c'), '{path="a\\"b\\\\c"}'),
        (Not(And((Eq("region", "eu-w1"), Eq("tier", "free")))), '{region!="eu-w1"} or {tier!="free"}'),
        (
            And((Eq("model", "fraud"), Or((Eq("region", "eu-w1"), Not(Null("tier")))))),
            '{model="fraud",region="eu-w1"} or {model="fraud",tier!=""}',
        ),
        (Not(Or((Eq("region", "eu-w1"), Not(Eq("tier", "free"))))), '{region!="eu-w1",tier="free"}'),
    ],
)
def test_a_filter_becomes_label_matchers(where: Any, text: str) -> None:
    assert selector(where).text == text


def test_what_promql_cannot_say_is_named() -> None:
    found = selector(And((Eq("model", "fraud"), Range("amount", low=100.0))), {"model": "model_name"})
    assert found.text == '{model_name="fraud"}'
    assert found.left_out == ("amount>=100",)


async def test_y_copies_the_finding_with_its_filter_and_capital_y_the_report(
    fleet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = clipboard(monkeypatch)
    async with Triage(options(fleet)).run_test(size=(120, 40)) as pilot:
        app = await located(pilot)
        await pilot.press("enter", "y")
        await until(pilot, lambda: len(copied) == 1)
        lines = copied[0].splitlines()
        typed = next(line for line in lines if line.startswith("filter")).removeprefix("filter").strip()
        assert parse_filter(typed) == And((Eq("model", "fraud"), Eq("version", "42")))
        assert 'PromQL  {model="fraud",version="42"}' in lines
        assert any(line.startswith("SQL     WHERE ") and "\"version\" IN ('42')" in line for line in lines)
        said = re.search(
            r"-- the statement that counts these rows, .*: (\d+)\n((?:CREATE .*\n)*SELECT .*)\n", copied[0]
        )
        assert said is not None
        elsewhere = duckdb.connect()
        elsewhere.execute(said[2])
        assert dict(elsewhere.fetchall())[1] == int(said[1])
        elsewhere.close()
        (segment,) = app.snapshot.findings[0].where if app.snapshot is not None else ()
        assert int(said[1]) == segment.n, "the number on the screen"
        assert any(line.startswith("count   sum(increase(") and 'version="42"' in line for line in lines)
        assert any("segment version=42: explains" in line for line in lines)
        assert app.snapshot is not None
        assert app.snapshot.findings[0].title in lines[0]
        await pilot.press("Y")
        await until(pilot, lambda: len(copied) == 2)
        assert "churn" in copied[1]

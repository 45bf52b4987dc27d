"""The filter language: what an engineer types is what the stores are asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.filters import (
    ALL,
    And,
    Eq,
    Filter,
    FilterError,
    In,
    Match,
    Not,
    Null,
    Or,
    Range,
    Same,
    conjunction,
    fields_of,
    format_filter,
    parse_filter,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ALL),
        ("region=eu-w1", Eq("region", "eu-w1")),
        ("region=eu-w1 tier!=free", And((Eq("region", "eu-w1"), Not(Eq("tier", "free"))))),
        ("version=41,42", In("version", ("41", "42"))),
        ("version!=41,42", Not(In("version", ("41", "42")))),
        ("amount>=100", Range("amount", low=100.0)),
        ("amount<2.5e3", Range("amount", high=2500.0)),
        ("amount>3", And((Range("amount", low=3.0), Not(Eq("amount", 3.0))))),
        ("amount<=3", Or((Range("amount", high=3.0), Eq("amount", 3.0)))),
        ("device~^ios", Match("device", "^ios")),
        ("device!~bot", Not(Match("device", "bot"))),
        ("prediction=$label", Same("prediction", "label")),
        ("prediction!=$label", Not(Same("prediction", "label"))),
        ('price="$5"', Eq("price", "$5")),
        ("not (region=eu-w1 tier=free)", Not(And((Eq("region", "eu-w1"), Eq("tier", "free"))))),
        ("region=eu-w1 or tier=free", Or((Eq("region", "eu-w1"), Eq("tier", "free")))),
        ("a=1 (b=2 or c=3)", And((Eq("a", "1"), Or((Eq("b", "2"), Eq("c", "3")))))),
        ("a=1 b=2 or c=3", Or((And((Eq("a", "1"), Eq("b", "2"))), Eq("c", "3")))),
        ("not (a=1) b=2", And((Not(Eq("a", "1")), Eq("b", "2")))),
        ("not(a=1)", Not(Eq("a", "1"))),
        ("or=1 not=2", And((Eq("or", "1"), Eq("not", "2")))),
        ("device~(ios|web)", Match("device", "(ios|web)")),
        ('(device~"(ios|web)")', Match("device", "(ios|web)")),
        ("merchant=null", Null("merchant")),
        ("merchant!=null", Not(Null("merchant"))),
        ('city="San José, CA"', Eq("city", "San José, CA")),
        ('merchant="null"', Eq("merchant", "null")),
        ("features.amount>1", And((Range("features.amount", low=1.0), Not(Eq("features.amount", 1.0))))),
    ],
)
def test_a_typed_filter_means_what_it_says(text: str, expected: Filter) -> None:
    assert parse_filter(text) == expected


@pytest.mark.parametrize(
    "text", ["region", "=x", "amount>many", "device~(", "region=eu tier", 'city="open', "x=$5", "a=1 or"]
)
def test_a_filter_that_cannot_be_read_names_the_part(text: str) -> None:
    with pytest.raises(FilterError) as error:
        parse_filter(text)
    assert any(part in str(error.value) for part in text.split())


fields = st.from_regex(r"[a-z_][a-z0-9_.]{0,8}", fullmatch=True)
texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)
numbers = st.floats(-1e6, 1e6).map(lambda x: float(f"{x:g}"))
terms = st.one_of(
    st.builds(Eq, fields, texts),
    st.builds(lambda f, v: Not(Eq(f, v)), fields, texts),
    st.builds(Null, fields),
    st.builds(Same, fields, fields),
    st.builds(lambda f, g: Not(Same(f, g)), fields, fields),
    st.builds(lambda f, x: Range(f, low=x), fields, numbers),
    st.builds(lambda f, x: Range(f, high=x), fields, numbers),
)


@given(st.lists(terms, max_size=4))
def test_a_formatted_filter_reads_back_as_itself(parts: list[Filter]) -> None:
    where = conjunction(*parts)
    assert parse_filter(format_filter(where)) == where


@pytest.mark.parametrize(
    ("text", "missing"),
    [("(a=1", "closing"), ("not a=1", "opening"), ("a=1 )", "no parenthesis to close"), ("()", "missing before")],
)
def test_a_parenthesis_that_is_missing_is_named(text: str, missing: str) -> None:
    with pytest.raises(FilterError, match=missing):
        parse_filter(text)


groups = st.recursive(
    terms,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3, unique=True).map(lambda parts: Or(tuple(parts))),
        st.lists(inner, min_size=2, max_size=3, unique=True).map(lambda parts: And(tuple(parts))),
        inner.map(Not),
    ),
    max_leaves=6,
)


@given(groups)
def test_whatever_can_be_said_is_written_so_that_it_reads_back(where: Filter) -> None:
    again = parse_filter(format_filter(where))
    assert format_filter(again) == format_filter(where)
    assert fields_of(again) == fields_of(where)


def test_a_conjunction_is_flat_and_free_of_repeats() -> None:
    a, b = Eq("region", "eu"), Eq("tier", "free")
    assert conjunction(And((a, b)), a, ALL) == And((a, b))
    assert conjunction(a, ALL) == a
    assert conjunction() == ALL


def test_the_fields_of_a_filter_are_found_at_every_depth() -> None:
    where = And(
        (Or((Eq("a", 1), Null("b"))), Not(In("c", ("x",))), Range("d", low=0.0), Match("e", "f"), Same("g", "h"))
    )
    assert fields_of(where) == {"a", "b", "c", "d", "e", "g", "h"}

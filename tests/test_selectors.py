"""A filter and its label matchers select the same series."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from analysis.filters import And, Eq, Filter, In, Match, Not, Null, Or, Range, format_filter
from connectors.selectors import MAX_ALTERNATIVES, alternatives

DIMS, VALUES = ("region", "tier", "device"), ("a", "b", "")
SERIES = st.fixed_dictionaries({dim: st.sampled_from(VALUES) for dim in DIMS})

LEAVES: st.SearchStrategy[Filter] = st.one_of(
    st.builds(Eq, st.sampled_from(DIMS), st.sampled_from(VALUES[:2])),
    st.builds(In, st.sampled_from(DIMS), st.tuples(st.sampled_from(VALUES[:2]))),
    st.builds(Null, st.sampled_from(DIMS)),
    st.builds(Match, st.sampled_from(DIMS), st.sampled_from(["a", "^b$"])),
)
FILTERS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(And, st.lists(inner, min_size=1, max_size=3).map(tuple)),
        st.builds(Or, st.lists(inner, min_size=1, max_size=3).map(tuple)),
    ),
    max_leaves=6,
)


def holds(where: Filter, series: Mapping[str, str]) -> bool:
    """What the filter means for a series; a label that is not there is null."""
    match where:
        case Not(part):
            return not holds(part, series)
        case And(parts):
            return all(holds(part, series) for part in parts)
        case Or(parts):
            return any(holds(part, series) for part in parts)
        case Eq(field, value):
            return series[field] == value
        case In(field, values):
            return series[field] in values
        case Null(field):
            return series[field] == ""
        case Match(field, pattern):
            return pattern.strip("^$") in series[field]
    raise AssertionError(where)


@given(FILTERS, SERIES)
def test_a_series_meets_the_filter_where_it_meets_one_of_its_selectors(where: Filter, series: dict[str, str]) -> None:
    found, left_out = alternatives(where)
    met = any(all(matcher.accepts(series) for matcher in selector) for selector in found)
    assert len(found) <= MAX_ALTERNATIVES
    if left_out:
        assert met or not holds(where, series), "what is left out may only select more"
    else:
        assert met is holds(where, series)


def test_a_part_without_a_form_in_matchers_is_named_and_takes_its_whole_group_along() -> None:
    either = Or((Eq("region", "a"), Range("amount", low=3.0)))
    found, left_out = alternatives(
        And((Eq("tier", "b"), either, Not(And((Eq("device", "a"), Range("amount", high=1.0))))))
    )
    assert [[str(matcher) for matcher in selector] for selector in found] == [['tier="b"']]
    assert left_out == (format_filter(either), "not (device=a amount<1)")


def test_a_filter_of_too_many_alternatives_is_named() -> None:
    pairs = [Not(And((Eq(f"a{i}", "x"), Eq(f"b{i}", "y")))) for i in range(6)]
    found, left_out = alternatives(And(tuple(pairs)))
    assert len(found) == MAX_ALTERNATIVES
    assert left_out == ("not (a5=x b5=y)",)


def test_what_selects_nothing_has_no_form() -> None:
    assert alternatives(Or(())) == (((),), ("",))

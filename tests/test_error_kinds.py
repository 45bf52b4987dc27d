"""Kinds of errors: by type, by message, or by both."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from analysis.answer import PanelStatus, State
from analysis.error_kinds import MAX_KEYS, bounded, error_kinds
from analysis.errors import error_cases, errors_panel
from analysis.evidence import OTHER, Counts, ErrorCounts, Key
from analysis.filters import And, Eq, In, Not, Null
from tests.evidence import FRAME, NEWEST, ONSET, Model, after, model_logs, steady


def errors_of(*keys: Key, n: float = 5.0) -> ErrorCounts:
    t = np.array([0, 60])
    counts = Counts(t, 60, keys, np.full((2, len(keys)), n))
    return ErrorCounts(counts, {key: float(i) for i, key in enumerate(keys)}, {key: f"raw {key[-1]}" for key in keys})


def test_a_type_with_one_message_goes_by_its_type() -> None:
    (kind,) = error_kinds(errors_of(("m", "Timeout", "gave up after <*>"), ("m", "Timeout", "")), "m")
    assert (kind.name, kind.outcome, kind.columns) == ("Timeout", Eq("error_type", "Timeout"), (0, 1))


def test_a_coarse_type_is_told_apart_by_its_messages() -> None:
    kinds = error_kinds(errors_of(("m", "HTTP 500", "CUDA out of memory"), ("m", "HTTP 500", "NaN in row <*>")), "m")
    assert [kind.name for kind in kinds] == ["HTTP 500: CUDA out of memory", "HTTP 500: NaN in row <*>"]
    assert kinds[1].outcome == And((Eq("error_type", "HTTP 500"), In("error_template", ("NaN in row <*>",))))
    assert kinds[1].sample == "raw NaN in row <*>"
    assert kinds[1].first_seen == 1


def test_messages_alone_are_kinds_and_messages_of_one_shape_are_one() -> None:
    words = ("age", "hour", "price", "device")
    kinds = error_kinds(errors_of(*(("m", "", f"no such feature: {word}") for word in words), ("m", "", "NaN")), "m")
    assert [kind.name for kind in kinds] == ["no such feature: <*>", "NaN"]
    assert sorted(kinds[0].columns) == [0, 1, 2, 3]


def test_folded_messages_are_a_kind_of_everything_else() -> None:
    kinds = error_kinds(errors_of(("m", "E", "a b"), ("m", "E", "c d"), ("m", "E", OTHER)), "m")
    assert kinds[-1].name == "E: (other messages)"
    assert kinds[-1].outcome == And((Eq("error_type", "E"), Not(In("error_template", ("a b", "c d")))))


def test_without_types_the_rest_is_still_an_error() -> None:
    (named, rest) = error_kinds(errors_of(("m", "", "a b"), ("m", "", OTHER)), "m")
    assert named.name == "a b"
    assert rest.outcome == And((Not(Null("error_type")), Not(In("error_template", ("a b",)))))


@given(st.lists(st.tuples(st.sampled_from(["E", "F", ""]), st.text("ab ", max_size=6)), unique=True, max_size=30))
def test_every_error_is_in_exactly_one_kind(parts: list[tuple[str, str]]) -> None:
    errors = errors_of(*(("m", name, text) for name, text in parts), ("other", "E", "a"))
    columns = [i for kind in error_kinds(errors, "m") for i in kind.columns]
    assert sorted(columns) == list(range(len(parts)))


def test_messages_without_end_do_not_grow_without_bound() -> None:
    keys = tuple(sorted(("m", f"T{i % 3}", f"word{i}") for i in range(3 * MAX_KEYS)))
    errors = errors_of(*keys)
    kept = bounded(errors)
    assert len(kept.counts.keys) <= MAX_KEYS
    assert kept.counts.n.sum() == errors.counts.n.sum()
    assert min(kept.first_seen.values()) == 0
    assert bounded(kept) is kept


def test_a_new_message_of_a_known_type_is_a_new_kind_of_error_from_its_first_row() -> None:
    logs = model_logs(Model(errors={"old": steady(0.002), "new": after(ONSET, 0.01, 0.0)}))
    assert logs.errors is not None
    assert logs.traffic is not None
    messages = {
        ("shop", "old"): ("shop", "HTTP 500", "feature store timeout"),
        ("shop", "new"): ("shop", "HTTP 500", "NaN"),
    }
    errors = ErrorCounts(
        replace(logs.errors.counts, keys=tuple(messages[key[0], key[1]] for key in logs.errors.counts.keys)),
        {messages[key[0], key[1]]: at for key, at in logs.errors.first_seen.items()},
        {("shop", "HTTP 500", "NaN"): "NaN in row 7"},
    )
    (case,) = error_cases(errors, logs.traffic, FRAME, NEWEST, "shop")
    assert case.finding.subject == "HTTP 500: NaN"
    assert case.finding.title.endswith("NEW")
    panel = errors_panel(errors, logs.traffic, FRAME, "shop", PanelStatus(State.LIVE))
    first = panel.rows[0]
    assert (first.error_type, first.state, first.sample) == ("HTTP 500: NaN", "NEW", "NaN in row 7")

"""Error messages without their parameters."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.messages import MIN_VARIANTS, WILD, masked, templates
from bench.messages import accuracy, draw, ours
from connectors.duckdb_dialect import DuckDbDialect
from connectors.sqlerrors import masked_sql

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=80)
PIECES = st.lists(
    st.sampled_from([
        "HTTP 503", "status 12", "7 ms", "[1, 2]", '"a b"', "http://x/y", "/a/b/c", "{k: v}", "float32", "utf-8",
        "a@b.c", " ", "\n", ",", "'", "\\", "deadbeef", "1.2.3.4:80", "2026-01-02T03:04:05Z", WILD, "word", "404 ", "é",
        "Traceback (most recent call last):\n", "db.prod.local", "redis.x:6379", "(12)", "a.b.Cd", "user=a", "user=b",
    ]),
    max_size=12,
).map("".join)  # fmt: skip


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("node-7 gave up after 31 s", "<*> gave up after <*>"),
        ("HTTP 503 from http://feast:6566/v1 after 12ms", "HTTP 503 from <*> after <*>"),
        ("429 Too Many Requests", "429 Too Many Requests"),
        ("expected float32 but got int64 of shape [1, 3, 224]", "expected float32 but got int64 of shape <*>"),
        ("user 0f8fad5b-d9cb-469f-a165-70867728950e not found", "user <*> not found"),
        ("allocate 2.00 GiB of 900 MiB", "allocate <*> of <*>"),
        ("Traceback (most recent call last):\n  File \"a.py\", line 3\nKeyError: 'age'\n", "KeyError: 'age'"),
        ("183.62.156.108:27 closed the connection", "<*> closed the connection"),
        ("proxy.example.com:5070 refused ns.example.com.br", "<*> refused <*>"),
        ("java.net.SocketException at cache.internal", "java.net.SocketException at <*>"),
        ("1190 bytes (1.16 KB) sent in 1 second", "<*> sent in <*>"),
        ("no numbers at all", "no numbers at all"),
        ("", ""),
    ],
)
def test_parameters_are_masked_and_what_tells_failures_apart_is_kept(message: str, expected: str) -> None:
    assert masked(message) == expected


@settings(max_examples=150, deadline=None)
@given(st.lists(TEXT | PIECES, min_size=1, max_size=20))
def test_the_store_masks_as_python_does(messages: list[str]) -> None:
    with duckdb.connect() as con:
        found = con.execute(f"SELECT {masked_sql('unnest(?)', DuckDbDialect())}", [messages]).fetchall()
    assert [text for (text,) in found] == [masked(message) for message in messages]


@given(st.lists(PIECES, max_size=20), st.randoms(use_true_random=False))
def test_names_do_not_depend_on_the_order_of_arrival(messages: list[str], random: object) -> None:
    shuffled = list(messages)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert templates(messages) == templates(shuffled)


@given(st.lists(PIECES, max_size=20))
def test_every_text_has_a_template_of_its_own_words(messages: list[str]) -> None:
    found = templates(messages)
    assert set(found) == set(messages)
    for text, template in found.items():
        words = text.split(" ")
        assert set(template.split(" ")) <= {*words, WILD, *(f"{word.partition('=')[0]}={WILD}" for word in words)}


def test_words_that_vary_in_one_place_are_a_parameter_from_the_fourth_on() -> None:
    texts = [f"no such feature: {name}" for name in ("age", "price", "hour", "device")]
    assert set(templates(texts[: MIN_VARIANTS - 1]).values()) == set(texts[: MIN_VARIANTS - 1])
    assert set(templates(texts).values()) == {"no such feature: <*>"}


def test_the_key_of_a_parameter_stays_so_that_a_message_without_it_is_another_kind() -> None:
    texts = [f"login failed for <*> user={name}" for name in ("root", "mysql", "ftp", "backup")]
    assert set(templates([*texts, "login failed for <*>"]).values()) == {
        "login failed for <*> user=<*>",
        "login failed for <*>",
    }


def test_the_first_word_names_the_failure() -> None:
    texts = [f"{name} is unavailable" for name in ("redis", "feast", "pricing", "ledger", "geoip")]
    assert set(templates(texts).values()) == set(texts)


def test_two_words_may_vary_together() -> None:
    pairs = zip("abcdefgh", "stuvwxyz", strict=True)
    assert set(templates(f"user {a} may not read model {b}" for a, b in pairs).values()) == {
        "user <*> may not read model <*>"
    }


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_twenty_kinds_of_messages_of_a_model_server_are_twenty_types(seed: int) -> None:
    messages, kinds = draw(6_000, seed)
    assert accuracy(ours(messages)[0], kinds) > 0.97

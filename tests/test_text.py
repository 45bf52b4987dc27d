"""How text is cut: an ellipsis never turns what is left into another statement."""

from __future__ import annotations

import pytest

from widgets.text import cut, cut_words


@pytest.mark.parametrize(
    ("text", "width", "left"),
    [
        ("requests 6.1 -> 4.6", 18, "requests 6.1 -> …"),
        ("requests 6.1 -> 4.6", 17, "requests 6.1 -> …"),
        ("p99 229ms -> 607ms", 17, "p99 229ms -> …"),
        ("version=42 99%", 10, "version=…"),
        ("version=42 99%", 11, "version=42…"),
        ("share 99%", 8, "share …"),
        ("12345678", 4, "123…"),
        ("eu-w1", 4, "eu-…"),
        ("計算 12", 6, "計算 …"),
        ("p99", 9, "p99"),
    ],
)
def test_a_number_is_never_cut_in_two(text: str, width: int, left: str) -> None:
    assert cut(text, width) == left


def test_words_are_kept_whole_where_the_first_one_fits() -> None:
    assert cut_words("nothing within 10 s", 12) == "nothing…"
    assert cut_words("nothing within 10 s", 15) == "nothing within…"
    assert cut_words("nothing within 10 s", 5) == "noth…"
    assert cut_words("nothing within 10 s", 19) == "nothing within 10 s"
    assert cut_words("nothing within 10 s", 12, ascii=True) == "nothing~"

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakwall.texts import MAX_LENGTH, text_problem
from breakwall.web.orders.keys import key_in
from breakwall.web.problems import ProblemError, ProblemType

usable = st.text(min_size=1, max_size=MAX_LENGTH).filter(lambda text: text_problem(text) is None)


def as_header(text: str) -> str:
    """As a server decodes the bytes that a client sends."""
    return text.encode().decode("latin-1")


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ("cart-17", "cart-17"),
        ('"cart-17"', "cart-17"),
        (r'"a \"quoted\" \\ key"', 'a "quoted" \\ key'),
        ('cart"17', 'cart"17'),
        (as_header("장바구니-17"), "장바구니-17"),
    ],
)
def test_a_key_is_quoted_or_bare(header: str, key: str) -> None:
    assert key_in(header) == key


@pytest.mark.parametrize(
    "header",
    [
        '"',
        '"cart-17',
        '"cart"17"',
        '"cart-17";a=1',
        '""',
        '"  "',
        r'"cart\17"',
        "\xff",
        "k" * 256,
        "cart\t17",
        "\x7f",
    ],
)
def test_a_malformed_key_is_refused(header: str) -> None:
    with pytest.raises(ProblemError) as raised:
        key_in(header)
    assert raised.value.type is ProblemType.IDEMPOTENCY_KEY_INVALID


@given(usable.filter(lambda key: not key.startswith('"')))
def test_both_forms_of_a_key_are_the_same_key(key: str) -> None:
    quoted = '"' + key.replace("\\", r"\\").replace('"', r"\"") + '"'
    assert key_in(as_header(key)) == key_in(as_header(quoted)) == key


@given(st.text(st.characters(max_codepoint=255), max_size=300))
def test_any_header_is_a_usable_key_or_is_refused(header: str) -> None:
    try:
        key = key_in(header)
    except ProblemError:
        return
    assert text_problem(key) is None

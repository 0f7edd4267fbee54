"""A text holds what a person may type, and nothing that makes it look like another text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakwall.payments.orders import InvalidOrderError, Order
from breakwall.texts import character_problem, is_allowed, quoted, text_problem, visible
from tests.texts import FAMILY, REFUSED, TYPED, accepted_texts


def order(**changed: str) -> Order:
    fields = {"user_id": "u1", "idempotency_key": "cart-1"} | changed
    return Order(**fields, amount=1, currency="KRW")


@pytest.mark.parametrize("field", ["user_id", "idempotency_key"])
@pytest.mark.parametrize("text", TYPED.values(), ids=TYPED)
def test_a_user_id_and_a_key_hold_what_a_person_may_type(field: str, text: str) -> None:
    assert getattr(order(**{field: text}), field) == text


@pytest.mark.parametrize("text", [TYPED["NBSP"], FAMILY], ids=["NBSP", "ZWJ emoji"])
def test_nbsp_and_zwj_emoji_in_a_user_id_are_no_control_characters(text: str) -> None:
    assert order(user_id=text).user_id == text


@pytest.mark.parametrize("field", ["user_id", "idempotency_key"])
@pytest.mark.parametrize("char", REFUSED, ids=ascii)
def test_a_character_that_steers_or_is_none_is_refused_with_its_number(field: str, char: str) -> None:
    with pytest.raises(InvalidOrderError) as refused:
        order(**{field: f"김{char}b"})
    assert list(refused.value.problems) == [field]
    assert f"U+{ord(char):04X}" in refused.value.problems[field]
    assert "it is character 2" in refused.value.problems[field]


@pytest.mark.parametrize(
    ("char", "called"),
    [
        ("\u202e", "U+202E RIGHT-TO-LEFT OVERRIDE"),
        ("\u2028", "U+2028 LINE SEPARATOR"),
        ("\x1b", "U+001B (a control character)"),
        ("\x9b", "U+009B (a control character)"),
        ("\ud800", "U+D800 (half of a surrogate pair)"),
        ("\uffff", "U+FFFF (a noncharacter)"),
    ],
    ids=ascii,
)
def test_a_refusal_calls_the_character_by_its_name_and_says_where_it_is(char: str, called: str) -> None:
    assert text_problem(f"abc{char}{char}") == f"should not hold {called}: it is character 4"


@pytest.mark.parametrize("text", ["", " ", "\u00a0\u3000", None, 5, b"cart-1"])
def test_an_empty_or_blank_value_or_no_text_is_refused(text: object) -> None:
    assert text_problem(text) == "should be a text that is not empty"


def test_characters_are_counted_and_not_bytes() -> None:
    assert order(user_id="😀" * 255, idempotency_key="김" * 255)
    assert text_problem("😀" * 256) == "should be at most 255 characters long"


def test_keys_that_look_alike_are_two_keys() -> None:
    """Nothing is normalised: a key stays as its caller gave it, byte for byte."""
    assert order(idempotency_key="e\u0301") != order(idempotency_key="\u00e9")


@given(accepted_texts())
def test_all_other_characters_are_accepted(text: str) -> None:
    assert text_problem(text) is None


@given(st.text(st.characters()))
def test_a_text_that_is_made_visible_is_allowed_and_an_allowed_one_stays_as_it_is(text: str) -> None:
    assert is_allowed(visible(text))
    assert (visible(text) == text) is is_allowed(text) is (character_problem(text) is None)


def test_a_text_within_a_sentence_shows_emoji_and_escapes_what_steers() -> None:
    assert quoted(f"{FAMILY}\u202e\x1b") == f"'{FAMILY}\\u202e\\x1b'"
    assert quoted("O'Neil") == '"O\'Neil"'

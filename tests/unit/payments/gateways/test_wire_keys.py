"""Every key can be sent, and is decoded from what the service received."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakwall.payments.gateways.wire_keys import key_from_wire, wire_key

VISIBLE = "cart-17_A.b~!#$&'()*+,/:;<=>?@[]^`{|}\"\\"


@pytest.mark.parametrize(
    ("key", "sent"),
    [
        (VISIBLE, VISIBLE),
        ("주문", "%EC%A3%BC%EB%AC%B8"),
        ("a b", "a%20b"),
        ("a%20b", "a%2520b"),
        ("..", "%2E%2E"),
    ],
)
def test_visible_ascii_is_sent_as_it_is_and_the_rest_percent_encoded(key: str, sent: str) -> None:
    assert wire_key(key) == sent


def test_an_empty_key_is_refused() -> None:
    with pytest.raises(ValueError, match="idempotency key"):
        wire_key("")


@given(st.lists(st.text(min_size=1), min_size=2, max_size=2, unique=True))
def test_two_keys_never_become_one(keys: list[str]) -> None:
    first, second = map(wire_key, keys)
    assert first != second
    assert all(33 <= ord(letter) < 127 for letter in first)


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_a_key_is_decoded_from_what_was_sent(key: str) -> None:
    assert key_from_wire(wire_key(key)) == key


@pytest.mark.parametrize("received", ["", "a b", "100%", "%61", "a%ec%a3%bc", "%FF", "주문"])
def test_a_text_that_no_key_is_encoded_as_gives_no_key(received: str) -> None:
    assert key_from_wire(received) is None

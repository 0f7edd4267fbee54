"""What looks like a card number is found, however people write it; what only has many digits is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakwall.card_numbers import holds_card_number

# Numbers that the networks and payment services publish for tests.
CARDS = {
    "Visa": "4242424242424242",
    "Visa, 19 digits": "4000000000000000006",
    "Mastercard": "5555555555554444",
    "Mastercard, new range": "2223003122003222",
    "American Express": "378282246310005",
    "Discover": "6011111111111117",
    "Diners Club": "36227206271667",
    "JCB": "3566002020360505",
    "UnionPay": "6205500000000000004",
    "Maestro": "6759649826438453",
    "Mir": "2200000000000004",
}


@pytest.mark.parametrize("number", CARDS.values(), ids=CARDS)
@pytest.mark.parametrize(
    "text", ["{}", "card {}", "{}, exp 12/30", "no:{}.", "카드번호{}입니다", "12 {}", "{} 123"]
)
def test_a_card_number_of_each_network_is_found_in_any_text(number: str, text: str) -> None:
    assert holds_card_number(text.format(number))


@pytest.mark.parametrize(
    "written",
    [
        "4242 4242 4242 4242",
        "4242-4242-4242-4242",
        "3782 822463 10005",
        "3622-720627-1667",
        "4000 0000 0000 0000 006",
        "cart 17 4242 4242 4242 4242 12 30",
        "4242\u00a04242\u00a04242\u00a04242",
        "4242\u20134242\u20114242\u20104242",
        "\uff14\uff12\uff14\uff12\uff14\uff12\uff14\uff12\uff14\uff12\uff14\uff12\uff14\uff12\uff14\uff12",
    ],
)
def test_its_groups_and_characters_do_not_matter(written: str) -> None:
    assert holds_card_number(written)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tea for two",
        "4242424242424241",  # The check digit is wrong.
        "9999999999999995",  # No network's.
        "42424242424242",  # Too short for its network.
        "42424242424242420",
        "pm_4242424242424242",
        "tok4242424242424242x",
        "4242424242424242abcdef",
        "30-01-2026-123454",  # A date and a number: together the digits of a Diners Club card.
        "30 01 2026 123454",
        "2026-11-29T10:43:12.123456+09:00",
        "1764412992123456789",  # Nanoseconds since 1970.
        "550e8400-e29b-41d4-a716-446655440000",
        "+82 10-1234-5678",
        "4.2424242424242420",
    ],
)
def test_other_digits_are_none(text: str) -> None:
    assert not holds_card_number(text)


def test_the_digits_of_a_date_alone_would_be_one() -> None:
    """Else the test above would prove nothing about the groups."""
    assert holds_card_number("30012026123454")


@pytest.mark.parametrize("text", ["1" * 300_000, "1 " * 150_000, "4242-" * 60_000, "1 " * 150_000 + "a"])
def test_a_long_text_takes_no_quadratic_time(text: str) -> None:
    """It would be minutes."""
    holds_card_number(text)


@given(st.text())
def test_any_text_is_one_or_not(text: str) -> None:
    assert holds_card_number(text) in {True, False}

"""Bad orders are refused before anything happens, and the refusal names the field and what is right."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakwall.payments.currencies import MINOR_DIGITS, show_money
from breakwall.payments.orders import MAX_AMOUNT, InvalidOrderError, Order

GOOD: dict[str, Any] = {"user_id": "u1", "amount": 1000, "currency": "USD", "idempotency_key": "cart-1"}


def refusal(**changed: Any) -> dict[str, str]:
    with pytest.raises(InvalidOrderError) as refused:
        Order(**{**GOOD, **changed})
    return refused.value.problems


@pytest.mark.parametrize(
    "amount", [0, -1, MAX_AMOUNT + 1, 10**30, 9.99, 10.0, "1000", None, True, Decimal(5)]
)
def test_an_amount_that_is_no_sensible_whole_number_is_refused_by_name(amount: object) -> None:
    assert list(refusal(amount=amount)) == ["amount"]


@pytest.mark.parametrize("amount", [1, MAX_AMOUNT])
def test_the_least_and_the_greatest_amount_are_accepted(amount: int) -> None:
    assert Order(**{**GOOD, "amount": amount}).amount == amount


@pytest.mark.parametrize("currency", ["", "usd", "US", "XXX", "BTC", None, 840])
def test_an_unknown_currency_is_refused_by_name(currency: object) -> None:
    assert list(refusal(currency=currency)) == ["currency"]


@pytest.mark.parametrize("key", ["", "   ", "k" * 256, "a b", "käse", "line\nbreak", "null\x00", None, 17])
def test_a_key_that_cannot_travel_in_a_header_is_refused_by_name(key: object) -> None:
    assert list(refusal(idempotency_key=key)) == ["idempotency_key"]


def test_a_key_that_is_too_long_as_it_travels_is_refused_by_name() -> None:
    """The payment service would refuse it, and the order that was accepted with it would be dead."""
    assert Order(**{**GOOD, "idempotency_key": "%" * 85}).idempotency_key == "%" * 85
    assert "percent" in refusal(idempotency_key="%" * 86)["idempotency_key"]


@pytest.mark.parametrize("user", ["", " ", "u" * 256, "a\x00b", "tab\tbed", "\ud800", None, 5])
def test_an_unusable_user_id_is_refused_by_name(user: object) -> None:
    assert list(refusal(user_id=user)) == ["user_id"]


def test_a_user_may_have_a_name_in_any_script() -> None:
    assert Order(**{**GOOD, "user_id": "김민수"}).user_id == "김민수"


def test_every_bad_field_is_named_at_once() -> None:
    assert set(refusal(amount=0, currency="?", user_id="", idempotency_key="")) == set(GOOD)


def test_a_json_order_needs_exactly_its_fields() -> None:
    with pytest.raises(InvalidOrderError) as refused:
        Order.from_json({"user_id": "u1", "amount": 1, "curency": "USD"})
    assert set(refused.value.problems) == {"currency", "idempotency_key", "curency"}


@pytest.mark.parametrize("document", [[], "order", 5, None])
def test_json_that_is_no_object_is_no_order(document: object) -> None:
    with pytest.raises(InvalidOrderError, match="JSON object"):
        Order.from_json(document)


@given(
    st.dictionaries(
        st.text(max_size=5) | st.sampled_from(sorted(GOOD)), st.none() | st.text() | st.integers()
    )
)
def test_any_json_object_is_an_order_or_a_refusal(document: dict[str, Any]) -> None:
    with contextlib.suppress(InvalidOrderError):
        assert 1 <= Order.from_json(document).amount <= MAX_AMOUNT


def test_money_is_shown_in_its_own_digits() -> None:
    assert show_money(10_000, "KRW") == "₩10,000"
    assert show_money(1_000, "USD") == "$10.00"
    assert show_money(1_234_567, "KWD") == "1,234.567 KWD"


def test_every_currency_has_three_capital_letters() -> None:
    assert all(len(code) == 3 and code.isupper() for code in MINOR_DIGITS)

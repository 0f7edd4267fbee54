"""Bad orders are refused before anything happens, and the refusal names the field and what is right."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakwall.currencies import MINOR_DIGITS, max_amount, show_money
from breakwall.payments.orders import InvalidOrderError, Order, check_travels_as_it_is

GOOD: dict[str, Any] = {"user_id": "u1", "amount": 1000, "currency": "USD", "idempotency_key": "cart-1"}


def refusal(**changed: Any) -> dict[str, str]:
    with pytest.raises(InvalidOrderError) as refused:
        Order(**{**GOOD, **changed})
    return refused.value.problems


@pytest.mark.parametrize("amount", [0, -1, 10**14, 10**30, 9.99, 10.0, "1000", None, True, Decimal(5)])
def test_an_amount_that_is_no_sensible_whole_number_is_refused_by_name(amount: object) -> None:
    assert list(refusal(amount=amount)) == ["amount"]


@pytest.mark.parametrize("currency", MINOR_DIGITS)
def test_the_least_and_the_greatest_amount_of_each_currency_are_accepted(currency: str) -> None:
    for amount in (1, max_amount(currency)):
        assert Order(**{**GOOD, "amount": amount, "currency": currency}).amount == amount
    assert list(refusal(amount=max_amount(currency) + 1, currency=currency)) == ["amount"]


@pytest.mark.parametrize(
    ("currency", "limit"),
    [
        ("KRW", "999999999999 in KRW, which is ₩999,999,999,999"),
        ("USD", "99999999999999 in USD, which is $999,999,999,999.99"),
        ("KWD", "999999999999999 in KWD, which is 999,999,999,999.999 KWD"),
    ],
)
def test_an_amount_that_is_too_great_is_told_the_limit_of_its_currency(currency: str, limit: str) -> None:
    assert refusal(amount=10**18, currency=currency) == {"amount": f"should be at most {limit}"}


@pytest.mark.parametrize("currency", MINOR_DIGITS)
def test_the_greatest_amount_is_one_of_twelve_digits_and_exact_as_a_double(currency: str) -> None:
    whole, rest = divmod(max_amount(currency) + 1, 10 ** MINOR_DIGITS[currency])
    assert (whole, rest) == (10**12, 0)
    assert max_amount(currency) < 2**53


def test_of_an_unknown_currency_there_is_no_greatest_amount() -> None:
    assert list(refusal(amount=10**30, currency="XXX")) == ["currency"]


@pytest.mark.parametrize("currency", ["", "usd", "US", "XXX", "BTC", None, 840])
def test_an_unknown_currency_is_refused_by_name(currency: object) -> None:
    assert list(refusal(currency=currency)) == ["currency"]


@pytest.mark.parametrize("key", ["", "   ", "k" * 256, "line\nbreak", "null\x00", None, 17])
def test_an_unusable_key_is_refused_by_name(key: object) -> None:
    assert list(refusal(idempotency_key=key)) == ["idempotency_key"]


@pytest.mark.parametrize(("longest", "longer"), [("%" * 85, "%" * 86), ("abcü" * 28, "abcü" * 29)])
def test_a_key_that_is_too_long_as_it_travels_is_refused_where_it_is_to_travel(
    longest: str, longer: str
) -> None:
    """The payment service would refuse it, and the order that was accepted with it would be dead."""
    check_travels_as_it_is(Order(**{**GOOD, "idempotency_key": longest}))
    with pytest.raises(InvalidOrderError) as refused:
        check_travels_as_it_is(Order(**{**GOOD, "idempotency_key": longer}))
    assert "percent" in refused.value.problems["idempotency_key"]


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
        order = Order.from_json(document)
        assert 1 <= order.amount <= max_amount(order.currency)


def test_money_is_shown_in_its_own_digits() -> None:
    assert show_money(10_000, "KRW") == "₩10,000"
    assert show_money(1_000, "USD") == "$10.00"
    assert show_money(1_234_567, "KWD") == "1,234.567 KWD"


def test_every_currency_has_three_capital_letters() -> None:
    assert all(len(code) == 3 and code.isupper() for code in MINOR_DIGITS)

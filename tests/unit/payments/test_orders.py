"""Bad orders are refused before anything happens, and the refusal names the field and what is right."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakwall.currencies import MINOR_DIGITS, max_amount
from breakwall.payments import orders
from breakwall.payments.orders import (
    FIELDS,
    REQUIRED,
    InvalidOrderError,
    Order,
    check_caller_key,
    differing_fields,
)
from tests.unit.payments.remarked_order import RemarkedOrder

GOOD: dict[str, Any] = {"user_id": "u1", "amount": 1000, "currency": "USD", "idempotency_key": "cart-1"}


def refusal(**changed: Any) -> dict[str, str]:
    with pytest.raises(InvalidOrderError) as refused:
        Order(**{**GOOD, **changed})
    return refused.value.problems


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("amount", [0, -1, 10**14, 10**30, 9.99, 10.0, "1000", None, True, Decimal(5)]),
        ("currency", ["", "usd", "US", "XXX", "BTC", None, 840]),
        ("idempotency_key", ["", "   ", "k" * 256, "line\nbreak", "null\x00", None, 17]),
        ("user_id", ["", " ", "u" * 256, "a\x00b", "tab\tbed", "\ud800", None, 5]),
    ],
)
def test_an_unusable_value_is_refused_by_the_name_of_its_field(field: str, values: list[object]) -> None:
    for value in values:
        assert list(refusal(**{field: value})) == [field], value


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


def test_of_an_unknown_currency_there_is_no_greatest_amount() -> None:
    assert list(refusal(amount=10**30, currency="XXX")) == ["currency"]


@pytest.mark.parametrize(("longest", "longer"), [("%" * 85, "%" * 86), ("abcü" * 28, "abcü" * 29)])
def test_a_key_that_is_too_long_in_the_header_is_refused_if_it_is_sent_as_it_is(
    longest: str, longer: str
) -> None:
    """The payment service would refuse it, and the order that was accepted with it would be dead."""
    check_caller_key(Order(**{**GOOD, "idempotency_key": longest}))
    with pytest.raises(InvalidOrderError) as refused:
        check_caller_key(Order(**{**GOOD, "idempotency_key": longer}))
    assert "percent" in refused.value.problems["idempotency_key"]


def test_a_user_may_have_a_name_in_any_script() -> None:
    assert Order(**{**GOOD, "user_id": "김민수"}).user_id == "김민수"


def test_every_bad_field_is_named_at_once() -> None:
    assert set(refusal(amount=0, currency="?", user_id="", idempotency_key="")) == set(GOOD)


def test_a_json_order_needs_exactly_its_fields() -> None:
    with pytest.raises(InvalidOrderError) as refused:
        Order.from_json({"user_id": "u1", "amount": 1, "curency": "USD"})
    assert set(refused.value.problems) == {"currency", "idempotency_key", "curency"}


def test_an_optional_field_that_is_missing_in_json_is_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "FIELDS", (*FIELDS, "remark"))
    assert RemarkedOrder.from_json(GOOD) == RemarkedOrder(**GOOD, remark=None)
    assert RemarkedOrder.from_json({**GOOD, "remark": "tea"}).remark == "tea"


@pytest.mark.parametrize(
    ("known", "placed", "differing"),
    [
        (None, "tea", []),
        ("tea", "tea", []),
        ("tea", "milk", ["remark"]),
        ("tea", None, ["remark"]),
    ],
)
def test_a_known_order_that_is_older_than_a_field_does_not_differ_in_it(
    monkeypatch: pytest.MonkeyPatch, known: str | None, placed: str | None, differing: list[str]
) -> None:
    monkeypatch.setattr(orders, "FIELDS", (*FIELDS, "remark"))
    stored = RemarkedOrder(**GOOD, remark=known)
    assert differing_fields(stored, RemarkedOrder(**GOOD, remark=placed)) == differing
    assert differing_fields(Order(**GOOD), RemarkedOrder(**GOOD, remark=placed)) == []


def test_a_field_is_required_unless_it_has_a_default() -> None:
    assert set(REQUIRED) == {"user_id", "amount", "currency", "idempotency_key"}


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

"""Bad orders are refused before anything happens, and the refusal names the field and what is right."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import pickle
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakwall.currencies import MINOR_DIGITS, max_amount
from breakwall.payments import orders
from breakwall.payments.orders import (
    DETAILS,
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


CARD = "4242 4242 4242 4242"
FULL: dict[str, Any] = {
    **GOOD,
    "payment_method": "pm_1",
    "description": "tea",
    "metadata": {"cart": "17"},
    "gateway": "http",
    "charge_before": datetime(2026, 11, 29, 12, tzinfo=UTC),
}


@pytest.mark.parametrize(
    "changed",
    [
        {"user_id": CARD},
        {"idempotency_key": CARD.replace(" ", "")},
        {"payment_method": CARD.replace(" ", "")},
        {"description": f"by card {CARD}"},
        {"metadata": {"card": CARD}},
        {"metadata": {CARD: "card"}},
        {"gateway": CARD},
    ],
    ids=lambda changed: str(next(iter(changed))),
)
def test_a_card_number_is_refused_in_any_field_and_not_repeated(changed: dict[str, Any]) -> None:
    problems = refusal(**changed)
    assert list(problems) == list(changed)
    assert "card number" in str(problems)
    assert "4242" not in str(problems)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("payment_method", ["", " ", "p" * 256, "a\x00b", "\ud800", 5]),
        ("description", ["", "d" * 501, "two\nlines", "a\x00b", "\udfff", 5.0]),
        ("gateway", ["", "g" * 65, 1]),
        ("charge_before", [0, -1, float("nan"), float("inf"), 10**400, 31_622_401, True, "90", timedelta(1)]),
        (
            "charge_before",
            [
                datetime(2026, 11, 29),  # noqa: DTZ001
                datetime.max.replace(tzinfo=timezone(-timedelta(hours=5))),
            ],
        ),
        ("metadata", ["cart=17", [("cart", "17")], {"cart": 17}, {"cart": None}, {17: "cart"}, {"": "x"}]),
        ("metadata", [{"k" * 41: "v"}, {"k": "v" * 501}, {str(n): "v" for n in range(21)}, {"k": "a\x00b"}]),
    ],
)
def test_an_unusable_detail_is_refused_by_the_name_of_its_field(field: str, values: list[object]) -> None:
    for value in values:
        assert list(refusal(**{field: value})) == [field], value


def test_a_moment_that_is_given_as_a_text_should_be_a_datetime() -> None:
    assert "should be a datetime with a time zone, not a text" in str(
        refusal(charge_before="2027-01-01T00:00:00Z")
    )
    assert "should be a moment such as " in str(refusal(charge_before="tomorrow"))


def test_the_longest_details_are_accepted() -> None:
    Order(
        **GOOD,
        payment_method="p" * 255,
        description="차" * 500,
        metadata={f"{n:040}": "v" * 500 for n in range(20)},
        charge_before=366 * 86_400,
    )


def test_no_problem_of_metadata_repeats_its_names_or_values() -> None:
    for metadata in ({"geheim": 17}, {"geheim" * 9: "x"}, {"x": "geheim" * 99}, {"geheim\x00": "x"}):
        assert "geheim" not in str(refusal(metadata=metadata))


def test_empty_metadata_is_none() -> None:
    assert Order(**GOOD, metadata={}) == Order(**GOOD)
    assert Order(**GOOD, metadata={}).metadata is None


def test_an_order_is_hashed_pickled_and_copied_with_its_details() -> None:
    one = Order(**FULL)
    assert pickle.loads(pickle.dumps(one)) == one == copy.deepcopy(one)
    assert pickle.loads(pickle.dumps(one)).metadata == {"cart": "17"}
    assert hash(one) == hash(Order(**FULL)) == hash(dataclasses.replace(one))
    assert len({one, Order(**FULL), Order(**{**FULL, "metadata": {"cart": "18"}})}) == 2


def test_a_moment_is_kept_in_utc() -> None:
    there = FULL["charge_before"].astimezone(timezone(timedelta(hours=9)))
    assert Order(**{**FULL, "charge_before": there}) == Order(**FULL)
    assert Order(**{**FULL, "charge_before": there}).charge_before.tzinfo is UTC  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("2026-11-29T13:00:00+01:00", FULL["charge_before"]),
        ("2026-11-29T12:00:00Z", FULL["charge_before"]),
        (90, 90),
        (90.5, 90.5),
        ("90", 90.0),
        (" 10m ", 600.0),
        (None, None),
    ],
)
def test_json_has_a_moment_or_a_time_from_now(given: object, kept: object) -> None:
    assert Order.from_json({**GOOD, "charge_before": given}).charge_before == kept


def test_a_bad_moment_in_json_is_reported_with_the_other_fields() -> None:
    with pytest.raises(InvalidOrderError) as refused:
        Order.from_json({**GOOD, "amount": 0, "charge_before": "soon"})
    assert set(refused.value.problems) == {"amount", "charge_before"}


def test_the_details_are_in_no_repr() -> None:
    shown = repr(Order(**FULL))
    assert "charge_before" in shown
    assert not any(name in shown for name in DETAILS)

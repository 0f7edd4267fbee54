"""Amounts in Stripe's units are exactly those of the order, or are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakwall.currencies import MINOR_DIGITS, max_amount
from breakwall.payments.gateways.stripe.amounts import (
    MAX_AMOUNT,
    NotChargeableError,
    from_stripe,
    to_stripe,
)


@pytest.mark.parametrize(
    ("amount", "currency", "units"),
    [
        (1000, "USD", 1000),
        (10_000, "KRW", 10_000),  # no decimals, with ISO and Stripe alike
        (5, "ISK", 500),  # no decimals in ISO 4217, two at Stripe
        (5, "UGX", 500),
        (500, "MGA", 5),  # two decimals in ISO 4217, none at Stripe
        (1045, "HUF", 1045),  # whole in payouts alone
        (80_045, "TWD", 80_045),
        (5120, "KWD", 5120),
    ],
)
def test_the_units_are_those_of_stripes_documentation(amount: int, currency: str, units: int) -> None:
    assert to_stripe(amount, currency) == units
    assert from_stripe(units, currency.lower()) == amount


@pytest.mark.parametrize("currency", ["BHD", "JOD", "KWD", "OMR", "TND"])
def test_a_third_decimal_is_refused(currency: str) -> None:
    with pytest.raises(NotChargeableError, match=rf"5\.124 {currency} cannot be charged.*two decimals only"):
        to_stripe(5124, currency)


def test_an_amount_between_two_units_is_refused() -> None:
    with pytest.raises(NotChargeableError, match=r"1\.50 MGA cannot be charged.*no decimals"):
        to_stripe(150, "MGA")


@pytest.mark.parametrize("currency", ["IQD", "LYD"])
def test_a_currency_whose_unit_nobody_knows_is_refused(currency: str) -> None:
    with pytest.raises(NotChargeableError, match=f"Stripe does not list the currency {currency}"):
        to_stripe(1000, currency)


def test_more_than_twelve_digits_are_refused() -> None:
    assert to_stripe(MAX_AMOUNT, "USD") == MAX_AMOUNT
    with pytest.raises(NotChargeableError, match="more than Stripe can charge"):
        to_stripe(MAX_AMOUNT + 1, "USD")


@pytest.mark.parametrize(
    ("amount", "currency"), [(550, "isk"), (None, "usd"), ("10", "usd"), (10, None), (True, "isk")]
)
def test_an_answer_without_a_whole_amount_stays_as_it_is(amount: object, currency: object) -> None:
    assert from_stripe(amount, currency) is amount


@given(data=st.data(), currency=st.sampled_from(sorted(MINOR_DIGITS)))
def test_what_is_sent_is_the_same_amount_again(data: st.DataObject, currency: str) -> None:
    amount = data.draw(st.integers(1, max_amount(currency)))
    try:
        units = to_stripe(amount, currency)
    except NotChargeableError:
        return
    assert from_stripe(units, currency.lower()) == amount

"""What is sent to Stripe for an order."""

from dataclasses import replace

import pytest

from breakwall.payments.gateways.base import ChargeRequest
from breakwall.payments.gateways.stripe.parameters import (
    NotSendableError,
    confirm_key,
    confirm_parameters,
    create_key,
    create_parameters,
)

ORDER = ChargeRequest("0" * 32, "u-1", 1000, "USD", "k", None, "pm_1")


def test_an_order_without_details_sends_no_empty_ones() -> None:
    assert create_parameters(ORDER) == {
        "amount": 1000,
        "currency": "usd",
        "payment_method": "pm_1",
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        "metadata": {"breakwall_order_id": "0" * 32},
    }


def test_the_customer_is_taken_from_the_metadata() -> None:
    sent = create_parameters(replace(ORDER, metadata={"stripe_customer": "cus_1", "seat": "4"}))
    assert sent["customer"] == "cus_1"
    assert sent["metadata"] == {"seat": "4", "breakwall_order_id": "0" * 32}


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        ({"a[b": "1"}, "square bracket"),
        ({"breakwall_order_id": "1"}, "set by Breakwall"),
        ({f"m{number}": "1" for number in range(49)}, "at most 50"),
    ],
)
def test_metadata_that_stripe_would_refuse_or_that_is_ours_is_refused(
    metadata: dict[str, str], why: str
) -> None:
    with pytest.raises(NotSendableError, match=why) as refused:
        create_parameters(replace(ORDER, metadata=metadata))
    assert refused.value.code == "metadata_not_sendable"


def test_the_confirmation_names_no_payment_method() -> None:
    """After a decline the intent has none, so a late confirmation charges nothing."""
    assert confirm_parameters(off_session=True) == {"error_on_requires_action": True, "off_session": True}
    assert confirm_parameters(off_session=False) == {"error_on_requires_action": True}


def test_each_request_and_each_intent_has_its_key() -> None:
    first, second = (replace(ORDER, prepared=prepared) for prepared in ("pi_1", "pi_2"))
    assert len({create_key(first), confirm_key(first), confirm_key(second)}) == 3
    assert create_key(first) == create_key(second)


def test_a_key_of_the_shop_that_is_too_long_stays_distinct() -> None:
    long = [replace(ORDER, idempotency_key=f"{'ü' * 100}{number}", prepared="pi_1") for number in range(2)]
    keys = {make(order) for order in long for make in (create_key, confirm_key)}
    assert len(keys) == 4
    assert max(map(len, keys)) <= 255

"""Requests in the form of an order's, under keys that no order has."""

from breakwall.payments.keys import order_id_within
from breakwall.rehearsal.requests import Requests
from tests.unit.rehearsal.doubles import TERMS


def test_keys_are_derived_as_those_of_orders() -> None:
    request = Requests(TERMS, run="test").new()
    assert order_id_within(request.idempotency_key) == request.order_id
    assert request.reference == "rehearsal-test-1"


def test_the_callers_keys_are_sent_where_orders_send_them() -> None:
    request = Requests(TERMS, run="test", caller_keys=True).new()
    assert request.idempotency_key == request.reference == "rehearsal-test-1"


def test_two_runs_have_no_key_in_common() -> None:
    keys = {Requests(TERMS).new().idempotency_key for _ in range(3)}
    assert len(keys) == 3


def test_no_payment_method_is_shown() -> None:
    shown = repr(TERMS) + repr(Requests(TERMS).new())
    assert TERMS.payment_method not in shown
    assert str(TERMS.declined_payment_method) not in shown

"""The proof finds every way in which an accepted order can go wrong, and names the order."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakwall.demo.acknowledgements import Acknowledgement
from breakwall.demo.proof import LedgerEntry, Proof, ProofVerdict, prove
from breakwall.payments.orders import OrderStatus, StoredOrder

AT = datetime(2026, 11, 27, tzinfo=UTC)


def accepted(number: int = 1) -> Acknowledgement:
    return Acknowledgement(f"order-{number}", f"cart-{number}", 1000 + number, "KRW", "paid", 0.01)


def order(number: int = 1, status: OrderStatus = OrderStatus.PAID) -> StoredOrder:
    return StoredOrder(
        id=f"order-{number}",
        idempotency_key=f"cart-{number}",
        charge_key=f"key-{number}",
        user_id="u1",
        amount=1000 + number,
        currency="KRW",
        status=status,
        retry_count=0,
        deferral_count=0,
        next_attempt_at=None,
        charge_id=f"ch-{number}" if status is OrderStatus.PAID else None,
        last_error=None,
        cancel_requested=False,
        suspected_at=None,
        created_at=AT,
        settled_at=AT,
    )


def charge(number: int = 1, charge_id: str = "") -> LedgerEntry:
    return LedgerEntry(charge_id or f"ch-{number}", f"order-{number}", 1000 + number, "KRW", charged=True)


def decline(number: int = 1) -> LedgerEntry:
    return replace(charge(number, f"no-{number}"), charged=False)


def verdict_on(stored: list[StoredOrder], ledger: list[LedgerEntry]) -> ProofVerdict:
    """The verdict on one accepted order; a faulty order has to be named."""
    result = prove([accepted()], stored, ledger)
    (verdict,) = result.verdicts
    assert [fault.order_id for fault in result.faults] == ["order-1"] * verdict.is_fault
    assert result.holds is not verdict.is_fault
    return verdict


def test_an_order_that_was_charged_once_is_paid() -> None:
    assert verdict_on([order()], [charge()]) is ProofVerdict.PAID


def test_an_order_that_the_payment_service_declined_is_declined() -> None:
    assert verdict_on([order(status=OrderStatus.DECLINED)], [decline()]) is ProofVerdict.DECLINED


def test_a_decline_before_the_charge_does_not_make_the_order_less_paid() -> None:
    assert verdict_on([order()], [decline(), charge()]) is ProofVerdict.PAID


def test_an_accepted_order_that_is_nowhere_is_lost() -> None:
    assert verdict_on([], []) is ProofVerdict.LOST


def test_an_order_that_is_called_paid_without_a_charge_is_lost() -> None:
    assert verdict_on([order()], []) is ProofVerdict.LOST


def test_an_order_that_is_called_declined_without_a_decline_is_lost() -> None:
    assert verdict_on([order(status=OrderStatus.DECLINED)], []) is ProofVerdict.LOST


@pytest.mark.parametrize("status", [OrderStatus.DEAD, OrderStatus.CANCELLED])
def test_an_order_that_was_given_up_on_is_lost(status: OrderStatus) -> None:
    assert verdict_on([order(status=status)], []) is ProofVerdict.LOST


def test_two_charges_for_one_order_are_found() -> None:
    assert verdict_on([order()], [charge(), charge(charge_id="ch-again")]) is ProofVerdict.CHARGED_TWICE


def test_two_charges_are_found_for_an_order_that_is_not_even_there() -> None:
    assert verdict_on([], [charge(), charge(charge_id="ch-again")]) is ProofVerdict.CHARGED_TWICE


@pytest.mark.parametrize("status", [OrderStatus.QUEUED, OrderStatus.IN_FLIGHT, OrderStatus.REVIEW])
def test_an_order_that_has_not_ended_is_unfinished(status: OrderStatus) -> None:
    assert verdict_on([order(status=status)], [charge()]) is ProofVerdict.UNFINISHED


@pytest.mark.parametrize("status", [OrderStatus.DECLINED, OrderStatus.DEAD, OrderStatus.CANCELLED])
def test_a_charge_that_breakwall_does_not_know_of_is_found(status: OrderStatus) -> None:
    assert verdict_on([order(status=status)], [decline(), charge()]) is ProofVerdict.UNRECORDED


def test_a_charge_under_another_id_than_the_recorded_one_is_found() -> None:
    assert verdict_on([order()], [charge(charge_id="ch-other")]) is ProofVerdict.UNRECORDED


def test_an_amount_that_was_charged_wrongly_is_found() -> None:
    assert verdict_on([order()], [replace(charge(), amount=1)]) is ProofVerdict.WRONG_AMOUNT


def test_an_amount_that_was_stored_wrongly_is_found_also_when_it_was_charged_so() -> None:
    stored, charged = replace(order(), amount=1), replace(charge(), amount=1)
    assert verdict_on([stored], [charged]) is ProofVerdict.WRONG_AMOUNT


def test_another_currency_is_another_amount() -> None:
    assert verdict_on([order()], [replace(charge(), currency="JPY")]) is ProofVerdict.WRONG_AMOUNT


def test_a_charge_without_an_order_fails_the_proof() -> None:
    result = prove([accepted(1)], [order(1)], [charge(1), charge(2)])
    assert not result.holds
    assert [fault.order_id for fault in result.faults] == ["order-2"]


def test_nothing_accepted_proves_nothing() -> None:
    assert not prove([], [], []).holds


def test_the_sums_are_by_currency() -> None:
    dollars = replace(charge(2), currency="USD")
    result = prove([accepted(1)], [order(1)], [charge(1), dollars])
    assert result.charged == {"KRW": 1001, "USD": 1002}
    assert result.recorded == {"KRW": 1001}


def test_a_line_of_the_simulators_ledger_is_read() -> None:
    line = {"charge_id": "c", "key": "k", "order_id": "o", "user_id": "u", "amount": 5, "currency": "KRW"}
    more = {"code": None, "at": "2026-11-27T00:00:00+00:00"}
    assert LedgerEntry.from_document({**line, **more, "status": "succeeded"}).charged
    assert not LedgerEntry.from_document({**line, **more, "status": "declined"}).charged


def world(size: int) -> tuple[list[Acknowledgement], list[StoredOrder], list[LedgerEntry]]:
    """Every order is as it should be; every third one is declined."""
    numbers = range(1, size + 1)
    statuses = [OrderStatus.DECLINED if number % 3 == 0 else OrderStatus.PAID for number in numbers]
    stored = [order(number, status) for number, status in zip(numbers, statuses, strict=True)]
    ledger = [decline(number) if number % 3 == 0 else charge(number) for number in numbers]
    return [accepted(number) for number in numbers], stored, ledger


@given(st.integers(1, 30))
def test_every_accepted_order_gets_exactly_one_verdict(size: int) -> None:
    result = prove(*world(size))
    assert result.holds
    assert sum(result.verdicts.values()) == result.accepted == size


@given(size=st.integers(1, 30), data=st.data())
def test_whatever_single_row_is_taken_away_or_doubled_the_proof_fails(size: int, data: st.DataObject) -> None:
    acknowledgements, stored, ledger = world(size)
    at = data.draw(st.integers(0, size - 1))
    if data.draw(st.booleans(), "an order is missing"):
        del stored[at]
    elif data.draw(st.booleans(), "a line of the ledger is missing"):
        del ledger[at]
    else:
        ledger.append(replace(ledger[at], charge_id="ch-more", charged=True))
    result: Proof = prove(acknowledgements, stored, ledger)
    assert not result.holds
    assert acknowledgements[at].order_id in {fault.order_id for fault in result.faults}

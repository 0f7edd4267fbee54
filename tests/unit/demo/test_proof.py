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


ORDER, CHARGE = order(), charge()
DECLINED, DEAD, CANCELLED = (order(status=OrderStatus(name)) for name in ("declined", "dead", "cancelled"))
QUEUED, IN_FLIGHT, REVIEW = (order(status=OrderStatus(name)) for name in ("queued", "in_flight", "review"))
AGAIN = charge(charge_id="ch-again")

CASES = [
    ("charged once", ORDER, [CHARGE], ProofVerdict.PAID),
    ("declined first, then charged", ORDER, [decline(), CHARGE], ProofVerdict.PAID),
    ("declined by the service", DECLINED, [decline()], ProofVerdict.DECLINED),
    ("not in the database", None, [], ProofVerdict.LOST),
    ("paid without a charge", ORDER, [], ProofVerdict.LOST),
    ("declined without a decline", DECLINED, [], ProofVerdict.LOST),
    ("dead", DEAD, [], ProofVerdict.LOST),
    ("cancelled", CANCELLED, [], ProofVerdict.LOST),
    ("charged twice", ORDER, [CHARGE, AGAIN], ProofVerdict.CHARGED_TWICE),
    ("charged twice, not in the database", None, [CHARGE, AGAIN], ProofVerdict.CHARGED_TWICE),
    ("queued", QUEUED, [CHARGE], ProofVerdict.UNFINISHED),
    ("in flight", IN_FLIGHT, [CHARGE], ProofVerdict.UNFINISHED),
    ("in review", REVIEW, [CHARGE], ProofVerdict.UNFINISHED),
    ("declined but charged", DECLINED, [decline(), CHARGE], ProofVerdict.UNRECORDED),
    ("dead but charged", DEAD, [CHARGE], ProofVerdict.UNRECORDED),
    ("cancelled but charged", CANCELLED, [CHARGE], ProofVerdict.UNRECORDED),
    ("charged under another id", ORDER, [charge(charge_id="ch-other")], ProofVerdict.UNRECORDED),
    ("another amount charged", ORDER, [replace(CHARGE, amount=1)], ProofVerdict.WRONG_AMOUNT),
    (
        "another amount stored and charged",
        replace(ORDER, amount=1),
        [replace(CHARGE, amount=1)],
        ProofVerdict.WRONG_AMOUNT,
    ),
    ("another currency", ORDER, [replace(CHARGE, currency="JPY")], ProofVerdict.WRONG_AMOUNT),
]


@pytest.mark.parametrize(
    ("stored", "ledger", "verdict"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_each_accepted_order_gets_its_verdict_and_is_named_if_that_is_a_fault(
    stored: StoredOrder | None, ledger: list[LedgerEntry], verdict: ProofVerdict
) -> None:
    result = prove([accepted()], [] if stored is None else [stored], ledger)
    assert result.verdicts == {verdict: 1}
    assert [fault.order_id for fault in result.faults] == ["order-1"] * verdict.is_fault
    assert result.holds is not verdict.is_fault


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

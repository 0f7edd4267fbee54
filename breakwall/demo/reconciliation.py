"""The proof: every order that a customer was promised, held against the payment service's own ledger.

Three accounts that were written by three processes are compared: what the customers wrote down when they
were told "accepted", what Breakwall's database says, and what the payment service charged. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from breakwall.payments.orders import OrderStatus, StoredOrder

Money = tuple[int, str]
"""An amount in minor units, and its currency."""


@dataclass(frozen=True, slots=True)
class Promise:
    """An accepted order as its customer wrote it down, outside of Breakwall.

    Attributes:
        order_id: the id that the customer was given.
        key: the customer's own name for the order.
        amount: minor units of ``currency``.
        currency: an ISO 4217 code.
        told: the state that the customer was told.
        seconds: how long the customer waited for that answer.
    """

    order_id: str
    key: str
    amount: int
    currency: str
    told: str
    seconds: float


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """A line of the payment service's ledger; ``charged`` is False for a decline."""

    charge_id: str
    order_id: str
    amount: int
    currency: str
    charged: bool

    @classmethod
    def from_document(cls, entry: Mapping[str, Any]) -> LedgerEntry:
        """Read a line of `SimulatorControl.ledger`."""
        told = {name: entry[name] for name in ("charge_id", "order_id", "amount", "currency")}
        return cls(**told, charged=entry["status"] == "succeeded")


class Verdict(StrEnum):
    """What became of one order. All but the first two are faults."""

    PAID = "paid"
    DECLINED = "declined"
    LOST = "lost"
    CHARGED_TWICE = "charged_twice"
    WRONG_AMOUNT = "wrong_amount"
    UNRECORDED = "unrecorded"
    UNFINISHED = "unfinished"

    @property
    def is_fault(self) -> bool:
        return self not in {Verdict.PAID, Verdict.DECLINED}


@dataclass(frozen=True, slots=True)
class Fault:
    """An order that is not as it should be, and in which way."""

    order_id: str
    key: str
    verdict: Verdict
    detail: str


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The result: how many orders got which verdict, and the sums. Amounts are by currency, in minor units.

    Attributes:
        accepted: orders that customers were promised.
        verdicts: how many of them got which verdict.
        recorded: the sums of the orders that Breakwall holds for paid.
        charged: the sums that the payment service took.
        faults: every order that is not as it should be, and every charge that nobody ordered.
    """

    accepted: int
    verdicts: Mapping[Verdict, int]
    recorded: Mapping[str, int]
    charged: Mapping[str, int]
    faults: Sequence[Fault] = field(default=())

    @property
    def holds(self) -> bool:
        """Whether every promise was kept: each order paid once or declined, and the sums are equal."""
        return not self.faults and self.recorded == self.charged and self.accepted > 0

    def count(self, verdict: Verdict) -> int:
        return self.verdicts.get(verdict, 0)


def reconcile(
    promises: Sequence[Promise], orders: Iterable[StoredOrder], ledger: Iterable[LedgerEntry]
) -> Reconciliation:
    """Hold every promise against the orders and the ledger; each order gets exactly one verdict."""
    stored = {order.id: order for order in orders}
    by_order: dict[str, list[LedgerEntry]] = defaultdict(list)
    for entry in ledger:
        by_order[entry.order_id].append(entry)
    counts: dict[Verdict, int] = defaultdict(int)
    faults: list[Fault] = []
    for promise in promises:
        verdict, detail = _judge(promise, stored.get(promise.order_id), by_order[promise.order_id])
        counts[verdict] += 1
        if verdict.is_fault:
            faults.append(Fault(promise.order_id, promise.key, verdict, detail))
    faults += _unordered(promises, by_order)
    paid = [(order.amount, order.currency) for order in stored.values() if order.status == OrderStatus.PAID]
    taken = [
        (entry.amount, entry.currency) for entries in by_order.values() for entry in entries if entry.charged
    ]
    return Reconciliation(len(promises), dict(counts), _sums(paid), _sums(taken), faults)


def _judge(
    promise: Promise, order: StoredOrder | None, entries: Sequence[LedgerEntry]
) -> tuple[Verdict, str]:
    charges = [entry for entry in entries if entry.charged]
    if len(charges) > 1:
        ids = ", ".join(charge.charge_id for charge in charges)
        return Verdict.CHARGED_TWICE, f"charged {len(charges)} times: {ids}"
    if order is None:
        return Verdict.LOST, "accepted, and not in the database"
    if not order.status.is_final or order.status is OrderStatus.REVIEW:
        return Verdict.UNFINISHED, f"still {order.status.value}: {order.last_error or 'no error'}"
    if order.status is OrderStatus.PAID:
        return _judge_paid(promise, order, charges)
    if charges:
        return (
            Verdict.UNRECORDED,
            f"charged as {charges[0].charge_id}, recorded as {order.status.value}",
        )
    if order.status is OrderStatus.DECLINED and entries:
        return Verdict.DECLINED, ""
    return Verdict.LOST, f"{order.status.value}, and the payment service never declined it"


def _judge_paid(promise: Promise, order: StoredOrder, charges: Sequence[LedgerEntry]) -> tuple[Verdict, str]:
    if not charges:
        return Verdict.LOST, f"Breakwall says paid as {order.charge_id}, and no money was taken"
    charge = charges[0]
    if charge.charge_id != order.charge_id:
        return Verdict.UNRECORDED, f"charged as {charge.charge_id}, recorded as {order.charge_id}"
    amounts: list[Money] = [
        (promise.amount, promise.currency),
        (order.amount, order.currency),
        (charge.amount, charge.currency),
    ]
    if len(set(amounts)) > 1:
        told = ", ".join(f"{amount} {currency}" for amount, currency in amounts)
        return Verdict.WRONG_AMOUNT, f"promised, recorded and charged differ: {told}"
    return Verdict.PAID, ""


def _unordered(promises: Sequence[Promise], by_order: Mapping[str, Sequence[LedgerEntry]]) -> list[Fault]:
    """Charges for orders that no customer was promised."""
    promised = {promise.order_id for promise in promises}
    return [
        Fault(order_id, "", Verdict.UNRECORDED, f"charged as {entry.charge_id}, and nobody ordered it")
        for order_id, entries in by_order.items()
        if order_id not in promised
        for entry in entries
        if entry.charged
    ]


def _sums(amounts: Iterable[Money]) -> dict[str, int]:
    sums: dict[str, int] = defaultdict(int)
    for amount, currency in amounts:
        sums[currency] += amount
    return dict(sums)

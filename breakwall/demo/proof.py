"""The proof: every acknowledged order is compared with the payment service's own ledger. Pure.

Three records, written by three processes, are compared: what the customers were told, what Breakwall's database
holds, and what the payment service charged.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from breakwall.demo.acknowledgements import Acknowledgement
from breakwall.payments.orders import OrderStatus, StoredOrder


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
        fields = {name: entry[name] for name in ("charge_id", "order_id", "amount", "currency")}
        return cls(**fields, charged=entry["status"] == "succeeded")


class ProofVerdict(StrEnum):
    """The result for one order. All but the first two are faults."""

    PAID = "paid"
    DECLINED = "declined"
    LOST = "lost"
    CHARGED_TWICE = "charged_twice"
    WRONG_AMOUNT = "wrong_amount"
    UNRECORDED = "unrecorded"
    UNFINISHED = "unfinished"

    @property
    def is_fault(self) -> bool:
        return self not in {ProofVerdict.PAID, ProofVerdict.DECLINED}


@dataclass(frozen=True, slots=True)
class OrderFault:
    """An order whose verdict is a fault."""

    order_id: str
    key: str
    verdict: ProofVerdict
    detail: str


@dataclass(frozen=True, slots=True)
class Proof:
    """The result. Amounts are by currency, in minor units.

    Attributes:
        accepted: acknowledged orders.
        verdicts: how many of them got which verdict.
        recorded: the sums of the orders that Breakwall records as paid.
        charged: the sums that the payment service took.
        faults: every order whose verdict is a fault, and every charge without an order.
    """

    accepted: int
    verdicts: Mapping[ProofVerdict, int]
    recorded: Mapping[str, int]
    charged: Mapping[str, int]
    faults: Sequence[OrderFault] = field(default=())

    @property
    def holds(self) -> bool:
        """Whether each accepted order was paid once or declined, and the sums are equal."""
        return not self.faults and self.recorded == self.charged and self.accepted > 0

    def count(self, verdict: ProofVerdict) -> int:
        return self.verdicts.get(verdict, 0)


def prove(
    acknowledgements: Sequence[Acknowledgement],
    orders: Iterable[StoredOrder],
    ledger: Iterable[LedgerEntry],
) -> Proof:
    """Compare every acknowledgement with the orders and the ledger; each gets exactly one verdict."""
    stored = {order.id: order for order in orders}
    entries: dict[str, list[LedgerEntry]] = defaultdict(list)
    for entry in ledger:
        entries[entry.order_id].append(entry)
    verdicts: Counter[ProofVerdict] = Counter()
    faults: list[OrderFault] = []
    for acknowledged in acknowledgements:
        verdict, detail = _judge(
            acknowledged, stored.get(acknowledged.order_id), entries[acknowledged.order_id]
        )
        verdicts[verdict] += 1
        if verdict.is_fault:
            faults.append(OrderFault(acknowledged.order_id, acknowledged.key, verdict, detail))
    faults += _charges_without_order({one.order_id for one in acknowledgements}, entries)
    paid = [order for order in stored.values() if order.status is OrderStatus.PAID]
    charged = [entry for of_order in entries.values() for entry in of_order if entry.charged]
    return Proof(len(acknowledgements), verdicts, _sums(paid), _sums(charged), faults)


def _judge(
    acknowledged: Acknowledgement, order: StoredOrder | None, entries: Sequence[LedgerEntry]
) -> tuple[ProofVerdict, str]:
    charges = [entry for entry in entries if entry.charged]
    if len(charges) > 1:
        ids = ", ".join(charge.charge_id for charge in charges)
        return ProofVerdict.CHARGED_TWICE, f"charged {len(charges)} times: {ids}"
    if order is None:
        return ProofVerdict.LOST, "accepted, but not in the database"
    if not order.status.is_final or order.status is OrderStatus.REVIEW:
        return ProofVerdict.UNFINISHED, f"still {order.status.value}: {order.last_error or 'no error'}"
    if order.status is OrderStatus.PAID:
        return _judge_paid(acknowledged, order, charges)
    if charges:
        detail = f"charged as {charges[0].charge_id}, recorded as {order.status.value}"
        return ProofVerdict.UNRECORDED, detail
    if order.status is OrderStatus.DECLINED and entries:
        return ProofVerdict.DECLINED, ""
    return ProofVerdict.LOST, f"{order.status.value}, but the payment service never declined it"


def _judge_paid(
    acknowledged: Acknowledgement, order: StoredOrder, charges: Sequence[LedgerEntry]
) -> tuple[ProofVerdict, str]:
    if not charges:
        return ProofVerdict.LOST, f"recorded as paid with {order.charge_id}, but no money was taken"
    charge = charges[0]
    if charge.charge_id != order.charge_id:
        return ProofVerdict.UNRECORDED, f"charged as {charge.charge_id}, recorded as {order.charge_id}"
    amounts = [(one.amount, one.currency) for one in (acknowledged, order, charge)]
    if len(set(amounts)) > 1:
        shown = ", ".join(f"{amount} {currency}" for amount, currency in amounts)
        return ProofVerdict.WRONG_AMOUNT, f"acknowledged, recorded and charged amounts differ: {shown}"
    return ProofVerdict.PAID, ""


def _charges_without_order(
    acknowledged: set[str], entries: Mapping[str, Sequence[LedgerEntry]]
) -> list[OrderFault]:
    return [
        OrderFault(order_id, "", ProofVerdict.UNRECORDED, f"charged as {entry.charge_id}, without an order")
        for order_id, of_order in entries.items()
        if order_id not in acknowledged
        for entry in of_order
        if entry.charged
    ]


def _sums(rows: Iterable[StoredOrder | LedgerEntry]) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for row in rows:
        sums[row.currency] += row.amount
    return dict(sums)

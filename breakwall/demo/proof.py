"""The proof: compares three records, each of them written by another process. No I/O.

They are what the customers were told, what Breakwall's database holds, and what the payment service charged.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

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
    def from_document(cls, entry: Mapping[str, Any]) -> Self:
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
    """The result. Amounts are by currency, in minor units."""

    accepted: int  # Acknowledged orders.
    verdicts: Counter[ProofVerdict]  # How many of them got which verdict.
    recorded: Mapping[str, int]  # The sums of the orders that Breakwall records as paid.
    charged: Mapping[str, int]  # The sums that the payment service took.
    faults: Sequence[OrderFault]  # Every order whose verdict is a fault, and every charge without an order.

    @property
    def holds(self) -> bool:
        """Whether each accepted order was paid once or declined, and the sums are equal."""
        return not self.faults and self.recorded == self.charged and self.accepted > 0


def prove(
    acknowledgements: Sequence[Acknowledgement], orders: Iterable[StoredOrder], ledger: Iterable[LedgerEntry]
) -> Proof:
    """Compare every acknowledged order with its row and its ledger entries; each gets exactly one verdict."""
    stored = {order.id: order for order in orders}
    entries: dict[str, list[LedgerEntry]] = defaultdict(list)
    for entry in ledger:
        entries[entry.order_id].append(entry)
    verdicts: Counter[ProofVerdict] = Counter()
    faults: list[OrderFault] = []
    for one in acknowledgements:
        verdict, detail = _judge(one, stored.get(one.order_id), entries[one.order_id])
        verdicts[verdict] += 1
        if verdict.is_fault:
            faults.append(OrderFault(one.order_id, one.key, verdict, detail))
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
        return ProofVerdict.UNRECORDED, f"charged as {charges[0].charge_id}, recorded as {order.status.value}"
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

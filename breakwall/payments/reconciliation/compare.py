"""The discrepancies between one order and the report's lines about it. Pure: no database, no file."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from breakwall.payments.orders import OrderStatus
from breakwall.payments.reconciliation.charge_status import Meaning
from breakwall.payments.reconciliation.report import NO_STATUS, ReportLine


class Kind(StrEnum):
    """How the ledger and the report differ."""

    CHARGED_NOT_PAID = "charged_not_paid"
    PAID_NOT_CHARGED = "paid_not_charged"
    OTHER_AMOUNT = "other_amount"
    OTHER_CURRENCY = "other_currency"
    TWO_CHARGES = "two_charges"
    UNKNOWN_KEY = "unknown_key"
    OTHER_CHARGE_ID = "other_charge_id"
    SHARED_CHARGE = "shared_charge"
    CHARGE_OF_ANOTHER = "charge_of_another"


@dataclass(frozen=True, slots=True)
class LedgerOrder:
    """An order as the ledger has it, or what is left of a pruned one; ``amount`` is in minor units."""

    order_id: str
    key: str
    amount: int
    currency: str
    status: OrderStatus
    charge_id: str | None
    pruned: bool = False


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """One point where the ledger and the report differ."""

    kind: Kind
    order_id: str | None  # None if the order is unknown
    idempotency_key: str | None  # the order's own; for an unknown key, the key itself
    # What the ledger has: a charge id, an amount, a currency, a status or another order. For an unknown key: the key
    # that it may have been before a spreadsheet removed its zeros.
    here: str | int | None
    report: str | int | None  # what the report has; None if it has nothing
    line: int | None  # the report's first line that shows it; None if no line does
    pruned: bool = False  # the order was pruned, so nothing can be recorded about it here

    @property
    def sentence(self) -> str:
        here, report = self.here, self.report
        return {
            Kind.CHARGED_NOT_PAID: f"the report has it charged as {report}, here it is {here}",
            Kind.PAID_NOT_CHARGED: f"here it is paid with {here}, the report "
            + ("does not have it" if report is None else f"has it as {report}"),
            Kind.OTHER_AMOUNT: f"the report has it charged with {report}, here its amount is {here}",
            Kind.OTHER_CURRENCY: f"the report has it charged in {report}, here its currency is {here}",
            Kind.TWO_CHARGES: f"the report has it charged more than once: {report}; here it is {here}",
            Kind.UNKNOWN_KEY: self._unknown_key,
            Kind.OTHER_CHARGE_ID: f"the report has it charged as {report}, here it is paid with {here}",
            Kind.SHARED_CHARGE: f"the report has {report} for more than one order: {here}",
            Kind.CHARGE_OF_ANOTHER: f"the report has {report} for it, which is here order {here}'s",
        }[self.kind]

    @property
    def _unknown_key(self) -> str:
        if self.idempotency_key is None:
            return f"the report has {self.report}, which no order here has"
        zeros = f"; a spreadsheet may have made it from the order's key {self.here}" if self.here else ""
        owner = ", and it is this order's charge" if self.order_id else ""
        return f"the report has {self.report} under a key that no order here was sent with{owner}{zeros}"

    @property
    def command(self) -> str | None:
        """The shell command that records it here; None if no order is known, or if the order was pruned."""
        shared = self.kind is Kind.SHARED_CHARGE
        order_id = str(self.here).partition(",")[0] if shared else self.order_id
        if self.pruned or order_id is None:
            return None
        reason = f"--reason {shlex.quote(f'reconcile: {self.sentence}')}"
        if self.kind is Kind.CHARGED_NOT_PAID:
            return f"breakwall orders resolve {order_id} --paid {shlex.quote(str(self.report))} {reason}"
        return f"breakwall orders incidents --open {order_id} {reason}"


def compare(
    order: LedgerOrder, lines: Sequence[ReportLine], owners: Mapping[int, str] | None = None
) -> Iterator[Discrepancy]:
    """Compare an order with all lines of the report about it, in the report's order; no lines: it is not in the report.

    Amount and currency are compared only for lines that charged. ``owners`` has, by a line's number, the other order
    that has this charge here.
    """
    owners = owners or {}
    charged = [line for line in lines if line.charged]
    for line in charged:
        if line.number in owners:
            yield _discrepancy(order, Kind.CHARGE_OF_ANOTHER, owners[line.number], line.charge_id, line)
    first_lines: dict[str, ReportLine] = {}
    for line in charged:
        if line.number not in owners:
            first_lines.setdefault(line.charge_id or "", line)
            yield from _compare_money(order, line)
    yield from _compare_charges(order, first_lines) if first_lines else _missing(order, lines)


def _compare_money(order: LedgerOrder, line: ReportLine) -> Iterator[Discrepancy]:
    if line.amount != order.amount:
        yield _discrepancy(order, Kind.OTHER_AMOUNT, order.amount, line.amount, line)
    if line.currency != order.currency:
        yield _discrepancy(order, Kind.OTHER_CURRENCY, order.currency, line.currency, line)


def _compare_charges(order: LedgerOrder, first_lines: Mapping[str, ReportLine]) -> Iterator[Discrepancy]:
    """``first_lines``: each charge's first line, by the charge's id, in the report's order."""
    charge_ids, status = list(first_lines), order.status
    first = first_lines[charge_ids[0]]
    if len(charge_ids) > 1:
        here = f"paid with {order.charge_id}" if order.charge_id else status.value
        yield _discrepancy(order, Kind.TWO_CHARGES, here, ", ".join(charge_ids), first_lines[charge_ids[1]])
    if status is not OrderStatus.PAID:
        yield _discrepancy(order, Kind.CHARGED_NOT_PAID, status.value, charge_ids[0], first)
    elif order.charge_id not in first_lines:
        yield _discrepancy(order, Kind.OTHER_CHARGE_ID, order.charge_id, charge_ids[0], first)


def _missing(order: LedgerOrder, lines: Sequence[ReportLine]) -> Iterator[Discrepancy]:
    if order.status is not OrderStatus.PAID:
        return
    if any(line.charged or line.meaning is Meaning.UNREADABLE for line in lines):
        return  # The other order's charge, or the unreadable line, is reported already.
    last = lines[-1] if lines else None
    status = (last.status or NO_STATUS) if last else None
    yield _discrepancy(order, Kind.PAID_NOT_CHARGED, order.charge_id, status, last)


def _discrepancy(
    order: LedgerOrder, kind: Kind, here: str | int | None, report: str | int | None, line: ReportLine | None
) -> Discrepancy:
    number = None if line is None else line.number
    return Discrepancy(kind, order.order_id, order.key, here, report, number, order.pruned)

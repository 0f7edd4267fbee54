"""Where an order and the payment service's report of it differ. Pure: no database, no file."""

from __future__ import annotations

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
class Account:
    """An order as the ledger has it; ``amount`` in minor units of ``currency``. ``pruned``: that is what is left."""

    order_id: str
    key: str
    amount: int
    currency: str
    status: OrderStatus
    charge_id: str | None
    pruned: bool = False


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference.

    Attributes:
        kind: what differs.
        order_id: the order, if it is known.
        idempotency_key: the order's own key; for an unknown key, that one.
        here: what the ledger says: a charge id, an amount, a currency, a state or another order; for an unknown
            key one that it may have been before a spreadsheet took its zeros.
        report: what the report says; None where it says nothing.
        line: the report's first line that tells it; None where there is none.
        pruned: the order was: nothing can be recorded of it here.
    """

    kind: Kind
    order_id: str | None
    idempotency_key: str | None
    here: str | int | None
    report: str | int | None
    line: int | None
    pruned: bool = False

    @property
    def sentence(self) -> str:
        """The difference in words."""
        here, report = self.here, self.report
        return {
            Kind.CHARGED_NOT_PAID: f"the report has it charged as {report}, here it is {here}",
            Kind.PAID_NOT_CHARGED: f"here it is paid with {here}, {_said(report)}",
            Kind.OTHER_AMOUNT: f"the report has it charged with {report}, here its amount is {here}",
            Kind.OTHER_CURRENCY: f"the report has it charged in {report}, here its currency is {here}",
            Kind.TWO_CHARGES: f"the report has it charged more than once: {report}; here it is {here}",
            Kind.UNKNOWN_KEY: self._stranger,
            Kind.OTHER_CHARGE_ID: f"the report has it charged as {report}, here it is paid with {here}",
            Kind.SHARED_CHARGE: f"the report has {report} for more than one order: {here}",
            Kind.CHARGE_OF_ANOTHER: f"the report has {report} for it, which is here order {here}'s",
        }[self.kind]

    @property
    def _stranger(self) -> str:
        if self.idempotency_key is None:
            return f"the report has {self.report}, which no order here has"
        zeros = f"; a spreadsheet may have made it of the order's key {self.here}" if self.here else ""
        owner = ", and it is this order's charge" if self.order_id else ""
        return f"the report has {self.report} under a key that no order here was sent with{owner}{zeros}"

    @property
    def command(self) -> str | None:
        """What records it here, as a shell reads it; None where no order is known, or is not kept any more."""
        if self.pruned:
            return None
        order_id = self.order_id
        if self.kind is Kind.SHARED_CHARGE:
            order_id = str(self.here).partition(",")[0]
        if order_id is None:
            return None
        reason = f"--reason {shlex.quote(f'reconcile: {self.sentence}')}"
        if self.kind is Kind.CHARGED_NOT_PAID:
            return f"breakwall orders resolve {order_id} --paid {shlex.quote(str(self.report))} {reason}"
        return f"breakwall orders incidents --open {order_id} {reason}"


def compare(
    account: Account, lines: Sequence[ReportLine], owners: Mapping[int, str] | None = None
) -> Iterator[Difference]:
    """Hold an order against all lines of the report that are about it; none means that it is not in there.

    Amount and currency are compared where something was charged.

    Args:
        account: the order.
        lines: in the order of the report.
        owners: by the number of a line, the other order whose charge it is here.
    """
    owners = owners or {}
    yield from _compare_owners(account, lines, owners)
    charges = [line for line in lines if line.charged and line.number not in owners]
    for line in charges:
        yield from _compare_money(account, line)
    charge_ids = list(dict.fromkeys(line.charge_id or "" for line in charges))
    if len(charge_ids) > 1:
        known = f"paid with {account.charge_id}" if account.charge_id else account.status.value
        second = next(line for line in charges if line.charge_id == charge_ids[1])
        yield _differ(account, Kind.TWO_CHARGES, known, ", ".join(charge_ids), second)
    if account.status is not OrderStatus.PAID:
        for charge_id in charge_ids[:1]:
            yield _differ(account, Kind.CHARGED_NOT_PAID, account.status.value, charge_id, charges[0])
    elif not charges:
        yield from _missing(account, lines)
    elif account.charge_id not in charge_ids:
        yield _differ(account, Kind.OTHER_CHARGE_ID, account.charge_id, charge_ids[0], charges[0])


def _compare_owners(
    account: Account, lines: Sequence[ReportLine], owners: Mapping[int, str]
) -> Iterator[Difference]:
    for line in lines:
        if line.charged and line.number in owners:
            yield _differ(account, Kind.CHARGE_OF_ANOTHER, owners[line.number], line.charge_id, line)


def _compare_money(account: Account, line: ReportLine) -> Iterator[Difference]:
    if line.amount != account.amount:
        yield _differ(account, Kind.OTHER_AMOUNT, account.amount, line.amount, line)
    if line.currency != account.currency:
        yield _differ(account, Kind.OTHER_CURRENCY, account.currency, line.currency, line)


def _missing(account: Account, lines: Sequence[ReportLine]) -> Iterator[Difference]:
    if any(line.charged or line.meaning is Meaning.UNREADABLE for line in lines):
        return  # Whose charge it is, or that it cannot be read, is told already.
    last = lines[-1] if lines else None
    status = (last.status or NO_STATUS) if last else None
    yield _differ(account, Kind.PAID_NOT_CHARGED, account.charge_id, status, last)


def _differ(
    account: Account, kind: Kind, here: str | int | None, report: str | int | None, line: ReportLine | None
) -> Difference:
    number = None if line is None else line.number
    return Difference(kind, account.order_id, account.key, here, report, number, account.pruned)


def _said(report: str | int | None) -> str:
    return "the report does not have it" if report is None else f"the report has it as {report}"

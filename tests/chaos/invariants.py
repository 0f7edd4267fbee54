"""What must hold for every order at rest, whatever has died or failed before.

The checks compare the database's rows with the payment service's own list of charges. Each rule yields a sentence for
each violation.

    evidence = read_evidence(database, charges)
    assert broken(evidence, accepted=orders) == []
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Connection, Row, select

from breakwall.payments.db.database import Database
from breakwall.payments.db.schema import attempts, incidents, interventions, orders
from breakwall.payments.gateways.base import Outcome
from breakwall.payments.orders import Order, OrderStatus

UNCHARGED = {OrderStatus.DECLINED, OrderStatus.DEAD, OrderStatus.CANCELLED}


class LedgerCharge(Protocol):
    """One execution in the payment service's own ledger. ``status`` is ``"succeeded"`` or ``"declined"``."""

    @property
    def charge_id(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def order_id(self) -> str: ...
    @property
    def user_id(self) -> str: ...
    @property
    def amount(self) -> int: ...
    @property
    def currency(self) -> str: ...
    @property
    def status(self) -> str: ...


@dataclass(frozen=True)
class Evidence:
    """The records of both sides, by order id."""

    orders: Mapping[str, Row[Any]]
    attempts: Mapping[str, list[Row[Any]]]  # First to last.
    incidents: Mapping[str, list[str]]  # Their kinds.
    audit_rows: list[Row[Any]]  # The rows of all incidents and interventions.
    charges: Mapping[str, list[LedgerCharge]]  # Those that succeeded at the payment service.
    requests: Mapping[tuple[str, str], int]  # How many requests to charge reached it, by order id and key.


def read_evidence(
    database: Database,
    charges: Iterable[LedgerCharge],
    *,
    requests: Iterable[tuple[str, str]] | None = None,
) -> Evidence:
    """Read the records of both sides.

    Args:
        charges: all executions in the payment service's ledger.
        requests: order id and key of each request that reached it; by default, of each execution.
    """
    executed = list(charges)
    reached = [(charge.order_id, charge.key) for charge in executed] if requests is None else requests
    by_order: dict[str, list[LedgerCharge]] = defaultdict(list)
    for charge in executed:
        if charge.status == "succeeded":
            by_order[charge.order_id].append(charge)

    def read(connection: Connection) -> Evidence:
        rows = {row.id: row for row in connection.execute(select(orders))}
        tried: dict[str, list[Row[Any]]] = defaultdict(list)
        for row in connection.execute(select(attempts).order_by(attempts.c.order_id, attempts.c.number)):
            tried[row.order_id].append(row)
        kinds: dict[str, list[str]] = defaultdict(list)
        found = connection.execute(select(incidents)).all()
        for row in found:
            kinds[row.order_id].append(row.kind)
        audit_rows = [*found, *connection.execute(select(interventions))]
        return Evidence(rows, tried, kinds, audit_rows, by_order, Counter(reached))

    return database.read(read)


def broken(evidence: Evidence, *, accepted: Iterable[Order] = (), secrets: Iterable[str] = ()) -> list[str]:
    """A sentence for each way in which an invariant is broken.

    Args:
        evidence: the records of both sides, once everything is at rest.
        accepted: orders whose callers got the answer that they are accepted.
        secrets: texts that must be in no row.
    """
    found = [sentence for rule in RULES for sentence in rule(evidence)]
    return [*found, *_one_row_for_each(evidence, accepted), *_no_secret(evidence, secrets)]


def every_order_is_at_rest(evidence: Evidence) -> Iterator[str]:
    for order in evidence.orders.values():
        if not OrderStatus(order.status).is_final:
            yield f"{_name(order)} is still {order.status}"
        if order.lease_until is not None:
            yield f"{_name(order)} has a lease left, until {order.lease_until}"
        for attempt in evidence.attempts.get(order.id, ()):
            if attempt.outcome is None:
                yield f"{_name(order)} has attempt {attempt.number} without an outcome"


def no_order_is_charged_twice(evidence: Evidence) -> Iterator[str]:
    for order_id, charges in evidence.charges.items():
        if len(charges) > 1:
            keys = ", ".join(charge.key for charge in charges)
            yield f"order {order_id} was charged {len(charges)} times, under {keys}"


def paid_is_charged_and_charged_is_known(evidence: Evidence) -> Iterator[str]:
    for order in evidence.orders.values():
        charged = [charge.charge_id for charge in evidence.charges.get(order.id, ())]
        if order.status == OrderStatus.PAID and charged != [order.charge_id]:
            yield f"{_name(order)} is paid as {order.charge_id}, the service has {charged}"
        if order.status in UNCHARGED and charged:
            yield f"{_name(order)} is {order.status}, the service has charged it as {charged}"


def dead_and_cancelled_are_proven_uncharged(evidence: Evidence) -> Iterator[str]:
    for order in evidence.orders.values():
        outcomes = [attempt.outcome for attempt in evidence.attempts.get(order.id, ())]
        if order.status in {OrderStatus.DEAD, OrderStatus.CANCELLED} and Outcome.UNKNOWN in outcomes:
            yield f"{_name(order)} is {order.status} with the outcomes {outcomes}"


def money_is_the_same_at_both_ends(evidence: Evidence) -> Iterator[str]:
    for order_id, charges in evidence.charges.items():
        order = evidence.orders.get(order_id)
        if order is None:
            yield f"the service has charged {order_id}, which is no order"
            continue
        for charge in charges:
            there = (charge.user_id, charge.amount, charge.currency)
            if there != (order.user_id, order.amount, order.currency):
                yield f"{_name(order)} is of {order.amount} {order.currency}, charged were {there}"


def every_request_is_an_attempt_written_before_it(evidence: Evidence) -> Iterator[str]:
    """A request that leaves before its row shows here when the process dies between the two."""
    for (order_id, key), requests in evidence.requests.items():
        written = [row for row in evidence.attempts.get(order_id, ()) if row.gateway_key == key]
        if requests > len(written):
            yield f"{requests} requests for {order_id} under {key}, {len(written)} attempts are written"


def counts_are_those_of_the_attempts(evidence: Evidence) -> Iterator[str]:
    for order in evidence.orders.values():
        rows = evidence.attempts.get(order.id, [])
        if [row.number for row in rows] != list(range(1, order.attempt_count + 1)):
            yield f"{_name(order)} counts {order.attempt_count} attempts, not {[row.number for row in rows]}"
        sent = sum(row.source == "worker" for row in rows)
        if order.retry_count != sent:
            yield f"{_name(order)} has retry_count {order.retry_count}, the worker made {sent} attempts"


def incidents_name_what_a_person_must_refund(evidence: Evidence) -> Iterator[str]:
    for order in evidence.orders.values():
        kinds = evidence.incidents.get(order.id, [])
        to_refund = order.cancel_requested and order.status == OrderStatus.PAID
        if ("charged_after_cancel" in kinds) != to_refund:
            yield f"{_name(order)}, cancel_requested {order.cancel_requested}, has the incidents {kinds}"
        if "two_charges" in kinds and len(evidence.charges.get(order.id, ())) < 2:
            yield f"{_name(order)} has an incident of two charges, the service knows of one at most"


RULES: tuple[Callable[[Evidence], Iterator[str]], ...] = (
    every_order_is_at_rest,
    no_order_is_charged_twice,
    paid_is_charged_and_charged_is_known,
    dead_and_cancelled_are_proven_uncharged,
    money_is_the_same_at_both_ends,
    every_request_is_an_attempt_written_before_it,
    counts_are_those_of_the_attempts,
    incidents_name_what_a_person_must_refund,
)


def _one_row_for_each(evidence: Evidence, accepted: Iterable[Order]) -> Iterator[str]:
    rows: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in evidence.orders.values():
        rows[row.idempotency_key].append(row)
    for order in accepted:
        wanted = (order.user_id, order.amount, order.currency)
        found = [(row.user_id, row.amount, row.currency) for row in rows[order.idempotency_key]]
        if found != [wanted]:
            yield f"{order.idempotency_key} was accepted as {wanted}, the database has {found}"


def _no_secret(evidence: Evidence, secrets: Iterable[str]) -> Iterator[str]:
    tried = (row for rows in evidence.attempts.values() for row in rows)
    rows = [*evidence.orders.values(), *tried, *evidence.audit_rows]
    texts = [(row, repr(tuple(row))) for row in rows]
    for number, secret in enumerate(secrets):
        for row, text in texts:
            if secret in text:
                yield f"secret number {number} is in a row: {list(row._fields)}"


def _name(order: Row[Any]) -> str:
    return f"order {order.id} ({order.idempotency_key})"

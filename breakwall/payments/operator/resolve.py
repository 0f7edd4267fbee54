"""Finishes an order with what a person found out at the payment service."""

from typing import Any

from sqlalchemy import Connection, Row, exists, select, update

from breakwall.actors import A_PERSON, name_or
from breakwall.payments.db.clock import DATABASE_CLOCK, Clock
from breakwall.payments.db.database import Database
from breakwall.payments.db.schema import ResolvedBy, attempts, orders
from breakwall.payments.gateways.base import Outcome
from breakwall.payments.incidents import IncidentKind
from breakwall.payments.interventions import Action, Author, InvalidAuthorError
from breakwall.payments.ledger.attempt_conditions import SPENDS_KEY, UNRESOLVED
from breakwall.payments.ledger.attempt_outcomes import newest_unresolved, resolve_attempts
from breakwall.payments.ledger.audit import record_interventions, report_incident
from breakwall.payments.ledger.charges import DEFAULT_ACCOUNT, assign_charge
from breakwall.payments.ledger.order_state import state_columns
from breakwall.payments.ledger.queries import Naming, get_order, stored_order
from breakwall.payments.operator.key_rotation import has_spent_key, rotate_keys, vouch_for_refusals
from breakwall.payments.operator.locking import ChargeTakenError, lock_order_in
from breakwall.payments.orders import EndReason, OrderStatus, StoredOrder
from breakwall.texts import text_problem

_NOT_PAID = tuple(status for status in OrderStatus if status is not OrderStatus.PAID)


class InvalidChargeError(ValueError):
    """The text is no charge id; nothing was changed."""


def resolve_paid(
    database: Database,
    name: str,
    charge_id: str,
    author: Author,
    *,
    by: Naming = Naming.ANY,
    account: str = DEFAULT_ACCOUNT,
    clock: Clock = DATABASE_CLOCK,
) -> StoredOrder:
    """The payment service has charged the order, as ``charge_id``: it is paid, in whatever state it was.

    Raises as `get_order`; `InvalidChargeError` if ``charge_id`` cannot be stored; `InvalidAuthorError` if an order that
    is not in review gets no reason; `RefusedError` if it is paid already, or if the charge belongs to another order.
    """
    if problem := text_problem(charge_id):
        raise InvalidChargeError(f"{problem}; it is the charge's id at the payment service")
    order = get_order(database, name, by)

    def work(connection: Connection) -> StoredOrder:
        # Before the order is locked, see `assign_charge`. If the order is refused, this is rolled back, too.
        owner = assign_charge(connection, clock, account, charge_id, order.id, None)
        if owner is not None:
            raise ChargeTakenError(charge_id, owner)
        before = lock_order_in(connection, _NOT_PAID, order.id, "resolved once more")
        _check_reason(before, author)
        resolve_attempts(
            connection,
            clock,
            order.id,
            newest_unresolved(order.id),
            Outcome.SUCCEEDED,
            ResolvedBy.PERSON,
            f"Resolved by {name_or(A_PERSON, author.actor)}: it charged.",
            charge_id,
        )
        changes = {"charge_id": charge_id, "last_error": None, "rejected": False}
        _finish(connection, clock, before, OrderStatus.PAID, changes)
        if before.cancel_requested:
            refund = f"charged as {charge_id} although it was to be cancelled: refund it"
            report_incident(connection, clock, order.id, IncidentKind.CHARGED_AFTER_CANCEL, refund)
        paid = OrderStatus.PAID
        record_interventions(
            connection, clock, [before], Action.RESOLVE_PAID, author, after=paid, evidence=charge_id
        )
        return stored_order(connection, orders.c.id == order.id)

    return database.write(work, name="resolve")


def resolve_not_charged(
    database: Database,
    name: str,
    author: Author,
    *,
    by: Naming = Naming.ANY,
    clock: Clock = DATABASE_CLOCK,
) -> StoredOrder:
    """The payment service has not charged the order: it is dead, or cancelled if that was requested.

    It can then be retried. Its unknown attempts become failed ones, so no look-up follows. It gets a new key if the
    service may have stored an error or a refusal under the old one, or knows the old one from another payload. If proof
    of a payment comes later, the order is paid, and an incident reports it. Raises as `get_order`, and `RefusedError`
    if the order is not in review.
    """
    order = get_order(database, name, by)

    def work(connection: Connection) -> StoredOrder:
        only = "resolved as not charged: only one in review can"
        before = lock_order_in(connection, (OrderStatus.REVIEW,), order.id, only)
        status = OrderStatus.CANCELLED if before.cancel_requested else OrderStatus.DEAD
        answered = exists().where(attempts.c.order_id == order.id, UNRESOLVED, SPENDS_KEY)
        spent = connection.scalar(select(answered))
        resolve_attempts(
            connection,
            clock,
            order.id,
            UNRESOLVED,
            Outcome.FAILED,
            ResolvedBy.PERSON,
            f"Resolved by {name_or(A_PERSON, author.actor)}: not charged. {author.reason or ''}".rstrip(),
        )
        # A look-up of a suspected order may have found another order's charge; no attempt records that.
        if spent or has_spent_key(connection, before) or before.suspected_at is not None:
            rotate_keys(connection, [before])
        vouch_for_refusals(connection, order.id)
        _finish(connection, clock, before, status, {})
        record_interventions(connection, clock, [before], Action.RESOLVE_NOT_CHARGED, author, after=status)
        return stored_order(connection, orders.c.id == order.id)

    return database.write(work, name="resolve")


def _finish(
    connection: Connection, clock: Clock, before: Row[Any], status: OrderStatus, changes: dict[str, Any]
) -> None:
    # A process that still works on the order then holds an old fence: only its proof of a payment counts.
    finished = {"fence": before.fence + 1, "suspected_at": None}
    reason = EndReason.REQUESTED if status is OrderStatus.CANCELLED else EndReason.RESOLVED
    values = {**state_columns(clock, status, reason=reason), **finished, **changes}
    connection.execute(update(orders).where(orders.c.id == before.id).values(values))


def _check_reason(before: Row[Any], author: Author) -> None:
    if before.status != OrderStatus.REVIEW and author.reason is None:
        raise InvalidAuthorError(
            "reason", f"the order is {before.status}: how is it known that it was charged?"
        )

"""Closing an order in review with what a person found out at the payment service."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, func, or_, select, update

from breakwall.payments.actions import Action, Author
from breakwall.payments.audit import note_interventions, report_incident
from breakwall.payments.clock import Clock, DatabaseClock
from breakwall.payments.database import Database
from breakwall.payments.gateways.base import Outcome
from breakwall.payments.interventions import RefusedError, at_rest, lock_order
from breakwall.payments.keys import renewed_key
from breakwall.payments.orders import OrderStatus, StoredOrder
from breakwall.payments.queries import Naming, get_order, stored_order
from breakwall.payments.renewal import RESOLVED_BY, spent_keys
from breakwall.payments.schema import OTHER_PAYLOAD, STORED_ERROR, UNSETTLED, attempts, incidents, orders
from breakwall.payments.texts import text_problem

_IN_REVIEW = (OrderStatus.REVIEW,)
_RESOLVED = "resolved: only an order in review can"

_SPENDS_ITS_KEY = or_(STORED_ERROR, OTHER_PAYLOAD)


class InvalidChargeError(ValueError):
    """The text is no charge id; nothing was changed."""


class Resolution:
    """A person's word on orders in review.

    Every method takes an order's name (``by`` says what it is: an id, a key or either), returns the order as
    it is afterwards, and raises `OrderNotFoundError`, `AmbiguousNameError`, `RefusedError` (the order is not in
    review) or `DatabaseUnavailableError`. Each
    raises the order's fence: whoever still works on it holds an older claim, and of what it finds only
    proof of a payment counts.
    """

    def __init__(self, database: Database, *, clock: Clock | None = None) -> None:
        self.database = database
        self.clock = clock or DatabaseClock()

    def paid(self, name: str, charge_id: str, author: Author, *, by: Naming = Naming.ANY) -> StoredOrder:
        """The payment service has charged the order, as ``charge_id``: it is paid.

        Raises:
            InvalidChargeError: ``charge_id`` is empty, too long or holds what no text may hold.
            RefusedError: also when the charge belongs to another order.
        """
        _check_charge(charge_id)
        order = get_order(self.database, name, by)

        def work(connection: Connection) -> StoredOrder:
            before = lock_order(connection, order.id, _IN_REVIEW, _RESOLVED)
            _refuse_charge_of_another(connection, order.id, charge_id)
            newest = _unsettled(select(func.max(attempts.c.number)), order.id).scalar_subquery()
            detail = f"{RESOLVED_BY} {author.actor}: it charged."
            self._settle(
                connection, attempts.c.number == newest, order.id, Outcome.SUCCEEDED, detail, charge_id
            )
            changes = {"charge_id": charge_id, "last_error": None}
            self._close(connection, before, OrderStatus.PAID, changes)
            if before.cancel_requested:
                refund = f"charged as {charge_id} although it was to be cancelled: refund it"
                report_incident(connection, self.clock, order.id, "charged_after_cancel", refund)
            note_interventions(
                connection,
                self.clock,
                [before],
                Action.RESOLVE_PAID,
                author,
                after=OrderStatus.PAID,
                evidence=charge_id,
            )
            return stored_order(connection, orders.c.id == order.id)

        return self.database.write(work, name="resolve")

    def not_charged(self, name: str, author: Author, *, by: Naming = Naming.ANY) -> StoredOrder:
        """The payment service has not charged the order: it is dead, or cancelled where that was asked for.

        It can then be sent round again. Its unknown attempts become failed ones, so that nothing is looked
        up any more; where the service had answered one of them with an error, or has refused a newer one, the
        next one has a new key: the service may have stored that answer, or knows the key from another payload. Should
        proof of a payment turn up after all, the order is paid and an incident says so.
        """
        order = get_order(self.database, name, by)

        def work(connection: Connection) -> StoredOrder:
            before = lock_order(connection, order.id, _IN_REVIEW, _RESOLVED)
            status = OrderStatus.CANCELLED if before.cancel_requested else OrderStatus.DEAD
            changes = {}
            spent = connection.scalar(_unsettled(select(func.count()), order.id).where(_SPENDS_ITS_KEY))
            detail = f"{RESOLVED_BY} {author.actor}: not charged. {author.reason or ''}".rstrip()
            self._settle(connection, UNSETTLED, order.id, Outcome.FAILED, detail)
            if spent or spent_keys(connection, [before]):
                changes["charge_key"] = renewed_key(order.id, before.fence + 1)
            self._close(connection, before, status, changes)
            note_interventions(
                connection, self.clock, [before], Action.RESOLVE_NOT_CHARGED, author, after=status
            )
            return stored_order(connection, orders.c.id == order.id)

        return self.database.write(work, name="resolve")

    def _settle(
        self,
        connection: Connection,
        which: ColumnElement[bool],
        order_id: str,
        outcome: Outcome,
        detail: str,
        charge_id: str | None = None,
    ) -> None:
        now = self.clock.after(0)
        connection.execute(
            update(attempts)
            .where(attempts.c.order_id == order_id, which)
            .values(
                outcome=outcome,
                finished_at=func.coalesce(attempts.c.finished_at, now),
                detail=detail,
                charge_id=charge_id,
            )
        )

    def _close(
        self, connection: Connection, before: Row[Any], status: OrderStatus, changes: dict[str, Any]
    ) -> None:
        values = {**at_rest(self.clock, status), "fence": before.fence + 1, **changes}
        connection.execute(update(orders).where(orders.c.id == before.id).values(values))


def _check_charge(charge_id: str) -> None:
    if problem := text_problem(charge_id):
        raise InvalidChargeError(f"{problem}; it is the charge's id at the payment service")


def _refuse_charge_of_another(connection: Connection, order_id: str, charge_id: str) -> None:
    if connection.dialect.name == "postgresql":
        # Two people may vouch for one charge at the same moment; SQLite has one writer anyhow.
        lock = func.pg_advisory_xact_lock(func.hashtextextended(charge_id, 0))
        connection.execute(select(lock))
    paid_by_it = select(orders.c.id).where(orders.c.charge_id == charge_id)
    doubled = select(incidents.c.order_id).where(incidents.c.kind == "two_charges")
    also_by_it = select(attempts.c.order_id).where(
        attempts.c.order_id.in_(doubled), attempts.c.charge_id == charge_id
    )
    others = {*connection.scalars(paid_by_it), *connection.scalars(also_by_it)} - {order_id}
    if others:
        raise RefusedError(f"the charge {charge_id} belongs to order {min(others)}")


def _unsettled(counted: Select[Any], order_id: str) -> Select[Any]:
    return counted.where(attempts.c.order_id == order_id, UNSETTLED)

"""Ending an order with what a person found out at the payment service."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, func, select, update

from breakwall.payments.actions import Action, Author, IncidentKind, InvalidAuthorError
from breakwall.payments.db.clock import Clock, DatabaseClock
from breakwall.payments.db.database import Database
from breakwall.payments.db.schema import SettledBy, attempts, orders
from breakwall.payments.gateways.base import Outcome
from breakwall.payments.ledger.attempt_conditions import SPENDS_KEY, UNSETTLED
from breakwall.payments.ledger.audit import note_interventions, report_incident
from breakwall.payments.ledger.charges import DEFAULT_ACCOUNT, take_charge
from breakwall.payments.ledger.queries import Naming, get_order, stored_order
from breakwall.payments.operator.key_rotation import has_spent_key, renew_keys, vouch_for_refusals
from breakwall.payments.operator.retry_and_cancel import RefusedError, at_rest, lock_order
from breakwall.payments.orders import OrderStatus, StoredOrder
from breakwall.texts import text_problem

_IN_REVIEW = (OrderStatus.REVIEW,)
_NOT_PAID = tuple(status for status in OrderStatus if status is not OrderStatus.PAID)


class InvalidChargeError(ValueError):
    """The text is no charge id; nothing was changed."""


class Resolution:
    """A person's word on orders.

    Every method takes an order's name (``by`` says what it is: an id, a key or either), returns the order as
    it is afterwards, and raises `OrderNotFoundError`, `AmbiguousNameError`, `RefusedError` (the order's state does
    not allow it) or `DatabaseUnavailableError`. Each
    raises the order's fence: whoever still works on it holds an older claim, and of what it finds only
    proof of a payment counts.
    """

    def __init__(
        self, database: Database, *, clock: Clock | None = None, account: str = DEFAULT_ACCOUNT
    ) -> None:
        self.database = database
        self.clock = clock or DatabaseClock()
        self.account = account

    def paid(self, name: str, charge_id: str, author: Author, *, by: Naming = Naming.ANY) -> StoredOrder:
        """The payment service has charged the order, as ``charge_id``: it is paid, whatever it was before.

        Raises:
            InvalidChargeError: ``charge_id`` is empty, too long or holds what no text may hold.
            InvalidAuthorError: an order that is not in review needs a reason: how that is known.
            RefusedError: also when the charge belongs to another order.
        """
        _check_charge(charge_id)
        order = get_order(self.database, name, by)

        def work(connection: Connection) -> StoredOrder:
            # Before the order is locked, see `take_charge`. Where either is refused, nothing of both is kept.
            self._refuse_charge_of_another(connection, order.id, charge_id)
            before = lock_order(connection, order.id, _NOT_PAID, "resolved once more")
            _check_reason(before, author)
            newest = _unsettled(select(func.max(attempts.c.number)), order.id).scalar_subquery()
            detail = f"Resolved by {author.actor}: it charged."
            self._settle(
                connection, attempts.c.number == newest, order.id, Outcome.SUCCEEDED, detail, charge_id
            )
            changes = {"charge_id": charge_id, "last_error": None, "rejected": False}
            self._close(connection, before, OrderStatus.PAID, changes)
            if before.cancel_requested:
                refund = f"charged as {charge_id} although it was to be cancelled: refund it"
                kind = IncidentKind.CHARGED_AFTER_CANCEL
                report_incident(connection, self.clock, order.id, kind, refund)
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
            before = lock_order(
                connection, order.id, _IN_REVIEW, "resolved as not charged: only one in review can"
            )
            status = OrderStatus.CANCELLED if before.cancel_requested else OrderStatus.DEAD
            spent = connection.scalar(_unsettled(select(func.count()), order.id).where(SPENDS_KEY))
            detail = f"Resolved by {author.actor}: not charged. {author.reason or ''}".rstrip()
            self._settle(connection, UNSETTLED, order.id, Outcome.FAILED, detail)
            # Under the key of a suspected order a look-up may have found what is another's, without an attempt to tell.
            if spent or has_spent_key(connection, before) or before.suspected_at is not None:
                renew_keys(connection, [before])
            vouch_for_refusals(connection, order.id)
            self._close(connection, before, status, {})
            note_interventions(
                connection, self.clock, [before], Action.RESOLVE_NOT_CHARGED, author, after=status
            )
            return stored_order(connection, orders.c.id == order.id)

        return self.database.write(work, name="resolve")

    def _refuse_charge_of_another(self, connection: Connection, order_id: str, charge_id: str) -> None:
        owner = take_charge(connection, self.clock, self.account, charge_id, order_id, None)
        if owner is not None:
            raise RefusedError(f"the charge {charge_id} belongs to order {owner}")

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
                settled_by=SettledBy.PERSON,
                detail=detail,
                charge_id=charge_id,
            )
        )

    def _close(
        self, connection: Connection, before: Row[Any], status: OrderStatus, changes: dict[str, Any]
    ) -> None:
        ended = {"fence": before.fence + 1, "suspected_at": None}
        values = {**at_rest(self.clock, status), **ended, **changes}
        connection.execute(update(orders).where(orders.c.id == before.id).values(values))


def _check_reason(before: Row[Any], author: Author) -> None:
    if before.status != OrderStatus.REVIEW and author.reason is None:
        raise InvalidAuthorError(
            "reason", f"the order is {before.status}: how is it known that it was charged?"
        )


def _check_charge(charge_id: str) -> None:
    if problem := text_problem(charge_id):
        raise InvalidChargeError(f"{problem}; it is the charge's id at the payment service")


def _unsettled(counted: Select[Any], order_id: str) -> Select[Any]:
    return counted.where(attempts.c.order_id == order_id, UNSETTLED)

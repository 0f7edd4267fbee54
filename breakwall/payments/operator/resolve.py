"""Finishes an order with what a person found out at the payment service."""

from typing import Any

from sqlalchemy import Connection, Row, exists, select, update

from breakwall.payments.db.clock import Clock, DatabaseClock
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
from breakwall.payments.operator.locking import RefusedError, lock_order_in
from breakwall.payments.orders import OrderStatus, StoredOrder
from breakwall.texts import text_problem

_NOT_PAID = tuple(status for status in OrderStatus if status is not OrderStatus.PAID)


class InvalidChargeError(ValueError):
    """The text is no charge id; nothing was changed."""


class Resolution:
    """Records what a person knows about an order's charge. The methods' arguments and errors are as in `Interventions`.

    Each method raises the order's fence. A process that still works on the order holds an older claim; of its results
    only proof of a payment counts.
    """

    def __init__(
        self, database: Database, *, clock: Clock | None = None, account: str = DEFAULT_ACCOUNT
    ) -> None:
        self.database = database
        self.clock = clock or DatabaseClock()
        self.account = account

    def paid(self, name: str, charge_id: str, author: Author, *, by: Naming = Naming.ANY) -> StoredOrder:
        """The payment service has charged the order, as ``charge_id``: it is paid, in whatever state it was.

        Raises `InvalidChargeError` if ``charge_id`` cannot be stored, `InvalidAuthorError` if an order that is not in
        review gets no reason, and `RefusedError` also if the charge belongs to another order.
        """
        if problem := text_problem(charge_id):
            raise InvalidChargeError(f"{problem}; it is the charge's id at the payment service")
        order = get_order(self.database, name, by)

        def work(connection: Connection) -> StoredOrder:
            # Before the order is locked, see `assign_charge`. If the order is refused, this is rolled back, too.
            owner = assign_charge(connection, self.clock, self.account, charge_id, order.id, None)
            if owner is not None:
                raise RefusedError(f"the charge {charge_id} belongs to order {owner}")
            before = lock_order_in(connection, _NOT_PAID, order.id, "resolved once more")
            _check_reason(before, author)
            resolve_attempts(
                connection,
                self.clock,
                order.id,
                newest_unresolved(order.id),
                Outcome.SUCCEEDED,
                ResolvedBy.PERSON,
                f"Resolved by {author.actor}: it charged.",
                charge_id,
            )
            changes = {"charge_id": charge_id, "last_error": None, "rejected": False}
            self._finish(connection, before, OrderStatus.PAID, changes)
            if before.cancel_requested:
                refund = f"charged as {charge_id} although it was to be cancelled: refund it"
                kind = IncidentKind.CHARGED_AFTER_CANCEL
                report_incident(connection, self.clock, order.id, kind, refund)
            record_interventions(
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
        """The payment service has not charged the order: it is dead, or cancelled if that was requested.

        It can then be retried. Its unknown attempts become failed ones, so no look-up follows. It gets a new key if
        the service may have stored an error or a refusal under the old one, or knows the old one from another payload.
        If proof of a payment comes later, the order is paid, and an incident reports it.
        """
        order = get_order(self.database, name, by)

        def work(connection: Connection) -> StoredOrder:
            in_review = (OrderStatus.REVIEW,)
            before = lock_order_in(
                connection, in_review, order.id, "resolved as not charged: only one in review can"
            )
            status = OrderStatus.CANCELLED if before.cancel_requested else OrderStatus.DEAD
            answered = exists().where(attempts.c.order_id == order.id, UNRESOLVED, SPENDS_KEY)
            spent = connection.scalar(select(answered))
            resolve_attempts(
                connection,
                self.clock,
                order.id,
                UNRESOLVED,
                Outcome.FAILED,
                ResolvedBy.PERSON,
                f"Resolved by {author.actor}: not charged. {author.reason or ''}".rstrip(),
            )
            # A look-up of a suspected order may have found another order's charge; no attempt records that.
            if spent or has_spent_key(connection, before) or before.suspected_at is not None:
                rotate_keys(connection, [before])
            vouch_for_refusals(connection, order.id)
            self._finish(connection, before, status, {})
            record_interventions(
                connection, self.clock, [before], Action.RESOLVE_NOT_CHARGED, author, after=status
            )
            return stored_order(connection, orders.c.id == order.id)

        return self.database.write(work, name="resolve")

    def _finish(
        self, connection: Connection, before: Row[Any], status: OrderStatus, changes: dict[str, Any]
    ) -> None:
        finished = {"fence": before.fence + 1, "suspected_at": None}
        values = {**state_columns(self.clock, status), **finished, **changes}
        connection.execute(update(orders).where(orders.c.id == before.id).values(values))


def _check_reason(before: Row[Any], author: Author) -> None:
    if before.status != OrderStatus.REVIEW and author.reason is None:
        raise InvalidAuthorError(
            "reason", f"the order is {before.status}: how is it known that it was charged?"
        )

"""The statements of an exchange: they pay and claim many orders at once, and are built once for a ledger."""

from functools import cached_property
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Insert,
    Select,
    Update,
    and_,
    bindparam,
    exists,
    false,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.sql.dml import ReturningInsert, ReturningUpdate

from breakwall.payments.db.clock import Clock
from breakwall.payments.db.insert_missing import insert_missing
from breakwall.payments.db.own_gateway import is_own
from breakwall.payments.db.query_hints import likely
from breakwall.payments.db.revisions import existing_columns, missing_columns
from breakwall.payments.db.schema import IN_FLIGHT, QUEUED, attempts, charges, orders
from breakwall.payments.db.statements import built_once
from breakwall.payments.ledger.attempt_conditions import FINAL, REFUSED, UNRESOLVED
from breakwall.payments.ledger.attempt_outcomes import unconfirmed
from breakwall.payments.ledger.batch_rows import Columns, given_rows, one_of_ids
from breakwall.payments.ledger.charges import paid_before
from breakwall.payments.ledger.claiming import not_expired
from breakwall.payments.ledger.order_state import state_columns
from breakwall.payments.orders import OrderStatus

_CHARGE = charges.c
_ATTEMPT = attempts.c

OWNED: Columns = {
    name: _CHARGE[name].type for name in ("account", "charge_id", "order_id", "key", "key_shape")
}
PAID: Columns = {"id": orders.c.id.type, "fence": orders.c.fence.type, "charge_id": orders.c.charge_id.type}
ANSWERED: Columns = {
    name: _ATTEMPT[name].type
    for name in ("order_id", "number", "code", "detail", "charge_id", "advice", "spends_key")
}
HELD: Columns = {"id": orders.c.id.type, "fence": orders.c.fence.type, "number": _ATTEMPT.number.type}

# An attempt after which `next_step` chooses something else than to send, or after which nothing may be sent.
_STOPS = or_(UNRESOLVED, FINAL, and_(REFUSED, _ATTEMPT.number > orders.c.attempt_floor))

# What `next_step` says SEND to, whatever the profile, of an order that has crashed no process. The rest goes the
# single way. A test compares the two.
PLAIN = and_(
    orders.c.cancel_requested.is_(false()),
    orders.c.suspected_at.is_(None),
    orders.c.crash_count == 0,
    orders.c.retry_count - orders.c.retry_floor < bindparam("max_attempts"),
    ~exists().where(_ATTEMPT.order_id == orders.c.id, _STOPS),
)


def is_due(clock: Clock, dialect: str) -> ColumnElement[bool]:
    """The condition that an order is one of the ids, and due."""
    queued = likely(orders.c.status == QUEUED)
    return and_(one_of_ids(orders.c.id, dialect), queued, orders.c.next_attempt_at <= clock.after(0))


@built_once
def lock_due(clock: Clock, dialect: str, gateway: str | None) -> Select[Any]:
    """Locks the due orders of the ids, in the order of ids. What another process has locked is that one's.

    ``gateway``: theirs, as in `is_own`.
    """
    due = select(orders.c.id, orders.c.crash_count).where(is_due(clock, dialect), is_own(gateway))
    return due.order_by(orders.c.id).with_for_update(skip_locked=True)


class BatchStatements:
    """The statements for one kind of database, clock and lease."""

    def __init__(self, dialect: str, clock: Clock, lease: float) -> None:
        self._dialect = dialect
        self._clock = clock
        self._lease = lease
        self._claims: dict[frozenset[str], ReturningUpdate[Any]] = {}

    @cached_property
    def lock_free(self) -> Select[Any]:
        """Locks the orders of the ids, in the order of ids, except those that another process has locked."""
        free = select(orders.c.id).where(one_of_ids(orders.c.id, self._dialect))
        return free.order_by(orders.c.id).with_for_update(skip_locked=True)

    def claim(self, connection: Connection) -> ReturningUpdate[Any]:
        """Claims the plain ones of the locked orders, and counts the attempt that `begin` writes.

        A statement of its own, after the locks: so it sees every attempt that was committed before them.
        """
        missing = frozenset(missing_columns(connection, orders))
        if missing not in self._claims:
            columns = existing_columns(connection, orders)
            self._claims[missing] = self._claim().returning(*columns, self._clock.after(0).label("now"))
        return self._claims[missing]

    def _claim(self) -> Update:
        locked = one_of_ids(orders.c.id, self._dialect), likely(orders.c.status == QUEUED)
        # A prepared charge is confirmed again, which `Retrier` does.
        prepared = exists().where(_ATTEMPT.order_id == orders.c.id, _ATTEMPT.prepared.is_not(None))
        return (
            update(orders)
            .where(*locked, PLAIN, not_expired(self._clock), ~prepared)
            .values(
                status=OrderStatus.IN_FLIGHT,
                fence=orders.c.fence + 1,
                lease_until=self._clock.after(self._lease),
                next_attempt_at=None,
                dispatch_at=None,
                attempt_count=orders.c.attempt_count + 1,
                retry_count=orders.c.retry_count + 1,
            )
        )

    @cached_property
    def begin(self) -> Insert:
        """Writes the attempts of the claimed orders."""
        return self._begin(self._begun)

    @property
    def _begun(self) -> dict[str, Any]:
        return {
            "order_id": orders.c.id,
            "number": orders.c.attempt_count,
            "source": literal("worker"),
            "fence": orders.c.fence,
            "gateway_key": orders.c.charge_key,
            "started_at": self._clock.after(0),
        }

    @cached_property
    def begin_prepared(self) -> Insert:
        """The same for charges that are prepared first."""
        return self._begin({**self._begun, **unconfirmed(self._clock)})

    def _begin(self, row: dict[str, Any]) -> Insert:
        claimed = select(*row.values()).where(one_of_ids(orders.c.id, self._dialect))
        return insert(attempts).from_select(list(row), claimed)

    @cached_property
    def own(self) -> ReturningInsert[Any]:
        """Assigns the charges that no order owns yet; returns these, with their orders."""
        given = given_rows(OWNED, self._dialect).c
        free = ~paid_before(given.account, given.charge_id, given.order_id).exists()
        new = select(*given, self._clock.after(0).label("at")).where(free)
        unless_there = insert_missing(self._dialect, charges).from_select([*OWNED, "at"], new)
        owned: ReturningInsert[Any] = unless_there.returning(_CHARGE.order_id, _CHARGE.charge_id)
        return owned

    @cached_property
    def pay(self) -> ReturningUpdate[Any]:
        """Pays the orders whose claims hold and that nobody wants cancelled; returns their claims."""
        given = given_rows(PAID, self._dialect).c
        paid = update(orders).where(is_held(given), orders.c.cancel_requested.is_(false()))
        return paid.values(
            **state_columns(self._clock, OrderStatus.PAID),
            charge_id=given.charge_id,
            last_error=None,
            rejected=False,
            suspected_at=None,
        ).returning(orders.c.id, orders.c.fence)

    @cached_property
    def answer(self) -> Update:
        """Records the answers of payments at their attempts."""
        given = given_rows(ANSWERED, self._dialect).c
        which = _ATTEMPT.order_id == given.order_id, _ATTEMPT.number == given.number
        return (
            update(attempts)
            .where(*which)
            .values(
                finished_at=self._clock.after(0),
                outcome="succeeded",
                code=given.code,
                detail=given.detail,
                charge_id=given.charge_id,
                advice=given.advice,
                spends_key=given.spends_key,
                settled_by=None,
            )
        )


def is_held(given: Any) -> ColumnElement[bool]:
    """The condition that no other process has claimed the given order since."""
    in_flight = likely(orders.c.status == IN_FLIGHT)
    return and_(orders.c.id == given.id, in_flight, orders.c.fence == given.fence)

"""Takes the orders database back by one revision, for a return to the version before.

It is not needed while a fleet is rolled, see `revisions`.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, Engine, and_, exists, func, or_, select, text

from breakwall.gateway_names import DEFAULT
from breakwall.migrations import HEAD
from breakwall.payments.db.errors import SchemaError
from breakwall.payments.db.lock_timeouts import NO_TIMEOUTS
from breakwall.payments.db.migrate import alembic_config
from breakwall.payments.db.migration_lock import migration_engine, migration_lock
from breakwall.payments.db.migration_steps import MigrationSteps
from breakwall.payments.db.revisions import BEFORE, check_schema, current_revision
from breakwall.payments.db.schema import attempts, deliveries, destinations, orders, outcomes
from breakwall.payments.db.sqlite import READ_ONLY
from breakwall.payments.ledger.attempt_conditions import UNRESOLVED
from breakwall.payments.operator.locking import RefusedError
from breakwall.payments.orders import DETAILS, OrderStatus

_DROPPED = (deliveries, destinations, outcomes)

# What the version before cannot finish, because the columns that say it would be dropped.
_NEEDS_THIS_VERSION = and_(
    orders.c.status.in_([OrderStatus.QUEUED, OrderStatus.IN_FLIGHT, OrderStatus.REVIEW, OrderStatus.DEAD]),
    or_(
        *(orders.c[name].is_not(None) for name in (*DETAILS, "charge_before")),
        orders.c.gateway.is_not(None) & (orders.c.gateway != DEFAULT),
        exists().where(attempts.c.order_id == orders.c.id, UNRESOLVED, attempts.c.prepared.is_not(None)),
    ),
)
_OPEN_ORDERS = (
    "{} of the open orders have details for the payment service, a last moment, another gateway or a prepared charge, "
    "which would be dropped: they would be charged without them. Nothing was changed. Let the workers finish them "
    "first; `breakwall orders list --status` shows them"
)


@dataclass(frozen=True, slots=True)
class Losses:
    """What is lost with the tables and columns of the newest revision."""

    open_orders: int = 0  # Unfinished orders that the version before could not finish as they were placed.
    undelivered: int = 0  # Outcomes that the shop was not told yet.

    def __str__(self) -> str:
        number = self.undelivered
        what = "1 outcome" if number == 1 else f"{number:,} outcomes"
        return (
            f"{what} that the shop was not told yet, and what finished orders carried for the payment service"
        )


def losses(engine: Engine) -> Losses:
    """What `downgrade` would lose. Raises `SchemaError` if this version does not work with the database's revision."""
    check_schema(engine)
    with engine.connect().execution_options(**READ_ONLY) as connection:
        return _losses(connection) if current_revision(engine) == HEAD else Losses()


def downgrade(engine: Engine) -> str:
    """Take the database back from `HEAD` to `BEFORE`, and return that. One at `BEFORE` stays as it is.

    It is one short transaction. If another transaction holds one of the tables, it gives way and is tried again; in
    the end it raises `MigrationBlockedError`. Raises `RefusedError` while orders are open that need this version, and
    `SchemaError` at any other revision. After an error nothing was changed.
    """
    check_schema(engine)
    with migration_engine(engine) as own, migration_lock(own) as check_lock, own.connect() as connection:
        connection.execution_options(**{NO_TIMEOUTS: True})
        steps = MigrationSteps(connection, check_lock, command="breakwall db downgrade")
        return steps.run_short(_downgrade, *(table.name for table in _DROPPED))


def _downgrade(connection: Connection) -> str:
    from alembic import command

    revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
    if revision == BEFORE:
        return BEFORE
    if revision != HEAD:
        raise SchemaError(
            f"the orders database is at revision {revision}, of the version after this one: "
            "take it back with that version's `breakwall db downgrade`"
        )
    if connection.dialect.name == "postgresql":
        # From here on no process accepts or changes an order. On SQLite the transaction has locked everything.
        connection.execute(text("LOCK TABLE orders IN SHARE ROW EXCLUSIVE MODE"))
    if unfinished := _losses(connection).open_orders:
        raise RefusedError(_OPEN_ORDERS.format(f"{unfinished:,}"))
    command.downgrade(alembic_config(connection), BEFORE)
    return BEFORE


def _losses(connection: Connection) -> Losses:
    untold = select(func.count()).select_from(outcomes)
    waiting = exists().where(deliveries.c.outcome_id == outcomes.c.id, deliveries.c.delivered_at.is_(None))
    return Losses(
        connection.scalar(select(func.count()).select_from(orders).where(_NEEDS_THIS_VERSION)) or 0,
        connection.scalar(untold.where(or_(outcomes.c.taken_at.is_(None), waiting))) or 0,
    )

"""Fills a database with a long history: many thousands of orders a second, by its own SQL.

The rows are those that the ledger writes. Their times are spread around the database's own present.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, Engine, text

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR


@dataclass(frozen=True)
class Backlog:
    """How many orders of each kind."""

    finished: int = 0  # Within the last thirty days; one in fifty is declined, the others are paid.
    waiting: int = 0  # Queued, due within the hour after next.
    due: int = 0  # Queued, due since some time of the last hour.
    claimed: int = 0  # In flight, with a lease for another hour at least.
    expired: int = 0  # In flight, with a lease that expired within the last hour.


_ORDERS = """
INSERT INTO orders (id, idempotency_key, user_id, amount, currency, charge_key, deferral_count,
                    status, attempt_count, fence, created_at, settled_at, charge_id, next_attempt_at,
                    dispatch_at, lease_until)
WITH RECURSIVE
    counted (n) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT n + 1 FROM counted WHERE n < {count}),
    drawn AS (SELECT n, {kind!r} || '-' || n AS key, n * 7919 % 100003 / 100003.0 AS chance FROM counted)
SELECT {id}, key, 'user-' || (n % 9973), 1000 + n % 90000, 'KRW', key, 1, {columns}
FROM drawn
"""

_FINISHED = """
CASE WHEN n % 50 = 0 THEN 'declined' ELSE 'paid' END, 1, 1, {then}, {then},
CASE WHEN n % 50 = 0 THEN NULL ELSE 'ch_' || key END, NULL, NULL, NULL
"""
_QUEUED = "'queued', 0, 0, {accepted}, NULL, NULL, {then}, {then}, NULL"
_CLAIMED = "'in_flight', 1, 1, {now}, NULL, NULL, NULL, NULL, {then}"

_ATTEMPTS = """
INSERT INTO attempts (order_id, number, source, fence, gateway_key, started_at, finished_at, outcome, charge_id)
SELECT id, 1, 'producer', 1, charge_key, created_at, settled_at,
       CASE status WHEN 'paid' THEN 'succeeded' WHEN 'declined' THEN 'declined' END, charge_id
FROM orders WHERE attempt_count = 1
"""


_CHARGES = """
INSERT INTO charges (account, charge_id, order_id, key, key_shape, at)
SELECT 'default', charge_id, id, charge_key, '32a', settled_at FROM orders WHERE charge_id IS NOT NULL
"""


def fill(engine: Engine, backlog: Backlog) -> None:
    """Put the orders and their attempts into tables that are migrated and empty."""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            # The orders of the attempts exist: to check each would take longer than to write it.
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            connection.execute(text("SET LOCAL statement_timeout = 0"))
        _insert(connection, "finished", backlog.finished, _FINISHED, -30 * DAY, -HOUR)
        _insert(connection, "waiting", backlog.waiting, _QUEUED, HOUR, 2 * HOUR)
        _insert(connection, "due", backlog.due, _QUEUED, -HOUR, -MINUTE)
        _insert(connection, "claimed", backlog.claimed, _CLAIMED, HOUR, 2 * HOUR)
        _insert(connection, "expired", backlog.expired, _CLAIMED, -HOUR, -MINUTE)
        connection.execute(text(_ATTEMPTS))
        connection.execute(text(_CHARGES))


def tidy(engine: Engine) -> None:
    """Collect the planner's statistics, as autovacuum or an administrator does sooner or later."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.exec_driver_sql("SET statement_timeout = 0")
            connection.exec_driver_sql("VACUUM ANALYZE")
            connection.invalidate()  # It must not go back into the pool with that setting.
        else:
            connection.exec_driver_sql("ANALYZE")
            connection.commit()


def _insert(connection: Connection, kind: str, count: int, columns: str, since: int, until: int) -> None:
    """Add ``count`` orders whose own moment is ``since`` to ``until`` seconds from now."""
    if count == 0:
        return
    postgresql = connection.dialect.name == "postgresql"
    then = f"({since} + chance * {until - since})"
    accepted = (
        f"({since - 3 * HOUR} + chance * {until - since})"  # One after the other, not all in one instant.
    )
    moments = {
        "now": _moment("0", postgresql),
        "then": _moment(then, postgresql),
        "accepted": _moment(accepted, postgresql),
    }
    statement = _ORDERS.format(
        kind=kind,
        count=count,
        id="md5(key)" if postgresql else "lower(hex(randomblob(16)))",
        columns=columns.format(**moments),
    )
    connection.exec_driver_sql(statement.replace("%", "%%") if postgresql else statement)


def _moment(seconds: str, postgresql: bool) -> str:
    if postgresql:
        return f"statement_timestamp() + make_interval(secs => {seconds})"
    return f"strftime('%Y-%m-%d %H:%M:%f', 'now', {seconds} || ' seconds') || '000'"

"""PostgreSQL as the orders database: every wait is bounded, directly and behind a pooler alike.

A pooler such as PgBouncer in transaction mode gives each transaction a server connection that others have used before
and will use next. So nothing is asked for when a connection starts, nothing is prepared that outlives its transaction,
and the time-outs are set within each transaction, in the same round trip that begins it.
"""

from __future__ import annotations

import math
import time
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event

from breakwall.payments.db.lock_timeouts import DEADLINE, UNBOUNDED

BOUNDS = {
    "statement_timeout": 30_000,
    "lock_timeout": 5_000,
    "idle_in_transaction_session_timeout": 30_000,
}
"""Milliseconds. Shorter ones that the database, or its user, has been given hold instead."""

PATIENT = {
    "connect_timeout": 10,
    "tcp_user_timeout": 0,
    "keepalives_idle": 60,
    "keepalives_interval": 30,
    "keepalives_count": 10,
}

# What was set for the database or its user. A pooler's last client may have left something else in `setting`.
_THEIRS = "SELECT name, reset_val FROM pg_catalog.pg_settings WHERE name = ANY(%s)"


def open_postgresql(url: URL, *, patient: bool = False, **options: Any) -> Engine:
    """An engine whose transactions begin with `BOUNDS`, or without them where their option `UNBOUNDED` is set.

    Args:
        patient: a network that is silent for some time ends no connection.
    """
    connection = {**_connection(), **(PATIENT if patient else {})}
    engine = create_engine(url, connect_args=connection, **options)
    event.listen(engine, "connect", _learn_their_bounds)
    event.listen(engine, "begin", _begin)
    return engine


def _connection() -> dict[str, Any]:
    # A host that vanishes without a word is noticed by TCP after about five seconds.
    return {
        # A server made without a locale (SQL_ASCII) would answer in bytes.
        "client_encoding": "utf8",
        "connect_timeout": 3,
        "tcp_user_timeout": 5000,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 2,
        # The driver begins nothing by itself.
        "autocommit": True,
        # Behind a pooler the next transaction meets another server, which has prepared another statement, or none,
        # under the same name. What it costs to do without is in docs/benchmarks.md.
        "prepare_threshold": None,
    }


def _learn_their_bounds(connection: Any, record: Any) -> None:
    theirs = connection.execute(_THEIRS, [list(BOUNDS)]).fetchall()
    bounds = dict(BOUNDS)
    for name, milliseconds in theirs:
        bounds[name] = min(bounds[name], int(milliseconds) or bounds[name])
    record.info["bounds"] = bounds
    record.info["encoding"] = connection.info.parameter_status("server_encoding") or "UTF8"


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("isolation_level") == "AUTOCOMMIT":
        return
    if not (driver := connection.connection.driver_connection).autocommit:  # type: ignore[union-attr]
        driver.set_autocommit(True)  # type: ignore[union-attr]  # SQLAlchemy has put an isolation level back.
    bounds = dict.fromkeys(BOUNDS, 0) if options.get(UNBOUNDED) else dict(connection.info["bounds"])
    if (deadline := options.get(DEADLINE)) is not None:
        left = math.ceil((deadline - time.monotonic()) * 1000)
        bounds["lock_timeout"] = max(1, min(left, bounds["lock_timeout"] or left))
    # Without parameters it is sent as it is: several statements in one round trip.
    bounding = "; ".join(f"SET LOCAL {name} = {milliseconds}" for name, milliseconds in bounds.items())
    # Whatever the server's default is. A statement sees what was committed before it began: whoever has waited for the
    # pruning of a key finds that it is known (`acceptance`).
    connection.exec_driver_sql(f"BEGIN ISOLATION LEVEL READ COMMITTED; {bounding}")

"""PostgreSQL as the orders database: every wait is bounded, directly and behind a pooler alike.

A pooler such as PgBouncer in transaction mode gives each transaction a server connection that other clients have used
before and will use next. So no option is set when a connection starts, no prepared statement outlives its transaction,
and the timeouts are set within each transaction, in the same round trip that begins it.
"""

import math
import time
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event

from breakwall.payments.db.lock_timeouts import LOCK_DEADLINE, NO_TIMEOUTS

# Milliseconds. A shorter one that the database, or its user, has been given is used instead.
TIMEOUTS = {
    "statement_timeout": 30_000,
    "lock_timeout": 5_000,
    "idle_in_transaction_session_timeout": 30_000,
}

# A host that vanishes silently is noticed by TCP after about five seconds.
_NETWORK = {
    "connect_timeout": 3,
    "tcp_user_timeout": 5000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
}
_SLOW_NETWORK = {
    "connect_timeout": 10,
    "tcp_user_timeout": 0,
    "keepalives_idle": 60,
    "keepalives_interval": 30,
    "keepalives_count": 10,
}

_DRIVER = {
    # A server made without a locale (SQL_ASCII) would answer in bytes.
    "client_encoding": "utf8",
    # The driver begins nothing by itself.
    "autocommit": True,
    # Behind a pooler the next transaction meets another server, which has prepared another statement, or none, under
    # the same name. What it costs to do without is in docs/benchmarks.md.
    "prepare_threshold": None,
}

# What was set for the database or its user. A pooler's last client may have left another value in `setting`.
_SERVER_TIMEOUTS = "SELECT name, reset_val FROM pg_catalog.pg_settings WHERE name = ANY(%s)"


def open_postgresql(url: URL, *, slow_network: bool = False, **options: Any) -> Engine:
    """An engine whose transactions begin with `TIMEOUTS`, or without them if their option `NO_TIMEOUTS` is set.

    Args:
        slow_network: a network that is silent for minutes ends no connection.
    """
    network = _SLOW_NETWORK if slow_network else _NETWORK
    engine = create_engine(url, connect_args={**_DRIVER, **network}, **options)
    event.listen(engine, "connect", _read_server_settings)
    event.listen(engine, "begin", _begin)
    return engine


def encoding_of(connection: Connection) -> str:
    """How the database encodes texts: ``UTF8``, unless it was made without it on PostgreSQL."""
    return str(connection.info.get("encoding", "UTF8"))


def _read_server_settings(connection: Any, record: Any) -> None:
    timeouts = dict(TIMEOUTS)
    for name, milliseconds in connection.execute(_SERVER_TIMEOUTS, [list(TIMEOUTS)]).fetchall():
        timeouts[name] = min(timeouts[name], int(milliseconds) or timeouts[name])
    record.info["timeouts"] = timeouts
    record.info["encoding"] = connection.info.parameter_status("server_encoding") or "UTF8"


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("isolation_level") == "AUTOCOMMIT":
        return
    if not (driver := connection.connection.driver_connection).autocommit:  # type: ignore[union-attr]
        driver.set_autocommit(True)  # type: ignore[union-attr]  # SQLAlchemy has put an isolation level back.
    timeouts = dict.fromkeys(TIMEOUTS, 0) if options.get(NO_TIMEOUTS) else dict(connection.info["timeouts"])
    if (deadline := options.get(LOCK_DEADLINE)) is not None:
        left = math.ceil((deadline - time.monotonic()) * 1000)
        timeouts["lock_timeout"] = max(1, min(left, timeouts["lock_timeout"] or left))
    # Without parameters it is sent as it is: several statements in one round trip.
    settings = "; ".join(f"SET LOCAL {name} = {milliseconds}" for name, milliseconds in timeouts.items())
    # Whatever the server's default is. A statement sees what was committed before it began: a transaction that has
    # waited for the pruning of a key finds that the key is known (`acceptance`).
    connection.exec_driver_sql(f"BEGIN ISOLATION LEVEL READ COMMITTED; {settings}")

"""PostgreSQL as the orders database: every wait is bounded, with and without a pooler.

Behind a pooler such as PgBouncer in transaction mode, clients take turns with each server connection. So a connection
starts without options, no prepared statement outlives its transaction, and the round trip that begins a transaction
sets its timeouts.
"""

import math
import time
import traceback
from typing import Any

from sqlalchemy import URL, Connection, Dialect, Engine, create_engine, event

from breakwall.payments.db.lock_timeouts import LOCK_DEADLINE, NO_TIMEOUTS

# Milliseconds. A shorter timeout that is set for the database or its user wins.
TIMEOUTS = {
    "statement_timeout": 30_000,
    "lock_timeout": 5_000,
    "idle_in_transaction_session_timeout": 30_000,
}

# With these, TCP notices after about five seconds that a host does not answer any more.
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
    "client_encoding": "utf8",  # A server that was made without a locale (SQL_ASCII) would answer in bytes.
    "autocommit": True,  # The driver does not begin transactions.
    # Behind a pooler the next transaction may run on another server, where the statement of this name is another one or
    # is missing. docs/benchmarks.md has what this costs.
    "prepare_threshold": None,
}

# What is set for the database or its user. In `setting` a pooler's last client may have left another value.
_SERVER_TIMEOUTS = "SELECT name, reset_val FROM pg_catalog.pg_settings WHERE name = ANY(%s)"


def open_postgresql(url: URL, *, slow_network: bool = False, **options: Any) -> Engine:
    """An engine whose transactions have `TIMEOUTS`, or none if their option `NO_TIMEOUTS` is set.

    With ``slow_network``, a network that is silent for minutes ends no connection.
    """
    network = _SLOW_NETWORK if slow_network else _NETWORK
    engine = create_engine(url, connect_args={**_DRIVER, **network}, **options)
    event.listen(engine, "do_connect", _connect)
    event.listen(engine, "connect", _read_server_settings)
    event.listen(engine, "begin", _begin)
    return engine


def encoding_of(connection: Connection) -> str:
    """How the database encodes texts: ``UTF8``, unless it was made with another encoding on PostgreSQL."""
    return str(connection.info.get("encoding", "UTF8"))


def _connect(dialect: Dialect, record: Any, args: Any, options: Any) -> Any:
    """Connect; after a timeout, close the socket.

    The driver's error keeps it open until the garbage is collected. A server that hung and comes back would serve
    hundreds of connections that nobody uses, and have none left for others.
    """
    try:
        return dialect.connect(*args, **options)
    except Exception as error:
        for each in (error, error.__context__):
            traceback.clear_frames(each.__traceback__ if each else None)
        raise


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
        driver.set_autocommit(True)  # type: ignore[union-attr]  # SQLAlchemy has reset an isolation level.
    timeouts = dict.fromkeys(TIMEOUTS, 0) if options.get(NO_TIMEOUTS) else dict(connection.info["timeouts"])
    if (deadline := options.get(LOCK_DEADLINE)) is not None:
        left = math.ceil((deadline - time.monotonic()) * 1000)
        timeouts["lock_timeout"] = max(1, min(left, timeouts["lock_timeout"] or left))
    # Without parameters the driver sends the text as it is: several statements in one round trip.
    settings = "; ".join(f"SET LOCAL {name} = {milliseconds}" for name, milliseconds in timeouts.items())
    # The server may have another default level. At this one, a transaction that has waited for the pruning of a key
    # finds that the key is known: each statement sees what was committed before it (`ledger.accept`).
    connection.exec_driver_sql(f"BEGIN ISOLATION LEVEL READ COMMITTED; {settings}")

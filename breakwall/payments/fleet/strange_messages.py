"""Messages in the queue that are none of ours, kept for an operator's eyes: the newest, cut to a bearable length."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select

from breakwall.payments.db.clock import Clock, DatabaseClock
from breakwall.payments.db.database import Database, SchemaError
from breakwall.payments.db.optional_tables import is_there
from breakwall.payments.db.schema import strange_messages
from breakwall.texts import visible

KEPT = 1000
"""Messages: enough to see what somebody sends, and at most a few megabytes in all."""

LONGEST = 16_384
"""Bytes of a body that are kept."""

LONGEST_HEADERS = 4096

KEEPING = "keep_strange"
CLEARING = "clear_strange"
"""Their transactions' names. They are no crash points': no order changes with them."""


@dataclass(frozen=True, slots=True)
class Strange:
    """A message to keep: its parts as they came, text, bytes or anything else."""

    reason: str
    headers: object
    body: object


@dataclass(frozen=True, slots=True)
class StoredStrange:
    """A message that is kept; what no text may hold is shown in it as escapes."""

    id: int
    at: datetime
    reason: str
    headers: str
    body: str
    size: int


def keep(database: Database, found: Sequence[Strange], clock: Clock | None = None) -> None:
    """Write the messages down, and drop the oldest beyond `KEPT`.

    Raises:
        DatabaseUnavailableError: nothing was kept; also where the database is older than these tables.
    """
    at = (clock or DatabaseClock()).after(0.0)

    def work(connection: Connection) -> None:
        connection.execute(insert(strange_messages).values(at=at), [_row(one) for one in found])
        ids = select(strange_messages.c.id).order_by(strange_messages.c.id.desc()).offset(KEPT).limit(1)
        connection.execute(delete(strange_messages).where(strange_messages.c.id <= ids.scalar_subquery()))

    database.write(work, name=KEEPING)


def are_kept(connection: Connection) -> bool:
    """Whether the database has room for them; that of the version before has none."""
    return is_there(connection, strange_messages.name)


def check_kept(connection: Connection) -> None:
    """Raise `SchemaError` where the database has no room for them."""
    if not are_kept(connection):
        raise SchemaError(
            "messages that are none of ours are kept from the database's next revision on: run `breakwall db upgrade`"
        )


def newest(connection: Connection, *, limit: int) -> list[StoredStrange]:
    """The newest that are kept, newest first, within a running transaction."""
    wanted = select(strange_messages).order_by(strange_messages.c.id.desc()).limit(limit)
    return [StoredStrange(**row._mapping) for row in connection.execute(wanted)]


def count_by_reason(connection: Connection) -> Counter[str]:
    """How many are kept, within a running transaction."""
    counted = select(strange_messages.c.reason, func.count().label("number")).group_by(
        strange_messages.c.reason
    )
    return Counter({row.reason: row.number for row in connection.execute(counted)})


def clear(database: Database, up_to: int | None = None) -> int:
    """Forget them; returns how many there were.

    Args:
        up_to: the newest that is to be forgotten; None for all.
    """
    statement = delete(strange_messages)
    if up_to is not None:
        statement = statement.where(strange_messages.c.id <= up_to)
    return database.write(lambda connection: connection.execute(statement).rowcount, name=CLEARING)


def _row(message: Strange) -> dict[str, object]:
    body, size = _readable(message.body, LONGEST)
    headers, _ = _readable(message.headers, LONGEST_HEADERS)
    return {"reason": visible(message.reason), "headers": headers, "body": body, "size": size}


def _readable(value: object, limit: int) -> tuple[str, int]:
    """The beginning of a value as a text that can be stored and shown, and its whole size in bytes."""
    if value is None:
        return "", 0
    if isinstance(value, memoryview):
        value = bytes(value)
    if not isinstance(value, (str, bytes)):
        value = json.dumps(value, default=repr)
    whole = value if isinstance(value, bytes) else value.encode(errors="surrogatepass")
    return visible(whole[:limit].decode(errors="backslashreplace")), len(whole)

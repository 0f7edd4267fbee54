"""Foreign messages from the queue, kept for an operator to read: the newest, cut to a limited length."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select

from breakwall.payments.db.clock import DatabaseClock
from breakwall.payments.db.database import Database, SchemaError
from breakwall.payments.db.revisions import has_table
from breakwall.payments.db.schema import strange_messages
from breakwall.texts import visible

MAX_KEPT = 1000  # Messages: enough to see what is sent, and a few megabytes at most in all.

MAX_BODY_BYTES = 16_384
MAX_HEADERS_BYTES = 4096

STORING = "keep_strange"
# The names of these transactions. They are no crash points: no order changes with them.
CLEARING = "clear_strange"


@dataclass(frozen=True, slots=True)
class MessageParts:
    """A message to keep: its parts as they came, text, bytes or anything else."""

    reason: str
    headers: object
    body: object


@dataclass(frozen=True, slots=True)
class StoredStrangeMessage:
    """A message that is kept, with escapes for what no text may contain; ``size``: bytes of the whole body."""

    id: int
    at: datetime
    reason: str
    headers: str
    body: str
    size: int


def store_messages(database: Database, messages: Sequence[MessageParts]) -> None:
    """Store the messages, and delete the oldest beyond `MAX_KEPT`.

    Raises:
        DatabaseUnavailableError: nothing was stored; also if the database does not have the table yet.
    """

    def work(connection: Connection) -> None:
        connection.execute(
            insert(strange_messages).values(at=DatabaseClock().after(0)), list(map(_row, messages))
        )
        ids = select(strange_messages.c.id).order_by(strange_messages.c.id.desc()).offset(MAX_KEPT).limit(1)
        connection.execute(delete(strange_messages).where(strange_messages.c.id <= ids.scalar_subquery()))

    database.write(work, name=STORING)


def can_store(connection: Connection) -> bool:
    """Whether the database has the table; that of the version before does not."""
    return has_table(connection, strange_messages.name)


def check_can_store(connection: Connection) -> None:
    """Raise `SchemaError` if the database does not have the table."""
    if not can_store(connection):
        raise SchemaError(
            "the database has no table for foreign messages before its next revision: run `breakwall db upgrade`"
        )


def newest(connection: Connection, *, limit: int) -> list[StoredStrangeMessage]:
    """The newest messages, newest first, within a running transaction."""
    wanted = select(strange_messages).order_by(strange_messages.c.id.desc()).limit(limit)
    return [StoredStrangeMessage(**row._mapping) for row in connection.execute(wanted)]


def count_by_reason(connection: Connection) -> Counter[str]:
    """How many messages are kept, within a running transaction."""
    reason = strange_messages.c.reason
    counted = connection.execute(select(reason, func.count()).group_by(reason))
    return Counter({row[0]: row[1] for row in counted})


def clear(database: Database, up_to: int | None = None) -> int:
    """Delete messages; returns how many there were.

    Args:
        up_to: the id of the newest one to delete; None for all.
    """
    statement = delete(strange_messages)
    if up_to is not None:
        statement = statement.where(strange_messages.c.id <= up_to)
    return database.write(lambda connection: connection.execute(statement).rowcount, name=CLEARING)


def _row(message: MessageParts) -> dict[str, object]:
    body, size = _readable(message.body, MAX_BODY_BYTES)
    headers, _ = _readable(message.headers, MAX_HEADERS_BYTES)
    return {"reason": visible(message.reason), "headers": headers, "body": body, "size": size}


def _readable(value: object, limit: int) -> tuple[str, int]:
    """The beginning of a value, as a text that can be stored and shown, and its whole size in bytes."""
    if value is None:
        return "", 0
    if isinstance(value, memoryview):
        value = bytes(value)
    if not isinstance(value, (str, bytes)):
        value = json.dumps(value, default=repr)
    whole = value if isinstance(value, bytes) else value.encode(errors="surrogatepass")
    return visible(whole[:limit].decode(errors="backslashreplace")), len(whole)

"""Strange messages from the queue, stored for an operator to read: the newest ones, cut to a limited length."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select

from breakwall.payments.db.clock import DATABASE_CLOCK
from breakwall.payments.db.database import Database
from breakwall.payments.db.schema import strange_messages
from breakwall.texts import visible

MAX_KEPT = 1000  # Messages: enough to see what is sent, and a few megabytes in all.
MAX_BODY_BYTES = 16_384
MAX_HEADERS_BYTES = 4096


@dataclass(frozen=True, slots=True)
class StoredStrangeMessage:
    """A message that is stored, with escapes for what a text may not contain."""

    id: int
    at: datetime
    reason: str
    headers: str
    body: str
    size: int  # Bytes of the whole body.


def store_messages(database: Database, messages: Sequence[tuple[str, object, object]]) -> None:
    """Store each message's reason, headers and body, and delete the oldest messages beyond `MAX_KEPT`.

    Raises `DatabaseUnavailableError` if nothing was stored.
    """

    def work(connection: Connection) -> None:
        connection.execute(
            insert(strange_messages).values(at=DATABASE_CLOCK.after(0)), list(map(_row, messages))
        )
        ids = select(strange_messages.c.id).order_by(strange_messages.c.id.desc()).offset(MAX_KEPT).limit(1)
        connection.execute(delete(strange_messages).where(strange_messages.c.id <= ids.scalar_subquery()))

    # No crash point, and neither is `clear`: no order changes.
    database.write(work, name="keep_strange")


def newest(connection: Connection, *, limit: int) -> list[StoredStrangeMessage]:
    """The newest messages, newest first, within a running transaction."""
    wanted = select(strange_messages).order_by(strange_messages.c.id.desc()).limit(limit)
    return [StoredStrangeMessage(**row._mapping) for row in connection.execute(wanted)]


def count_by_reason(connection: Connection) -> Counter[str]:
    """How many messages are stored, within a running transaction."""
    reason = strange_messages.c.reason
    counted = connection.execute(select(reason, func.count()).group_by(reason))
    return Counter({row[0]: row[1] for row in counted})


def clear(database: Database, up_to: int | None = None) -> int:
    """Delete the messages up to this id, or all; returns how many there were."""
    statement = delete(strange_messages)
    if up_to is not None:
        statement = statement.where(strange_messages.c.id <= up_to)
    return database.write(lambda connection: connection.execute(statement).rowcount, name="clear_strange")


def _row(message: tuple[str, object, object]) -> dict[str, object]:
    reason, raw_headers, raw_body = message
    headers, _ = _readable(raw_headers, MAX_HEADERS_BYTES)
    body, size = _readable(raw_body, MAX_BODY_BYTES)
    return {"reason": visible(reason), "headers": headers, "body": body, "size": size}


def _readable(value: object, limit: int) -> tuple[str, int]:
    """The beginning of a value as a text to store and show, and the size of the whole value in bytes."""
    if value is None:
        return "", 0
    if isinstance(value, memoryview):
        value = bytes(value)
    if not isinstance(value, (str, bytes)):
        value = json.dumps(value, default=repr)
    whole = value if isinstance(value, bytes) else value.encode(errors="surrogatepass")
    return visible(whole[:limit].decode(errors="backslashreplace")), len(whole)

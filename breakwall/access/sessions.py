"""A browser that has signed in with a token: a row with the digests of its cookie and of the token.

The session is as good as the token: whoever looks it up also asks whether the token is still valid.
"""

from __future__ import annotations

import re
import secrets

from sqlalchemy import Connection, delete, insert, select

from breakwall.access.tokens import digest_of
from breakwall.payments.db.clock import DATABASE_CLOCK, Clock
from breakwall.payments.db.database import Database, SchemaError
from breakwall.payments.db.operator_tables import browser_sessions
from breakwall.payments.db.revisions import has_table

LIFE = 12 * 3600.0  # Seconds: a working day, so that a forgotten browser is signed out by the next one.

_PATTERN = re.compile(r"[A-Za-z0-9_-]{43}")
_S = browser_sessions.c
_NAME = "browser_session"  # The transactions'. They are no crash points, because they change no order.


def begin_session(database: Database, token_digest: str, *, clock: Clock = DATABASE_CLOCK) -> str:
    """Store a session and return its cookie, a secret. Sessions that have expired are deleted."""
    cookie = secrets.token_urlsafe(32)
    row = insert(browser_sessions).values(
        digest=digest_of(cookie),
        token_digest=token_digest,
        created_at=clock.after(0),
        expires_at=clock.after(LIFE),
    )

    def work(connection: Connection) -> None:
        if not has_table(connection, browser_sessions.name):
            raise SchemaError("signing in needs the database's next revision: run `breakwall db upgrade`")
        connection.execute(delete(browser_sessions).where(_S.expires_at <= clock.after(0)))
        connection.execute(row)

    database.write(work, name=_NAME)
    return cookie


def token_of_session(database: Database, cookie: str, *, clock: Clock = DATABASE_CLOCK) -> str | None:
    """The digest of the token that the browser signed in with; None for an unknown or expired session."""
    if not _PATTERN.fullmatch(cookie):
        return None
    wanted = select(_S.token_digest).where(_S.digest == digest_of(cookie), _S.expires_at > clock.after(0))

    def work(connection: Connection) -> str | None:
        return connection.scalar(wanted) if has_table(connection, browser_sessions.name) else None

    return database.read(work)


def end_session(database: Database, cookie: str) -> None:
    """Sign the browser out, in every process at once."""
    ended = delete(browser_sessions).where(_S.digest == digest_of(cookie))

    def work(connection: Connection) -> None:
        if has_table(connection, browser_sessions.name):
            connection.execute(ended)

    database.write(work, name=_NAME)

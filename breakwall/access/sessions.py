"""A browser that has signed in with a token: a row with the digests of its cookie and of the token.

The session is as good as the token: whoever looks it up also asks whether the token is still valid.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field

from sqlalchemy import Connection, delete, insert, select

from breakwall.access.tokens import digest_of
from breakwall.payments.db.clock import DATABASE_CLOCK, Clock
from breakwall.payments.db.database import Database, SchemaError
from breakwall.payments.db.operator_tables import browser_sessions
from breakwall.payments.db.revisions import has_table

LIFE = 12 * 3600.0  # Seconds: a working day, so that a forgotten browser is signed out by the next one.
# Browsers of one token, the oldest are signed out: so that nobody can fill the memory of the processes.
MOST_OF_A_TOKEN = 100

_PATTERN = re.compile(r"[A-Za-z0-9_-]{43}")
_S = browser_sessions.c
_NAME = "browser_session"  # The transactions'. They are no crash points, because they change no order.


@dataclass(frozen=True, slots=True)
class BrowserSession:
    """A browser that is signed in."""

    token_digest: str = field(repr=False)  # Of the token that it signed in with.
    seconds_left: float  # Until it expires, when it was read.


def is_cookie(text: str) -> bool:
    """Whether the text can be the cookie of a session."""
    return _PATTERN.fullmatch(text) is not None


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
        connection.execute(delete(browser_sessions).where(_S.digest.in_(_surplus(connection, token_digest))))
        connection.execute(row)

    database.write(work, name=_NAME)
    return cookie


def _surplus(connection: Connection, token_digest: str) -> list[str]:
    """The token's oldest sessions, but for one less than it may have."""
    newest = (
        select(_S.digest).where(_S.token_digest == token_digest).order_by(_S.created_at.desc(), _S.digest)
    )
    return list(connection.scalars(newest.offset(MOST_OF_A_TOKEN - 1)))


def read_sessions(connection: Connection, clock: Clock) -> dict[str, BrowserSession]:
    """All sessions that have not expired, by the digests of their cookies, within a running transaction."""
    if not has_table(connection, browser_sessions.name):
        return {}
    now = clock.after(0)
    wanted = select(_S.digest, _S.token_digest, _S.expires_at, now.label("now")).where(_S.expires_at > now)
    return {
        row.digest: BrowserSession(row.token_digest, (row.expires_at - row.now).total_seconds())
        for row in connection.execute(wanted)
    }


def end_session(database: Database, cookie: str) -> None:
    """Sign the browser out, in every process within seconds: see `KnownTokens`."""
    ended = delete(browser_sessions).where(_S.digest == digest_of(cookie))

    def work(connection: Connection) -> None:
        if has_table(connection, browser_sessions.name):
            connection.execute(ended)

    database.write(work, name=_NAME)

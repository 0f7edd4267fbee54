"""The valid tokens as one process knows them: those of its settings, and those that it last read from the database.

With them come the browsers that have signed in. So a request costs no read of the database, and a wrong token or a
made-up cookie costs none either while many of them come.
"""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from breakwall.access import shared_read
from breakwall.access.sessions import BrowserSession, read_sessions
from breakwall.access.shared_read import LastRead, SharedRead, Work
from breakwall.access.stored_tokens import USED_AT_PRECISION, TokensRead, read_tokens, record_use
from breakwall.access.tokens import AccessToken, digest_of
from breakwall.api_tokens import ConfiguredToken
from breakwall.payments.db.clock import DATABASE_CLOCK, Clock
from breakwall.payments.db.database import Database, DatabaseUnavailableError

logger = logging.getLogger("breakwall.access")

# Seconds for which what was read counts while the database does not answer.
LONGEST = 60.0


@dataclass(frozen=True, slots=True)
class _Known:
    """What was read. ``sessions``: by the digests of their cookies."""

    tokens: TokensRead
    sessions: Mapping[str, BrowserSession]


class KnownTokens:
    """Finds the token that a request presents, itself or by a browser's cookie. Safe for threads.

    ``monotonic`` gives seconds. ``run_behind`` runs something that the request does not wait for, ``run_read`` a read
    of the database that it waits for; by default both in threads of their own.
    """

    def __init__(
        self,
        database: Database,
        configured: Sequence[ConfiguredToken] = (),
        *,
        clock: Clock = DATABASE_CLOCK,
        monotonic: Callable[[], float] = time.monotonic,
        run_behind: Callable[[Work], None] | None = None,
        run_read: Callable[[Work], None] | None = None,
    ) -> None:
        self._database = database
        self._configured = [AccessToken(one.name, one.scopes, one.digest) for one in configured]
        self._clock = clock
        self._monotonic = monotonic
        self._run_behind = run_behind or shared_read.in_a_thread
        self._reads = SharedRead(
            lambda: database.read(self._read),
            monotonic=monotonic,
            start=run_read or shared_read.in_a_thread,
        )
        self._was_any = False
        self._used: dict[str, float] = {}

    def is_at_hand(self) -> bool:
        """Whether nothing has to be waited for: what is known is fresh, or has to do for now."""
        return self._reads.is_at_hand()

    def outdate(self) -> None:
        """This process has just changed a token or a session: the next request reads them again."""
        self._reads.outdate()

    def are_required(self) -> bool:
        """Whether a request needs a token: there is one, or there was one. Then it stays so if the last is revoked.

        Raises `DatabaseUnavailableError` if that was never read, and cannot be.
        """
        return bool(self._configured) or self._known().any_ever or self._was_any

    def are_unknown(self) -> bool:
        """Whether the stored tokens are not known: none was read, or the last read is too old to count."""
        return self._counting() is None

    def has_any(self) -> bool:
        """Whether a token is valid now. Raises as `are_required`."""
        return bool(self._configured) or bool(self._known().valid)

    def find_at_once(self, token: str) -> AccessToken | None:
        """The valid token with this text, without waiting for the database; None also if only it can tell."""
        return self._match(digest_of(token), self._valid() if self.is_at_hand() else self._configured)

    def find(self, token: str) -> AccessToken | None:
        """The valid token with this text, by what was read last."""
        return self._match(digest_of(token), self._valid())

    def find_session(self, cookie: str) -> AccessToken | None:
        """The valid token that the browser with this cookie signed in with, by what was read last."""
        read = self._counting()
        if read is None or (session := read.value.sessions.get(digest_of(cookie))) is None:
            return None
        if self._monotonic() - read.at >= session.seconds_left:
            return None
        return self._match(session.token_digest, self._valid())

    def refresh(self, *, since: float | None = None) -> bool:
        """Read again unless that was done since ``since``, by ``monotonic`` (default: `REREAD` ago).

        Returns whether what is known is as new as that: False while the database does not answer; then what was read
        last counts. It waits `shared_read.TIMEOUT` at most. Threads that come at the same time share one read.
        """
        return self._reads.refresh(since)

    def _read(self, connection: Connection) -> _Known:
        found = _Known(read_tokens(connection, self._clock), read_sessions(connection, self._clock))
        # A database that was taken back to the version before has no tokens. This process does not become open by it.
        self._was_any = self._was_any or found.tokens.any_ever
        return found

    def _known(self) -> TokensRead:
        self.refresh()
        if self._reads.latest is None:
            raise self._reads.error or DatabaseUnavailableError(
                "the API's tokens are not known yet: the orders database does not answer"
            )
        return self._reads.latest.value.tokens

    def _match(self, digest: str, tokens: Sequence[AccessToken]) -> AccessToken | None:
        found = None
        for one in tokens:
            # The same time for each, so that none tells how much of a digest was right.
            if hmac.compare_digest(one.digest, digest):
                found = one
        if found is not None:
            self._note_use(found)
        return found

    def _counting(self) -> LastRead[_Known] | None:
        """What was read last, while it counts."""
        read = self._reads.latest
        return None if read is None or self._monotonic() >= read.at + LONGEST else read

    def _valid(self) -> list[AccessToken]:
        if (read := self._counting()) is None:
            return self._configured
        age, stored = self._monotonic() - read.at, read.value.tokens.valid
        return self._configured + [one for one, left in stored if left is None or age < left]

    def _note_use(self, token: AccessToken) -> None:
        now = self._monotonic()
        if token in self._configured or now < self._used.get(token.digest, -1e9) + USED_AT_PRECISION:
            return
        self._used[token.digest] = now  # Few: only valid tokens are in it.
        self._run_behind(lambda: self._write_use(token.digest))

    def _write_use(self, digest: str) -> None:
        try:
            record_use(self._database, digest, clock=self._clock)
        except DatabaseUnavailableError as error:
            logger.debug("a token's use was not recorded: %s", error)

"""The valid tokens as one process knows them: those of its settings, and those that it last read from the database.

So a request costs no read of the database, and a wrong token costs none either while many of them come.
"""

from __future__ import annotations

import hmac
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from breakwall.access.stored_tokens import USED_AT_PRECISION, TokensRead, read_tokens, record_use
from breakwall.access.tokens import AccessToken, digest_of
from breakwall.api_tokens import ConfiguredToken
from breakwall.payments.db.clock import DATABASE_CLOCK, Clock
from breakwall.payments.db.database import Database, DatabaseUnavailableError

logger = logging.getLogger("breakwall.access")

# Seconds for which what was read counts. A revoked token works for so long.
REREAD = 5.0
# Seconds for which it counts while the database does not answer.
LONGEST = 60.0
FAILURE_PAUSE = 1.0  # Seconds after a failed read until the next one.


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read, and when by this process's clock."""

    tokens: TokensRead
    at: float


class KnownTokens:
    """Finds the token that a request presents. Safe for threads.

    ``monotonic`` gives seconds. ``run_behind`` runs something that the request does not wait for.
    """

    def __init__(
        self,
        database: Database,
        configured: Sequence[ConfiguredToken] = (),
        *,
        clock: Clock = DATABASE_CLOCK,
        monotonic: Callable[[], float] = time.monotonic,
        run_behind: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        self._database = database
        self._configured = [AccessToken(one.name, one.scopes, one.digest) for one in configured]
        self._clock = clock
        self._monotonic = monotonic
        self._run_behind = run_behind or _in_a_thread
        self._read: _Read | None = None
        self._failed_at: float | None = None
        self._reading = threading.Lock()
        self._used: dict[str, float] = {}

    @property
    def is_fresh(self) -> bool:
        """Whether nothing has to be read from the database now."""
        return self._read is not None and self._monotonic() < self._read.at + REREAD

    def are_required(self) -> bool:
        """Whether a request needs a token: there is one, or there was one. Then it stays so if the last is revoked.

        Raises `DatabaseUnavailableError` if that was never read, and cannot be.
        """
        return bool(self._configured) or self._known().any_ever

    def has_any(self) -> bool:
        """Whether a token is valid now. Raises as `are_required`."""
        return bool(self._configured) or bool(self._known().valid)

    def _known(self) -> TokensRead:
        self.refresh()
        if self._read is None:
            raise DatabaseUnavailableError(
                "the API's tokens are not known yet: the orders database does not answer"
            )
        return self._read.tokens

    def find_at_once(self, token: str) -> AccessToken | None:
        """The valid token with this text, without waiting for the database; None also if only it can tell."""
        return self._match(digest_of(token), self._valid() if self.is_fresh else self._configured)

    def find(self, token: str) -> AccessToken | None:
        """The valid token with this text, by what was read last."""
        return self.find_digest(digest_of(token))

    def find_digest(self, digest: str) -> AccessToken | None:
        """The same by the token's digest."""
        return self._match(digest, self._valid())

    def _match(self, digest: str, tokens: Sequence[AccessToken]) -> AccessToken | None:
        found = None
        for one in tokens:
            # The same time for each, so that none tells how much of a digest was right.
            if hmac.compare_digest(one.digest, digest):
                found = one
        if found is not None:
            self._note_use(found)
        return found

    def refresh(self, *, since: float | None = None) -> bool:
        """Read the tokens again unless they were read since ``since``, by ``monotonic`` (default: `REREAD` ago).

        Returns whether what is known is as new as that: False while the database does not answer; then what was read
        last counts. Threads that come at the same time share one read.
        """
        with self._reading:
            now = self._monotonic()
            is_new = self.is_fresh if since is None else self._read is not None and self._read.at >= since
            if is_new:
                return True
            if self._failed_at is not None and now < self._failed_at + FAILURE_PAUSE:
                return False
            return self._read_again(now)

    def _read_again(self, now: float) -> bool:
        try:
            tokens = self._database.read(lambda connection: read_tokens(connection, self._clock))
        except DatabaseUnavailableError as error:
            self._failed_at = self._monotonic()
            logger.warning("the API's tokens cannot be read: %s", error)
            return False
        self._read = _Read(tokens, now)
        return True

    def _valid(self) -> list[AccessToken]:
        read, now = self._read, self._monotonic()
        if read is None or now >= read.at + LONGEST:
            return self._configured
        age = now - read.at
        return self._configured + [one for one, left in read.tokens.valid if left is None or age < left]

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


def _in_a_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="breakwall-token-use", daemon=True).start()

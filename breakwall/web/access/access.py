"""Who has sent a request: the holder of a token, a browser that has signed in with one, or anybody on loopback."""

from __future__ import annotations

import logging
import math
import re
import time
from collections.abc import Callable

from starlette.requests import HTTPConnection

from breakwall.access.known_tokens import KnownTokens
from breakwall.access.scopes import ALL_SCOPES
from breakwall.access.sessions import token_of_session
from breakwall.access.tokens import AccessToken
from breakwall.payments.db.clock import DATABASE_CLOCK, Clock
from breakwall.payments.db.database import Database, DatabaseUnavailableError
from breakwall.urls.host_names import is_loopback
from breakwall.web.access.failed_tries import FailedTries
from breakwall.web.access.principal import Principal
from breakwall.web.problems import ProblemError, ProblemType

logger = logging.getLogger("breakwall.access")

_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*) *", re.IGNORECASE | re.ASCII)
RETRY_AFTER = 2  # Seconds, while the database does not answer.
ANYBODY = Principal(None, ALL_SCOPES)  # On loopback, as long as there is no token.


class SignInNeededError(Exception):
    """A browser without a session asks for a page."""


class Access:
    """Identifies who sends requests to one server. Safe for threads.

    ``host``: the address that the server is bound to. On loopback no token is needed as long as there is none.
    """

    def __init__(
        self,
        tokens: KnownTokens,
        database: Database,
        host: str,
        *,
        clock: Clock = DATABASE_CLOCK,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tokens = tokens
        self.database = database
        self.clock = clock
        self._is_open = is_loopback(host)
        self._monotonic = monotonic
        self._tries = FailedTries(monotonic)

    def identify_at_once(self, request: HTTPConnection) -> Principal | None:
        """Whoever has sent a request, without waiting for the database; None if only `identify` can tell."""
        if "authorization" in request.headers:
            token = bearer_token(request)
            found = None if token is None else self.tokens.find_at_once(token)
            return None if found is None else Principal(found.name, found.scopes)
        is_plain = cookie_name(request) not in request.cookies
        if is_plain and self.tokens.is_fresh and not self.requires_token():
            return ANYBODY
        return None

    def identify(self, request: HTTPConnection) -> Principal:
        """The same, with the database.

        Raises `ProblemError` for a wrong token, and for none where one is needed; `SignInNeededError` if that is a
        person's browser that asks for a page.
        """
        try:
            found = self._find(request)
        except DatabaseUnavailableError as error:
            raise unavailable() from error
        if found is not None:
            return Principal(found.name, found.scopes)
        if not self.requires_token():
            return ANYBODY
        if _asks_for_a_page(request):
            raise SignInNeededError
        raise _unauthenticated("This needs a token.")

    def requires_token(self) -> bool:
        """Whether a request without a token is refused. Raises `ProblemError` if that is not known."""
        try:
            return not self._is_open or self.tokens.are_required()
        except DatabaseUnavailableError as error:
            raise unavailable() from error

    def check_token(self, token: str, address: str) -> AccessToken:
        """The valid token with this text. Raises `ProblemError`; its text never says whether there is such a token."""
        if (found := self.tokens.find_at_once(token)) is not None:
            return found
        arrived = self._monotonic()
        self.tokens.refresh()
        if (found := self.tokens.find(token)) is not None:
            return found
        # Only wrong tokens, and those made within the last seconds, come so far.
        if wait := self._tries.wait_of(address):
            raise _too_many(wait)
        is_current = self.tokens.refresh(since=arrived)
        if (found := self.tokens.find(token)) is not None:
            return found
        if not is_current:
            raise unavailable()
        self._tries.add(address)
        logger.warning("a request from %s was refused: it has no valid token", address)
        raise _unauthenticated("The token is not valid.")

    def session_token(self, request: HTTPConnection) -> AccessToken | None:
        """The valid token that the browser signed in with. Raises `DatabaseUnavailableError`."""
        cookie = request.cookies.get(cookie_name(request))
        digest = None if cookie is None else token_of_session(self.database, cookie, clock=self.clock)
        if digest is None:
            return None
        self.tokens.refresh()
        return self.tokens.find_digest(digest)

    def _find(self, request: HTTPConnection) -> AccessToken | None:
        if "authorization" in request.headers:
            return self.check_token(bearer_token(request) or "", address_of(request))
        return self.session_token(request)


def bearer_token(request: HTTPConnection) -> str | None:
    """The token in the header; None without the header, or if it is not a bearer's."""
    found = _BEARER.fullmatch(request.headers.get("authorization", ""))
    return found[1] if found else None


def _asks_for_a_page(request: HTTPConnection) -> bool:
    headers = request.headers
    is_document = headers.get("sec-fetch-dest", "document") == "document" and "hx-request" not in headers
    return request.scope["method"] == "GET" and is_document and "text/html" in headers.get("accept", "")


def cookie_name(request: HTTPConnection) -> str:
    """Browsers accept the prefix only with TLS, and then from this very host alone."""
    return "__Host-breakwall" if request.scope["scheme"] == "https" else "breakwall"


def address_of(request: HTTPConnection) -> str:
    """The address of the client, for the limit on failed tries."""
    return request.client.host if request.client else "unknown"


def unavailable() -> ProblemError:
    """While the database does not answer, nobody knows whether a token is valid."""
    return ProblemError(
        ProblemType.UNAVAILABLE,
        "The orders database does not answer, so the token cannot be checked.",
        headers={"Retry-After": str(RETRY_AFTER)},
    )


def _unauthenticated(detail: str) -> ProblemError:
    return ProblemError(ProblemType.UNAUTHENTICATED, detail, headers={"WWW-Authenticate": "Bearer"})


def _too_many(wait: float) -> ProblemError:
    return ProblemError(
        ProblemType.TOO_MANY_TRIES,
        "Too many wrong tokens were tried.",
        headers={"Retry-After": str(math.ceil(wait))},
    )

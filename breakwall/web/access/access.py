"""Who has sent a request: the holder of a token, a browser that has signed in with one, or anybody on loopback."""

from __future__ import annotations

import logging
import math
import re
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar, cast

from anyio import CapacityLimiter, to_thread
from starlette.requests import HTTPConnection

from breakwall.access.known_tokens import KnownTokens
from breakwall.access.scopes import ALL_SCOPES, Scope
from breakwall.access.sessions import is_cookie
from breakwall.access.tokens import AccessToken
from breakwall.payments.db.clock import DATABASE_CLOCK, Clock
from breakwall.payments.db.database import Database, DatabaseUnavailableError
from breakwall.urls.host_names import address_in, is_loopback
from breakwall.web.access.failed_tries import FailedTries
from breakwall.web.access.principal import Principal
from breakwall.web.problems import ProblemError, ProblemType

logger = logging.getLogger("breakwall.access")

_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*) *", re.IGNORECASE | re.ASCII)
RETRY_AFTER = 2  # Seconds, while the database does not answer.
ANYBODY = Principal(None, ALL_SCOPES)  # On loopback, as long as there is no token.
# In the ASGI scope: the `Principal` of a request whose work is done. To ask again might refuse it, or take a wait.
IDENTIFIED = "breakwall.principal"
# The headers of proxies, beside `X-Forwarded-…`.
FORWARDED = {b"forwarded", b"via", b"x-real-ip"}
# Threads that wait for the tokens: of their own, so that no slow page keeps an order from being let in.
THREADS = 8

T = TypeVar("T")


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
        self._threads = CapacityLimiter(THREADS)
        self._has_warned = False

    async def principal(self, request: HTTPConnection) -> Principal:
        """Whoever has sent a request. Most are known from memory; the others wait for the database, in a thread.

        Raises as `identify`.
        """
        if (known := request.scope.get(IDENTIFIED)) is not None:
            return cast("Principal", known)
        if (found := self.identify_at_once(request)) is not None:
            return found
        return await self._in_a_thread(self.identify, request)

    async def may_go_on(self, request: HTTPConnection, scopes: frozenset[Scope]) -> bool:
        """Whether an event stream goes on: who began it could begin it again. No failed try is counted.

        While the database does not answer for so long that no token is known any more, the stream has nothing new to
        tell either. Then it goes on, and tells that.
        """
        try:
            found = self.identify_at_once(request) or await self._in_a_thread(self._listener, request)
        except ProblemError:
            found = None
        return self.tokens.are_unknown() if found is None else bool(found.scopes & scopes)

    async def _in_a_thread(self, work: Callable[[HTTPConnection], T], request: HTTPConnection) -> T:
        return await to_thread.run_sync(work, request, limiter=self._threads)

    def identify_at_once(self, request: HTTPConnection) -> Principal | None:
        """Whoever has sent a request, without waiting for the database; None if only `identify` can tell.

        Raises `ProblemError` for a forwarded request without a token, where none is needed.
        """
        if "authorization" in request.headers:
            token = bearer_token(request)
            return _principal(None if token is None else self.tokens.find_at_once(token))
        return self._without_header(request) if self.tokens.is_at_hand() else None

    def identify(self, request: HTTPConnection) -> Principal:
        """The same, with the database.

        Raises `ProblemError` for a wrong token, and for none where one is needed; `SignInNeededError` if that is a
        person's browser that asks for a page.
        """
        if "authorization" in request.headers:
            found = self.check_token(bearer_token(request) or "", address_of(request))
            return Principal(found.name, found.scopes)
        if not self.requires_token():
            return self._anybody(request)
        if (session := _principal(self.session_token(request))) is not None:
            return session
        if _asks_for_a_page(request):
            raise SignInNeededError
        raise _unauthenticated("This needs a token.")

    def _listener(self, request: HTTPConnection) -> Principal | None:
        self.tokens.refresh()
        if "authorization" in request.headers:
            return _principal(self.tokens.find(bearer_token(request) or ""))
        return self._without_header(request)

    def _without_header(self, request: HTTPConnection) -> Principal | None:
        """By what was read last."""
        if not self.requires_token():
            return self._anybody(request)
        cookie = request.cookies.get(cookie_name(request), "")
        return _principal(self.tokens.find_session(cookie)) if is_cookie(cookie) else None

    def _anybody(self, request: HTTPConnection) -> Principal:
        if any(name in FORWARDED or name.startswith(b"x-forwarded-") for name, _ in request.scope["headers"]):
            raise ProblemError(
                ProblemType.FORWARDED,
                "This request was forwarded, so it may come from another machine, and this server has no token yet. "
                "Make one with `breakwall token create`, or send the request from this machine without a proxy.",
            )
        self._warn_once()
        return ANYBODY

    def warn_if_open(self) -> None:
        """Say in the log that no token is needed, if that is so. It waits for the database as `requires_token` does.

        If that is not known, the first request that needs none says it.
        """
        with suppress(ProblemError):
            if not self.requires_token():
                self._warn_once()

    def _warn_once(self) -> None:
        if not self._has_warned:
            self._has_warned = True
            logger.warning(
                "there is no token yet: everybody on this machine, and whatever forwards to it, may do everything "
                "here. `breakwall token create` makes one; from then on every request needs one"
            )

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
        """The valid token that the browser signed in with. Raises `ProblemError` if that is not known."""
        cookie = request.cookies.get(cookie_name(request), "")
        if not is_cookie(cookie):
            return None
        arrived, address = self._monotonic(), address_of(request)
        self.tokens.refresh()
        if (found := self.tokens.find_session(cookie)) is not None:
            return found
        # As with a token: only what is made up, ended, or made within the last seconds comes so far.
        if self._tries.wait_of(address):
            return None
        is_current = self.tokens.refresh(since=arrived)
        if (found := self.tokens.find_session(cookie)) is None:
            if not is_current:
                raise unavailable()
            self._tries.add(address)
        return found


def _principal(token: AccessToken | None) -> Principal | None:
    return None if token is None else Principal(token.name, token.scopes)


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
    return "__Host-breakwall" if is_https(request) else "breakwall"


def is_https(request: HTTPConnection) -> bool:
    """Whether the caller's connection is encrypted. A trusted proxy has said it, where there is one."""
    return bool(request.scope["scheme"] == "https")


def address_of(request: HTTPConnection) -> str:
    """The address of the client, for the limit on failed tries. A trusted proxy has said it, where there is one."""
    given = request.client.host if request.client else ""
    return "unknown" if address_in(given) is None else given


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

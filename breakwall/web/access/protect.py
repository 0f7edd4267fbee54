"""Puts the protections around the application, and refuses to serve an open one to other machines."""

from __future__ import annotations

import time
from collections.abc import Callable

from fastapi import FastAPI
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from breakwall.access.known_tokens import KnownTokens
from breakwall.errors import BreakwallError, ExitCode
from breakwall.payments.db.clock import DATABASE_CLOCK, Clock
from breakwall.payments.db.database import Database
from breakwall.settings import Settings
from breakwall.urls.host_names import is_loopback, parse_host_names, parse_networks
from breakwall.web.access import sign_in
from breakwall.web.access.access import Access, SignInNeededError
from breakwall.web.access.request_guard import RequestGuard, own_hosts
from breakwall.web.access.security_headers import SecurityHeaders


class OpenToAllError(BreakwallError):
    """The server would be reachable from other machines, and there is no token. It did not start."""

    kind = "refused"
    exit_code = ExitCode.REFUSED


def protect(
    app: FastAPI,
    settings: Settings,
    database: Database,
    host: str,
    *,
    clock: Clock = DATABASE_CLOCK,
    monotonic: Callable[[], float] = time.monotonic,
) -> None:
    """Before the first request: let `allow` know the tokens, and put the guard and the headers around the routes.

    ``host``: the address that the server is bound to.
    """
    tokens = KnownTokens(database, settings.configured_tokens, clock=clock, monotonic=monotonic)
    app.state.access = Access(tokens, database, host, clock=clock, monotonic=monotonic)
    app.include_router(sign_in.router)
    app.add_exception_handler(SignInNeededError, sign_in.redirect_to_form)
    app.state.is_own_host = own_hosts(host, parse_host_names(settings.api.hosts))
    app.add_middleware(RequestGuard, is_own_host=app.state.is_own_host)
    if proxies := parse_networks(settings.api.proxies):
        # It gives the request the scheme and the address that the caller used: for all who ask, as `address_of`.
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=[str(one) for one in proxies])
    # Starlette answers a crash outside of all middlewares. That answer needs the headers, too.
    build = app.build_middleware_stack
    app.build_middleware_stack = lambda: SecurityHeaders(build())  # type: ignore[method-assign]


def refuse_open_bind(host: str, settings: Settings, database: Database) -> None:
    """Raise `OpenToAllError` if other machines can reach ``host`` and no token is valid.

    Raises `DatabaseUnavailableError` if that cannot be found out.
    """
    if is_loopback(host) or KnownTokens(database, settings.configured_tokens).has_any():
        return
    raise OpenToAllError(
        f"other machines can reach {host}, and there is no token: anybody could place orders. Make a token with "
        "`breakwall token create`, or set BREAKWALL_API_TOKENS, or use --host 127.0.0.1"
    )

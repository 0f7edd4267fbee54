"""How the payment service is reached: through which proxy, with which certificates. Both may change while we run."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import TypeVar

from breakwall.payments.gateways.transport.deadline import Call, DeadlineStream, connect
from breakwall.payments.gateways.transport.proxy import Proxy
from breakwall.payments.gateways.transport.resolver import Resolver

T = TypeVar("T")


class Route:
    """One way to the service. A connection belongs to the route that it was opened with."""

    def __init__(self, tls: ssl.SSLContext | None, proxy_url: str | None) -> None:
        """``tls``: None for a service without TLS. `ValueError` if the proxy's URL is invalid."""
        self.tls, self.proxy_url = tls, proxy_url
        self._proxy = None if proxy_url is None else Proxy(proxy_url)
        if tls is not None:
            tls.set_alpn_protocols(["http/1.1"])

    @property
    def forwarding_proxy(self) -> Proxy | None:
        """The proxy that reads the requests, because there is no TLS."""
        return self._proxy if self.tls is None else None

    def connect(self, host: str, port: int | None, resolver: Resolver, call: Call) -> DeadlineStream:
        """Connect to the service, with TLS if the route has it."""
        if self.tls is None:
            return self._reach(host, port or 80, resolver, call)
        return self._reach(host, port or 443, resolver, call).start_tls(self.tls, host, call)

    def _reach(self, host: str, port: int, resolver: Resolver, call: Call) -> DeadlineStream:
        if self._proxy is None:
            return connect(host, port, resolver, call)
        if self.tls is None:
            return self._proxy.connect(resolver, call)
        authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return self._proxy.tunnel(authority, resolver, call)


class Routes:
    """The route as it is now: another one after each change. Threads and forked processes may share it."""

    def __init__(
        self,
        tls: ssl.SSLContext | Callable[[], ssl.SSLContext] | None,
        proxy_url: str | Callable[[], str | None] | None,
    ) -> None:
        """Each value, or a function that returns it and never raises. `ValueError` as in `Route`."""
        self._tls, self._proxy_url = _function(tls), _function(proxy_url)
        self._route = Route(self._tls(), self._proxy_url())

    def current(self) -> Route:
        route, tls, proxy_url = self._route, self._tls(), self._proxy_url()
        if route.tls is not tls or route.proxy_url != proxy_url:
            self._route = route = Route(tls, proxy_url)
        return route


def _function(value: T | Callable[[], T]) -> Callable[[], T]:
    return value if callable(value) else lambda: value

"""`HttpService` calls a payment service over HTTP; `HttpGateway` is a gateway to one that speaks Breakwall's protocol.

In that protocol, ``POST {url}/api/charge`` charges; ``GET {url}/api/charges/{key}`` looks up an earlier charge.
"""

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from typing import Any, TypeVar
from urllib.parse import quote

import httpx2

from breakwall import __version__
from breakwall.breaker import forking
from breakwall.credentials import basic_auth, system_tls
from breakwall.payments.gateways.base import ChargeAnswer, ChargeRequest, GatewayProfile, LookupAnswer
from breakwall.payments.gateways.charge_answers import (
    DEFAULT_BOUNDS,
    Bounds,
    classify_charge,
    classify_charge_error,
)
from breakwall.payments.gateways.lookup_answers import classify_lookup, classify_lookup_error
from breakwall.payments.gateways.transport.connections import ConnectionPool, Reply
from breakwall.payments.gateways.transport.deadline import Call, DeadlineStream
from breakwall.payments.gateways.transport.errors import DeadlinePassedError, Phase, PoolFullError
from breakwall.payments.gateways.transport.request import Request
from breakwall.payments.gateways.transport.resolver import Resolver
from breakwall.payments.gateways.transport.routes import Route, Routes
from breakwall.payments.gateways.trusted_answers import hide_secrets
from breakwall.payments.gateways.wire_keys import wire_key

Result = TypeVar("Result")

# The fields of a charge's body, in their order. The key is a header.
_BODY = tuple(
    field.name for field in fields(ChargeRequest) if field.name not in {"idempotency_key", "prepared"}
)


class HttpService:
    """A payment service that is called over HTTP, to be shared by all threads of a process.

    It retries nothing, follows no redirect and ignores the environment's proxies. It connects with the first call;
    after a ``fork`` the child opens its own connections.

    Args:
        url: ``https://user:password@host:port/prefix``; only scheme and host are needed. User and password become HTTP
            basic authentication.
        max_connections: at least the number of threads that charge.
        pool_wait: seconds to wait for a free connection. Short: a call that gets its connection late would end as
            unknown.
        keepalive: seconds that an idle connection is kept. Every usual server's own limit is longer (gunicorn's 2 s is
            the shortest), so we rarely write into a connection that is being closed.
        bounds: limits of an answer: the bytes of its body, and the seconds of its ``Retry-After``.
        tls: None: with the system's certificate authorities, or those of ``SSL_CERT_FILE``.
        token: called for the bearer token of each request.
        headers: additional ones of each request.
        proxy: an HTTP proxy's URL, ``http://user:password@host:port``.

    ``tls``, ``headers`` and ``proxy`` may change: each may be a function that is called for each request. With the
    first request after a change of ``tls`` or ``proxy``, connections from before are not used any more. No function may
    raise.

    Raises:
        ValueError: a URL is invalid. The text does not repeat it.
    """

    def __init__(
        self,
        url: str,
        *,
        max_connections: int = 100,
        pool_wait: float = 1.0,
        keepalive: float = 1.0,
        bounds: Bounds = DEFAULT_BOUNDS,
        tls: ssl.SSLContext | Callable[[], ssl.SSLContext] | None = None,
        token: Callable[[], str] | None = None,
        headers: Mapping[str, str] | Callable[[], Mapping[str, str]] | None = None,
        proxy: str | Callable[[], str | None] | None = None,
    ) -> None:
        self._base, own = _split(url)
        self._own_headers, self._token = own, token
        self._more_headers = headers if callable(headers) else lambda: headers or {}
        is_https = self._base.scheme == "https"
        self._routes = Routes((tls or system_tls()) if is_https else None, proxy)
        self._keepalive, self._pool_wait = keepalive, pool_wait
        self._max_connections, self._bounds = max_connections, bounds
        self._open()
        forking.remember(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._base)!r})"

    def exchange(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        content: bytes,
        *,
        deadline: float,
        answered: Callable[..., Result],
        failed: Callable[[Exception, Phase], Result],
    ) -> Result:
        """Send one request, and return what ``answered`` makes of its answer, or ``failed`` of the error.

        ``path`` follows that of the service's URL. ``answered`` is called as `classify_charge` is.
        """
        return self._exchange(self._request(method, path, headers, content), deadline, answered, failed)

    def get(self, path: str, *, deadline: float) -> Reply:
        """The answer to a GET below the service's URL, with our credentials. Any error of the call is raised."""
        forking.notice()
        request, route = self._request("GET", path, {}, b"")
        return self._send(request, route, Call(deadline))

    def close(self) -> None:
        """Close the connections. Safe to call twice."""
        forking.notice()
        self._pool.close()
        self._resolver.close()

    def _open(self) -> None:
        self._resolver = Resolver()
        self._slots = threading.BoundedSemaphore(self._max_connections)
        self._pool = ConnectionPool(self._connect, keepalive=self._keepalive)

    def _connect(self, route: Route, call: Call) -> DeadlineStream:
        return route.connect(self._base.raw_host.decode("ascii"), self._base.port, self._resolver, call)

    def _request(
        self, method: str, path: str, headers: Mapping[str, str], content: bytes
    ) -> tuple[Request, Route]:
        """A request, and the route that it is made for."""
        target = self._base.raw_path.rstrip(b"/") + path.encode("ascii")
        sent = {**self._own_headers, **self._more_headers(), **headers}
        if self._token is not None:
            sent["Authorization"] = f"Bearer {self._token()}"
        route = self._routes.current()
        if (proxy := route.forwarding_proxy) is not None:
            target = b"http://" + self._base.netloc + target
            sent.update(proxy.headers)
        return Request(method, target, sent, content), route

    def _exchange(
        self,
        outgoing: tuple[Request, Route],
        deadline: float,
        answered: Callable[..., Result],
        failed: Callable[..., Result],
    ) -> Result:
        forking.notice()
        request, route = outgoing
        call = Call(deadline)
        try:
            reply = self._send(request, route, call)
        # A caller must see no error of the service or the network; the phase says what the error means.
        except Exception as error:
            return failed(error, call.phase)
        return answered(reply.status, reply.headers, reply.body, now=time.time(), bounds=self._bounds)

    def _send(self, request: Request, route: Route, call: Call) -> Reply:
        with self._slot(call):
            return self._pool.exchange(request, self._bounds.max_body, call, route)

    @contextmanager
    def _slot(self, call: Call) -> Iterator[None]:
        if (left := call.left()) <= 0:
            raise DeadlinePassedError
        slots = self._slots  # a fork in the meantime replaces them
        if not slots.acquire(timeout=min(left, self._pool_wait)):
            raise PoolFullError
        try:
            yield
        finally:
            slots.release()

    def after_fork(self) -> None:
        """Start anew in a forked child: the sockets are the parent's, and its locks may stay locked for ever."""
        self._open()


class HttpGateway(HttpService):
    """A `Gateway` to a service that speaks Breakwall's HTTP protocol.

    Args:
        profile: what the payment service promises; it decides when an order may be sent again.
        service: the arguments of `HttpService`.
    """

    def __init__(self, url: str, *, profile: GatewayProfile, **service: Any) -> None:
        super().__init__(url, **service)
        self.profile = profile

    def charge(self, request: ChargeRequest, *, deadline: float) -> ChargeAnswer:
        """Charge once; see `Gateway.charge`. `ValueError` if the request has no idempotency key."""
        headers = {"Idempotency-Key": wire_key(request.idempotency_key), "Content-Type": "application/json"}
        body = {name: value for name in _BODY if (value := getattr(request, name)) is not None}
        outgoing = self._request("POST", "/api/charge", headers, json.dumps(body).encode())
        answer = self._exchange(outgoing, deadline, classify_charge, classify_charge_error)
        return hide_secrets(answer, request)  # A service may repeat the payment method as a code.

    def look_up(self, idempotency_key: str, *, deadline: float) -> LookupAnswer:
        """Look up an earlier charge; see `Gateway.look_up`. `ValueError` if the key is empty."""
        path = f"/api/charges/{quote(wire_key(idempotency_key), safe='')}"
        # A proxy's cached answer to an earlier look-up proves nothing.
        uncached = {"Cache-Control": "no-cache", "Pragma": "no-cache"}
        outgoing = self._request("GET", path, uncached, b"")
        return self._exchange(outgoing, deadline, classify_lookup, classify_lookup_error)


def _split(url: str) -> tuple[httpx2.URL, dict[str, str]]:
    """The URL without its user and password, and the headers of every request."""
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, TypeError):
        raise ValueError("the payment service's URL should be like http://host:port") from None
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ValueError("the payment service's URL must start with http:// or https:// and name a host")
    if parsed.query or parsed.fragment:
        raise ValueError("the payment service's URL must end with its path, without ? and #")
    headers = {
        "Host": parsed.netloc.decode("ascii"),
        "Accept": "application/json",
        "Accept-Encoding": "identity",  # a small compressed body could fill the memory
        "User-Agent": f"breakwall/{__version__}",
    }
    if parsed.userinfo:
        headers["Authorization"] = basic_auth(parsed.username, parsed.password)
    return parsed.copy_with(username=None, password=None), headers

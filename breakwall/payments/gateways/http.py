"""A payment service that speaks Breakwall's HTTP protocol (docs/adr/0004-total-deadline.md).

``POST {url}/api/charge`` charges, ``GET {url}/api/charges/{key}`` looks an earlier charge up.
"""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar
from urllib.parse import quote

import httpx2

from breakwall import __version__
from breakwall.breaker import forking
from breakwall.credentials import basic_auth
from breakwall.payments.gateways.answers import (
    DEFAULT_BOUNDS,
    Bounds,
    DeadlinePassedError,
    PoolFullError,
    classify,
    classify_error,
)
from breakwall.payments.gateways.base import Answer, ChargeRequest, GatewayProfile, LookUpAnswer
from breakwall.payments.gateways.lookup_answers import classify_look_up, classify_look_up_error
from breakwall.payments.gateways.sent_keys import wire_key
from breakwall.payments.gateways.transport.connections import ConnectionPool, Request
from breakwall.payments.gateways.transport.deadline import Call, DeadlineStream, connect
from breakwall.payments.gateways.transport.proxy import Proxy
from breakwall.payments.gateways.transport.resolver import Resolver

Result = TypeVar("Result")


class HttpGateway:
    """A `Gateway` over HTTP; share one between all threads of a process.

    Nothing is retried, no redirect is followed, no proxy is taken from the environment. A child made by
    ``fork`` gets connections of its own.
    """

    def __init__(
        self,
        url: str,
        *,
        profile: GatewayProfile,
        max_connections: int = 100,
        pool_wait: float = 1.0,
        keepalive: float = 1.0,
        max_body: int = DEFAULT_BOUNDS.max_body,
        max_retry_after: float = DEFAULT_BOUNDS.max_retry_after,
        tls: ssl.SSLContext | None = None,
        token: Callable[[], str] | None = None,
        headers: Mapping[str, str] | None = None,
        proxy: str | None = None,
    ) -> None:
        """Nothing is connected yet.

        Args:
            url: where the service is, ``https://user:password@host:port/prefix``; user, password, port
                and prefix are optional. User and password are sent as HTTP basic authentication.
            profile: what the service promises.
            max_connections: calls at once; at least the number of threads that charge.
            pool_wait: seconds to wait for a free connection. Short, because a call that got its
                connection late would end as unknown.
            keepalive: seconds that an idle connection is kept. Below every usual server's own limit
                (gunicorn's 2 s is the shortest), so that we rarely write into one that is being closed.
            max_body: bytes of an answer that are read; a longer one counts as unreadable.
            max_retry_after: seconds; a longer ``Retry-After`` is a mistake and is ignored.
            tls: instead of the system's certificate authorities (or ``SSL_CERT_FILE``).
            token: gives the bearer token, for each call anew. Must not raise.
            headers: more headers of each request, by name.
            proxy: the URL of an HTTP proxy on the way, ``http://user:password@host:port``.

        Raises:
            ValueError: a URL is not one, without repeating it.
        """
        self.profile = profile
        self._base, own = _split(url)
        self._headers, self._token = {**own, **(headers or {})}, token
        self._proxy = None if proxy is None else Proxy(proxy)
        self._tls = (tls or httpx2.create_ssl_context()) if self._base.scheme == "https" else None
        if self._tls is not None:
            self._tls.set_alpn_protocols(["http/1.1"])
        self._keepalive, self._pool_wait = keepalive, pool_wait
        self._max_connections, self._max_body = max_connections, max_body
        self._bounds = Bounds(max_body=max_body, max_retry_after=max_retry_after)
        self._open()
        forking.remember(self)

    def __repr__(self) -> str:
        return f"HttpGateway({str(self._base)!r})"

    def charge(self, request: ChargeRequest, *, deadline: float) -> Answer:
        """Charge once; see `Gateway.charge`.

        Raises:
            ValueError: the request has no idempotency key.
        """
        headers = {"Idempotency-Key": wire_key(request.idempotency_key), "Content-Type": "application/json"}
        order: dict[str, str | int] = {
            "order_id": request.order_id,
            "user_id": request.user_id,
            "amount": request.amount,
            "currency": request.currency,
        }
        if request.reference is not None:
            order["reference"] = request.reference
        outgoing = self._request("POST", "/api/charge", headers, json.dumps(order).encode())
        return self._exchange(outgoing, deadline, classify, classify_error)

    def look_up(self, idempotency_key: str, *, deadline: float) -> LookUpAnswer:
        """Ask for an earlier charge; see `Gateway.look_up`.

        Raises:
            ValueError: the key is empty.
        """
        path = f"/api/charges/{quote(wire_key(idempotency_key), safe='')}"
        # What a proxy on the way remembers of an earlier look-up proves nothing.
        fresh = {"Cache-Control": "no-cache", "Pragma": "no-cache"}
        outgoing = self._request("GET", path, fresh, b"")
        return self._exchange(outgoing, deadline, classify_look_up, classify_look_up_error)

    def close(self) -> None:
        """Close the connections. Safe to call twice."""
        forking.notice()
        self._pool.close()
        self._resolver.close()

    def _open(self) -> None:
        self._resolver = Resolver()
        self._slots = threading.BoundedSemaphore(self._max_connections)
        self._pool = ConnectionPool(self._connect, keepalive=self._keepalive)

    def _connect(self, call: Call) -> DeadlineStream:
        host = self._base.raw_host.decode("ascii")
        if self._tls is None:
            return self._reach(host, self._base.port or 80, call)
        return self._reach(host, self._base.port or 443, call).start_tls(self._tls, host, call)

    def _reach(self, host: str, port: int, call: Call) -> DeadlineStream:
        if self._proxy is None:
            return connect(host, port, self._resolver, call)
        if self._tls is None:
            return self._proxy.connect(self._resolver, call)
        authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return self._proxy.tunnel(authority, self._resolver, call)

    def _request(self, method: str, path: str, headers: Mapping[str, str], content: bytes) -> Request:
        target = self._base.raw_path.rstrip(b"/") + path.encode("ascii")
        more = dict(headers)
        if content:
            more["Content-Length"] = str(len(content))
        if self._token is not None:
            more["Authorization"] = f"Bearer {self._token()}"
        if self._proxy is not None and self._tls is None:
            target = b"http://" + self._base.netloc + target
            more.update(self._proxy.headers)
        return Request(method, target, {**self._headers, **more}, content)

    def _exchange(
        self,
        request: Request,
        deadline: float,
        answered: Callable[..., Result],
        failed: Callable[..., Result],
    ) -> Result:
        forking.notice()
        call = Call(deadline)
        try:
            with self._slot(call):
                reply = self._pool.exchange(request, self._max_body, call)
        # Whatever a service sends, it must not raise out of here; the phase says what it means.
        except Exception as error:
            return failed(error, call.phase)
        return answered(reply.status, reply.headers, reply.body, now=time.time(), bounds=self._bounds)

    @contextmanager
    def _slot(self, call: Call) -> Iterator[None]:
        if (left := call.left()) <= 0:
            raise DeadlinePassedError
        slots = self._slots  # a fork in between replaces them
        if not slots.acquire(timeout=min(left, self._pool_wait)):
            raise PoolFullError
        try:
            yield
        finally:
            slots.release()

    def after_fork(self) -> None:
        """In a forked child: the sockets are the parent's, and its locks may be held for ever."""
        self._open()


def _split(url: str) -> tuple[httpx2.URL, dict[str, str]]:
    """The address without its user and password, and the headers that every request has."""
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, TypeError):
        raise ValueError("the payment service's URL is not one: http://host:port would be right") from None
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

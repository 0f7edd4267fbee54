"""The webhook: a signed POST to the shop's endpoint, by Standard Webhooks 1.0.0."""

import hashlib
import time
from collections.abc import Callable, Mapping

import httpx2

from breakwall import __version__
from breakwall.breaker import parse_retry_after
from breakwall.credentials import basic_auth, system_tls
from breakwall.payments.gateways.transport.connections import ConnectionPool
from breakwall.payments.gateways.transport.deadline import Call, DeadlineStream
from breakwall.payments.gateways.transport.errors import ConnectError
from breakwall.payments.gateways.transport.request import Request
from breakwall.payments.gateways.transport.resolver import Resolver
from breakwall.payments.gateways.transport.routes import Route
from breakwall.payments.outcomes.addresses import PrivateAddressError, PublicResolver
from breakwall.payments.outcomes.destination import DELIVERED, Result
from breakwall.payments.outcomes.event import Event
from breakwall.payments.outcomes.schedule import LONGEST_RETRY_AFTER
from breakwall.payments.outcomes.signature import sign

KEEPALIVE = 1.0  # Seconds that an idle connection is kept, as for gateways.
MAX_ANSWER = 65_536  # Bytes that are read of an answer's body, so that the connection can be kept.
SLOW_DOWN = 5.0  # Seconds without a call after 429, 502 or 504, if the answer does not say how long.
_SLOW_DOWN = {429, 502, 504}
_GONE = 410


class WebhookDestination:
    """Sends events to ``url``. It follows no redirect, repeats nothing and ignores the environment's proxies.

    Args:
        url: user and password in it become HTTP basic authentication. A query is sent.
        secrets: each signs every request.
        allow_private: whether the address may be a private one.
        wall_clock: seconds since the epoch, for the signature's timestamp.
    """

    name = "webhook"

    def __init__(
        self,
        url: str,
        secrets: list[bytes],
        *,
        allow_private: bool = False,
        wall_clock: Callable[[], float] = time.time,
        resolver: Resolver | None = None,
    ) -> None:
        parsed = httpx2.URL(url)
        self._url = parsed.copy_with(username=None, password=None, fragment=None)
        self._secrets, self._wall_clock = secrets, wall_clock
        self._own = _own_headers(parsed)
        self._resolver = resolver or (Resolver() if allow_private else PublicResolver())
        self._route = Route(system_tls() if parsed.scheme == "https" else None, None)
        self._pool = ConnectionPool(self._connect, keepalive=KEEPALIVE)
        self.endpoint = hashlib.sha256(str(self._url).encode()).hexdigest()

    def __repr__(self) -> str:
        return "WebhookDestination()"  # the URL's path and query may be secret

    def deliver(self, event: Event, *, deadline: float) -> Result:
        """Send it once; see `Destination.deliver`."""
        try:
            reply = self._pool.exchange(self._request(event), MAX_ANSWER, Call(deadline), self._route)
        except Exception as error:  # whatever the network or the endpoint does
            return Result(_explain(error))
        return classify(reply.status, reply.headers, now=self._wall_clock())

    def close(self) -> None:
        self._pool.close()
        self._resolver.close()

    def _request(self, event: Event) -> Request:
        now, body = int(self._wall_clock()), event.body
        headers = {
            **self._own,
            "webhook-id": event.id,
            "webhook-timestamp": str(now),
            "webhook-signature": sign(self._secrets, event.id, now, body),
        }
        return Request("POST", self._url.raw_path, headers, body)

    def _connect(self, route: Route, call: Call) -> DeadlineStream:
        return route.connect(self._url.raw_host.decode("ascii"), self._url.port, self._resolver, call)


def classify(status: int, headers: Mapping[str, str], *, now: float) -> Result:
    """What an answer means. Only 2xx is success."""
    if 200 <= status < 300:
        return DELIVERED
    asked = parse_retry_after(headers, longest=LONGEST_RETRY_AFTER, now=now)
    if status in _SLOW_DOWN:
        asked = max(asked or 0.0, SLOW_DOWN)
    redirect = " (a redirect, which is not followed)" if 300 <= status < 400 else ""
    return Result(f"HTTP {status}{redirect}", retry_after=asked, gone=status == _GONE)


def _own_headers(url: httpx2.URL) -> dict[str, str]:
    headers = {
        "Host": url.netloc.decode("ascii"),
        "User-Agent": f"breakwall/{__version__}",
        "Accept": "*/*",
        "Accept-Encoding": "identity",  # the answer's body is thrown away
        "Content-Type": "application/json",
    }
    if url.userinfo:
        headers["Authorization"] = basic_auth(url.username, url.password)
    return headers


def _explain(error: Exception) -> str:
    # Only the error's kind: its text may name the host.
    if isinstance(error, ConnectError) and isinstance(error.__cause__, PrivateAddressError):
        return str(error)
    return type(error).__name__

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
from breakwall.webhook_signatures import sign

KEEPALIVE = 1.0  # Seconds that an idle connection is kept, as for gateways.
MAX_ANSWER = 65_536  # Bytes that are read of an answer's body, so that the connection can be kept.
SLOW_DOWN = 5.0  # Seconds without a call after 429, 502 or 504, if the answer does not say how long.
_SLOW_DOWN = {429, 502, 504}
_GONE = 410
# With these a shop usually says that it does not accept the signature.
_UNVERIFIED = {400, 401, 403}
_HINT = ": does the shop verify with this secret, BREAKWALL_OUTCOMES__WEBHOOK_SECRET or its file?"

# Why no call came about, by the errors of `transport`, which are named for payment services.
_CAUSES = {
    "NameNotResolvedError": "its name does not resolve",
    "PortClosedError": "nothing listens on its port",
    "ConnectTimeout": "no connection came about in time",
    "ConnectError": "no connection came about",
    "NotTlsError": "its port does not speak TLS",
    "SpeaksTlsError": "its port speaks TLS, so the URL should start with https://",
    "HandshakeRefusedError": "it broke off the TLS handshake",
    "ServiceCertificateUntrustedError": "we do not trust the authority of its certificate",
    "ServiceCertificateExpiredError": "its certificate is not valid now",
    "ServiceCertificateHostError": "its certificate is for another host",
    "CertificateMissingError": "it wants a certificate of ours, which webhooks do not have",
    "CertificateRefusedError": "it refuses our certificate",
    "DeadlinePassedError": "no time was left",
    "WriteTimeout": "it did not take the request in time",
    "WriteError": "the connection broke while the request was sent",
    "ReadTimeout": "it took the request, and did not answer in time",
    "ReadError": "the connection broke before the answer",
    "RemoteProtocolError": "its answer is no HTTP",
    "StrayAnswerError": "it answered before the request",
}


class WebhookDestination:
    """Sends events to ``url``. It follows no redirect, repeats nothing and ignores the environment's proxies.

    Args:
        url: user and password in it become HTTP basic authentication. A query is sent.
        secrets: returns those that sign a request: each of them signs it.
        allow_private: whether the address may be a private one.
        wall_clock: seconds since the epoch, for the signature's timestamp.
    """

    name = "webhook"

    def __init__(
        self,
        url: str,
        secrets: Callable[[], list[bytes]],
        *,
        allow_private: bool = False,
        wall_clock: Callable[[], float] = time.time,
        resolver: Resolver | None = None,
    ) -> None:
        parsed = httpx2.URL(url)
        self._url = _without_user(parsed)
        self._secrets, self._wall_clock = secrets, wall_clock
        self._own = _own_headers(parsed)
        self._resolver = resolver or (Resolver() if allow_private else PublicResolver())
        self._route = Route(system_tls() if parsed.scheme == "https" else None, None)
        self._pool = ConnectionPool(self._connect, keepalive=KEEPALIVE)
        self.endpoint = endpoint_of(url)

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
            "webhook-signature": sign(self._secrets(), event.id, now, body),
        }
        return Request("POST", self._url.raw_path, headers, body)

    def _connect(self, route: Route, call: Call) -> DeadlineStream:
        return route.connect(self._url.raw_host.decode("ascii"), self._url.port, self._resolver, call)


def endpoint_of(url: str) -> str:
    """A digest of the address: the same for another user or password."""
    return hashlib.sha256(str(_without_user(httpx2.URL(url))).encode()).hexdigest()


def _without_user(url: httpx2.URL) -> httpx2.URL:
    return url.copy_with(username=None, password=None, fragment=None)


def classify(status: int, headers: Mapping[str, str], *, now: float) -> Result:
    """What an answer means. Only 2xx is success."""
    if 200 <= status < 300:
        return DELIVERED
    asked = parse_retry_after(headers, longest=LONGEST_RETRY_AFTER, now=now)
    if status in _SLOW_DOWN:
        asked = max(asked or 0.0, SLOW_DOWN)
    hint = " (a redirect, which is not followed)" if 300 <= status < 400 else ""
    if status in _UNVERIFIED:
        hint = _HINT
    return Result(f"HTTP {status}{hint}", retry_after=asked, gone=status == _GONE)


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
    name = type(error).__name__
    return _CAUSES.get(name, name)

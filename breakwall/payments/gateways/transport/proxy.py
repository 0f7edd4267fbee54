"""An HTTP proxy between us and the payment service."""

import httpx2

from breakwall import __version__
from breakwall.credentials import basic_auth
from breakwall.payments.gateways.transport.connections import HttpConnection
from breakwall.payments.gateways.transport.deadline import Call, DeadlineStream, connect
from breakwall.payments.gateways.transport.errors import (
    ConnectError,
    ConnectTimeout,
    ProxyCredentialsError,
    ProxyRefusedError,
    ProxyTimeout,
    ProxyUnreachableError,
    ReadTimeout,
    WriteTimeout,
)
from breakwall.payments.gateways.transport.request import Request
from breakwall.payments.gateways.transport.resolver import Resolver

MAX_REFUSAL = 65_536  # Bytes of a refusal's page that are read.


class Proxy:
    """Opens a `tunnel` (CONNECT) to an ``https`` service; takes requests to an ``http`` service with the full URL.

    A tunnel is opened within the call's deadline, before anything of the request is written. If that fails, nothing was
    sent.
    """

    def __init__(self, url: str) -> None:
        """Connect nothing yet. The URL is ``http://user:password@host:port``; user and password are optional.

        `ValueError` if it is invalid; the text does not repeat it.
        """
        try:
            parsed = httpx2.URL(url)
        except (httpx2.InvalidURL, TypeError):
            parsed = httpx2.URL()
        if parsed.scheme != "http" or not parsed.host or parsed.port is None:
            raise ValueError("the proxy's URL must be like http://host:port")
        self._host, self._port = parsed.raw_host.decode("ascii"), parsed.port
        self.headers: dict[str, str] = {}  # additional ones of a request to the proxy itself
        if parsed.userinfo:
            self.headers["Proxy-Authorization"] = basic_auth(parsed.username, parsed.password)

    def connect(self, resolver: Resolver, call: Call) -> DeadlineStream:
        """Connect to the proxy, or raise `ProxyTimeout` or `ProxyUnreachableError`."""
        try:
            return connect(self._host, self._port, resolver, call)
        except ConnectTimeout as error:
            raise ProxyTimeout(f"the proxy does not answer: {error}") from error
        except ConnectError as error:
            raise ProxyUnreachableError(f"the proxy does not answer: {error}") from error

    def tunnel(self, authority: str, resolver: Resolver, call: Call) -> DeadlineStream:
        """Connect through the proxy to ``authority`` (``host:port``), or raise `ConnectTimeout` or `ConnectError`."""
        connection = HttpConnection(self.connect(resolver, call))
        try:
            return self._ask(connection, authority, call)
        except BaseException:
            connection.close()
            raise

    def _ask(self, connection: HttpConnection, authority: str, call: Call) -> DeadlineStream:
        headers = {"Host": authority, "User-Agent": f"breakwall/{__version__}", **self.headers}
        request = Request("CONNECT", authority.encode("ascii"), headers)
        try:
            # A call of its own: the CONNECT must not change the phase of the charge's call.
            reply = connection.exchange(request, MAX_REFUSAL, Call(call.deadline))
        except (ReadTimeout, WriteTimeout):
            raise ProxyTimeout("the proxy did not answer in time") from None
        except Exception as error:  # whatever it sends
            what = f"the proxy gave no usable answer ({type(error).__name__})"
            raise ProxyRefusedError(f"{what}: check BREAKWALL_PAYMENT_PROXY") from None
        if (stream := connection.tunnel()) is None:
            kind = ProxyCredentialsError if reply.status == 407 else ProxyRefusedError
            raise kind(f"the proxy refused with HTTP {reply.status}: check BREAKWALL_PAYMENT_PROXY")
        return stream

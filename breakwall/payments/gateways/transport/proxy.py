"""An HTTP proxy on the way to the payment service.

To an ``https`` service it is asked for a tunnel (CONNECT), within the call's deadline and before anything of
the request is written: whatever becomes of that, nothing was sent. A request to an ``http`` service goes to it
with the whole address.
"""

from __future__ import annotations

import httpx2

from breakwall import __version__
from breakwall.credentials import basic_auth
from breakwall.payments.gateways.transport.connections import Connection, Request
from breakwall.payments.gateways.transport.deadline import (
    Call,
    ConnectError,
    ConnectTimeout,
    DeadlineStream,
    ReadTimeout,
    WriteTimeout,
    connect,
)
from breakwall.payments.gateways.transport.resolver import Resolver

MOST_OF_A_REFUSAL = 65_536
"""Bytes that are read of the page that comes with a refusal."""


class Proxy:
    """One proxy, by its URL."""

    def __init__(self, url: str) -> None:
        """Nothing is connected yet.

        Args:
            url: ``http://user:password@host:port``; user and password are optional.

        Raises:
            ValueError: the URL is not one, without repeating it.
        """
        try:
            parsed = httpx2.URL(url)
        except (httpx2.InvalidURL, TypeError):
            raise ValueError("the proxy's URL is not one: http://host:port would be right") from None
        if parsed.scheme != "http" or not parsed.host or parsed.port is None:
            raise ValueError("the proxy's URL must be like http://host:port")
        self._host, self._port = parsed.raw_host.decode("ascii"), parsed.port
        self.headers: dict[str, str] = {}
        """Those that a request to the proxy itself has."""
        if parsed.userinfo:
            self.headers["Proxy-Authorization"] = basic_auth(parsed.username, parsed.password)

    def connect(self, resolver: Resolver, call: Call) -> DeadlineStream:
        """A connection to the proxy.

        Raises:
            ConnectTimeout, ConnectError: there is none.
        """
        try:
            return connect(self._host, self._port, resolver, call)
        except (ConnectTimeout, ConnectError) as error:
            raise type(error)(f"the proxy does not answer: {error}") from error

    def tunnel(self, authority: str, resolver: Resolver, call: Call) -> DeadlineStream:
        """A connection through the proxy to ``authority``, which is ``host:port``.

        Raises:
            ConnectTimeout, ConnectError: there is none.
        """
        connection = Connection(self.connect(resolver, call))
        try:
            return self._ask(connection, authority, call)
        except BaseException:
            connection.close()
            raise

    def _ask(self, connection: Connection, authority: str, call: Call) -> DeadlineStream:
        headers = {"Host": authority, "User-Agent": f"breakwall/{__version__}", **self.headers}
        question = Request("CONNECT", authority.encode("ascii"), headers)
        try:
            # What is said to the proxy is nothing of the request: another call, whose phase nobody asks for.
            reply = connection.exchange(question, MOST_OF_A_REFUSAL, Call(call.deadline))
        except (ReadTimeout, WriteTimeout):
            raise ConnectTimeout("the proxy did not answer in time") from None
        except Exception as error:  # whatever it sends
            raise ConnectError(f"the proxy gave no usable answer ({type(error).__name__})") from None
        if (stream := connection.tunnelled()) is None:
            raise ConnectError(f"the proxy refused with HTTP {reply.status}: look at BREAKWALL_PAYMENT_PROXY")
        return stream

"""TLS spoken by hand, so that a test decides which bytes of a record are sent when."""

import ssl

from tests.integration.gateway_stub import StubConnection


class TlsPeer:
    """The service's side of TLS on a plain connection of the stub."""

    def __init__(self, connection: StubConnection, context: ssl.SSLContext) -> None:
        """Shakes hands; the session tickets are sent too."""
        self._connection = connection
        self._received, self._sent = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._received, self._sent, server_side=True)
        self._until(self._tls.do_handshake)
        connection.send(self._sent.read())

    def request(self) -> bytes:
        """The next request, which has a JSON object as its body; empty when the client has gone."""
        request = b""
        while not request.endswith(b"}"):
            if not (more := self._until(lambda: self._tls.read(65_536))):
                return b""
            request += more
        return request

    def seal(self, data: bytes) -> bytes:
        """``data`` as one TLS record, to be sent with `StubConnection.send`."""
        self._tls.write(data)
        return self._sent.read()

    def _until(self, step):  # type: ignore[no-untyped-def] # whatever the step returns
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                if self._sent.pending:
                    self._connection.send(self._sent.read())
                if not (more := self._connection.sock.recv(65_536)):
                    return b""
                self._received.write(more)

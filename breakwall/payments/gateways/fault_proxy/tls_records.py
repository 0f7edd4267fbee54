"""Reads the record headers of a TLS stream, which are not encrypted (RFC 8446, 5.1)."""

_HEADER = 5  # Bytes: the type, the version, the length.
_APPLICATION_DATA = 23


class TlsRecords:
    """What a client has sent: its handshake, or already more.

    With TLS 1.3 the last message of the handshake looks like a request. After it the client needs nothing more from the
    server to send its request, so it counts as one.
    """

    def __init__(self) -> None:
        self.has_data = False
        self._header = b""
        self._skip = 0  # Bytes of the current record that are still to come.

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        while data and not self.has_data:
            if self._skip:
                taken = min(self._skip, len(data))
                self._skip, data = self._skip - taken, data[taken:]
                continue
            wanted = _HEADER - len(self._header)
            self._header, data = self._header + data[:wanted], data[wanted:]
            if len(self._header) == _HEADER:
                self.has_data = self._header[0] == _APPLICATION_DATA
                self._skip, self._header = int.from_bytes(self._header[3:5], "big"), b""

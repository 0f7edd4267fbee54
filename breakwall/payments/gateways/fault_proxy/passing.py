"""Passes the bytes of one connection on, and fails as the proxy is told."""

import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import suppress

from breakwall.payments.gateways.fault_proxy.faults import Delivery, Fault, Instructions
from breakwall.payments.gateways.fault_proxy.ways import CHUNK, Way

DRIP_INTERVAL = 0.1  # Seconds between two bytes: an answer then takes longer than any deadline.
LONGEST_HANG = 120.0  # Seconds.
GATHERING = 5.0  # Seconds for which a request waits for the others, at most.
QUIET = 1.0  # Seconds without a byte after which a request in a tunnel was sent to its end.

# No protocol begins so: neither HTTP nor TLS nor JSON.
GARBAGE = b"\x00\xff\xfe<<<{]not an answer\r\n\r\n" * 8


class Passage:
    """One connection of a gateway.

    ``instructions`` gives what the proxy does now; ``count`` is called with the number of bytes that came from the
    gateway; ``closed`` is set when the proxy is closed; ``repeated`` is called for each request that was sent again.
    """

    def __init__(
        self,
        client: socket.socket,
        way: Way,
        instructions: Callable[[], Instructions],
        count: Callable[[int], None],
        closed: threading.Event,
        repeated: Callable[[], None] = lambda: None,
    ) -> None:
        self._client, self._way, self._count, self._closed = client, way, count, closed
        self._instructions, self._repeated = instructions, repeated
        self._request = bytearray()  # Since the last answer.
        self._answered = True
        self._gathered: threading.Barrier | None = None

    def run(self) -> None:
        """Pass bytes on until one side ends. `OSError` if a connection breaks."""
        try:
            self._count(len(self._way.begun))
            goes_on = not self._way.begun or self._on_request(self._way.begun)
            while goes_on:
                goes_on = self._pass_on()
        finally:
            self._way.service.close()

    def _pass_on(self) -> bool:
        """Pass the next bytes on, in whichever direction they come; False: the connection is over."""
        service = self._way.service
        pending = isinstance(service, ssl.SSLSocket) and service.pending()
        ready = [service] if pending else select.select([self._client, service], [], [])[0]
        if service in ready:
            answer = self._read_service()
            return answer is None or self._on_answer(answer)
        data = self._client.recv(CHUNK)
        self._count(len(data))
        return bool(data) and self._on_request(data)

    def _read_service(self) -> bytes | None:
        """The service's next bytes. None: there were only messages of TLS itself, such as session tickets."""
        service = self._way.service
        if not isinstance(service, ssl.SSLSocket):
            return service.recv(CHUNK)
        service.settimeout(0)
        try:
            return service.recv(CHUNK)
        except ssl.SSLWantReadError:
            return None
        finally:
            service.settimeout(None)

    @property
    def _in_handshake(self) -> bool:
        """A tunnel's handshake is left alone: nothing was asked yet."""
        return self._way.tls is not None and not self._way.tls.has_data

    def _on_request(self, data: bytes) -> bool:
        now, service = self._instructions(), self._way.service
        if self._way.tls is not None:
            self._way.tls.feed(data)
        if self._in_handshake:
            service.sendall(data)
            return True
        self._gather(now)
        match now.fault:
            case Fault.RESET_AT_ONCE | Fault.DOWN:
                reset(self._client)
            case Fault.HANG_AT_ONCE:
                now.healed.wait(LONGEST_HANG)
            case Fault.GARBAGE:
                self._client.sendall(GARBAGE)
            case Fault.FLOOD:
                while not now.healed.is_set():
                    self._client.sendall(GARBAGE)
            case _:
                return self._deliver(self._way.adapt(data), now)
        return False

    def _deliver(self, data: bytes, now: Instructions) -> bool:
        if now.delivery is Delivery.HALF:
            self._way.service.sendall(data[: len(data) // 2])
            reset(self._way.service)
            reset(self._client)
            return False
        if now.delivery is Delivery.LATE:
            return self._deliver_late(data, now)
        if self._answered:
            self._request.clear()
        self._answered = False
        self._request += data
        self._way.service.sendall(data)
        return True

    def _deliver_late(self, data: bytes, now: Instructions) -> bool:
        now.held.set()
        try:
            self._way.service.sendall(data + self._rest_of_the_caller())
            # What comes in a tunnel may be no answer; then it is over when nothing more comes.
            goes_on = self._way.service.recv(CHUNK)
            while goes_on and self._way.tls and select.select([self._way.service], [], [], QUIET)[0]:
                goes_on = self._way.service.recv(CHUNK)
        finally:
            now.arrived.set()
        self._let_it_finish()
        return False

    def _rest_of_the_caller(self) -> bytes:
        """What comes until the caller goes."""
        rest = b""
        with suppress(OSError):
            while data := self._client.recv(CHUNK):
                rest += data
        return rest

    def _gather(self, now: Instructions) -> None:
        """Wait for the other requests, once."""
        if now.gathering is None or now.gathering is self._gathered:
            return
        self._gathered = now.gathering
        with suppress(threading.BrokenBarrierError):
            now.gathering.wait(GATHERING)

    def _on_answer(self, data: bytes) -> bool:
        now = self._instructions()
        if self._in_handshake:
            self._client.sendall(data)
            return bool(data)
        if now.delivery is Delivery.TWICE and self._request and self._way.tls is None:
            self._ask_again()
            return True
        self._answered = True
        match now.fault:
            case Fault.HANG:
                now.healed.wait(LONGEST_HANG)
            case Fault.RESET:
                self._reset()
            case Fault.CUT:
                self._client.sendall(data[: len(data) // 2])
            case Fault.DRIP:
                return self._drip(data, now)
            case _:
                self._client.sendall(data)
                return bool(data)
        return False

    def _ask_again(self) -> None:
        """Send the request once more, on a new connection, which takes the place of the first."""
        self._way.service.close()
        self._way.service = self._way.reopen()
        self._way.service.sendall(self._request)
        self._request.clear()
        self._repeated()

    def _reset(self) -> None:
        """Reset the gateway's connection. What came in a tunnel may be no answer, so the request goes on to its end."""
        if self._way.tls is None:
            reset(self._client)
            return
        while ready := select.select([self._client, self._way.service], [], [], QUIET)[0]:
            data = ready[0].recv(CHUNK)
            if not data:
                break
            if ready[0] is self._client:
                self._way.service.sendall(data)
        reset(self._client)
        self._let_it_finish()

    def _let_it_finish(self) -> None:
        """Keep the connection to the service, which may stop working for a client that has gone."""
        while not self._closed.is_set():
            if select.select([self._way.service], [], [], QUIET)[0] and not self._way.service.recv(CHUNK):
                break

    def _drip(self, data: bytes, now: Instructions) -> bool:
        for byte in data:
            self._client.sendall(bytes([byte]))
            if now.healed.wait(DRIP_INTERVAL):
                return False
        return bool(data)


def reset(connection: socket.socket) -> None:
    """End a connection with a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()

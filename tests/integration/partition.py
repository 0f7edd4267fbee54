"""A network partition between a gateway and its service, within one machine.

test_linger.py runs it alone in a network namespace (Linux), whose loopback it switches off and on.
"""

import fcntl
import socket
import struct
import sys
import time
from dataclasses import replace
from pathlib import Path

from tests.integration.gateway_fixtures import ORDER, charge, gateway_to
from tests.integration.gateway_stub import PAID, StubConnection, StubServer, body_of, response

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


def switch_loopback(*, on: bool) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        asked = fcntl.ioctl(sock, SIOCGIFFLAGS, struct.pack("16sh14x", b"lo", 0))
        (flags,) = struct.unpack("16xh14x", asked)
        wanted = flags | IFF_UP if on else flags & ~IFF_UP
        fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", wanted))


def anything_on_its_way() -> bool:
    """Whether a socket of this namespace has bytes that were not acknowledged or not read (proc(5))."""
    sockets = Path("/proc/self/net/tcp").read_text().splitlines()[1:]
    return any(line.split()[4] != "00000000:00000000" for line in sockets if line.split()[3] != "0A")


def main() -> None:
    executed: list[object] = []

    def serve(connection: StubConnection) -> None:
        while request := connection.request():
            executed.append(body_of(request)["order_id"])
            connection.send(response(200, PAID))

    switch_loopback(on=True)
    with gateway_to(StubServer(serve).url, keepalive=60) as gateway:
        before = charge(gateway, order=replace(ORDER, order_id="before")).outcome
        switch_loopback(on=False)
        cut_off = charge(gateway, 0.3, replace(ORDER, order_id="cut_off")).outcome
        switch_loopback(on=True)
        deadline = time.monotonic() + 50
        while anything_on_its_way() and time.monotonic() < deadline:
            time.sleep(0.01)
        sys.stdout.write(f"before {before}, cut_off {cut_off}, executed {executed}")


if __name__ == "__main__":
    main()

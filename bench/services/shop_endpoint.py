"""A shop's webhook in one asyncio process: it reads each request and answers 204.

    python -m bench.services.shop_endpoint --port 8091

``GET /stats`` tells how many events came, how many different ones, and when the first and the last came. After
``GET /restart`` the next event is the first.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time


class Endpoint:
    def __init__(self) -> None:
        self.events = 0
        self.ids: set[bytes] = set()
        self.first: float | None = None
        self.last: float | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if head.startswith(b"GET"):
                    if b"/restart " in head:
                        self.events, self.first = 0, None
                    writer.write(self._stats())
                    continue
                fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
                await reader.readexactly(int(fields[b"content-length"]))
                self._count(fields[b"webhook-id"])
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _count(self, event_id: bytes) -> None:
        self.events += 1
        self.ids.add(event_id)
        self.last = time.monotonic()
        self.first = self.first or self.last

    def _stats(self) -> bytes:
        found = {"events": self.events, "different": len(self.ids), "first": self.first, "last": self.last}
        body = json.dumps(found).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


async def run(port: int) -> None:
    endpoint = Endpoint()
    server = await asyncio.start_server(endpoint.serve, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    asyncio.run(run(parser.parse_args().port))

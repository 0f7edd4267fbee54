"""A payment service in one asyncio process, light enough not to be what a benchmark measures.

    python -m bench.services.payment --port 8090

It speaks Breakwall's HTTP protocol, and keeps its charges in memory. `breakwall simulator` writes each charge to a disk
and has a thread for each connection: it is too slow for 1,500 calls a second. Besides charges and look-ups there are
``POST /control`` (a JSON object with fields of `Behavior`), ``GET /stats`` and ``GET /timeline``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import time
from collections import defaultdict
from dataclasses import asdict, dataclass, replace
from typing import Any

BIN = 0.25  # Seconds of one point of the timeline.
P99 = 2.326  # Standard deviations of the normal distribution's 99th percentile.


@dataclass(frozen=True)
class Behavior:
    """How the service answers.

    Attributes:
        latency: seconds of a good call.
        tail: the 99th percentile of a good call divided by its median; the latency is log-normal. 1: always the same.
        slow_share, slow: this share of the good calls takes ``slow`` seconds.
        hang_after: after so many good calls each new one hangs until its client gives up. None: never.
        places: above so many calls in hand, each new one hangs ``collapse`` seconds and fails. None: any number.
        collapse: see ``places``.
        rate: above so many calls a second it answers 429, with a burst of a tenth of a second. None: never.
        status: answer this error to each call at once. None: charge.
    """

    latency: float = 0.02
    tail: float = 1.0
    slow_share: float = 0.0
    slow: float = 3.0
    hang_after: int | None = None
    places: int | None = None
    collapse: float = 2.0
    rate: float | None = None
    status: int | None = None

    def seconds(self) -> float:
        if random.random() < self.slow_share:
            return self.slow
        if self.tail == 1.0:
            return self.latency
        return self.latency * math.exp(random.gauss(0, math.log(self.tail) / P99))


class Service:
    """The state that all connections share."""

    def __init__(self) -> None:
        self.behavior = Behavior()
        self.charges: dict[str, str] = {}
        self.orders: dict[str, int] = defaultdict(int)
        self.reset()

    def reset(self) -> None:
        """Begin to count anew. Charges stay, and calls in hand too."""
        self.in_hand = getattr(self, "in_hand", 0)
        self.calls = self.good = self.failed = self.refused = self.hung = 0
        self.peak = self.in_hand
        self.first_call = self.last_good = None
        self.tokens, self.filled = 0.0, time.monotonic()
        self.bins: dict[int, dict[str, int]] = {}
        self.last_bin = -1

    def change(self, fields: dict[str, Any]) -> None:
        if fields.pop("reset", False):
            self.reset()
        self.behavior = replace(self.behavior, **fields)

    def begin(self) -> tuple[int | None, float | None]:
        """Take a call; returns the status of its answer (None: a charge) and the seconds until then (None: never)."""
        now, how = time.monotonic(), self.behavior
        point = self._point(now)
        self.first_call = self.first_call or now
        self.calls += 1
        self.in_hand += 1
        self.peak = max(self.peak, self.in_hand)
        point["calls"] += 1
        point["in_hand"] = max(point["in_hand"], self.in_hand)
        if how.rate is not None and not self._admits(how.rate, now):
            return 429, 0.0
        if how.status is not None:
            return how.status, 0.0
        if how.hang_after is not None and self.good >= how.hang_after:
            return 503, None
        if how.places is not None and self.in_hand > how.places:
            return 503, how.collapse
        return None, how.seconds()

    def end(self, result: str) -> None:
        """A call has ended: ``good``, ``failed``, ``refused`` (429) or ``hung``, after which its client gave up."""
        now = time.monotonic()
        self._point(now)[result] += 1
        self.in_hand -= 1
        setattr(self, result, getattr(self, result) + 1)
        if result == "good":
            self.last_good = now

    def charge(self, key: str, order: str) -> str:
        if key not in self.charges:
            self.charges[key] = f"ch_{len(self.charges)}"
            self.orders[order] += 1
        return self.charges[key]

    def stats(self) -> dict[str, Any]:
        names = ("calls", "good", "failed", "refused", "hung", "in_hand", "peak", "first_call", "last_good")
        double = sum(1 for times in self.orders.values() if times > 1)
        return {name: getattr(self, name) for name in names} | {
            "charges": len(self.charges),
            "double": double,
            "behavior": asdict(self.behavior),
        }

    def timeline(self) -> list[dict[str, float]]:
        """A point for each `BIN` from the first call until now; ``in_hand`` is the most at once."""
        if self.bins:
            self._point(time.monotonic())
        return [{"at": number * BIN, **point} for number, point in sorted(self.bins.items())]

    def _point(self, now: float) -> dict[str, int]:
        """The point of this moment. Since the last one nothing has happened: as many calls stayed in hand."""
        number = int(now / BIN)
        for missing in range(self.last_bin + 1 if self.bins else number, number + 1):
            self.bins[missing] = dict.fromkeys(("calls", "good", "failed", "refused", "hung"), 0)
            self.bins[missing]["in_hand"] = self.in_hand
        self.last_bin = max(self.last_bin, number)
        return self.bins[number]

    def _admits(self, rate: float, now: float) -> bool:
        self.tokens = min(rate / 10, self.tokens + (now - self.filled) * rate)
        self.filled = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class Connection(asyncio.Protocol):
    """One client's connection, with one request at a time."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.buffer = b""
        self.in_hand = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        if self.in_hand:
            self._end("hung")

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", 0))
        if len(body) < length:
            return
        self.buffer = body[length:]
        method, path, _ = first.split(" ", 2)
        self._serve(method, path, headers, body[:length])

    def _serve(self, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
        if path == "/api/charge":
            self._take(headers["idempotency-key"], body)
        elif path.startswith("/api/charges/"):
            self._look_up(path.removeprefix("/api/charges/"))
        elif path == "/control":
            self.service.change(json.loads(body))
            self._answer(200, {})
        elif path == "/timeline":
            self._answer(200, {"points": self.service.timeline()})
        else:
            self._answer(200, self.service.stats())

    def _take(self, key: str, body: bytes) -> None:
        self.in_hand = True
        status, seconds = self.service.begin()
        if seconds is not None:
            asyncio.get_running_loop().call_later(seconds, self._finish, status, key, body)

    def _finish(self, status: int | None, key: str, body: bytes) -> None:
        if not self.in_hand:
            return  # its client has gone
        if status is not None:
            self._end("refused" if status == 429 else "failed")
            self._answer(status, {"error": "not now"})
            return
        charge = self.service.charge(key, str(json.loads(body).get("order_id", key)))
        self._end("good")
        self._answer(200, {"status": "succeeded", "charge_id": charge})

    def _look_up(self, key: str) -> None:
        charge = self.service.charges.get(key)
        if charge is None:
            self._answer(404, {"error": "no such charge", "code": "no_such_charge"})
        else:
            self._answer(200, {"status": "succeeded", "charge_id": charge})

    def _end(self, result: str) -> None:
        self.in_hand = False
        self.service.end(result)

    def _answer(self, status: int, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.transport.write(head.encode() + body)


async def serve(port: int) -> None:
    service = Service()
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(service), "127.0.0.1", port, backlog=2000
    )
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    asyncio.run(serve(parser.parse_args().port))

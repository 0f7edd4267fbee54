"""Measures a drain that tells the shop of each order by a webhook, beside the same drain that tells nobody.

    python bench/outcomes.py [--orders 5000] [--slots 12] [--rounds 3]

One worker on PostgreSQL whose commits are on the disk; a payment service of 20 ms. Both drains alternate in one run, so
that a busy machine slows them alike; the ratio is of the medians. Exits 1 if the webhook slows the drain by more than
10 %, if fewer than 500 events a second were delivered beside it, or if an event was lost.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import statistics
import sys
import time
import urllib.request
from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import create_engine, text

from bench.harness.draining import Drain, Drained, drain_ours
from bench.harness.site import READY, ROOT, Machine, Site
from breakwall.processes.child import Child, python_module

LATENCY = 0.02
WAIT = 120.0  # Seconds at most until every event is delivered.
SECRET = "whsec_" + base64.b64encode(b"b" * 32).decode()

_OUTCOMES = "SELECT count(*) FROM outcomes o, destinations d WHERE o.at >= d.since"


@dataclass(frozen=True)
class Told:
    """What the shop was told: how many events there were, how many came, and how many came in a second."""

    events: int
    different: int
    per_second: float


class Endpoint:
    """The shop's endpoint. It answers before a worker starts: refused calls would open the circuit."""

    def __init__(self, machine: Machine) -> None:
        port = machine.workspace.free_port()
        self.url = f"http://127.0.0.1:{port}/"
        self.settings = {
            "OUTCOMES__WEBHOOK_URL": self.url,
            "OUTCOMES__WEBHOOK_SECRET": SECRET,
            "OUTCOMES__ALLOW_PRIVATE": "true",
        }
        self.told: Told | None = None
        self._child = Child(
            "endpoint",
            python_module("bench.services.shop_endpoint", "--port", str(port)),
            environment={**os.environ, "PYTHONPATH": str(ROOT)},
            folder=machine.workspace.subfolder(f"endpoint-{port}"),
        )

    def __enter__(self) -> Self:
        deadline = time.monotonic() + READY
        while not self._answers():
            if time.monotonic() > deadline:
                raise RuntimeError("the endpoint did not start")
            time.sleep(0.02)
        return self

    def __exit__(self, *exception: object) -> None:
        self._child.stop(10.0)

    def restart(self) -> None:
        """Measure from the next event on."""
        self._get("restart")

    def finish(self, site: Site, orders: int) -> None:
        """Wait until every order has ended and its event has come."""
        assert site.database_url is not None
        engine = create_engine(site.database_url)
        deadline = time.monotonic() + WAIT
        with engine.connect() as connection:
            while time.monotonic() < deadline:
                paid = connection.scalar(text("SELECT count(*) FROM orders WHERE status = 'paid'"))
                events = connection.scalar(text(_OUTCOMES))
                connection.rollback()
                if paid == orders and self._stats()["different"] >= events:
                    break
                time.sleep(0.1)
        engine.dispose()
        found = self._stats()
        seconds = found["last"] - found["first"]
        self.told = Told(events, found["different"], found["events"] / seconds if seconds else 0.0)

    def _answers(self) -> bool:
        try:
            self._stats()
        except OSError:
            return False
        return True

    def _stats(self) -> dict[str, Any]:
        return self._get("stats")

    def _get(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(self.url + path) as answer:
            found: dict[str, Any] = json.load(answer)
            return found


def telling(machine: Machine, drain: Drain) -> tuple[Drained, Told]:
    with Endpoint(machine) as endpoint:

        def beside(site: Site) -> None:
            site.service.wait_for(drain.orders, drain.limit)
            endpoint.finish(site, drain.orders)

        drained = drain_ours(machine, drain, beside, **endpoint.settings)
    assert endpoint.told is not None
    return drained, endpoint.told


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=5000)
    parser.add_argument("--slots", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    drain = Drain(options.orders, options.slots, 1, {"latency": LATENCY}, options.slots / LATENCY, 120)
    silent: list[Drained] = []
    told: list[tuple[Drained, Told]] = []
    with Machine() as machine:
        for number in range(1, options.rounds + 1):
            silent.append(drain_ours(machine, drain))
            told.append(telling(machine, drain))
            _say(f"round {number}: {_line(silent[-1])}; telling the shop {_line(told[-1][0])}, {told[-1][1]}")
    return _report(silent, told)


def _report(silent: list[Drained], told: list[tuple[Drained, Told]]) -> int:
    alone = statistics.median(one.per_second for one in silent)
    beside = statistics.median(one.per_second for one, _ in told)
    delivered = statistics.median(one.per_second for _, one in told)
    lost = sum(max(0, one.events - one.different) for _, one in told)
    for name, speed, drains in (
        ("a drain that tells nobody", alone, silent),
        ("a drain that tells a webhook", beside, [one for one, _ in told]),
    ):
        cpu, helpers = (
            statistics.median(getattr(one, field) * 1e3 for one in drains) for field in ("cpu", "helpers_cpu")
        )
        _say(
            f"{name:32} {speed:7.0f} orders/s; CPU of each: worker {cpu:.2f} ms, its deliveries {helpers:.2f} ms"
        )
    _say(f"ratio                            {beside / alone:7.2f}")
    _say(f"delivered beside it              {delivered:7.0f} events/s, {lost} lost")
    return int(beside < 0.9 * alone or delivered < 500 or lost > 0)


def _line(drained: Drained) -> str:
    return f"{drained.per_second:.0f} orders/s"


def _say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

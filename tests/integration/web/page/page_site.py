"""The operator's page on a real server: prepared snapshots, and orders of each state in a real database."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import uvicorn

from breakwall.access.known_tokens import KnownTokens
from breakwall.access.scopes import Scope
from breakwall.access.tokens import digest_of, new_token
from breakwall.api_tokens import ConfiguredToken
from breakwall.breaker import CircuitBreaker
from breakwall.monitor.backlog import Backlog, Monitor
from breakwall.payments.fleet.drain_control import DrainControl
from breakwall.payments.fleet.workers import Worker
from breakwall.payments.gateways.base import ChargeAnswer, Health, Outcome
from breakwall.payments.gateways.hints import hint_reader
from breakwall.payments.interventions import Author
from breakwall.payments.operator.bulk_retry.record import BulkRetries
from breakwall.payments.operator.bulk_retry.selection import Selection
from breakwall.payments.operator.incidents import open_incident
from breakwall.payments.orders import Order, OrderStatus
from breakwall.producers import AsyncOrderProducer
from breakwall.settings import Settings
from breakwall.web.access.access import Access
from breakwall.web.app import create_app
from breakwall.web.live.poller import Live
from breakwall.web.page.overview_lists import read_lists
from breakwall.web.page.page_data import PageData
from breakwall.web.services import Services
from tests.contract.site import Site
from tests.gateway import PAID
from tests.page_snapshots import BACKLOGS, CONFIG, history, seen


@dataclass
class ScriptedMonitor:
    """Returns the snapshot of a situation."""

    situation: str = "calm"
    breaker: CircuitBreaker = field(default_factory=lambda: CircuitBreaker("payment", CONFIG))

    def snapshot_with_workers(self) -> tuple[Backlog, list[Worker]]:
        return BACKLOGS[self.situation], list(seen(self.situation).workers)


class CountedStreams:
    """Counts the streams of events that are open, before the application."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.open = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        is_stream = scope["type"] == "http" and scope["path"] == "/page/events"
        self.open += is_stream
        try:
            await self.app(scope, receive, send)
        finally:
            self.open -= is_stream


class PageSite:
    """A server on loopback, with a page whose situation the test chooses."""

    def __init__(self, folder: Path, *, has_past: bool = True) -> None:
        """``has_past``: whether it has orders of each state, and people did something; else it is new."""
        self.site = Site(f"sqlite:///{folder / 'orders.db'}")
        self.monitor = ScriptedMonitor()
        settings = Settings()
        self.services = Services(
            settings,
            AsyncOrderProducer(self.site.producer),
            Monitor(self.site.database, self.site.breaker, lambda: 0, clock=self.site.clock),
            hint_reader(settings),
        )
        self.app = create_app(self.services)
        self.show("calm")
        self.orders = fill(self.site) if has_past else {}
        self.bulk_retry = act(self.site) if has_past else ""
        self._streams = CountedStreams(self.app)
        options = uvicorn.Config(
            self._streams, port=0, log_level="error", timeout_graceful_shutdown=1, lifespan="off"
        )
        self._server = uvicorn.Server(options)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"

    def show(self, situation: str) -> None:
        """Have the page show a situation of `page_snapshots.BACKLOGS`, from its next snapshot on."""
        self.monitor.situation = situation
        # Another one, so that nothing of the situation before is shown.
        live = Live(cast(Any, self.monitor), self.services.stopping)
        self.services.__dict__["live"] = live
        self.app.state.page_data = PageData(
            live, CONFIG, lambda: history(self.monitor.situation), lambda: read_lists(self.services)
        )

    def show_itself(self) -> None:
        """Have the page show the state of the site, and no prepared situation."""
        live = Live(self.services.monitor, self.services.stopping)
        self.services.__dict__["live"] = live
        self.app.state.page_data = PageData(
            live, self.site.breaker.config, lists=lambda: read_lists(self.services)
        )

    @contextmanager
    def token_needed(self, name: str, *scopes: Scope) -> Iterator[str]:
        """Meanwhile it is one whose settings have a token, which this gives."""
        token, state = new_token(), self.app.state
        database, clock, before = self.site.database, self.site.clock, state.access
        known = ConfiguredToken(name, frozenset(scopes), digest_of(token))
        tokens = KnownTokens(database, [known], clock=clock)
        state.access = Access(tokens, database, "127.0.0.1", clock=clock)
        try:
            yield token
        finally:
            state.access = before

    def change(self, situation: str) -> None:
        """The same, for pages that are open: their data stay, and find another situation."""
        self.monitor.situation = situation

    @property
    def streams(self) -> int:
        """How many pages have their stream of events open."""
        return self._streams.open

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(60)
        self.site.producer.close()


REFUSED = ChargeAnswer(Outcome.NOT_SENT, Health.FAILURE, code="connect", detail="connection refused")


def fill(site: Site) -> dict[str, str]:
    """One order of each state, with a past; by its state, its id."""
    found = {}
    for state, key in _KEYS.items():
        site.producer.enqueue([Order("user-7731", 48_000, "KRW", key)])
        found[state] = site.get(key).id
        site.advance(20)
    unknown = ChargeAnswer(Outcome.UNKNOWN, Health.FAILURE, code="timeout", detail="no answer in 10 s")
    for state in ("paid", "dead", "review"):
        for answer in (unknown, REFUSED):
            site.attempt(found[state], answer, OrderStatus.QUEUED, 0.0)
            site.advance(31)
    site.attempt(found["paid"], PAID, OrderStatus.PAID)
    site.attempt(found["dead"], REFUSED, OrderStatus.DEAD)
    site.attempt(found["review"], unknown, OrderStatus.REVIEW)
    no_funds = ChargeAnswer(Outcome.DECLINED, Health.SUCCESS, code="insufficient_funds")
    site.attempt(found["declined"], no_funds, OrderStatus.DECLINED)
    site.people.cancel(found["cancelled"], Author("anna", "the customer called"))
    site.attempt(found["queued"], REFUSED, OrderStatus.QUEUED, 60.0)
    claim = site.ledger.claim(found["in_flight"])
    assert claim is not None
    site.ledger.begin_attempt(claim)
    return found


def act(site: Site) -> str:
    """What people did beside: an incident, a pause, and a bulk retry that is not done; its id."""
    anna = Author("anna", "the service has confirmed that it is back")
    DrainControl(site.database, clock=site.clock).pause(anna, 600.0)
    open_incident(site.database, "장바구니-0019", anna, clock=site.clock)
    selection = Selection((OrderStatus.DEAD,), "KRW", 60.0, "connection refused")
    made = BulkRetries(site.database, clock=site.clock).create(
        selection, anna, name="outage of 28 November", rate=2
    )
    return made.id


_KEYS = {
    "paid": "cart-2026-11-28-0017",
    "declined": "cart-2026-11-28-0018",
    "queued": "장바구니-0019",
    "in_flight": "cart-2026-11-28-0020",
    "review": "cart-2026-11-28-0021-a-rather-long-key-of-a-shop-that-puts-all-it-knows-into-it",
    "dead": "<b>cart</b>&amp;0022",
    "cancelled": "cart-2026-11-28-0023",
}

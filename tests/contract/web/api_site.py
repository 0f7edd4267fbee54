"""The API in this process, over a `Site`: real parts, a scripted gateway, a clock turned by hand."""

from __future__ import annotations

from typing import Any

from fastapi.testclient import TestClient

from breakwall.monitor.backlog import Monitor
from breakwall.payments.gateways.hints import hint_reader
from breakwall.producers import AsyncOrderProducer
from breakwall.settings import Settings
from breakwall.web.app import create_app
from breakwall.web.orders.short_way import ShortWay
from breakwall.web.services import Services
from tests.contract.site import Site

ADDRESS = "http://127.0.0.1:8080"


class ApiSite:
    """A site whose orders come by HTTP. `client` sends requests without a token, from loopback."""

    def __init__(self, site: Site, **settings: Any) -> None:
        self.site = site
        self.messages: int | None = 0  # That wait at the broker.
        monitor = Monitor(site.database, site.breaker, lambda: self.messages, clock=site.clock)
        chosen = Settings(**settings)
        self.services = Services(chosen, AsyncOrderProducer(site.producer), monitor, hint_reader(chosen))
        self.app = create_app(self.services)
        self.client = TestClient(ShortWay(self.app), base_url=ADDRESS)

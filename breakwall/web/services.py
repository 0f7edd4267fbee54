"""What the routes use, built once for a process."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Self

from fastapi import Depends, Request

from breakwall.breaker import CircuitBreaker
from breakwall.monitor.backlog import Monitor
from breakwall.payments.db.clock import Clock
from breakwall.payments.db.database import Database
from breakwall.payments.gateways.hints import HintReadingGateway, hint_reader
from breakwall.producers import AsyncOrderProducer
from breakwall.settings import Settings
from breakwall.web.live.poller import Live
from breakwall.web.readiness import Readiness, checks_of
from breakwall.web.stopping import Stopping
from breakwall.wiring import open_database


@dataclass(frozen=True)
class Services:
    """The parts of an API process. Safe for threads and for the event loop.

    ``hints`` reads the messages of the payment service.
    ``monitor`` has a pool of connections of its own, so that placing orders never waits for a page. So have the tokens
    (``own_access``; None: the monitor's), for which every request waits.
    """

    settings: Settings
    producer: AsyncOrderProducer
    monitor: Monitor
    hints: HintReadingGateway
    stopping: Stopping = field(default_factory=Stopping)  # What lasts ends when it says so.
    own_access: Database | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Build all parts. Raises as `AsyncOrderProducer.from_settings`."""
        hints = hint_reader(settings)
        producer = AsyncOrderProducer.from_settings(settings)
        monitor, access = Monitor.from_settings(settings), open_database(settings)
        return cls(settings, producer, monitor, hints, own_access=access)

    @cached_property
    def live(self) -> Live:
        """The newest snapshot, for all pages and requests."""
        return Live(self.monitor, self.stopping)

    @cached_property
    def readiness(self) -> Readiness:
        """What `/readyz` asks."""
        return Readiness(checks_of(self.monitor))

    @property
    def database(self) -> Database:
        """For everything but placing orders and who may."""
        return self.monitor.database

    @property
    def access(self) -> Database:
        """For tokens and sessions."""
        return self.own_access or self.monitor.database

    @property
    def breaker(self) -> CircuitBreaker:
        """For its status and its overrides; the producer has another one for its calls."""
        return self.monitor.breaker

    @property
    def clock(self) -> Clock:
        """The database's, except in tests."""
        return self.monitor.clock

    async def close(self) -> None:
        """Wait for the orders in hand until their deadlines, then close every connection."""
        await self.producer.close()
        await self.live.close()
        self.monitor.close()
        if self.own_access is not None:
            self.own_access.close()
        self.hints.close()


def services_of(request: Request) -> Services:
    """The services of the application that answers the request."""
    services: Services = request.app.state.services
    return services


async def _services(request: Request) -> Services:  # FastAPI would run a plain function in another thread.
    return services_of(request)


UsedServices = Annotated[Services, Depends(_services)]
"""The type of a route's argument that gets the services."""

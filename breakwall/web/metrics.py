"""`/metrics`, for Prometheus: text or OpenMetrics, as it asks. The numbers are those of `monitor.metrics`."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import cast

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from breakwall import __version__
from breakwall.access.scopes import Scope
from breakwall.log_throttle import throttled
from breakwall.monitor.backlog import Backlog
from breakwall.monitor.metrics.backlog_gauges import backlog_families, outcome_families
from breakwall.monitor.metrics.breaker_gauges import breaker_families
from breakwall.monitor.metrics.counters import total_families
from breakwall.monitor.metrics.family import Family, FamilyKind, gauge, gauges
from breakwall.monitor.metrics.totals import OrderTotals, TotalsReader
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.outcomes.operator import Waiting, waiting_for
from breakwall.web.access.principal import allow
from breakwall.web.live.poller import INTERVAL, Seen
from breakwall.web.services import Services

log = logging.getLogger("breakwall.api")

MAX_AGE = INTERVAL  # Seconds for which several scrapes share one reading.

router = APIRouter()


@router.get("/metrics", dependencies=[allow(Scope.OPS_READ)], response_class=Response, tags=["metrics"])
def metrics(request: Request) -> Response:
    """All numbers for Prometheus: text or OpenMetrics by `Accept`. `breakwall_up` is 0 while the database is away."""
    scrapes = cast(Scrapes, request.app.state.scrapes)
    registry = CollectorRegistry()
    registry.register(FamilyCollector(scrapes.families()))
    encoder, media_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encoder(registry), media_type=media_type)


@dataclass(frozen=True, slots=True)
class Reading:
    """What one look at the database gave. The last three are None if it did not answer."""

    seen: Seen
    backlog: Backlog | None = None
    totals: OrderTotals | None = None
    waiting: list[Waiting] | None = None


class Scrapes:
    """The numbers, for all scrapers of this process. Safe for threads.

    They belong to the snapshot that the pages see too, which is at most ``max_age`` seconds old.
    """

    def __init__(
        self, services: Services, max_age: float = MAX_AGE, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._services = services
        self._max_age = max_age
        self._clock = clock
        self._totals = TotalsReader(services.database, services.clock, clock)
        self._lock = threading.Lock()
        self._last: Reading | None = None
        self._warn = throttled(log.warning)

    def families(self) -> list[Family]:
        """Every metric, with the numbers that are known now. Raises nothing."""
        begun = self._clock()
        reading = self._reading()
        return [*_known(self._services, reading), *self._own(reading, begun)]

    def _reading(self) -> Reading:
        with self._lock:
            seen = self._services.live.latest(self._max_age)
            if self._last is None or self._last.seen.number != seen.number:
                self._last = self._read(seen)
            return self._last

    def _read(self, seen: Seen) -> Reading:
        services = self._services
        if seen.problem is not None:
            return Reading(seen)  # An old number would look like a new one.
        try:
            waiting = services.database.read(lambda connection: waiting_for(connection, services.clock))
            return Reading(seen, seen.backlog, self._totals.read(), waiting)
        except DatabaseUnavailableError as error:
            self._warn(f"/metrics has no numbers of orders: {error}")
            return Reading(seen)

    def _own(self, reading: Reading, begun: float) -> Iterator[Family]:
        up = "1 if the database answered, 0 if there are no numbers of orders"
        yield gauge("breakwall_up", up, float(reading.backlog is not None))
        yield gauges(
            "breakwall_build_info", "The version that answers, as a label", "version", {__version__: 1.0}
        )
        counted = reading.backlog
        age = None if counted is None else self._services.live.age(reading.seen) + counted.age_seconds
        yield gauge("breakwall_snapshot_age_seconds", "Since the queued orders were counted", age)
        took = self._clock() - begun
        yield gauge("breakwall_scrape_duration_seconds", "How long these numbers took", took)


def _known(services: Services, reading: Reading) -> Iterable[Family]:
    if reading.backlog is None:
        return breaker_families(services.breaker.status())
    backlog = reading.backlog
    return chain(
        breaker_families(backlog.breaker),
        backlog_families(backlog),
        outcome_families(reading.waiting or []),
        total_families(reading.totals),
    )


class FamilyCollector(Collector):
    """Families as the library's metrics."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._metrics = [_metric(family) for family in families]

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics


def _metric(family: Family) -> Metric:
    maker = CounterMetricFamily if family.kind is FamilyKind.COUNTER else GaugeMetricFamily
    metric = maker(family.name, family.text, labels=family.labels)
    for labels, value in family.values.items():
        metric.add_metric(labels, value)
    return metric

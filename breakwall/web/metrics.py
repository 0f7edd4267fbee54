"""`/metrics`, for Prometheus: text or OpenMetrics, as it asks. The numbers are those of `monitor.metrics`."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import cast

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from breakwall import __version__
from breakwall.access.scopes import Scope
from breakwall.log_throttle import throttled
from breakwall.monitor.backlog import Backlog
from breakwall.monitor.metrics.backlog_gauges import backlog_families, outcome_families
from breakwall.monitor.metrics.breaker_gauges import breaker_families
from breakwall.monitor.metrics.counters import delivery_families, total_families
from breakwall.monitor.metrics.family import Family, FamilyKind, gauge, gauges
from breakwall.monitor.metrics.totals import OrderTotals, TotalsReader
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.outcomes.delivery_totals import DeliveryTotals, read_deliveries
from breakwall.payments.outcomes.operator import Waiting, waiting_for
from breakwall.web.access.principal import allow
from breakwall.web.live.poller import INTERVAL, Seen
from breakwall.web.services import Services

log = logging.getLogger("breakwall.api")

MAX_AGE = INTERVAL  # Seconds for which several scrapes share one reading.
WAIT = 5.0  # Seconds that a scrape waits for the database: Prometheus waits for 10, and is to hear that it is away.

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
    """What one look at the database gave. All but ``seen`` are None if it did not answer; ``seen``, if it is silent."""

    seen: Seen | None = None
    backlog: Backlog | None = None
    totals: OrderTotals | None = None
    waiting: list[Waiting] | None = None
    deliveries: DeliveryTotals | None = None


class Scrapes:
    """The numbers, for all scrapers of this process. Safe for threads.

    They belong to the snapshot that the pages see too, which is at most ``max_age`` seconds old. One thread reads them:
    however many scrapers come while the database is silent, each waits at most ``wait`` seconds.
    """

    def __init__(
        self,
        services: Services,
        max_age: float = MAX_AGE,
        clock: Callable[[], float] = time.monotonic,
        wait: float = WAIT,
    ) -> None:
        self._services = services
        self._max_age, self._wait = max_age, wait
        self._clock = clock
        self._totals = TotalsReader(services.database, services.clock, clock)
        self._lock = threading.Lock()
        self._running: Future[Reading] | None = None
        self._last: Reading | None = None
        self._warn = throttled(log.warning)

    def families(self) -> list[Family]:
        """Every metric, with the numbers that are known now. Raises nothing."""
        begun = self._clock()
        reading = self._reading()
        return [*_known(self._services, reading), *self._own(reading, begun)]

    def _reading(self) -> Reading:
        try:
            return self._newest().result(self._wait)
        except (TimeoutError, RuntimeError):  # No answer in time, or no thread can be started now.
            return Reading()

    def _newest(self) -> Future[Reading]:
        """The reading that is under way, or a new one."""
        with self._lock:
            if self._running is None or self._running.done():
                running: Future[Reading] = Future()
                threading.Thread(
                    target=self._run, args=(running,), name="breakwall-metrics", daemon=True
                ).start()
                self._running = running
            return self._running

    def _run(self, running: Future[Reading]) -> None:
        try:
            seen = self._services.live.latest(self._max_age)
            if self._last is None or self._last.seen is None or self._last.seen.number != seen.number:
                self._last = self._read(seen)
            running.set_result(self._last)
        except BaseException as error:
            running.set_exception(error)

    def _read(self, seen: Seen) -> Reading:
        services = self._services
        if seen.problem is not None:
            return Reading(seen)  # An old number would look like a new one.
        try:
            waiting = services.database.read(lambda connection: waiting_for(connection, services.clock))
            deliveries = services.database.read(read_deliveries)
            return Reading(seen, seen.backlog, self._totals.read(), waiting, deliveries)
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
        age = None
        if counted is not None and reading.seen is not None:
            age = self._services.live.age(reading.seen) + counted.age_seconds
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
        delivery_families(reading.deliveries, (one.destination for one in reading.waiting or [])),
    )


class FamilyCollector(Collector):
    """Families as the library's metrics."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._metrics = [_metric(family) for family in families]

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics


def _metric(family: Family) -> Metric:
    if family.kind is FamilyKind.HISTOGRAM:
        return _histogram(family)
    maker = CounterMetricFamily if family.kind is FamilyKind.COUNTER else GaugeMetricFamily
    metric = maker(family.name, family.text, labels=family.labels)
    for labels, value in family.values.items():
        metric.add_metric(labels, value)
    return metric


def _histogram(family: Family) -> Metric:
    """Prometheus' buckets: each has what is in the ones before, too."""
    metric = HistogramMetricFamily(family.name, family.text, labels=family.labels)
    for labels, total in family.sums.items():
        numbers = {key[-1]: value for key, value in family.values.items() if key[:-1] == labels}
        ends = sorted(numbers, key=float)
        buckets = list(zip(ends, accumulate(numbers[end] for end in ends), strict=True))
        metric.add_metric(labels, buckets, total)
    return metric

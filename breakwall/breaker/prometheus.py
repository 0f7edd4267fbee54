"""A Prometheus collector for breakers. Imported only on request; needs ``pip install 'breakwall[prometheus]'``.

from prometheus_client import REGISTRY
from breakwall.breaker.prometheus import BreakerCollector

REGISTRY.register(BreakerCollector([payment, shipping]))
"""

import math
from collections.abc import Iterable, Iterator

from breakwall.breaker.breaker import CircuitBreaker
from breakwall.breaker.circuit.state import CircuitState, OverrideMode
from breakwall.breaker.drivers import needed_for
from breakwall.breaker.metrics import BreakerMetrics, BreakerStatus
from breakwall.breaker.registry import CircuitBreakerRegistry

with needed_for("breakwall.breaker.prometheus", prometheus_client="breakwall[prometheus]"):
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
    from prometheus_client.registry import Collector

PREFIX = "breakwall_breaker_"


class BreakerCollector(Collector):
    """The states, calls, refusals and limits of several breakers, read when they are collected.

    Each series has the circuit's name as a label; two have a second label of three values. So a circuit has about 15
    series. Reading asks each store at most once in a refresh interval, waits for it as a call does, and changes no
    circuit.

    Args:
        breakers: some breakers; or a registry, with those that it makes later too. Breakers of one name count together,
            so give circuits in different stores different names.
    """

    def __init__(self, breakers: Iterable[CircuitBreaker]) -> None:
        # A registry stays as it is: it may make more breakers.
        self._breakers = breakers if isinstance(breakers, CircuitBreakerRegistry) else tuple(breakers)

    def describe(self) -> list[Metric]:
        """The metrics without values. `prometheus_client` reads their names when the collector is registered."""
        return Families().all

    def collect(self) -> Iterator[Metric]:
        """The metrics now."""
        families = Families()
        for name, breakers in self._by_name().items():
            families.add_circuit(name, breakers[0].status())
            families.add_calls(name, [breaker.metrics() for breaker in breakers])
        yield from families.all

    def _by_name(self) -> dict[str, list[CircuitBreaker]]:
        found: dict[str, list[CircuitBreaker]] = {}
        for breaker in self._breakers:
            found.setdefault(breaker.name, []).append(breaker)
        return found


class Families:
    """The metrics of one collection."""

    def __init__(self) -> None:
        self.state = _gauge("state", "1 for the state of the circuit, 0 for the others", "state")
        self.override = _gauge("override", "1 for the operator's override in force, 0 for the others", "mode")
        self.failures = _gauge("failures", "Failures in the window, over all processes")
        self.openings = _counter("openings", "How often the circuit has opened, over all processes")
        self.limit = _gauge("limit", "Calls that all processes may have in hand; +Inf if there is no limit")
        self.in_hand = _gauge(
            "calls_in_hand", "Calls that all processes have in hand; 0 without adaptive_limit"
        )
        self.store = _gauge("store_up", "1 if the store answers, 0 if this process uses a local circuit")
        self.calls = _counter("calls", "Calls of this process that have ended", "outcome")
        self.rejected = _counter("rejected_calls", "Calls of this process that were refused")

    @property
    def all(self) -> list[Metric]:
        return list(vars(self).values())

    def add_circuit(self, name: str, status: BreakerStatus) -> None:
        """What all processes share, as this process sees it."""
        mode = None if status.override is None else status.override.mode
        for state in CircuitState:
            self.state.add_metric([name, state.value], status.state is state)
        for other in OverrideMode:
            self.override.add_metric([name, other.value], mode is other)
        self.failures.add_metric([name], status.failure_count)
        self.openings.add_metric([name], status.open_count)
        self.limit.add_metric([name], math.inf if status.limit is None else status.limit)
        self.in_hand.add_metric([name], status.in_hand)
        self.store.add_metric([name], status.store_ok)

    def add_calls(self, name: str, counts: list[BreakerMetrics]) -> None:
        """The counts of this process, of all its breakers of one circuit."""
        successes = sum(one.successful_calls for one in counts)
        failures = sum(one.failed_calls for one in counts)
        neutral = sum(one.total_calls for one in counts) - successes - failures
        for outcome, number in (("success", successes), ("failure", failures), ("neutral", neutral)):
            self.calls.add_metric([name, outcome], number)
        self.rejected.add_metric([name], sum(one.rejected_calls for one in counts))


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(PREFIX + name, text, labels=["circuit", *labels])


def _counter(name: str, text: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(PREFIX + name, text, labels=["circuit", *labels])

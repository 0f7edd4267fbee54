"""The Prometheus collector."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import DuplicateTimeseries

from breakwall.breaker import CircuitBreakerError, CircuitBreakerRegistry, OverrideMode
from breakwall.breaker.prometheus import BreakerCollector
from tests.manual_clock import MonotonicClock
from tests.unit.breaker.doubles import FaultyStore, Fleet, answer, fail_times, succeed_times


def scraped(*breakers: Any) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(BreakerCollector(breakers))
    return registry


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(f"breakwall_breaker_{name}", {"circuit": "payment", **labels})


def refuse(breaker: Any, times: int) -> None:
    for _ in range(times):
        with pytest.raises(CircuitBreakerError):
            breaker.call(answer)


def test_calls_are_counted_by_their_outcome_and_refusals_apart(fleet: Fleet) -> None:
    breaker = fleet.breaker(failure_threshold=2, failure_rate=0.1)
    succeed_times(breaker, 3)
    breaker.acquire().release()
    fail_times(breaker, 2)
    refuse(breaker, 4)
    seen = scraped(breaker)
    outcomes = ("success", "failure", "neutral")
    assert [value(seen, "calls_total", outcome=outcome) for outcome in outcomes] == [3, 2, 1]
    assert value(seen, "rejected_calls_total") == 4


def test_exactly_one_state_is_the_circuits(fleet: Fleet, clock: MonotonicClock) -> None:
    breaker = fleet.breaker()
    seen = scraped(breaker)

    def states() -> dict[str, float | None]:
        return {state: value(seen, "state", state=state) for state in ("closed", "open", "half_open")}

    assert states() == {"closed": 1, "open": 0, "half_open": 0}
    fail_times(breaker, 3)
    assert states() == {"closed": 0, "open": 1, "half_open": 0}
    clock.sleep(30)
    assert states() == {"closed": 0, "open": 0, "half_open": 1}


def test_a_process_without_calls_shows_the_state_of_the_fleet(fleet: Fleet, clock: MonotonicClock) -> None:
    idle, busy = fleet.breakers(2)
    seen = scraped(idle)
    fail_times(busy, 3)
    clock.sleep(0.2)
    assert value(seen, "state", state="open") == 1
    assert value(seen, "openings_total") == 1
    assert value(seen, "failures") == 3


def test_the_limit_is_infinite_until_there_is_one(fleet: Fleet) -> None:
    breaker = fleet.half_open(adaptive_limit=True)
    seen = scraped(breaker)
    assert value(seen, "limit") == math.inf
    breaker.call(answer)
    assert value(seen, "limit") == 2
    breaker.acquire()
    assert value(seen, "calls_in_hand") == 1


def test_an_override_is_shown_by_its_mode(fleet: Fleet) -> None:
    breaker = fleet.breaker()
    seen = scraped(breaker)
    breaker.observe("a try", "kim")
    modes = {mode.value: value(seen, "override", mode=mode.value) for mode in OverrideMode}
    assert modes == {"forced_open": 0, "forced_closed": 0, "observing": 1}


def test_a_lost_store_is_shown(fleet: Fleet, store: FaultyStore, clock: MonotonicClock) -> None:
    breaker = fleet.breaker()
    seen = scraped(breaker)
    assert value(seen, "store_up") == 1
    store.down = True
    clock.sleep(1)
    assert value(seen, "store_up") == 0


def test_several_circuits_have_series_of_their_own_and_few(fleet: Fleet) -> None:
    names = ("payment", "shipping", "mail")
    registry = scraped(*map(fleet.breaker, names))
    lines = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    for name in names:
        assert len([line for line in lines if f'circuit="{name}"' in line]) == 15
    assert len(lines) == 45


def test_two_breakers_of_one_circuit_count_together(fleet: Fleet) -> None:
    first, second = fleet.breakers(2)
    succeed_times(first, 2)
    succeed_times(second, 3)
    assert value(scraped(first, second), "calls_total", outcome="success") == 5


def test_breakers_that_a_registry_makes_later_are_collected_too() -> None:
    breakers, metrics = CircuitBreakerRegistry(), CollectorRegistry()
    metrics.register(BreakerCollector(breakers))
    breakers.breaker("payment")
    assert value(metrics, "state", state="closed") == 1


def test_registering_it_asks_no_store_and_a_second_one_is_refused(fleet: Fleet, store: FaultyStore) -> None:
    breaker = fleet.breaker()
    registry = CollectorRegistry(auto_describe=True)
    registry.register(BreakerCollector([breaker]))
    assert store.operations == 0
    with pytest.raises(DuplicateTimeseries):
        registry.register(BreakerCollector([breaker]))


def test_reading_changes_no_circuit(fleet: Fleet) -> None:
    breaker = fleet.half_open()
    generate_latest(scraped(breaker))
    assert (breaker.status().generation, breaker.status().slots) == (1, 1)


def test_what_prometheus_reads_is_well_formed(fleet: Fleet) -> None:
    text = generate_latest(scraped(fleet.breaker())).decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert all(family.documentation for family in families.values())
    assert families["breakwall_breaker_calls"].type == "counter"
    assert families["breakwall_breaker_state"].type == "gauge"


def test_without_the_client_library_its_import_says_what_to_install() -> None:
    program = "import sys; sys.modules['prometheus_client'] = None; import breakwall.breaker.prometheus"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: breakwall.breaker.prometheus needs the Python module prometheus_client, which is not "
        "installed: run pip install 'breakwall[prometheus]'"
    )

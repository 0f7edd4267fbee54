"""Processes of two releases work on one circuit: what only the later one knows survives, in every store."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from contextlib import closing
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from breakwall.breaker import CircuitBreaker, CircuitBreakerConfig, CircuitState, Store
from tests.contract.breaker.conftest import ON_SHARED
from tests.waiting import wait_until

OpenStore = Callable[[], Store]

pytestmark = ON_SHARED
CONFIG = CircuitBreakerConfig(
    failure_threshold=1,
    recovery_timeout=0.01,
    jitter=0.0,
    refresh_interval=0.01,
    store_timeout=20.0,
    first_contact=20.0,
)
# Ours are lower case.
later_fields = st.dictionaries(
    st.text("ABCé \0\n\"'", min_size=1),
    st.none() | st.integers() | st.text(max_size=5) | st.lists(st.text(max_size=5), max_size=3),
    min_size=1,
    max_size=3,
)


def stored(store: Store, name: str) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(store.load(name).text or "{}")
    return row


def write(store: Store, name: str, text: str) -> None:
    assert store.swap(name, store.load(name).version, secrets.token_hex(8), text)[0]


def live(breaker: CircuitBreaker) -> None:
    """Open, probe, close, and an operator's override: every way in which a row is rewritten."""
    breaker.acquire().record_failure()
    wait_until(lambda: breaker.status().state is CircuitState.HALF_OPEN)
    breaker.call(int)
    breaker.force_close("a try", "kim")
    breaker.auto("kim")


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fields=later_fields)
def test_what_a_later_release_has_added_stays(open_store: OpenStore, fields: dict[str, Any]) -> None:
    store, name = open_store(), secrets.token_hex(4)
    write(store, name, json.dumps({"v": 1, "s": "closed", **fields}))
    with closing(CircuitBreaker(name, CONFIG, open_store())) as breaker:
        live(breaker)
        assert breaker.status().generation == 3
    row = stored(store, name)
    assert {key: row[key] for key in fields} == fields


def test_what_it_has_added_to_an_operators_override_stays(open_store: OpenStore) -> None:
    store = open_store()
    override = {"m": "observing", "r": "why", "a": "kim", "t": 1, "case": "OPS-17"}
    write(store, "payment", json.dumps({"v": 1, "s": "closed", "o": override, "os": 1}))
    with closing(CircuitBreaker("payment", CONFIG, open_store())) as breaker:
        breaker.acquire().record_failure()
    assert override.items() <= stored(store, "payment")["o"].items()


def test_its_row_in_another_format_is_not_overwritten_and_calls_continue(open_store: OpenStore) -> None:
    store, text = open_store(), '{"v":2,"state":"open"}'
    write(store, "payment", text)
    with closing(CircuitBreaker("payment", CONFIG, open_store())) as breaker:
        assert breaker.call(int) == 0
        breaker.acquire().record_failure()
        assert breaker.status().state is not CircuitState.CLOSED, "each process judges for itself"
        assert breaker.status().store_error == "NewerFormatError"
    assert store.load("payment").text == text


def test_a_row_that_no_release_wrote_begins_anew(open_store: OpenStore) -> None:
    store = open_store()
    write(store, "payment", "\\x00 not a circuit {")
    with closing(CircuitBreaker("payment", CONFIG, open_store())) as breaker:
        assert breaker.call(int) == 0
        assert breaker.status().store_ok
        breaker.acquire().record_failure()
    assert stored(store, "payment")["s"] == "open"

"""The circuit's transitions are kept, once, whichever process looks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from breakwall.breaker import CircuitState
from breakwall.monitor.history.circuit_history import newest_transitions
from breakwall.monitor.history.sampler import LEASE
from breakwall.monitor.history.thin import KEPT
from breakwall.monitor.history.transitions import CircuitTransition, TransitionCause
from breakwall.payments.db.operator_tables import circuit_transitions
from tests.contract.monitor.history.history_site import HistorySite


@pytest.fixture(autouse=True)
def one_time(history: HistorySite) -> None:
    """The clock of the circuit's store shows the time of the database, or its transitions would be very old."""
    history.seconds = history.clock.now.timestamp()


def kept(history: HistorySite) -> list[CircuitTransition]:
    return history.database.read(lambda connection: newest_transitions(connection, limit=100))


def look(history: HistorySite, times: int = 2) -> None:
    for _ in range(times):
        history.advance(1)
        history.sampler.run_once()


def outage(history: HistorySite) -> None:
    history.open_circuit()
    look(history)
    history.advance(history.breaker.status().retry_after)
    history.breaker_forgets()
    look(history)


def test_the_newest_transition_comes_first_with_its_cause(history: HistorySite) -> None:
    look(history)
    outage(history)
    found = kept(history)
    assert [one.after for one in found] == [CircuitState.CLOSED, CircuitState.HALF_OPEN, CircuitState.OPEN]
    assert found[0].cause is TransitionCause.PROBES_SUCCEEDED
    assert found[-1].failures == 3
    look(history, 20)
    assert kept(history) == found


def test_a_process_that_takes_over_tells_what_happened_between(history: HistorySite) -> None:
    look(history)
    outage(history)
    history.open_circuit()
    history.advance(LEASE + 10)
    other = history.new_sampler()
    for _ in range(3):
        other.run_once()
        history.advance(1)
    assert [one.generation for one in kept(history)] == [4, 3, 2, 1]


def test_two_processes_write_nothing_twice(history: HistorySite) -> None:
    """The first one has a pause that is longer than its lease, and does not know it."""
    look(history)
    outage(history)
    history.open_circuit()
    history.advance(LEASE + 1)
    other = history.new_sampler()
    other.run_once()
    history.advance(1)
    other.run_once()
    before = kept(history)
    assert len(before) == 4
    history.advance(LEASE + 1)
    history.sampler._next_sample = float("inf")  # It only looks.
    history.sampler.run_once()
    assert kept(history) == before


def test_what_a_lost_store_says_is_not_kept(history: HistorySite) -> None:
    look(history)

    lost = replace(history.breaker.status(), store_ok=False, open_count=1, generation=1)
    history.sampler._circuit.look(lost)
    assert kept(history) == []


def pass_the_time_that_is_kept(history: HistorySite) -> None:
    history.clock.now = kept(history)[0].at
    history.advance(KEPT + 1)
    history.sampler.run_once()


def test_old_transitions_are_deleted_but_for_the_newest(history: HistorySite) -> None:
    look(history)
    outage(history)
    newest = kept(history)[0]
    pass_the_time_that_is_kept(history)
    assert kept(history) == [newest]


def test_the_first_outage_after_long_quiet_is_written_down(history: HistorySite) -> None:
    look(history)
    outage(history)
    pass_the_time_that_is_kept(history)
    history.open_circuit()
    look(history)
    assert [one.after for one in kept(history)] == [CircuitState.OPEN, CircuitState.CLOSED]


def test_without_the_table_there_are_none(history: HistorySite) -> None:
    history.database.write(lambda connection: circuit_transitions.drop(connection))
    assert kept(history) == []

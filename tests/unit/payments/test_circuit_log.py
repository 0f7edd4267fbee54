"""The changes of the circuit are logged at Celery's default level, with their causes."""

from __future__ import annotations

import logging

import pytest

from breakwall.breaker import (
    CircuitBreaker,
    CircuitBreakerConfig,
    CircuitState,
    Hang,
    Limited,
    Overridden,
    Reset,
    Transition,
)
from breakwall.breaker.stores.memory import MemoryStore
from breakwall.payments.circuit_log import CircuitLog
from breakwall.payments.gateways.base import ChargeAnswer, Health, LookupAnswer, LookupResult, Outcome

CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN


class LoggedCircuit:
    """A circuit of this process, its log, and a clock that both are on."""

    def __init__(self, caplog: pytest.LogCaptureFixture, pause: float = 0.0) -> None:
        caplog.set_level(logging.INFO, "breakwall.circuit")
        self.caplog = caplog
        self.now = 100.0
        self.log = CircuitLog(lambda: self.now, window=60.0, pause=pause)
        config = CircuitBreakerConfig(
            failure_threshold=3, recovery_timeout=30.0, jitter=0.0, half_open_max_calls=1
        )
        store = MemoryStore(lambda: self.now)
        self.breaker = CircuitBreaker("payment", config, store, clock=lambda: self.now)
        self.breaker.listen(self.log.on_event)

    def call(self, code: str | None) -> None:
        permit = self.breaker.acquire()
        if code is None:
            self.log.record_answer(ChargeAnswer(Outcome.SUCCEEDED, Health.SUCCESS))
            permit.record_success()
        else:
            self.log.record_answer(ChargeAnswer(Outcome.UNKNOWN, Health.FAILURE, code=code))
            permit.record_failure()

    def open(self) -> None:
        for code in ("http_503", "ReadTimeout", "http_503"):
            self.call(code)

    def logged(self, level: int = logging.WARNING) -> list[str]:
        found = [record for record in self.caplog.records if record.name == "breakwall.circuit"]
        return [record.getMessage() for record in found if record.levelno >= level]


@pytest.fixture
def circuit(caplog: pytest.LogCaptureFixture) -> LoggedCircuit:
    return LoggedCircuit(caplog)


def test_a_reset_is_logged_with_who_and_why(circuit: LoggedCircuit) -> None:
    circuit.log.on_event(Reset("payment", "the service was repaired", "kim"))
    circuit.log.on_event(Reset("payment"))
    assert circuit.logged() == [
        "the circuit payment was reset by kim: the service was repaired",
        "the circuit payment was reset",
    ]


def test_an_opening_says_what_failed_how_often_and_of_how_many(circuit: LoggedCircuit) -> None:
    circuit.call(None)
    circuit.open()
    assert circuit.logged() == [
        "the circuit payment opened: 3 failures in all processes; in this process 3 of 4 calls failed: "
        "http_503 (2), ReadTimeout (1). Orders are queued; the first probe in 30 s"
    ]
    (record,) = circuit.caplog.records[-1:]
    assert vars(record)["kinds"] == {"http_503": 2, "ReadTimeout": 1}


def test_what_failed_before_the_window_is_no_cause(circuit: LoggedCircuit) -> None:
    circuit.call("http_500")
    circuit.now += 61
    circuit.open()
    assert "3 of 3 calls failed" in circuit.logged()[0]


def test_the_return_is_logged_with_how_long_it_took(circuit: LoggedCircuit) -> None:
    circuit.open()
    circuit.now += 31
    circuit.call("http_503")
    circuit.now += 61
    circuit.call(None)
    _, again, back = circuit.logged()
    assert again.startswith(
        "the circuit payment opened again: a probe failed; in this process 1 of 1 calls failed: http_503 (1). "
    )
    assert back == (
        "the circuit payment closed again, 92 s after this process saw it open: payments go through"
    )
    assert "half-open" in circuit.logged(logging.INFO)[1]


def test_an_opening_that_other_processes_caused_is_logged_too(circuit: LoggedCircuit) -> None:
    circuit.log.on_event(Transition("payment", CLOSED, OPEN, 1, 25.0, 7))
    assert circuit.logged()[0].startswith(
        "the circuit payment is open: 7 failures in all processes; no call failed in this process."
    )
    circuit.log.on_event(Transition("payment", OPEN, CLOSED, 3, 0.0))
    circuit.log.on_event(Transition("payment", CLOSED, OPEN, 4, 25.0, 7))
    assert circuit.logged()[2].startswith("the circuit payment opened: 7 failures in all processes; ")


def test_a_process_that_missed_the_half_open_state_counts_no_failure_twice(
    circuit: LoggedCircuit,
) -> None:
    circuit.open()
    # In hand when it opened.
    circuit.log.record_answer(ChargeAnswer(Outcome.UNKNOWN, Health.FAILURE, code="ReadTimeout"))
    circuit.log.on_event(Transition("payment", OPEN, OPEN, 3, 60.0, 3, reopenings=1))
    assert circuit.logged()[1].startswith(
        "the circuit payment opened again: a probe failed; no call failed in this process."
    )


def test_a_pause_that_the_service_asked_for_is_called_that(circuit: LoggedCircuit) -> None:
    circuit.log.on_event(Transition("payment", CLOSED, OPEN, 1, 120.0))
    assert "is open: the payment service asked for a pause; " in circuit.logged()[0]


def test_a_look_up_that_fails_is_a_cause_as_well(circuit: LoggedCircuit) -> None:
    circuit.log.record_answer(LookupAnswer(LookupResult.UNAVAILABLE, Health.FAILURE, code="ConnectError"))
    circuit.log.on_event(Transition("payment", CLOSED, OPEN, 1, 25.0, 1))
    assert (
        "1 failure in all processes; in this process 1 of 1 calls failed: ConnectError (1)"
        in circuit.logged()[0]
    )


def test_a_circuit_that_was_closed_all_along_says_nothing(circuit: LoggedCircuit) -> None:
    circuit.log.on_event(Transition("payment", CLOSED, CLOSED, 4, 0.0))
    assert circuit.logged(logging.INFO) == []


def test_an_override_is_logged_with_its_actor_and_reason(circuit: LoggedCircuit) -> None:
    circuit.breaker.force_open("maintenance", "kim")
    circuit.breaker.auto("kim")
    assert circuit.logged() == [
        "the circuit payment was forced open by kim, until it is lifted: maintenance",
        "the override of the circuit payment was lifted: it decides for itself",
    ]


def test_an_override_that_ends_by_itself_says_when(circuit: LoggedCircuit) -> None:
    circuit.breaker.force_close("false alarm", "kim", 600.0)
    assert ", until " in circuit.logged()[0]
    assert circuit.logged()[0].endswith("Z: false alarm")


def test_an_override_is_logged_once_by_a_process_that_only_reads_the_status(circuit: LoggedCircuit) -> None:
    events: list[object] = []
    circuit.breaker.listen(events.append)
    circuit.breaker.observe("trial", "kim")
    for _ in range(3):
        circuit.now += 1
        circuit.breaker.status()
    assert [type(event) for event in events] == [Overridden]


def test_a_producer_warns_of_an_opening_at_most_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    circuit = LoggedCircuit(caplog, pause=60.0)
    for _ in range(3):
        circuit.open()
        circuit.now += 31
        circuit.call(None)
    kinds = [message.split(" ")[3].rstrip(":") for message in circuit.logged()]
    assert kinds == ["opened", "closed", "opened", "closed"]
    assert len(circuit.logged(logging.INFO)) == 9


def test_a_hang_and_its_end_are_logged(circuit: LoggedCircuit) -> None:
    circuit.log.on_event(Hang("payment", over=False, in_hand=12))
    circuit.log.on_event(Hang("payment", over=True, in_hand=3))
    assert circuit.logged() == [
        "the service of the circuit payment hangs: too many of 12 calls in hand are overdue. Orders are queued",
        "the service of the circuit payment answers again; 3 calls in hand",
    ]


def test_of_many_hangs_one_a_pause_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    circuit = LoggedCircuit(caplog, pause=60.0)
    for _ in range(30):
        circuit.log.on_event(Hang("payment", over=False, in_hand=12))
        circuit.now += 1
        circuit.log.on_event(Hang("payment", over=True, in_hand=0))
        circuit.now += 2
    assert len(circuit.logged()) == 4


def test_the_begin_and_the_end_of_a_limit_are_logged_quietly(circuit: LoggedCircuit) -> None:
    circuit.log.on_event(Limited("payment", 2))
    circuit.log.on_event(Limited("payment", None))
    assert circuit.logged() == []
    begins, ends = circuit.logged(logging.INFO)
    assert "2 calls at once" in begins
    assert "no limit any more" in ends

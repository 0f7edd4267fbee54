"""The circuit's changes are told at Celery's default level, with what brought them about."""

from __future__ import annotations

import logging

import pytest

from breakwall.breaker import CircuitBreaker, CircuitBreakerConfig, CircuitState, Overridden, Transition
from breakwall.breaker.stores.memory import MemoryStore
from breakwall.payments.circuit_log import CircuitLog
from breakwall.payments.gateways.base import Answer, Health, LookUpAnswer, LookUpResult, Outcome

CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN


class Story:
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
        self.breaker.listen(self.log.hear)

    def call(self, code: str | None) -> None:
        permit = self.breaker.acquire()
        if code is None:
            self.log.answered(Answer(Outcome.SUCCEEDED, Health.SUCCESS))
            permit.record_success()
        else:
            self.log.answered(Answer(Outcome.UNKNOWN, Health.FAILURE, code=code))
            permit.record_failure()

    def open(self) -> None:
        for code in ("http_503", "ReadTimeout", "http_503"):
            self.call(code)

    def told(self, level: int = logging.WARNING) -> list[str]:
        found = [record for record in self.caplog.records if record.name == "breakwall.circuit"]
        return [record.getMessage() for record in found if record.levelno >= level]


@pytest.fixture
def story(caplog: pytest.LogCaptureFixture) -> Story:
    return Story(caplog)


def test_an_opening_says_what_failed_how_often_and_of_how_many(story: Story) -> None:
    story.call(None)
    story.open()
    assert story.told() == [
        "the circuit payment opened: 3 failures in all processes; in this process 3 of 4 calls failed: "
        "http_503 (2), ReadTimeout (1). Orders are queued; the first probe in 30 s"
    ]
    (record,) = story.caplog.records[-1:]
    assert vars(record)["kinds"] == {"http_503": 2, "ReadTimeout": 1}


def test_what_failed_before_the_window_is_no_cause(story: Story) -> None:
    story.call("http_500")
    story.now += 61
    story.open()
    assert "3 of 3 calls failed" in story.told()[0]


def test_the_return_is_told_with_how_long_it_took(story: Story) -> None:
    story.open()
    story.now += 31
    story.call("http_503")
    story.now += 61
    story.call(None)
    _, again, back = story.told()
    assert again.startswith(
        "the circuit payment opened again: a probe failed; in this process 1 of 1 calls failed: http_503 (1). "
    )
    assert back == (
        "the circuit payment closed again, 92 s after this process saw it open: payments go through"
    )
    assert "half-open" in story.told(logging.INFO)[1]


def test_an_opening_that_others_brought_about_is_told_too(story: Story) -> None:
    story.log.hear(Transition("payment", CLOSED, OPEN, 1, 25.0, 7))
    assert story.told()[0].startswith(
        "the circuit payment is open: 7 failures in all processes; this process saw none of it."
    )
    story.log.hear(Transition("payment", OPEN, CLOSED, 3, 0.0))
    story.log.hear(Transition("payment", CLOSED, OPEN, 4, 25.0, 7))
    assert story.told()[2].startswith("the circuit payment opened: 7 failures in all processes; ")


def test_who_did_not_see_it_half_open_does_not_count_its_old_failures_again(story: Story) -> None:
    story.open()
    story.log.answered(Answer(Outcome.UNKNOWN, Health.FAILURE, code="ReadTimeout"))  # in hand when it opened
    story.log.hear(Transition("payment", OPEN, OPEN, 3, 60.0, 3, reopenings=1))
    assert story.told()[1].startswith(
        "the circuit payment opened again: a probe failed; this process saw none of it."
    )


def test_a_pause_that_the_service_asked_for_is_called_that(story: Story) -> None:
    story.log.hear(Transition("payment", CLOSED, OPEN, 1, 120.0))
    assert "is open: the payment service asked for a pause; " in story.told()[0]


def test_a_look_up_that_fails_is_a_cause_as_well(story: Story) -> None:
    story.log.answered(LookUpAnswer(LookUpResult.UNAVAILABLE, Health.FAILURE, code="ConnectError"))
    story.log.hear(Transition("payment", CLOSED, OPEN, 1, 25.0, 1))
    assert (
        "1 failure in all processes; in this process 1 of 1 calls failed: ConnectError (1)" in story.told()[0]
    )


def test_a_circuit_that_was_closed_all_along_says_nothing(story: Story) -> None:
    story.log.hear(Transition("payment", CLOSED, CLOSED, 4, 0.0))
    assert story.told(logging.INFO) == []


def test_an_override_is_told_with_its_actor_and_reason(story: Story) -> None:
    story.breaker.force_open("maintenance", "kim")
    story.breaker.auto("kim")
    assert story.told() == [
        "the circuit payment was forced open by kim, until it is lifted: maintenance",
        "the override of the circuit payment was lifted: it decides for itself",
    ]


def test_an_override_that_ends_by_itself_says_when(story: Story) -> None:
    story.breaker.force_close("false alarm", "kim", 600.0)
    assert ", until " in story.told()[0]
    assert story.told()[0].endswith("Z: false alarm")


def test_an_override_is_told_once_to_a_process_that_only_looks(story: Story) -> None:
    heard: list[object] = []
    story.breaker.listen(heard.append)
    story.breaker.observe("trial", "kim")
    for _ in range(3):
        story.now += 1
        story.breaker.status()
    assert [type(event) for event in heard] == [Overridden]


def test_a_producer_warns_of_an_opening_at_most_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    story = Story(caplog, pause=60.0)
    for _ in range(3):
        story.open()
        story.now += 31
        story.call(None)
    kinds = [message.split(" ")[3].rstrip(":") for message in story.told()]
    assert kinds == ["opened", "closed", "opened", "closed"]
    assert len(story.told(logging.INFO)) == 9

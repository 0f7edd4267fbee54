"""A broker's outage is logged once, at most once a minute, and without a secret."""

from __future__ import annotations

import pytest
from amqp import spec
from amqp.exceptions import ConsumerCancelled

from breakwall.broker.consuming.outage_log import LONGEST_PAUSE, MAX_CHARACTERS, PERSISTENT, OutageLog
from breakwall.log_throttle import INTERVAL
from tests.manual_clock import MonotonicClock


@pytest.fixture
def outages(clock: MonotonicClock) -> OutageLog:
    return OutageLog(clock=clock, secret="geheim")


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_an_outage_is_logged_once_and_then_once_a_minute(
    outages: OutageLog, clock: MonotonicClock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(int(2 * INTERVAL)):
        outages.failed(ConnectionError("READONLY You can't write against a read only replica."))
        clock.now += 1
    assert len(lines(caplog)) == 2
    assert "READONLY You can't write" in lines(caplog)[0]


def test_the_end_of_an_outage_is_logged_if_its_beginning_was(
    outages: OutageLog, clock: MonotonicClock, caplog: pytest.LogCaptureFixture
) -> None:
    outages.over()
    for _ in range(5):
        outages.failed(ConnectionError("gone"))
        clock.now += 3
        outages.over()
    assert [line.partition(":")[0] for line in lines(caplog)] == [
        "the broker fails",
        "the broker is back after 3 s",
    ]


def test_the_cause_is_logged_and_not_its_wrapper(
    outages: OutageLog, caplog: pytest.LogCaptureFixture
) -> None:
    error = ConnectionError()
    error.__cause__ = ValueError("OOM command not allowed")
    outages.failed(error)
    assert "OOM command not allowed" in lines(caplog)[0]


def test_no_secret_and_nothing_that_breaks_a_line_is_logged(
    outages: OutageLog, caplog: pytest.LogCaptureFixture
) -> None:
    outages.failed(ConnectionError("redis://:geheim@h failed\n\x1b[2J" + "x" * 10_000))
    (line,) = lines(caplog)
    assert "geheim" not in line
    assert line.isprintable()
    assert len(line) < MAX_CHARACTERS + 200


def test_a_refusal_that_stops_nothing_is_logged_as_that(
    outages: OutageLog, caplog: pytest.LogCaptureFixture
) -> None:
    outages.refused(ValueError("WRONGTYPE"))
    outages.refused(ValueError("WRONGTYPE"))
    assert len(lines(caplog)) == 1
    outages.over()
    assert len(lines(caplog)) == 1


def test_the_pauses_grow_up_to_a_bound_and_start_again(outages: OutageLog) -> None:
    pauses = [outages.failed(ConnectionError()) for _ in range(20)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE
    outages.over()
    assert outages.failed(ConnectionError()) == pauses[0]


def test_a_queue_that_was_deleted_is_logged_in_words(
    outages: OutageLog, caplog: pytest.LogCaptureFixture
) -> None:
    error = ConnectionError()
    error.__cause__ = ConsumerCancelled("None2", spec.Basic.Cancel)
    outages.failed(error)
    assert lines(caplog)[0].startswith("the broker fails: its queue was deleted. Orders wait")


def test_a_failure_of_another_kind_that_persists_is_logged_within_the_minute(
    outages: OutageLog, clock: MonotonicClock, caplog: pytest.LogCaptureFixture
) -> None:
    outages.failed(ConnectionError("reset"))
    for _ in range(4 * PERSISTENT):
        outages.failed(PermissionError("no right to read"))
        clock.now += 1
    assert len(lines(caplog)) == 2
    assert "no right to read" in lines(caplog)[1]


def test_failures_that_alternate_are_logged_once_a_minute(
    outages: OutageLog, clock: MonotonicClock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(int(INTERVAL) // 2):
        outages.failed(ConnectionError("refused"))
        outages.failed(TimeoutError("silent"))
        clock.now += 1
    assert len(lines(caplog)) == 1

"""What a worker says of its broker's failures: once an outage, once a minute at most, and no secret."""

from __future__ import annotations

import logging

import pytest
from amqp import spec
from amqp.exceptions import ConsumerCancelled

from breakwall.broker.consuming.consumer import TIDYING_UP
from breakwall.broker.consuming.outages import LASTS, LONGEST, LONGEST_PAUSE, SILENCE, Outages


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outages(clock: Clock) -> Outages:
    return Outages(clock=clock, secret="geheim")


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_an_outage_is_told_once_and_then_once_a_minute(
    outages: Outages, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(int(2 * SILENCE)):
        outages.failed(ConnectionError("READONLY You can't write against a read only replica."))
        clock.now += 1
    assert len(said(caplog)) == 2
    assert "READONLY You can't write" in said(caplog)[0]


def test_its_end_is_told_where_its_beginning_was(
    outages: Outages, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    outages.over()
    for _ in range(5):
        outages.failed(ConnectionError("gone"))
        clock.now += 3
        outages.over()
    assert [line.partition(":")[0] for line in said(caplog)] == [
        "the broker fails",
        "the broker is back after 3 s",
    ]


def test_the_cause_is_told_and_not_what_it_was_wrapped_in(
    outages: Outages, caplog: pytest.LogCaptureFixture
) -> None:
    error = ConnectionError()
    error.__cause__ = ValueError("OOM command not allowed")
    outages.failed(error)
    assert "OOM command not allowed" in said(caplog)[0]


def test_no_secret_and_nothing_that_breaks_a_line_is_told(
    outages: Outages, caplog: pytest.LogCaptureFixture
) -> None:
    outages.failed(ConnectionError("redis://:geheim@h failed\n\x1b[2J" + "x" * 10_000))
    (line,) = said(caplog)
    assert "geheim" not in line
    assert line.isprintable()
    assert len(line) < LONGEST + 200


def test_a_refusal_that_stops_nothing_is_told_as_that(
    outages: Outages, caplog: pytest.LogCaptureFixture
) -> None:
    outages.complained(ValueError("WRONGTYPE"))
    outages.complained(ValueError("WRONGTYPE"))
    assert len(said(caplog)) == 1
    outages.over()
    assert len(said(caplog)) == 1


def test_the_pauses_grow_up_to_a_bound_and_begin_anew(outages: Outages) -> None:
    pauses = [outages.failed(ConnectionError()) for _ in range(20)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE
    outages.over()
    assert outages.failed(ConnectionError()) == pauses[0]


def test_a_queue_that_was_deleted_is_told_in_words(
    outages: Outages, caplog: pytest.LogCaptureFixture
) -> None:
    error = ConnectionError()
    error.__cause__ = ConsumerCancelled("None2", spec.Basic.Cancel)
    outages.failed(error)
    assert said(caplog)[0].startswith("the broker fails: its queue was deleted. Orders wait")


def test_what_fails_in_another_way_and_goes_on_to_is_told_within_the_minute(
    outages: Outages, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    outages.failed(ConnectionError("reset"))
    for _ in range(4 * LASTS):
        outages.failed(PermissionError("no right to read"))
        clock.now += 1
    assert len(said(caplog)) == 2
    assert "no right to read" in said(caplog)[1]


def test_failures_that_alternate_are_told_once_a_minute(
    outages: Outages, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(int(SILENCE) // 2):
        outages.failed(ConnectionError("refused"))
        outages.failed(TimeoutError("silent"))
        clock.now += 1
    assert len(said(caplog)) == 1


def test_a_lost_connection_that_cannot_be_tidied_up_makes_no_page(caplog: pytest.LogCaptureFixture) -> None:
    """Seen in a storm: Celery's loop logs a traceback beside the line that `Outages` says."""
    celerys = logging.getLogger("celery.worker.loops")
    for loop in ("event loop", "sync event loop"):
        celerys.error(f"{TIDYING_UP} {loop}: %r", ConnectionResetError())
    celerys.error("something else")
    assert [record.getMessage() for record in caplog.records] == ["something else"]

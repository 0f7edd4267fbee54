"""When a line tries a second time, and when it does not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from breakwall.broker.publishing import connection as module
from breakwall.broker.publishing.connection import PROMPT, Line


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


class NoConnection:
    def collect(self) -> None: ...


class NoApp:
    def connection_for_write(self, **_: Any) -> NoConnection:
        return NoConnection()


class StubLine(Line):
    """Fails as often as told, each time after so many seconds."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(NoApp(), transport_options={})
        self._clock = clock
        self.tries = 0
        self.opened = 0
        self.fail(0, after=0)

    def fail(self, times: int, *, after: float) -> None:
        self.failures, self.after = times, after

    def _open(self) -> None:
        self.opened += self._producer is None
        self._producer = object()

    def _compare(self) -> None: ...

    def _pretend(self) -> None: ...

    def _is_refusal(self, error: Exception) -> bool:
        return False

    def _transmit(self, order_ids: Sequence[str]) -> None:
        self.tries += 1
        self._clock.now += self.after
        if self.failures:
            self.failures -= 1
            raise ConnectionError


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> StubLine:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return StubLine(clock)


def test_a_connection_that_was_dropped_while_idle_is_opened_again_and_the_message_sent(
    line: StubLine,
) -> None:
    line.send(["order-1"])
    line.fail(1, after=0)
    line.send(["order-2"])
    assert (line.tries, line.opened) == (3, 2)


def test_a_broker_that_hung_is_not_asked_twice(line: StubLine) -> None:
    line.send(["order-1"])
    line.fail(1, after=PROMPT * 2)
    with pytest.raises(ConnectionError):
        line.send(["order-2"])
    assert line.tries == 2


def test_a_connection_that_never_worked_is_not_tried_twice(line: StubLine) -> None:
    line.fail(1, after=0)
    with pytest.raises(ConnectionError):
        line.send(["order-1"])
    assert line.tries == 1


def test_there_is_no_third_try(line: StubLine) -> None:
    line.send(["order-1"])
    line.fail(9, after=0)
    with pytest.raises(ConnectionError):
        line.send(["order-2"])
    assert line.tries == 3


def test_a_line_that_failed_works_again_later(line: StubLine) -> None:
    line.fail(1, after=0)
    with pytest.raises(ConnectionError):
        line.send(["order-1"])
    line.send(["order-2"])
    assert line.opened == 2

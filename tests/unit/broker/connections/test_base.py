"""When a connection tries a second time."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from breakwall.broker.connections import base as module
from breakwall.broker.connections.base import PROMPT_FAILURE, BrokerConnection
from tests.manual_clock import MonotonicClock


class KombuConnection:
    """Counts how often it was opened."""

    alt: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.opened = 0

    def ensure_connection(self, **_: Any) -> None:
        self.opened += 1

    def channel(self) -> None: ...

    def collect(self) -> None: ...


class StubConnection(BrokerConnection):
    """Fails a given number of times, each after a given number of seconds."""

    def __init__(self, clock: MonotonicClock) -> None:
        self.kombu = KombuConnection()
        app = SimpleNamespace(
            connection_for_write=lambda **_: self.kombu,
            amqp=SimpleNamespace(Producer=lambda channel, **_: SimpleNamespace(channel=channel)),
        )
        super().__init__(app, transport_options={})
        self._clock = clock
        self.tries = 0
        self.fail(0, after=0)

    def fail(self, times: int, *, after: float) -> None:
        self.failures, self.after = times, after

    def _transmit(self, messages: Sequence[Sequence[str]]) -> None:
        self.tries += 1
        self._clock.now += self.after
        if self.failures:
            self.failures -= 1
            raise ConnectionError


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> StubConnection:
    clock = MonotonicClock()
    monkeypatch.setattr(module, "time", clock)
    return StubConnection(clock)


def test_a_connection_that_was_dropped_while_idle_is_opened_again_and_the_message_sent(
    connection: StubConnection,
) -> None:
    connection.send(["order-1"])
    connection.fail(1, after=0)
    connection.send(["order-2"])
    assert (connection.tries, connection.kombu.opened) == (3, 2)


@pytest.mark.parametrize(
    ("has_worked", "failures", "after", "tries"),
    [(True, 1, PROMPT_FAILURE * 2, 2), (False, 1, 0, 1), (True, 9, 0, 3)],
    ids=["not after it hung", "not where it never worked", "not a third time"],
)
def test_no_other_failure_is_tried_again(
    connection: StubConnection, has_worked: bool, failures: int, after: float, tries: int
) -> None:
    if has_worked:
        connection.send(["order-1"])
    connection.fail(failures, after=after)
    with pytest.raises(ConnectionError):
        connection.send(["order-2"])
    assert connection.tries == tries


def test_a_connection_that_failed_works_again_later(connection: StubConnection) -> None:
    connection.fail(1, after=0)
    with pytest.raises(ConnectionError):
        connection.send(["order-1"])
    connection.send(["order-2"])
    assert connection.kombu.opened == 2

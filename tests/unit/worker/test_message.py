"""Only the database ends an order: a revoked message and a terminated task do not."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from celery.worker.state import revoked as revoked_tasks

from breakwall.worker.message import RetryRequest, end_at_next_signal


@pytest.fixture
def request_in_work() -> Any:
    made = RetryRequest.__new__(RetryRequest)
    made.id = "order-1"
    made.ended = []
    retry = SimpleNamespace(end=lambda: made.ended.append("the wait for a resource"))
    made._task = SimpleNamespace(app=SimpleNamespace(breakwall=SimpleNamespace(exhaustion_retry=retry)))
    return made


@pytest.fixture
def _restored_signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGQUIT)}
    end_at_next_signal.cache_clear()
    yield
    end_at_next_signal.cache_clear()
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_revoked_message_is_worked_on_and_logged_once(
    request_in_work: Any, caplog: pytest.LogCaptureFixture
) -> None:
    revoked_tasks.add("order-1")
    assert not request_in_work.revoked()
    assert not request_in_work.revoked()
    assert caplog.text.count("`breakwall orders cancel` ends it") == 1


def test_terminate_does_nothing(request_in_work: Any) -> None:
    request_in_work.terminate(pool=None, signal="KILL")
    assert request_in_work.ended == []


@pytest.mark.usefixtures("_restored_signals")
def test_cancel_ends_waiting_and_lets_the_next_signal_end_the_process(
    request_in_work: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        request_in_work.cancel(pool=None)
        request_in_work.cancel(pool=None)
    assert request_in_work.ended == ["the wait for a resource"] * 2
    assert caplog.text.count("Another Ctrl-C ends the worker at once") == 1
    assert signal.getsignal(signal.SIGINT) is signal.getsignal(signal.SIGQUIT) is not signal.SIG_DFL

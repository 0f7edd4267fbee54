"""The task behind a message: one order or several, of this version or a later one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from breakwall.broker.messages.strange import StrangeError
from breakwall.worker.app import retry_payment


class RecordingDrain:
    """Is done with each message at once."""

    def __init__(self) -> None:
        self.given: list[list[str]] = []

    def submit(self, order_ids: Sequence[str], done: Callable[[], None]) -> None:
        self.given.append(list(order_ids))
        done()


def deliver(*arguments: Any, **also: Any) -> list[list[str]]:
    drain = RecordingDrain()
    task = SimpleNamespace(app=SimpleNamespace(breakwall=SimpleNamespace(drain=drain)))
    retry_payment(task, *arguments, **also)
    return drain.given


class TestAMessage:
    def test_of_one_order_is_given_to_the_drain(self) -> None:
        assert deliver("o1") == [["o1"]]

    def test_of_several_orders_is_given_as_one(self) -> None:
        assert deliver(["o1", "o2", "o3"]) == [["o1", "o2", "o3"]]

    @pytest.mark.parametrize("named", ["o1", ["o1"]])
    def test_with_what_a_later_version_adds_is_given_too(self, named: object) -> None:
        assert deliver(named, {"due": "soon"}, form=3) == [["o1"]]

    def test_of_no_orders_is_refused(self) -> None:
        with pytest.raises(StrangeError):
            deliver([])

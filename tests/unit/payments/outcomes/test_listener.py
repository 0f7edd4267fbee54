"""A callable of the shop's own."""

from __future__ import annotations

import re
from typing import Any

import pytest

from breakwall.payments.outcomes.listener import ListenerDestination
from tests.unit.payments.outcomes.test_event import EVENT


def test_it_gets_the_document_of_the_event() -> None:
    heard: list[dict[str, Any]] = []
    assert ListenerDestination(heard.append).deliver(EVENT, deadline=0).delivered
    assert heard == [EVENT.document]


@pytest.mark.parametrize("error", [ValueError("secret words"), SystemExit(3)])
def test_what_it_raises_is_a_failure_with_its_place_but_without_its_text(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    def look_up(key: str) -> None:
        raise error

    def hear(event: dict[str, Any]) -> None:
        look_up(event["data"]["idempotency_key"])

    failed = ListenerDestination(hear).deliver(EVENT, deadline=0).error or ""
    raised = f"the listener raised {type(error).__name__}"
    assert re.fullmatch(rf"{raised} at {re.escape(__file__)}:\d+ in look_up", failed)
    assert re.search(rf"{raised}; .*innermost first: \S+ in look_up, \S+ in hear$", caplog.text.strip())
    assert "secret words" not in caplog.text


def test_a_listener_that_cannot_take_the_event_has_no_place() -> None:
    failed = ListenerDestination(lambda: None).deliver(EVENT, deadline=0)  # type: ignore[arg-type]
    assert failed.error == "the listener raised TypeError"


def test_an_async_function_is_refused_because_its_call_would_do_nothing() -> None:
    async def hear(event: dict[str, Any]) -> None: ...

    with pytest.raises(ValueError, match="ordinary function"):
        ListenerDestination(hear)

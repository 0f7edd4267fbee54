"""A callable of the shop's own."""

from __future__ import annotations

from typing import Any

import pytest

from breakwall.payments.outcomes.listener import ListenerDestination
from tests.unit.payments.outcomes.test_event import EVENT


def test_it_gets_the_document_of_the_event() -> None:
    heard: list[dict[str, Any]] = []
    assert ListenerDestination(heard.append).deliver(EVENT, deadline=0).delivered
    assert heard == [EVENT.document]


@pytest.mark.parametrize("error", [ValueError("secret words"), SystemExit(3)])
def test_what_it_raises_is_a_failure_whose_text_is_not_repeated(error: BaseException) -> None:
    def fail(event: dict[str, Any]) -> None:
        raise error

    assert (
        ListenerDestination(fail).deliver(EVENT, deadline=0).error
        == f"the listener raised {type(error).__name__}"
    )


def test_an_async_function_is_refused_because_its_call_would_do_nothing() -> None:
    async def hear(event: dict[str, Any]) -> None: ...

    with pytest.raises(ValueError, match="ordinary function"):
        ListenerDestination(hear)

"""A message on Celery's control channel is a command to a worker, or it is strange."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breakwall.broker.messages.command import check_broadcast, read_command
from breakwall.broker.messages.strange import StrangeError
from tests.unit.broker.messages.anything import ANYTHING

REPLIES = "reply.celery.pidbox"
ASKED = {
    "method": "ping",
    "arguments": {},
    "destination": None,
    "pattern": None,
    "matcher": None,
    "reply_to": {"exchange": REPLIES, "routing_key": "me"},
    "ticket": "t",
}


def test_a_celery_command_is_read_unchanged() -> None:
    assert read_command(ASKED, {"clock": 5, "expires": 1.0}, REPLIES) == ASKED
    assert read_command({"method": "ping"}, {}, REPLIES)["arguments"] == {}


@pytest.mark.parametrize(
    "part",
    [
        {"method": 7},
        {"arguments": [1]},
        {"destination": "all"},
        {"pattern": "(", "matcher": "pcre"},
        {"pattern": "x", "matcher": "other"},
        {"reply_to": {"exchange": "payments.retry", "routing_key": "payments.retry"}},
        {"ticket": 7},
    ],
)
def test_a_message_that_is_no_command_is_strange(part: dict[str, Any]) -> None:
    with pytest.raises(StrangeError):
        read_command({**ASKED, **part}, {}, REPLIES)


@pytest.mark.parametrize("clock", ["x", -1, 2**60, 1.5])
def test_a_clock_that_could_not_be_forwarded_is_strange(clock: Any) -> None:
    with pytest.raises(StrangeError):
        read_command(ASKED, {"clock": clock}, REPLIES)


@given(ANYTHING, ANYTHING)
@settings(max_examples=30)
def test_every_message_on_the_control_channel_is_a_command_or_strange(body: Any, headers: Any) -> None:
    for given_body in (body, {**ASKED, "arguments": body, "destination": headers}):
        with contextlib.suppress(StrangeError):
            assert read_command(given_body, headers, REPLIES)["method"] == "ping"


@given(st.binary() | st.text() | ANYTHING.map(repr))
@settings(max_examples=30)
def test_every_broadcast_is_an_envelope_or_strange(data: bytes | str) -> None:
    with pytest.raises(StrangeError):
        check_broadcast(data)

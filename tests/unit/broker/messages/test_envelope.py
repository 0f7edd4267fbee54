"""An element of a Redis list is an envelope that kombu can deliver and put back, or it is strange."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakwall.broker.config import TASK
from breakwall.broker.messages.envelope import addressed_to, check_envelope, read_envelope
from breakwall.broker.messages.strange import StrangeError
from tests.unit.broker.messages.anything import ANYTHING


def envelope(body: str = "") -> dict[str, Any]:
    properties = {"body_encoding": "base64", "delivery_tag": "t", "delivery_info": {}, "priority": 0}
    return {"body": body, "headers": {"task": TASK, "id": "a1b2"}, "properties": properties}


@given(item=st.binary() | ANYTHING.map(lambda value: json.dumps(value, default=str).encode()))
def test_every_element_of_a_list_is_an_envelope_or_strange(item: bytes) -> None:
    with pytest.raises(StrangeError):
        read_envelope(item)


@given(body=st.binary(), encoding=st.sampled_from(["base64", "utf-8", None, "rot13"]), properties=ANYTHING)
def test_kombu_can_deliver_every_envelope(body: bytes, encoding: str, properties: Any) -> None:
    from kombu.transport.virtual import Channel, Message

    given = envelope(base64.b64encode(body).decode())
    given["properties"]["body_encoding"] = encoding
    given["content-type"] = properties if isinstance(properties, str) else None
    try:
        read = addressed_to("q", read_envelope(json.dumps(given)))
    except StrangeError:
        return
    channel: Any = type("Bare", (), {"decode_body": Channel.decode_body, "codecs": Channel.codecs})()
    message = Message(json.loads(json.dumps(read)), channel=channel)
    assert not message.errors
    assert message.delivery_info == {"exchange": "", "routing_key": "q"}


def test_each_delivery_has_its_own_tag() -> None:
    tags = {addressed_to("q", envelope())["properties"]["delivery_tag"] for _ in range(2)}
    assert len(tags) == 2
    assert "t" not in tags


@pytest.mark.parametrize("wrong", [None, [], {}, {"headers": None}, {"headers": {}, "properties": 1}])
def test_an_envelope_without_its_parts_is_not_put_back(wrong: Any) -> None:
    with pytest.raises(StrangeError):
        check_envelope(wrong)

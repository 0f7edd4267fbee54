"""What is a message of ours, and what is needed of it."""

from __future__ import annotations

import base64
import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breakwall.broker import TASK
from breakwall.broker.messages import (
    LARGEST,
    StrangeError,
    addressed_to,
    check_broadcast,
    check_envelope,
    read_command,
    read_envelope,
    read_message,
)

HEADERS = {"task": TASK, "id": "a1b2"}
BODY = b'[["a1b2"], {}, {"callbacks": null}]'

ANYTHING: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=8,
)


def body_of(*arguments: Any, **names: Any) -> bytes:
    return json.dumps([arguments, names, {}]).encode()


def envelope(body: str = "", **other: Any) -> dict[str, Any]:
    properties = {"body_encoding": "base64", "delivery_tag": "t", "delivery_info": {}, "priority": 0}
    return {"body": body, "headers": {**HEADERS}, "properties": properties, **other}


def test_a_message_of_ours_is_read_whether_it_names_one_order_or_some() -> None:
    assert json.loads(read_message(HEADERS, BODY).body)[0] == ["a1b2"]
    assert json.loads(read_message(HEADERS, body_of(["a", "b"])).body)[0] == [["a", "b"]]


@pytest.mark.parametrize(
    "header",
    ["eta", "expires", "timelimit", "retries", "reply_to", "chord", "shadow", "stamped_headers", "get"],
)
def test_a_header_that_tells_celery_something_else_goes_no_further(header: str) -> None:
    read = read_message({**HEADERS, header: "2099-01-01T00:00:00"}, BODY)
    assert read.headers.get(header) in (None, 0)


def test_what_is_called_afterwards_goes_no_further() -> None:
    afterwards = [["a1b2"], {}, {"callbacks": [{"task": "shop.pay"}], "chain": [1]}]
    assert json.loads(read_message(HEADERS, json.dumps(afterwards)).body)[2] == {
        "callbacks": None, "errbacks": None, "chain": None, "chord": None
    }  # fmt: skip


def test_a_trace_that_goes_through_many_processes_goes_on() -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    read = read_message({**HEADERS, "traceparent": trace, "baggage": "a\nb"}, BODY)
    assert (read.headers.get("traceparent"), read.headers.get("baggage")) == (trace, None)


@pytest.mark.parametrize(
    "name", ["a\nb", "\x1b[2J", "a\x00", "a b", "", "x" * 1_000_000, None, 7, {}, ["a\n"], []]
)
def test_an_id_that_is_none_makes_a_message_strange(name: Any) -> None:
    with pytest.raises(StrangeError):
        read_message(HEADERS, body_of(name))
    with pytest.raises(StrangeError):
        read_message({**HEADERS, "id": name}, BODY)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (None, BODY),
        ({}, BODY),
        ({**HEADERS, "task": "shop.pay"}, BODY),
        ({**HEADERS, "compression": "zlib"}, BODY),
        (HEADERS, b"{}"),
        (HEADERS, b"null"),
        (HEADERS, b"\xff\x00"),
        (HEADERS, None),
        (HEADERS, b"[" * 100_000),
        (HEADERS, body_of()),
        (HEADERS, body_of(7, "b")),
        (HEADERS, b" " * (LARGEST + 1)),
    ],
)
def test_what_is_no_call_of_the_task_is_strange(headers: Any, body: Any) -> None:
    with pytest.raises(StrangeError):
        read_message(headers, body)


def test_what_a_later_version_adds_is_passed_over() -> None:
    assert json.loads(read_message(HEADERS, body_of("a", "b", also="c")).body)[:2] == [["a"], {}]


@given(headers=ANYTHING, body=ANYTHING)
def test_whatever_comes_is_ours_or_strange(headers: Any, body: Any) -> None:
    with pytest.raises(StrangeError):
        read_message(headers, body)


@given(item=st.binary() | ANYTHING.map(lambda value: json.dumps(value, default=str).encode()))
def test_whatever_lies_in_a_list_is_an_envelope_or_strange(item: bytes) -> None:
    with pytest.raises(StrangeError):
        read_envelope(item)


@given(body=st.binary(), encoding=st.sampled_from(["base64", "utf-8", None, "rot13"]), properties=ANYTHING)
def test_whatever_is_in_an_envelope_can_be_delivered_by_kombu(
    body: bytes, encoding: str, properties: Any
) -> None:
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


def test_each_delivery_has_a_name_of_its_own() -> None:
    tags = {addressed_to("q", envelope())["properties"]["delivery_tag"] for _ in range(2)}
    assert len(tags) == 2
    assert "t" not in tags


@pytest.mark.parametrize("wrong", [None, [], {}, {"headers": None}, {"headers": {}, "properties": 1}])
def test_what_has_not_the_parts_is_not_put_back(wrong: Any) -> None:
    with pytest.raises(StrangeError):
        check_envelope(wrong)


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


def test_a_command_of_celerys_is_read_as_it_is() -> None:
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
def test_what_is_no_command_is_strange(part: dict[str, Any]) -> None:
    with pytest.raises(StrangeError):
        read_command({**ASKED, **part}, {}, REPLIES)


@pytest.mark.parametrize("clock", ["x", -1, 2**60, 1.5])
def test_a_clock_that_could_not_be_sent_on_is_strange(clock: Any) -> None:
    with pytest.raises(StrangeError):
        read_command(ASKED, {"clock": clock}, REPLIES)


@given(ANYTHING, ANYTHING)
@settings(max_examples=30)
def test_whatever_comes_on_the_control_channel_is_a_command_or_strange(body: Any, headers: Any) -> None:
    for given_body in (body, {**ASKED, "arguments": body, "destination": headers}):
        with contextlib.suppress(StrangeError):
            assert read_command(given_body, headers, REPLIES)["method"] == "ping"


@given(st.binary() | st.text() | ANYTHING.map(repr))
@settings(max_examples=30)
def test_whatever_is_broadcast_is_an_envelope_or_strange(data: bytes | str) -> None:
    with pytest.raises(StrangeError):
        check_broadcast(data)

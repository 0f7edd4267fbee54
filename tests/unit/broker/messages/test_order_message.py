"""Breakwall's messages are read, and only what the task needs is kept."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from breakwall.broker.config import TASK
from breakwall.broker.messages.order_message import MAX_IDS, ids_in, read_message
from breakwall.broker.messages.strange import MAX_BYTES, StrangeError
from tests.unit.broker.messages.anything import ANYTHING

HEADERS = {"task": TASK, "id": "a1b2"}
BODY = b'[["a1b2"], {}, {"callbacks": null}]'


def body_of(*arguments: Any, **names: Any) -> bytes:
    return json.dumps([arguments, names, {}]).encode()


def test_our_message_is_read_with_one_order_or_several() -> None:
    assert json.loads(read_message(HEADERS, BODY).body)[0] == ["a1b2"]
    assert json.loads(read_message(HEADERS, body_of(["a", "b"])).body)[0] == [["a", "b"]]


@pytest.mark.parametrize(
    "header",
    ["eta", "expires", "timelimit", "retries", "reply_to", "chord", "shadow", "stamped_headers", "get"],
)
def test_a_header_with_another_request_to_celery_is_dropped(header: str) -> None:
    read = read_message({**HEADERS, header: "2099-01-01T00:00:00"}, BODY)
    assert read.headers.get(header) in (None, 0)


def test_callbacks_are_dropped() -> None:
    afterwards = [["a1b2"], {}, {"callbacks": [{"task": "shop.pay"}], "chain": [1]}]
    assert json.loads(read_message(HEADERS, json.dumps(afterwards)).body)[2] == {
        "callbacks": None, "errbacks": None, "chain": None, "chord": None
    }  # fmt: skip


def test_tracing_headers_are_kept() -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    read = read_message({**HEADERS, "traceparent": trace, "baggage": "a\nb"}, BODY)
    assert (read.headers.get("traceparent"), read.headers.get("baggage")) == (trace, None)


@pytest.mark.parametrize(
    "name",
    [
        "a\nb",
        "\x1b[2J",
        "a\x00",
        "a b",
        "",
        "x" * 1_000_000,
        None,
        7,
        {},
        ["a\n"],
        [["a"]],
        [],
        ["a"] * (MAX_IDS + 1),
    ],
)
def test_an_invalid_id_makes_a_message_strange(name: Any) -> None:
    with pytest.raises(StrangeError):
        read_message(HEADERS, body_of(name))
    with pytest.raises(StrangeError):
        read_message({**HEADERS, "id": name}, BODY)
    with pytest.raises(StrangeError):
        ids_in(name)


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
        (HEADERS, b" " * (MAX_BYTES + 1)),
    ],
)
def test_a_message_that_is_no_call_of_the_task_is_strange(headers: Any, body: Any) -> None:
    with pytest.raises(StrangeError):
        read_message(headers, body)


def test_parts_that_a_later_version_adds_are_ignored() -> None:
    assert json.loads(read_message(HEADERS, body_of("a", "b", also="c")).body)[:2] == [["a"], {}]


@given(headers=ANYTHING, body=ANYTHING)
def test_every_message_is_ours_or_strange(headers: Any, body: Any) -> None:
    with pytest.raises(StrangeError):
        read_message(headers, body)


def test_the_task_reads_one_id_and_several() -> None:
    assert ids_in("o1") == ["o1"]
    assert ids_in(["o1", "o2"]) == ["o1", "o2"]

"""What a message of ours looks like, and a command to a worker. Whatever else comes is none, and is set aside.

Pure: a message comes in as its parts, what is needed of it goes out. Nothing that a stranger wrote goes any further:
neither a header that tells Celery to wait, to call something else or to answer, nor a text that breaks a line.
"""

from __future__ import annotations

import json
import re
import uuid
from base64 import b64decode
from dataclasses import dataclass
from typing import Any

from breakwall.broker.config import TASK
from breakwall.broker.message_forms import MOST

LARGEST = 1_048_576
"""Bytes of a message: hundreds of times what one of ours has."""

_ID = re.compile(r"[A-Za-z0-9_.:@-]{1,128}")
"""An order's or a message's id. Ours are 32 hexadecimal digits."""

_TRACES = ("traceparent", "tracestate", "baggage", "sentry-trace")
"""What tools that follow a call through many processes add to a message."""

_LONGEST_TRACE = 8192


NO_COMMAND = "it is no command, on Celery's control channel"

LARGEST_CLOCK = 2**53
"""Of Celery's logical clocks, which count messages. A larger number could not be sent on."""


class StrangeError(Exception):
    """A message is none of ours; the text is the reason, without anything that was in the message."""


@dataclass(frozen=True, slots=True)
class StrangeMessage:
    """A message that is none of ours, with as much of it as could be read."""

    reason: str
    headers: object
    body: object


@dataclass(frozen=True, slots=True)
class OrderMessage:
    """What is needed of a message of ours, in Celery's form: nothing in it is as somebody else wrote it."""

    id: str
    headers: dict[str, Any]
    body: bytes


def read_message(headers: object, body: object) -> OrderMessage:
    """Read one message, of either broker.

    Raises:
        StrangeError: it is none of ours.
    """
    if not isinstance(headers, dict):
        raise StrangeError("it has no headers")
    if headers.get("task") != TASK:
        raise StrangeError("it is for another task")
    if headers.get("compression"):
        raise StrangeError("it is compressed")
    message_id = _readable_id(headers.get("id"), "its id is none")
    orders = _orders(_arguments(body))
    return OrderMessage(message_id, _clean_headers(message_id, orders, headers), _clean_body(orders))


def read_envelope(item: bytes | str) -> dict[str, Any]:
    """Read an element of a Redis list as kombu's envelope of a message, its body as a text.

    Raises:
        StrangeError: it is none.
    """
    envelope = check_envelope(_from_json(item, "it is no JSON"))
    body, encoding = envelope.get("body"), envelope["properties"].get("body_encoding")
    if not isinstance(body, str) or envelope["headers"].get("compression"):
        raise StrangeError("its body is no text")
    try:
        plain = b64decode(body, validate=True) if encoding == "base64" else body.encode()
        return {**envelope, "body": plain.decode()}
    except ValueError:
        raise StrangeError("its body is no text") from None


def check_envelope(found: object) -> dict[str, Any]:
    """Whether it has the parts that kombu needs to put it back into a queue; returns it as it is.

    Raises:
        StrangeError: it has not.
    """
    if not isinstance(found, dict) or not isinstance(found.get("headers"), dict):
        raise StrangeError("it has no headers")
    properties = found.get("properties")
    if not isinstance(properties, dict) or not isinstance(properties.get("delivery_info"), dict):
        raise StrangeError("it has no properties")
    return found


def check_broadcast(data: bytes | str) -> None:
    """Whether what came over a channel of Redis is kombu's envelope of a message.

    Raises:
        StrangeError: it is not.
    """
    try:
        check_envelope(_from_json(data, NO_COMMAND))
    except StrangeError:
        raise StrangeError(NO_COMMAND) from None


def read_command(body: object, headers: object, replies: str) -> dict[str, Any]:
    """Read a command to a worker, `celery control`'s or Flower's, in kombu's form.

    Args:
        replies: the exchange that answers are sent to; there is no other.

    Raises:
        StrangeError: it is none.
    """
    if not isinstance(body, dict) or not isinstance(headers, dict):
        raise StrangeError(NO_COMMAND)
    clock, arguments = headers.get("clock") or 0, body.get("arguments") or {}
    destination, reply_to = body.get("destination") or None, body.get("reply_to") or None
    texts = {name: body.get(name) or None for name in ("pattern", "matcher", "ticket")}
    if not (
        isinstance(body.get("method"), str)
        and isinstance(arguments, dict)
        and isinstance(clock, int)
        and 0 <= clock <= LARGEST_CLOCK
        and (destination is None or isinstance(destination, list))
        and (reply_to is None or _is_reply_address(reply_to, replies))
        and all(text is None or isinstance(text, str) for text in texts.values())
        and _is_pattern(texts["pattern"], texts["matcher"])
    ):
        raise StrangeError(NO_COMMAND)
    known = {"method": body["method"], "arguments": arguments, "destination": destination}
    return {**known, "reply_to": reply_to, **texts}


def _is_pattern(pattern: str | None, matcher: str | None) -> bool:
    try:
        re.compile(pattern or "" if matcher == "pcre" else "")
    except (re.error, RecursionError, OverflowError):
        return False
    return matcher in {None, "glob", "pcre"}


def _is_reply_address(given: object, replies: str) -> bool:
    return (
        isinstance(given, dict)
        and given.get("exchange") == replies
        and isinstance(given.get("routing_key"), str)
    )


def addressed_to(queue: str, envelope: dict[str, Any]) -> dict[str, Any]:
    """The envelope with a name of our own for this delivery, and the address that it came to.

    A name that was there already would take another message's place among those in hand, and a wrong address
    would send it elsewhere when it is put back.
    """
    properties = {
        "delivery_tag": str(uuid.uuid4()),
        "delivery_info": {"exchange": "", "routing_key": queue},
        "body_encoding": "utf-8",
        "priority": 0,
    }
    written = {"content-type": "application/json", "content-encoding": "utf-8", "properties": properties}
    return {"headers": envelope["headers"], "body": envelope["body"], **written}


def _arguments(body: object) -> list[Any]:
    if not isinstance(body, (bytes, str, memoryview)):
        raise StrangeError("it has no body")
    found = _from_json(bytes(body) if isinstance(body, memoryview) else body, "its body is no JSON")
    # Named arguments, and more of the others, are a later version's: its messages are read as far as we know them.
    if (
        not isinstance(found, list)
        or len(found) != 3
        or not isinstance(found[0], list)
        or not isinstance(found[1], dict)
    ):
        raise StrangeError("its body is no call of the task")
    arguments: list[Any] = found[0]
    return arguments


def _orders(arguments: list[Any]) -> str | list[str]:
    """One order's id, or a list of some."""
    what = "its arguments are no orders"
    if not arguments:
        raise StrangeError(what)
    given = arguments[0]
    if not isinstance(given, list):
        return _readable_id(given, what)
    if not 1 <= len(given) <= MOST:
        raise StrangeError(what)
    return [_readable_id(one, what) for one in given]


def _readable_id(value: object, otherwise: str) -> str:
    if not isinstance(value, str) or _ID.fullmatch(value) is None:
        raise StrangeError(otherwise)
    return value


def _from_json(text: bytes | str, otherwise: str) -> Any:
    if len(text) > LARGEST:
        raise StrangeError("it is too large")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise StrangeError(otherwise) from None


def _clean_headers(message_id: str, orders: str | list[str], given: dict[Any, Any]) -> dict[str, Any]:
    traces = {name: given[name] for name in _TRACES if _is_trace(given.get(name))}
    shown = orders if isinstance(orders, str) else f"{len(orders)} orders"
    ours = {"lang": "py", "task": TASK, "id": message_id, "root_id": message_id, "retries": 0}
    return {**traces, **ours, "argsrepr": f"('{shown}',)", "kwargsrepr": "{}", "ignore_result": True}


def _is_trace(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST_TRACE and value.isascii() and value.isprintable()


def _clean_body(orders: str | list[str]) -> bytes:
    afterwards = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    return json.dumps([[orders], {}, afterwards]).encode()

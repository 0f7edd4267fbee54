"""Strange messages: those on our queue that Breakwall did not write."""

import json
from typing import Any, NamedTuple

MAX_BYTES = 1_048_576  # Of a message: hundreds of times as many as ours have.


class StrangeError(ValueError):
    """A message is strange. The text is the reason and repeats nothing of the message."""


class StrangeMessage(NamedTuple):
    """A strange message, as far as it could be read."""

    reason: str
    headers: object
    body: object


def parts_of(message: Any) -> dict[str, Any]:
    """Of kombu's ``message``, what a `StrangeMessage` keeps beside its body."""
    return {
        "headers": message.headers,
        "content_type": message.content_type,
        "content_encoding": message.content_encoding,
        "properties": {k: v for k, v in message.properties.items() if k != "application_headers"},
    }


def parse_json(text: bytes | str, reason: str) -> Any:
    """The value in ``text``. Raises `StrangeError`, with ``reason`` if it is no JSON, or because it is too large."""
    if len(text) > MAX_BYTES:
        raise StrangeError("it is too large")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise StrangeError(reason) from None

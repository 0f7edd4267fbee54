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


def parse_json(text: bytes | str, reason: str) -> Any:
    """The value in ``text``. Raises `StrangeError`, with ``reason`` if it is no JSON, or because it is too large."""
    if len(text) > MAX_BYTES:
        raise StrangeError("it is too large")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise StrangeError(reason) from None

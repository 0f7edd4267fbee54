"""Messages that are none of ours."""

import json
from typing import Any, NamedTuple

MAX_BYTES = 1_048_576  # Of a message: hundreds of times what one of ours has.


class StrangeError(ValueError):
    """A message is none of ours; the text is the reason, without anything that was in the message."""


class StrangeMessage(NamedTuple):
    """A message that is none of ours, with as much of it as could be read."""

    reason: str
    headers: object
    body: object


def parse_json(text: bytes | str, reason: str) -> Any:
    """The value in ``text``.

    Raises:
        StrangeError: it is too large, or it is no JSON, for ``reason``.
    """
    if len(text) > MAX_BYTES:
        raise StrangeError("it is too large")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise StrangeError(reason) from None

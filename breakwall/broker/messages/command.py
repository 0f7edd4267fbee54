"""A command to a worker, from `celery control`, `celery inspect` or Flower."""

import re
from typing import Any

from breakwall.broker.messages.envelope import check_envelope
from breakwall.broker.messages.strange import StrangeError, parse_json

NO_COMMAND = "it is no command, on Celery's control channel"
MAX_CLOCK = 2**53  # Celery's logical clocks count messages. A larger number could not be forwarded.


def check_broadcast(data: bytes | str) -> None:
    """Raise `StrangeError` unless this, from a Redis channel, is kombu's envelope of a message."""
    try:
        check_envelope(parse_json(data, NO_COMMAND))
    except StrangeError:
        raise StrangeError(NO_COMMAND) from None


def read_command(body: object, headers: object, replies: str) -> dict[str, Any]:
    """Read a command in kombu's form, or raise `StrangeError`. It may name no other exchange than ``replies``."""
    if not isinstance(body, dict) or not isinstance(headers, dict):
        raise StrangeError(NO_COMMAND)
    clock, arguments = headers.get("clock") or 0, body.get("arguments") or {}
    destination, reply_to = body.get("destination") or None, body.get("reply_to") or None
    texts = {name: body.get(name) or None for name in ("pattern", "matcher", "ticket")}
    if not (
        isinstance(body.get("method"), str)
        and isinstance(arguments, dict)
        and isinstance(clock, int)
        and 0 <= clock <= MAX_CLOCK
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

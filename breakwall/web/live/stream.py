"""The stream of server-sent events."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator

from breakwall.json_documents import backlog_document
from breakwall.web.live.poller import Live, Seen

KEEP_ALIVE = 15.0  # Seconds without an event, after which a comment shows that the connection lives.
RETRY = 3000  # Milliseconds until a browser connects again.


async def event_stream(live: Live, *, keep_alive: float = KEEP_ALIVE) -> AsyncGenerator[str]:
    """An event for each snapshot, until the process stops: ``backlog`` with its document, or ``problem``."""
    yield f"retry: {RETRY}\n\n"
    with live.listening():
        number = 0
        while not live.is_over:
            seen = await live.newer(number, within=keep_alive)
            if seen is None:
                yield ": keep-alive\n\n"
            else:
                number = seen.number
                yield event_text(seen, live.age(seen))


def event_text(seen: Seen, age: float) -> str:
    """One event. A ``problem`` has the age of the last good snapshot in seconds, or null if there was none."""
    if seen.problem is None and seen.backlog is not None:
        return _event(seen.number, "backlog", backlog_document(seen.backlog))
    known = None if seen.backlog is None else round(age, 3)
    return _event(seen.number, "problem", {"detail": seen.problem, "age_seconds": known})


def _event(number: int, name: str, document: object) -> str:
    # JSON has no line breaks, so it is one line of data.
    data = json.dumps(document, default=str)
    return f"id: {number}\nevent: {name}\ndata: {data}\n\n"

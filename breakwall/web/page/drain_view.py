"""The drain in the reader's language: who has paused it and why, and its speed. Pure."""

from __future__ import annotations

from datetime import datetime

from breakwall.payments.db.clock import seconds_between
from breakwall.payments.fleet.drain_control import Pause
from breakwall.web.page.words import Words


def pause_said(pause: Pause | None, now: datetime, words: Words) -> str | None:
    """Who has paused the queue, for how long it holds, and why; None: nobody has."""
    if pause is None:
        return None
    since = words.duration(seconds_between(pause.at, now))
    said = words.by(pause.actor, "Paused by %(actor)s %(time)s ago.", "Paused %(time)s ago.", time=since)
    if pause.reason:
        said = f"{said} {words.text('Reason: %(reason)s.', reason=pause.reason.rstrip('.'))}"
    if pause.until is None:
        return f"{said} {words.text('It stays so until a person ends it.')}"
    left = words.duration(seconds_between(now, pause.until))
    return f"{said} {words.text('It ends by itself in %(time)s.', time=left)}"


def rate_said(rate: float | None, words: Words) -> str:
    """The highest speed of the drain, in orders a second; None: there is no limit."""
    if rate is None:
        return words.text("no limit, as fast as the payment service takes them")
    return words.text("at most %(number)s orders a second", number=words.number(rate))

"""The doctor's look at messages that are none of ours, and at those that nobody survived."""

from __future__ import annotations

from sqlalchemy import Connection

from breakwall.doctor.findings import Finding
from breakwall.payments.database import Database
from breakwall.payments.strange_messages import StoredStrange, are_kept, count_by_reason, newest
from breakwall.settings import Settings
from breakwall.terminal.words import count, moment

NAME = "strange messages"

SHOWN = 3
"""Messages that are told one by one."""

ADVICE = (
    "`breakwall queue strange` shows them, and `--clear` forgets them. No order is lost by them: find out who writes "
    "to payments.retry beside breakwall."
)


def set_aside(opened: Database) -> Finding:
    """What workers found in the queue and set aside.

    Raises:
        DatabaseUnavailableError: the database does not answer.
    """
    if not opened.read(are_kept):
        return Finding(NAME, True, "kept from the next revision of the database on")
    total, shown = opened.read(_look)
    if not total:
        return Finding(NAME, True, "none")
    told = "; ".join(f"{message.reason} ({moment(message.at)})" for message in shown)
    return Finding(NAME, False, f"{count(total, 'message')} set aside; the newest: {told}", ADVICE)


def _look(connection: Connection) -> tuple[int, list[StoredStrange]]:
    return sum(count_by_reason(connection).values()), newest(connection, limit=SHOWN)


def dead_letters(settings: Settings) -> list[Finding]:
    """What RabbitMQ delivered again and again, and nobody was ever done with."""
    from breakwall.broker import queue_depth
    from breakwall.broker.config import DEAD_LETTERS, DELIVERY_LIMIT

    name, number = "dead letters", queue_depth(settings, DEAD_LETTERS)
    if not number:
        return [Finding(name, True, "none" if number == 0 else "unknown: the broker does not answer")]
    told = f"each was delivered {DELIVERY_LIMIT} times and never done with"
    advice = (
        "Something kills workers: look at their logs. The orders are in the database and are published again."
    )
    return [Finding(name, False, f"{count(number, 'message')} in {DEAD_LETTERS}: {told}", advice)]

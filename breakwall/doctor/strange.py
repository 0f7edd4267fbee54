"""The doctor's look at messages that are none of ours, and at those that nobody survived."""

from __future__ import annotations

from contextlib import closing

from sqlalchemy import Connection

from breakwall.doctor.findings import Finding
from breakwall.migrations import HEAD
from breakwall.payments.database import Database, DatabaseUnavailableError
from breakwall.payments.migrate import current_revision
from breakwall.payments.strange_messages import StoredStrange, count_by_reason, newest
from breakwall.settings import Settings
from breakwall.terminal.words import count, moment
from breakwall.urls import missing_file

NAME = "strange messages"

SHOWN = 3
"""Messages that are told one by one."""

ADVICE = (
    "`breakwall queue strange` shows them, and `--clear` forgets them. No order is lost by them: find out who writes "
    "to payments.retry beside breakwall."
)


def strange_messages(settings: Settings) -> list[Finding]:
    """What was set aside, and on RabbitMQ what was delivered again and again and never acknowledged."""
    return [*_set_aside(settings), *_dead_letters(settings)]


def _set_aside(settings: Settings) -> list[Finding]:
    if missing_file(settings.database):
        return [Finding(NAME, True, "none")]
    with closing(Database(settings.database)) as opened:
        try:
            if current_revision(opened.engine) != HEAD:
                return [Finding(NAME, True, "kept from the next revision of the database on")]
            total, shown = opened.read(_look)
        except DatabaseUnavailableError:
            return []  # `database` tells it
    if not total:
        return [Finding(NAME, True, "none")]
    told = "; ".join(f"{message.reason} ({moment(message.at)})" for message in shown)
    return [Finding(NAME, False, f"{count(total, 'message')} set aside; the newest: {told}", ADVICE)]


def _look(connection: Connection) -> tuple[int, list[StoredStrange]]:
    return sum(count_by_reason(connection).values()), newest(connection, limit=SHOWN)


def _dead_letters(settings: Settings) -> list[Finding]:
    from breakwall.broker import queue_depth
    from breakwall.broker.config import DEAD_LETTERS, DELIVERY_LIMIT, is_amqp

    number = queue_depth(settings, DEAD_LETTERS) if is_amqp(settings) else 0
    if not number:
        return []
    told = f"each was delivered {DELIVERY_LIMIT} times and never done with"
    what = f"{count(number, 'message')} in {DEAD_LETTERS}: {told}"
    advice = (
        "Something kills workers: look at their logs. The orders are in the database and are published again."
    )
    return [Finding("dead letters", False, what, advice)]

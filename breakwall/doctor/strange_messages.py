"""The doctor's look at messages that are none of ours, and at those that nobody survived."""

from __future__ import annotations

from sqlalchemy import Connection

from breakwall.doctor.findings import Finding
from breakwall.payments.db.database import Database
from breakwall.payments.fleet.strange_messages import StoredStrange, are_kept, count_by_reason, newest
from breakwall.settings import Settings
from breakwall.terminal.words import count, moment

NAME = "strange messages"

SHOWN = 3
"""Messages that are told one by one."""

ADVICE = (
    "`breakwall queue strange` shows them, and `--clear` forgets them. No order is lost by them: find out who writes "
    "to payments.retry beside breakwall. Another site? Give each its own broker, Redis database or virtual host."
)


SAFE = "The orders are in the database and are published again."

_POLICY = (
    "Take that policy from payments.retry (`rabbitmqctl list_policies`): each order that it hits is charged "
    "BREAKWALL_DISPATCH__REPUBLISH_AFTER later."
)

CAUSES = {
    "delivery_limit": (
        "some were delivered again and again and never done with",
        "Something kills workers: look at their logs.",
    ),
    "expired": ("some waited longer than a policy allows (message-ttl)", _POLICY),
    "maxlen": ("some were more than a policy allows (max-length)", _POLICY),
    "rejected": ("some were rejected", "Find out who reads payments.retry beside breakwall."),
}
"""By RabbitMQ's word for how a message came there: what that means, and what to do."""

UNKNOWN_CAUSE = ("nothing says how some came there", "Look at them in payments.retry.dead and purge it.")


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
    """What RabbitMQ took out of the queue before anybody was done with it."""
    from breakwall.broker import causes_of_death, queue_depth
    from breakwall.broker.config import DEAD_LETTERS

    name, number = "dead letters", queue_depth(settings, DEAD_LETTERS)
    if not number:
        return [Finding(name, True, "none" if number == 0 else "unknown: the broker does not answer")]
    found = {CAUSES.get(cause, UNKNOWN_CAUSE) for cause in causes_of_death(settings)} or {UNKNOWN_CAUSE}
    told = "; ".join(sorted(what for what, _ in found))
    advice = " ".join(sorted(todo for _, todo in found))
    return [Finding(name, False, f"{count(number, 'message')} in {DEAD_LETTERS}: {told}", f"{advice} {SAFE}")]

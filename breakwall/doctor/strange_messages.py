"""Checks the strange messages, and those that RabbitMQ took out of the queue."""

from sqlalchemy import Connection

from breakwall.doctor.findings import Finding, fine, problem
from breakwall.payments.db.database import Database
from breakwall.payments.fleet.strange_messages import StoredStrangeMessage, count_by_reason, newest
from breakwall.settings import Settings
from breakwall.terminal.words import count, moment

NAME = "strange messages"
SHOWN = 3  # Messages that are listed one by one.

ADVICE = (
    "`breakwall queue strange` shows them, and `--clear` deletes them. No order is lost. Find the program that writes "
    "to payments.retry beside Breakwall. If it is another site, give each site its own broker, Redis database or "
    "virtual host."
)

SAFE = "The orders are in the database and are republished."

_POLICY = (
    "Remove that policy from payments.retry (`rabbitmqctl list_policies`): it delays each order that it hits by "
    "BREAKWALL_DISPATCH__REPUBLISH_AFTER."
)

# What happened to a message and what to do, by RabbitMQ's reason.
CAUSES = {
    "delivery_limit": (
        "some were delivered again and again and never finished",
        "Something kills workers: read their logs.",
    ),
    "expired": ("some waited longer than a policy allows (message-ttl)", _POLICY),
    "maxlen": ("some were more than a policy allows (max-length)", _POLICY),
    "rejected": ("some were rejected", "Find the program that reads payments.retry beside Breakwall."),
}

UNKNOWN_CAUSE = ("the reason of some is unknown", "Read them in payments.retry.dead, then purge it.")


def set_aside(opened: Database) -> Finding:
    """The messages that workers set aside. Raises DatabaseUnavailableError."""
    total, shown = opened.read(_stored)
    if not total:
        return fine(NAME, "none")
    detail = "; ".join(f"{message.reason} ({moment(message.at)})" for message in shown)
    return problem(NAME, f"{count(total, 'message')} set aside; the newest: {detail}", ADVICE)


def _stored(connection: Connection) -> tuple[int, list[StoredStrangeMessage]]:
    return sum(count_by_reason(connection).values()), newest(connection, limit=SHOWN)


def dead_letters(settings: Settings) -> list[Finding]:
    """The messages that RabbitMQ took out of the queue before a worker had finished them."""
    from breakwall.broker.checks.run import dead_letter_reasons
    from breakwall.broker.config import DEAD_LETTERS
    from breakwall.broker.depth import queue_depth

    name, number = "dead letters", queue_depth(settings, DEAD_LETTERS)
    if not number:
        return [fine(name, "none" if number == 0 else "unknown: the broker does not answer")]
    found = {CAUSES.get(cause, UNKNOWN_CAUSE) for cause in dead_letter_reasons(settings)} or {UNKNOWN_CAUSE}
    detail = "; ".join(sorted(what for what, _ in found))
    advice = " ".join(sorted(todo for _, todo in found))
    return [problem(name, f"{count(number, 'message')} in {DEAD_LETTERS}: {detail}", f"{advice} {SAFE}")]

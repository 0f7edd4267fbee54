"""Something else at the broker under one of the names that our queue needs: told in a sentence with the way out."""

from __future__ import annotations

import re

from breakwall.broker.config import QUEUE
from breakwall.errors import BreakwallError, ExitCode

HARMLESS = "nothing is lost by that: the database has every order, and publishes it again"

_DECLARED_OTHERWISE = re.compile(r"inequivalent arg '[\w-]+' for (queue|exchange) '([\w.-]+)'")
"""In RabbitMQ's words, which name nothing but the argument, the queue and the virtual host."""

DELETE = {
    "queue": "`rabbitmqctl delete_queue {name} --vhost VHOST`, or Delete on its page of the management UI",
    "exchange": "`rabbitmqadmin delete exchange name={name}`, or Delete on its page of the management UI",
}

ARTICLE = {"queue": "a queue", "exchange": "an exchange"}

NEEDED = f"{QUEUE}, _kombu.binding.{QUEUE}, unacked or unacked_index"


class WrongQueueError(BreakwallError):
    """The broker answers, and holds under a name of ours what cannot be worked with; the message says what to do."""

    kind = "wrong_queue"
    exit_code = ExitCode.USAGE

    def sentences(self) -> list[str]:
        """With a full stop: the message is the first part of longer ones elsewhere."""
        return [f"{self}."]


def mismatch(error: BaseException | None) -> str | None:
    """The sentence for an error that the broker's answer caused; None where it is another error."""
    while error is not None:
        text = str(error)
        found = _DECLARED_OTHERWISE.search(text)
        if found is not None:
            return declared_otherwise(*found.groups())
        if "WRONGTYPE" in text:
            return wrong_type(NEEDED)
        error = error.__cause__
    return None


def declared_otherwise(kind: str, name: str) -> str:
    """RabbitMQ keeps a queue as whoever came first declared it, and refuses everybody who says otherwise."""
    return (
        f"RabbitMQ has {ARTICLE[kind]} {name} that was declared otherwise, by an older version or by another program. "
        f"Stop who uses it and delete it ({DELETE[kind].format(name=name)}); it is made anew, and {HARMLESS}. Or "
        "set BREAKWALL_BROKER_URL to a virtual host of its own"
    )


def wrong_type(name: str) -> str:
    """In Redis a name may be anybody's."""
    return (
        f"Redis has a key of another type where the queue needs {name}. Rename or delete it (`redis-cli -n "
        f"DATABASE DEL KEY`); {HARMLESS}. Or set BREAKWALL_BROKER_URL to a database of its own"
    )

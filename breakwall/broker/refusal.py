"""A broker that answers and takes no messages: why, in words that hold no secret."""

from __future__ import annotations

import re

from breakwall.pickling import Picklable

NO_MORE_CLIENTS = "max number of clients reached"

_LOGIN = "Check the user and the password in BREAKWALL_BROKER_URL"
_CLUSTER = (
    "it is a Redis Cluster, whose keys lie on many servers (CROSSSLOT)",
    "Set BREAKWALL_BROKER_URL to a Redis that is no cluster; behind Sentinel it has replicas, too",
)

WORDS = {
    "ClusterCrossSlotError": _CLUSTER,
    "MovedError": _CLUSTER,
    "OutOfMemoryError": ("its memory is full (OOM)", "Raise its maxmemory, or remove what else is in it"),
    "ReadOnlyError": (
        "it is a replica and takes no writes (READONLY)",
        "Set BREAKWALL_BROKER_URL to the primary, or make this one it: REPLICAOF NO ONE",
    ),
    "NoPermissionError": (
        "its user may not do what the queue needs (NOPERM)",
        "Give the user of BREAKWALL_BROKER_URL the rights that are missing: ACL SETUSER",
    ),
    "BusyLoadingError": (
        "it is still reading its data from the disk (LOADING)",
        "Wait until it has: messages flow again by themselves",
    ),
    "MasterDownError": (
        "it is a replica that has lost its primary (MASTERDOWN)",
        "Set BREAKWALL_BROKER_URL to the primary, or make this one it: REPLICAOF NO ONE",
    ),
    "MISCONF": (
        "it cannot write to its disk (MISCONF)",
        "Make room on its disk, and look at its log: messages flow again by themselves",
    ),
    "AuthenticationError": (
        "its password is missing or wrong (NOAUTH, WRONGPASS)",
        _LOGIN,
    ),
    NO_MORE_CLIENTS: (
        "it has as many clients as it may (maxclients)",
        "Raise its maxclients, or end some of who is connected: CLIENT LIST",
    ),
    "AccessRefused": (
        "its user may not do what the queue needs (ACCESS_REFUSED)",
        "Give the user of BREAKWALL_BROKER_URL the rights to configure, write and read: "
        "`rabbitmqctl set_permissions`",
    ),
    "Login was refused": (
        "its user or password is wrong (ACCESS_REFUSED)",
        _LOGIN,
    ),
    "NotAllowed": (
        "there is no such virtual host, its user may not use it, or a limit is reached (NOT_ALLOWED)",
        "Make the one that BREAKWALL_BROKER_URL names (`rabbitmqctl add_vhost`, `set_permissions`), or look at "
        "`rabbitmqctl list_vhost_limits`",
    ),
    "BlockedError": (
        "it reads no messages, for an alarm of its memory or its disk is raised",
        "`rabbitmqctl status` names the alarm: give it memory, or make room on its disk",
    ),
}
"""By the error's class at redis-py and amqp, its code or a part of its text: what is wrong, and what to do."""

BEHIND_SENTINEL = (
    "the sentinels name a master that is a replica and takes no writes (READONLY)",
    "A failover takes a few seconds. If it stays so, look at `SENTINEL MASTER NAME` and make one the master: "
    "`SENTINEL FAILOVER NAME`",
)

_CODE = re.compile(r"[A-Z]{4,20}\b")


class BrokerRefusesError(Picklable, Exception):
    """The broker answers, and refuses every message.

    Attributes:
        advice: what to do, a sentence.
    """

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(what)
        self.advice = advice


def in_words(error: BaseException) -> str:
    """Why a message was not taken, in words that hold no secret: at least the error's kind."""
    cause = error.__cause__ or error
    known = _known(cause)
    return WORDS[known][0] if known in WORDS else type(cause).__name__


def _known(error: BaseException) -> str:
    text = str(error)
    return next((name for name in WORDS if name in text), type(error).__name__)


def refusal(error: BaseException) -> BrokerRefusesError:
    """What a broker's error says, in words that hold no secret."""
    if type(error.__context__).__name__ == "ReadOnlyError":
        return BrokerRefusesError(BEHIND_SENTINEL[0], f"{BEHIND_SENTINEL[1]}; until then orders wait safely.")
    # Redis's other refusals begin with their kind: MISCONF, NOREPLICAS. The rest may name anything.
    code = _CODE.match(str(error))
    kind = code[0] if code else type(error).__name__
    what, todo = WORDS.get(_known(error), (kind, "Look at the broker's log and its settings"))
    return BrokerRefusesError(what, f"{todo}; until then orders wait safely.")

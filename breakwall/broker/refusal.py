"""A broker that answers and takes no messages: why, in words that hold no secret."""

from __future__ import annotations

import re

from breakwall.pickling import Picklable

_LOGIN = "Check the user and the password in BREAKWALL_BROKER_URL"
_CLUSTER = (
    "it is a Redis Cluster, whose keys lie on many servers (CROSSSLOT)",
    "Set BREAKWALL_BROKER_URL to a Redis that is no cluster; behind Sentinel it has replicas, too",
)

WORDS = {
    "AuthenticationError": ("it refuses the user or the password", _LOGIN),
    "ClusterCrossSlotError": _CLUSTER,
    "MaxClients": (
        "it takes no more connections (max number of clients reached)",
        "Raise its maxclients, or find out who keeps so many connections open",
    ),
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
    "AccessRefused": (
        "its user may not do what the queue needs (ACCESS_REFUSED)",
        "Give the user of BREAKWALL_BROKER_URL the rights to configure, write and read: "
        "`rabbitmqctl set_permissions`",
    ),
    "NotAllowed": (
        "it has no such virtual host, or its user may not use it (NOT_ALLOWED)",
        "Make the one that BREAKWALL_BROKER_URL names: `rabbitmqctl add_vhost` and `rabbitmqctl set_permissions`",
    ),
}
"""By the error's class at redis-py and amqp: what is wrong, and what to do."""

NO_MORE_CLIENTS = "max number of clients reached"

BY_WORDS = {"Login was refused": "AuthenticationError", NO_MORE_CLIENTS: "MaxClients"}
"""What their libraries have no class for, and `WORDS` have."""

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


def refusal(error: BaseException) -> BrokerRefusesError:
    """What a broker's error says, in words that hold no secret."""
    if type(error.__context__).__name__ == "ReadOnlyError":
        return BrokerRefusesError(BEHIND_SENTINEL[0], f"{BEHIND_SENTINEL[1]}; until then orders wait safely.")
    # Redis's other refusals begin with their kind: MISCONF, NOREPLICAS. The rest may name anything.
    code = _CODE.match(str(error))
    kind = code[0] if code else type(error).__name__
    named = next((name for words, name in BY_WORDS.items() if words in str(error)), type(error).__name__)
    what, todo = WORDS.get(named, (kind, "Look at the broker's log and its settings"))
    return BrokerRefusesError(what, f"{todo}; until then orders wait safely.")

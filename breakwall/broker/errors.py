"""A broker's errors, as sentences that say what to do and hold no secret."""

import re

from breakwall.broker.config import QUEUE, UNACKED, UNACKED_INDEX
from breakwall.errors import BreakwallError, ExitCode
from breakwall.pickling import Picklable

HARMLESS = "nothing is lost by that: the database has every order, and republishes it"

# RabbitMQ's text, which names nothing but the argument, the queue and the virtual host.
_DECLARED_OTHERWISE = re.compile(r"inequivalent arg '[\w-]+' for (queue|exchange) '([\w.-]+)'")

_DELETE = {
    "queue": "`rabbitmqctl delete_queue {name} --vhost VHOST`, or Delete on its page of the management UI",
    "exchange": "`rabbitmqadmin delete exchange name={name}`, or Delete on its page of the management UI",
}

_REDIS_KEYS = f"{QUEUE}, _kombu.binding.{QUEUE}, {UNACKED} or {UNACKED_INDEX}"


class WrongQueueError(BreakwallError):
    """Something else has a name of our queue at the broker; the message says what to do."""

    kind = "wrong_queue"
    exit_code = ExitCode.USAGE

    def sentences(self) -> list[str]:
        """With a full stop, which the message has not: other texts continue it."""
        return [f"{self}."]


def explain_wrong_queue(error: BaseException | None) -> str | None:
    """The sentence if a wrong queue caused ``error``; else None."""
    while error is not None:
        if isinstance(error, WrongQueueError):
            return str(error)
        if (found := _DECLARED_OTHERWISE.search(str(error))) is not None:
            return _declared_otherwise(*found.groups())
        if "WRONGTYPE" in str(error):
            return wrong_type(_REDIS_KEYS)
        error = error.__cause__
    return None


def _declared_otherwise(kind: str, name: str) -> str:
    # RabbitMQ keeps a queue's first declaration, and refuses every other one.
    article = "an" if kind == "exchange" else "a"
    return (
        f"RabbitMQ has {article} {kind} {name} that was declared otherwise, by an older version or by another program. "
        f"Stop the programs that use it and delete it ({_DELETE[kind].format(name=name)}); it is made again, and "
        f"{HARMLESS}. Or set BREAKWALL_BROKER_URL to a virtual host of its own"
    )


def wrong_type(name: str) -> str:
    """The sentence for a Redis key that another program uses."""
    return (
        f"Redis has a key of another type where the queue needs {name}. Rename or delete it (`redis-cli -n "
        f"DATABASE DEL KEY`); {HARMLESS}. Or set BREAKWALL_BROKER_URL to a database of its own"
    )


# The broker answers, but takes no messages.

NO_MORE_CLIENTS = "max number of clients reached"
_LOGIN = "Check the user and the password in BREAKWALL_BROKER_URL"
_PRIMARY = "Set BREAKWALL_BROKER_URL to the primary, or make this server the primary: REPLICAOF NO ONE"
_CLUSTER = (
    "it is a Redis Cluster, whose keys lie on many servers (CROSSSLOT)",
    "Set BREAKWALL_BROKER_URL to a Redis that is no cluster; behind Sentinel it has replicas, too",
)

# What is wrong and what to do, by the class of the error in redis-py or amqp, its code, or a part of its text.
REFUSALS = {
    "ClusterCrossSlotError": _CLUSTER,
    "MovedError": _CLUSTER,
    "OutOfMemoryError": ("its memory is full (OOM)", "Raise its maxmemory, or remove what else is in it"),
    "ReadOnlyError": ("it is a replica and takes no writes (READONLY)", _PRIMARY),
    "NoPermissionError": (
        "its user may not do what the queue needs (NOPERM)",
        "Give the user of BREAKWALL_BROKER_URL the rights that are missing: ACL SETUSER",
    ),
    "BusyLoadingError": (
        "it is still reading its data from the disk (LOADING)",
        "Wait until it has: messages flow again by themselves",
    ),
    "MasterDownError": ("it is a replica that has lost its primary (MASTERDOWN)", _PRIMARY),
    "MISCONF": (
        "it cannot write to its disk (MISCONF)",
        "Make room on its disk, and check its log: messages flow again by themselves",
    ),
    "AuthenticationError": ("its password is missing or wrong (NOAUTH, WRONGPASS)", _LOGIN),
    NO_MORE_CLIENTS: (
        "it has as many clients as it may (maxclients)",
        "Raise its maxclients, or close some connections: CLIENT LIST",
    ),
    "AccessRefused": (
        "its user may not do what the queue needs (ACCESS_REFUSED)",
        "Give the user of BREAKWALL_BROKER_URL the rights to configure, write and read: "
        "`rabbitmqctl set_permissions`",
    ),
    "Login was refused": ("its user or password is wrong (ACCESS_REFUSED)", _LOGIN),
    "NotAllowed": (
        "there is no such virtual host, its user may not use it, or a limit is reached (NOT_ALLOWED)",
        "Make the one that BREAKWALL_BROKER_URL names (`rabbitmqctl add_vhost`, `set_permissions`), or check "
        "`rabbitmqctl list_vhost_limits`",
    ),
    "BlockedError": (
        "it reads no messages, because an alarm of its memory or its disk is raised",
        "`rabbitmqctl status` names the alarm: give it memory, or make room on its disk",
    ),
}

_BEHIND_SENTINEL = (
    "the sentinels name a master that is a replica and takes no writes (READONLY)",
    "A failover takes a few seconds. If it lasts longer, check `SENTINEL MASTER NAME` and make one the master: "
    "`SENTINEL FAILOVER NAME`",
)

_CODE = re.compile(r"[A-Z]{4,20}\b")


class BrokerRefusesError(Picklable, Exception):
    """The broker answers, and refuses every message."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(what)
        self.advice = advice  # What to do, as a sentence.


def refusal(error: BaseException) -> BrokerRefusesError:
    """The error for a broker's answer."""
    what, advice = _explain_refusal(error)
    return BrokerRefusesError(what, f"{advice}; until then orders wait safely.")


def explain(error: BaseException) -> str:
    """Why the broker took no message; for an unknown error its class alone: its text may hold the broker's address."""
    cause = error.__cause__ or error
    return REFUSALS.get(_known(cause), (type(cause).__name__,))[0]


def _explain_refusal(error: BaseException) -> tuple[str, str]:
    if type(error.__context__).__name__ == "ReadOnlyError":
        return _BEHIND_SENTINEL
    # Redis's other refusals begin with a code, such as NOREPLICAS. The rest of the text may hold a secret.
    code = _CODE.match(str(error))
    kind = code[0] if code else type(error).__name__
    return REFUSALS.get(_known(error), (kind, "Check the broker's log and settings"))


def _known(error: BaseException) -> str:
    text = str(error)
    return next((name for name in REFUSALS if name in text), type(error).__name__)

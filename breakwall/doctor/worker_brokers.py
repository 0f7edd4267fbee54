"""Compares the broker that live workers read from, as each reports it, with the one that this environment uses."""

import socket
from collections.abc import Callable, Sequence

from breakwall.doctor.findings import Finding, fine, problem
from breakwall.payments.fleet.workers import Worker
from breakwall.texts import MAX_LENGTH, visible

NAME = "broker"
SOCKET = "redis+socket://"
REDIS_KINDS = {"redis", "redis+socket", "sentinel"}  # Of addresses from `broker_address`.
SHOWN = 3  # Workers that are named.

_SET = "Set BREAKWALL_BROKER_URL to the same value here and in the worker's environment"


def this_host() -> str:
    """This machine, as a worker's row names it."""
    return visible(socket.gethostname())[:MAX_LENGTH]


def reads_from(worker: Worker, address: str, here: str) -> bool:
    """Whether a worker has said that it reads from the broker at this address, as the machine ``here`` sees it."""
    return worker.broker == address and (worker.host == here or not _is_of_one_machine(address))


def other_brokers(
    fleet: Sequence[Worker],
    ours: str,
    here: str,
    depth: Callable[[], int | None],
    *,
    is_embedded: bool = False,
) -> list[Finding]:
    """A finding for each other address that a live worker reads from.

    Two hosts may be names of one broker, and so may two sockets, or a socket and a host. So it is a problem only if
    something else differs, or if messages wait in our broker and no worker has said that it reads from there.

    Args:
        ours: the address of the broker that this environment publishes to, from `broker_address`.
        depth: how many messages wait there; called at most once, and only if it matters.
        is_embedded: ours is the embedded broker, which has no address but its socket.
    """
    others: dict[tuple[str, bool], list[str]] = {}
    for worker in fleet:
        if worker.broker is not None and not reads_from(worker, ours, here):
            differs = _differs(worker.broker, ours, is_embedded=is_embedded)
            others.setdefault((worker.broker, differs), []).append(worker.name)
    is_read = any(worker.broker is None or reads_from(worker, ours, here) for worker in fleet)
    is_waiting = not is_read and not all(differs for _, differs in others) and bool(depth())
    return [
        _finding(names, theirs, ours, differs=differs, is_waiting=is_waiting)
        for (theirs, differs), names in others.items()
    ]


def _differs(theirs: str, ours: str, *, is_embedded: bool) -> bool:
    """Whether the address names another queue, whatever names its host or socket has."""
    if is_embedded and not theirs.startswith(SOCKET):
        return True
    kind, within = _without_hosts(theirs)
    our_kind, our_within = _without_hosts(ours)
    if kind == our_kind and kind != "redis+socket":
        return within != our_within
    # One Redis can be reached by TCP, by a socket, and through Sentinel. What remains is the database.
    are_redis = {kind, our_kind} <= REDIS_KINDS
    return not are_redis or within.rpartition("/")[2] != our_within.rpartition("/")[2]


def _without_hosts(address: str) -> tuple[str, str]:
    kind, _, rest = address.partition("://")
    return kind, rest.partition("/")[2]


def _is_of_one_machine(address: str) -> bool:
    """Whether the address names another broker on each machine."""
    hosts = address.partition("://")[2].partition("/")[0]
    return address.startswith(SOCKET) or "localhost" in {host.rpartition(":")[0] for host in hosts.split(",")}


def _finding(names: Sequence[str], theirs: str, ours: str, *, differs: bool, is_waiting: bool) -> Finding:
    shown = ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
    who = f"{'worker' if len(names) == 1 else 'workers'} {shown} {'reads' if len(names) == 1 else 'read'}"
    detail = f"{who} from {theirs}, and this environment publishes to {ours}"
    if differs:
        late = "no order is lost, but a queued one may wait for BREAKWALL_DISPATCH__REPUBLISH_AFTER seconds"
        return problem(NAME, f"{detail}: {late}", f"{_SET}.")
    advice = (
        f"If these are two names of one broker, nothing is wrong. Otherwise: {_SET[0].lower()}{_SET[1:]}."
    )
    if is_waiting:
        return problem(NAME, f"{detail}, where messages wait", advice)
    return fine(NAME, detail, advice)

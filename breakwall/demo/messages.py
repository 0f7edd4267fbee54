"""What the demo says, for somebody who has never heard of a circuit breaker. Words only: no I/O.

Each event says what has just happened; most say what it means for the customers, and what comes next.
"""

from __future__ import annotations

from dataclasses import dataclass

from breakwall.demo.plan import Plan
from breakwall.demo.snapshot import Scene
from breakwall.terminal.words import count, duration

ACTS = ("A good day", "The payment service dies", "It comes back", "The proof")


@dataclass(frozen=True, slots=True)
class Event:
    """What has just happened, what it means for a customer, and what comes next; these two may be empty."""

    what: str
    customer: str = ""
    next: str = ""


def prologue(plan: Plan) -> Event:
    return Event(
        "A shop, its customers, and a payment service that is about to die. All of it is real: separate "
        "processes on this machine, a database and a message queue in a temporary folder. Only the waits "
        f"are shortened, to {plan.wait:g} s where a shop would have 10 or 30, to be done within a minute.",
        next="everything starts, and the first customers come.",
    )


def doors_open(plan: Plan) -> Event:
    return Event(
        f"{count(plan.orders, 'customer')} will come, {plan.rate:g} a second. Each card is charged while its "
        "customer waits for the answer."
    )


def good_day(scene: Scene) -> Event:
    declined = (
        f", {scene.declined:,} declined by the bank (an answer like any other)" if scene.declined else ""
    )
    return Event(
        f"{count(scene.accepted, 'order')} so far: {scene.paid:,} paid{declined}.",
        customer=f"an answer after {_wait(scene.wait)}.",
        next="the payment service breaks.",
    )


def answers_lost(lost: int) -> Event:
    return Event(
        "The payment service fails in the worst way: it charges the card, then breaks the connection before "
        f"it has answered. {count(lost, 'card')} charged, and the shop does not know it.",
        customer="“Order accepted, we will charge you in a moment.” A second try now would take the money "
        "twice, so Breakwall notes “unknown” and will ask before it charges.",
        next="the service dies altogether.",
    )


def service_killed(pid: int) -> Event:
    return Event(f"kill -9: the payment service (process {pid}) is gone, in the middle of its work.")


def circuit_opened(failures: int, wait: float | None) -> Event:
    return Event(
        f"{count(failures, 'call')} failed, so the circuit breaker opens, like a fuse: Breakwall no longer "
        "calls the dead service. New orders go straight to a queue on disk.",
        customer=f"order accepted after {_wait(wait)}, instead of an error or a long wait.",
        next="every few seconds an order or two is let through as a probe: is the service back?",
    )


def probe_failed(scene: Scene) -> Event:
    return Event(
        "A probe failed: still dead. The circuit stays open, and waits longer before it tries again, now "
        f"{duration(scene.retry_after)}."
    )


def outage_goes_on(scene: Scene, calls: int) -> Event:
    return Event(
        f"{count(scene.waiting, 'order')} waiting, safe on disk. Since the circuit opened, the dead service "
        f"was called {count(calls, 'time')}: the outage costs next to nothing.",
        customer=f"still served, after {_wait(scene.wait)}.",
    )


def customers_gone(scene: Scene) -> Event:
    return Event(f"All {scene.accepted:,} customers have been there. What is left is up to the worker.")


def service_returned(outage: float, came: int, calls: int) -> Event:
    return Event(
        f"After {outage:.0f} s somebody starts the payment service again, with its record of charges as it "
        f"was. {count(came, 'customer')} came while the circuit was open, and the dead service was called "
        f"{count(calls, 'time')}.",
        next="nobody tells Breakwall that it is back: the next probe will find out.",
    )


def circuit_closed(scene: Scene) -> Event:
    return Event(
        "The probes were answered, so the circuit closes: charges flow again.",
        customer="who comes now pays at once, as before.",
        next=f"the worker charges the {count(scene.waiting, 'order')} that had to wait.",
    )


def worker_killed(pid: int, in_hands: int) -> Event:
    return Event(
        f"One more blow: kill -9 for the worker (process {pid}), while it is charging "
        f"{count(in_hands, 'order')}. Nobody knows which of these cards it has charged.",
        customer="nothing to notice.",
        next="another worker starts. It leaves those orders alone until the dead one's claim on them runs "
        "out, then asks the payment service about each, and only then charges.",
    )


def worker_replaced(scene: Scene) -> Event:
    return Event(f"Another worker goes on where the first one was: {count(scene.waiting, 'order')} to go.")


def all_settled() -> Event:
    return Event("Every order is settled, and the queue is empty.", next="the proof.")


def not_settled(scene: Scene, waited: float) -> Event:
    left = count(scene.unsettled, "order")
    return Event(f"After another {waited:.0f} s {left} not settled. This should not be.")


def proof() -> Event:
    return Event(
        "Every order that a customer was promised, held against the payment service's own ledger. (It is one "
        "that charges twice when it is asked twice: if nobody was, that is Breakwall's doing.)"
    )


def epilogue(seconds: float) -> str:
    return f"All that in {seconds:.0f} s. Next: `breakwall up` runs a whole site for you to play with."


def _wait(seconds: float | None) -> str:
    if seconds is None:
        return "a moment"
    return f"{seconds:.2f} s" if seconds >= 0.01 else "less than 0.01 s"

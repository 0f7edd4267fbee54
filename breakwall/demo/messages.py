"""The demo's texts, for a reader who does not know what a circuit breaker is. No I/O.

Each message says what has happened; most say what it means for the customers, and what comes next.
"""

from dataclasses import dataclass

from breakwall.demo.options import DemoOptions
from breakwall.demo.snapshot import DemoSnapshot
from breakwall.terminal.words import count, duration

PARTS = ("A good day", "The payment service dies", "It comes back", "The proof")


@dataclass(frozen=True, slots=True)
class DemoMessage:
    """What has just happened, what it means for a customer, and what comes next; the last two may be empty."""

    what: str
    customer: str = ""
    next: str = ""


def introduction(options: DemoOptions) -> DemoMessage:
    return DemoMessage(
        "A shop, its customers, and a payment service that will fail. All of it is real: separate processes on "
        "this machine, with a database and a message queue in a temporary folder. Only the waits are shorter: "
        f"{options.shortened_wait:g} s, where a shop would have 10 or 30. So the demo fits into a minute.",
        next="all processes start, and the first customers come.",
    )


def customers_come(options: DemoOptions) -> DemoMessage:
    return DemoMessage(
        f"{count(options.orders, 'customer')} will come, {options.rate:g} per second. Each card is charged while "
        "its customer waits for the answer."
    )


def good_day(now: DemoSnapshot) -> DemoMessage:
    declined = f", {now.declined:,} declined by the bank (a normal answer)" if now.declined else ""
    return DemoMessage(
        f"{count(now.accepted, 'order')} so far: {now.paid:,} paid{declined}.",
        customer=f"an answer after {_wait(now.wait)}.",
        next="the payment service fails.",
    )


def answers_lost(lost: int) -> DemoMessage:
    return DemoMessage(
        "The payment service fails in the worst way: it charges the card, then breaks the connection before "
        f"it has answered. {count(lost, 'card')} charged, and the shop does not know it.",
        customer="“Order accepted, we will charge you in a moment.” A second charge now would take the money "
        "twice. So Breakwall records “unknown”, and asks the service before it charges again.",
        next="the service stops completely.",
    )


def service_killed(pid: int) -> DemoMessage:
    return DemoMessage(f"kill -9: the payment service (process {pid}) is dead, in the middle of its work.")


def circuit_opened(failures: int, wait: float | None) -> DemoMessage:
    return DemoMessage(
        f"{count(failures, 'call')} failed, so the circuit breaker opens, like a fuse: Breakwall stops calling "
        "the dead service. New orders go directly to a queue on disk.",
        customer=f"order accepted after {_wait(wait)}, instead of an error or a long wait.",
        next="every few seconds, one or two orders are sent as probes, to see if the service is back.",
    )


def probe_failed(now: DemoSnapshot) -> DemoMessage:
    return DemoMessage(
        "A probe failed: the service is still dead. The circuit stays open and waits longer before the next "
        f"probe, now {duration(now.retry_after)}."
    )


def outage_continues(now: DemoSnapshot, calls: int) -> DemoMessage:
    return DemoMessage(
        f"{count(now.waiting, 'order')} waiting, safe on disk. Since the circuit opened, the dead service was "
        f"called only {count(calls, 'time')}.",
        customer=f"still an answer, after {_wait(now.wait)}.",
    )


def all_customers_came(now: DemoSnapshot) -> DemoMessage:
    return DemoMessage(f"All {now.accepted:,} customers have placed their orders. The worker does the rest.")


def service_returned(outage: float, came: int, calls: int) -> DemoMessage:
    return DemoMessage(
        f"After {outage:.0f} s the payment service is started again, with its ledger as it was. "
        f"{count(came, 'customer')} came while the circuit was open, and the dead service was called "
        f"{count(calls, 'time')}.",
        next="the next probe finds out that the service is back.",
    )


def circuit_closed(now: DemoSnapshot) -> DemoMessage:
    return DemoMessage(
        "The service answered the probes, so the circuit closes: charges go through again.",
        customer="new orders are paid at once, as before.",
        next=f"the worker charges the {count(now.waiting, 'order')} that had to wait.",
    )


def worker_killed(pid: int, in_flight: int) -> DemoMessage:
    return DemoMessage(
        f"One more failure: kill -9 for the worker (process {pid}), while it is charging "
        f"{count(in_flight, 'order')}. It is unknown which of these cards were charged.",
        customer="no difference.",
        next="another worker starts. It waits until the dead worker's claims on those orders expire, asks the "
        "payment service about each order, and charges only if that is needed.",
    )


def worker_replaced(now: DemoSnapshot) -> DemoMessage:
    return DemoMessage(f"Another worker continues: {count(now.waiting, 'order')} to go.")


def all_finished() -> DemoMessage:
    return DemoMessage("Every order is finished, and the queue is empty.", next="the proof.")


def not_finished(now: DemoSnapshot, waited: float) -> DemoMessage:
    left = count(now.unfinished, "order")
    return DemoMessage(f"After another {waited:.0f} s, {left} not finished. This is a failure.")


def proof() -> DemoMessage:
    return DemoMessage(
        "Every accepted order is compared with the payment service's own ledger. (This service charges twice if "
        "it is asked twice. So if no card was charged twice, Breakwall has never asked twice.)"
    )


def conclusion(seconds: float) -> str:
    return f"The demo took {seconds:.0f} s. Next: `breakwall up` runs a whole site for you to try."


def _wait(seconds: float | None) -> str:
    if seconds is None:
        return "a moment"
    return f"{seconds:.2f} s" if seconds >= 0.01 else "less than 0.01 s"

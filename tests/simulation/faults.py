"""Which faults occur, at which rates, and how often each has occurred.

Each run uses about half of the faults. With all of them at once no run would get far, and a bug that other faults
hide would never show (Groce et al., "Swarm Testing", ISSTA 2012).
"""

from collections import Counter
from random import Random

from tests.simulation.load_kinds import Kind

NETWORK = {
    "connection refused": 0.2,
    "no free connection": 0.03,
    "request lost": 0.4,
    "request slow": 0.4,
    "request late, past the caller's timeout": 0.4,
    "answer lost": 0.5,
    "answer slow": 0.4,
    "connection reset": 0.4,
    "proxy's timeout, charging continues": 0.3,
    "answer is garbage": 0.3,
    "answer is a web page": 0.2,
}
SERVICE = {
    "5xx before charging": 0.5,
    "5xx after charging": 0.4,
    "5xx with the service's own code": 0.5,
    "503 with Retry-After": 0.2,
    "throttled": 0.2,
    "throttled with Retry-After": 0.2,
    "declined": 0.5,
    "credentials refused": 0.15,
    "request refused": 0.03,
    "charging takes long": 0.4,
    "answer of another order": 0.1,
    "answer names another amount": 0.1,
}
BROKER = {
    "message lost": 0.3,
    "message doubled": 0.4,
    "message delayed": 0.4,
    "message redelivered": 0.3,
    "message redelivered while in hand": 0.2,
    "publish fails": 0.15,
    "publish breaks off": 0.15,
    "publish hangs": 0.1,
}
DATABASE = {
    "transaction waits": 0.1,
    "commit waits": 0.1,
    "connection stale": 0.05,
    "no connection": 0.05,
    "commit fails": 0.04,
    "commit's answer lost": 0.04,
}
SHOP = {
    "shop refuses the connection": 0.5,
    "event lost on its way": 0.4,
    "event slow": 0.5,
    "event doubled on its way": 0.5,
    "shop answers 500": 0.7,
    "shop answers 503 with Retry-After": 0.3,
    "shop answers 500 to an event that it took": 0.5,
    "shop says that it is gone": 0.2,
    "shop's answer lost": 0.6,
    "shop's answer slow": 0.5,
    "shop resets the connection": 0.5,
    "listener raises": 0.7,
    "listener raises after it took the event": 0.5,
    "listener hangs": 0.5,
}
PROCESSES = {"killed at a point": 0.03, "paused at a point": 0.08, "no thread": 0.1}

RATES = {
    **NETWORK,
    **SERVICE,
    **BROKER,
    **DATABASE,
    **SHOP,
    **PROCESSES,
}  # Each fault's highest rate, per occasion.

SCHEDULED_FAULTS = (
    "payment service down",
    "payment service failing",
    "payment service hangs",
    "way to the payment service lost",
    "broker down",
    "broker wiped",
    "database down",
    "breaker store down",
    "shop down",
    "worker killed",
    "worker stopped",
    "producer killed",
    "worker paused past its lease",
    "producer paused",
)
"""Faults that last, or come from outside."""

MET = (
    "message of several orders",
    "call under a limit",
    "call under a rate",
    "charge prepared",
    "charge cancelled at the service",
    "event taken twice",
    "event given up",
    *(kind for kind in Kind if kind is not Kind.EASY),
)
"""What is no fault, and has to occur too: else the simulation shows nothing about it."""


class FaultInjector:
    """The faults of one run."""

    def __init__(self, rng: Random) -> None:
        self.active = True  # Whether faults occur now.
        self.down: set[str] = set()  # The scheduled faults that last at the moment.
        self.seen: Counter[str] = Counter()  # How often each has occurred.
        self._rng = rng
        self.rates = {name: rng.uniform(0, rate) for name, rate in RATES.items() if rng.random() < 0.5}

    def occurs(self, name: str) -> bool:
        """Whether this fault occurs on this occasion."""
        rate = self.rates.get(name, 0.0) if self.active else 0.0
        if rate and self._rng.random() < rate:
            self.seen[name] += 1
            return True
        return False

    def may_occur(self, name: str) -> bool:
        """Whether this fault may occur in this run, and now."""
        return self.active and name in self.rates

    def activate(self) -> None:
        """From now on faults may occur."""
        self.active = True

    def deactivate(self) -> None:
        """From now on no fault occurs, and those that last end."""
        self.active = False
        self.down.clear()

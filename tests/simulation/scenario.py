"""What a seed decides: which payment service, how many processes and orders, and which faults."""

from dataclasses import dataclass
from random import Random
from typing import Self

from breakwall.broker.connections.base import IDS_A_MESSAGE
from breakwall.crashpoints import POINTS
from breakwall.payments.outcomes.schedule import MAX_TRIES
from tests.simulation.faults import SCHEDULED_FAULTS
from tests.simulation.key_shapes import random_keys
from tests.simulation.service_behavior import ServiceBehavior, random_behavior
from tests.simulation.service_load import LoadBehavior, random_load

TIMEOUT = 10.0
LEASE = 15.0
CROWDED = 0.1
"""The share of the runs in which a crowd comes: these take several times as long as the others."""


@dataclass(frozen=True)
class ScheduledFault:
    """A fault from outside at a moment; it lasts so many seconds if it is one that lasts."""

    name: str
    at: float
    seconds: float


@dataclass(frozen=True)
class Restore:
    """At a moment the database is restored to its rows of an earlier moment."""

    saved_at: float
    at: float


@dataclass(frozen=True)
class Scenario:
    """What one run consists of."""

    behavior: ServiceBehavior
    load: LoadBehavior
    producers: int
    workers: int
    consumers: int  # Slots of a worker.
    keys: tuple[str, ...]  # The callers' own, one for each order.
    from_previous_version: int  # So many orders, the first ones, are of the previous version.
    paid_first: (
        int  # So many, the next ones, are placed before the first fault: their charges are known later.
    )
    crowd: int  # So many, the last ones, come within a few seconds.
    send_caller_keys: bool
    faults_from: float  # When the first fault may occur.
    faults_until: float  # When the last one may.
    max_attempts: int
    half_open_max_calls: int
    adaptive_limit: bool
    ids_a_message: int  # At most.
    republish_after: float
    operators: bool
    concurrency: int  # Charges that one producer has in hand at most.
    waits: tuple[float, ...]  # For how many seconds customers wait for the outcome; each chooses one.
    deadly_point: str | None  # The first process that reaches this crash point dies.
    scheduled_faults: tuple[ScheduledFault, ...]
    restore: Restore | None
    prunes: float | None  # Operators prune orders that finished so many seconds ago; None: they do not.
    pauses: bool  # Whether operators pause and resume the queue, and release orders.
    rates: bool  # Whether operators limit the drain's rate.
    max_rate: float | None  # The setting RETRY__MAX_RATE.
    ways: tuple[str, ...]  # How the shop is told how its orders ended.
    max_tries: int  # After so many an event is given up.
    helps_the_shop: bool  # Whether operators redeliver events, enable an endpoint, and forget a destination.
    times_left: tuple[
        float | None, ...
    ]  # For how many seconds orders may be charged; each order has one of them.

    @property
    def last_customer(self) -> float:
        """When the last customer comes. Before the backup, if the service forgets keys and would charge again."""
        latest = self.faults_until
        if self.restore is not None and not self.behavior.remembers:
            latest = self.restore.saved_at
        return self.faults_from + (latest - self.faults_from) * 0.8

    @classmethod
    def random(cls, rng: Random) -> Self:
        """A random scenario."""
        from_previous_version = rng.choice((0, 0, 0, 1, 2))
        paid_first = rng.choice((0, 1, 1, 2))
        crowd = rng.randint(8, 20) if rng.random() < CROWDED else 0
        keys = random_keys(rng, from_previous_version + paid_first + rng.randint(2, 6) + crowd)
        as_they_are = rng.random() < 0.4
        behavior = random_behavior(rng, keys, keys if as_they_are else keys[:from_previous_version])
        if behavior.profile.prepares:
            from_previous_version = 0  # It has prepared no charges.
        start = behavior.profile.absent_after + 5.0 if paid_first else 0.0
        end = start + rng.uniform(60.0, 240.0)
        rates = rng.random() < (0.4 if crowd else 0.2)
        return cls(
            behavior=behavior,
            load=random_load(rng, crowded=bool(crowd)),
            producers=rng.randint(1, 2),
            workers=rng.randint(1, 3),
            consumers=rng.choice((4, 8)) if crowd else rng.randint(1, 2),
            keys=keys,
            from_previous_version=from_previous_version,
            paid_first=paid_first,
            crowd=crowd,
            send_caller_keys=as_they_are,
            faults_from=start,
            faults_until=end,
            max_attempts=rng.choice((2, 4, 8)),
            half_open_max_calls=rng.randint(1, 3),
            adaptive_limit=rng.random() < 0.9,
            ids_a_message=rng.choice((1, 3, IDS_A_MESSAGE, IDS_A_MESSAGE)),
            republish_after=rng.choice((15.0, 60.0)),
            operators=rng.random() < 0.4,
            concurrency=rng.choice((1, 2, 32)),
            waits=rng.choice(((0.0,), (0.5, 2.0), (2.0,), (2.0, 30.0))),
            deadly_point=rng.choice(POINTS) if rng.random() < 0.7 else None,
            scheduled_faults=tuple(_scheduled_faults(rng, start, end)),
            restore=_restore(rng, behavior, start, end) if rng.random() < 0.35 else None,
            prunes=rng.choice((0.0, 1.0, 20.0)) if rng.random() < 0.4 else None,
            pauses=rng.random() < 0.4,
            rates=rates,
            max_rate=rng.choice((None, 0.5, 5.0)) if rates else None,
            ways=rng.choice((("webhook",), ("listener",), ("webhook", "listener")))
            if rng.random() < 0.4
            else (),
            max_tries=rng.choice((2, 4, MAX_TRIES)),
            helps_the_shop=rng.random() < 0.3,
            times_left=(None, 5.0, 20.0, 60.0) if rng.random() < 0.3 else (None,),
        )


def _scheduled_faults(rng: Random, start: float, end: float) -> list[ScheduledFault]:
    chosen = [name for name in SCHEDULED_FAULTS if rng.random() < 0.35 for _ in range(rng.randint(1, 2))]
    latest = start + (end - start) * 0.9
    return [ScheduledFault(name, rng.uniform(start, latest), rng.expovariate(1 / 20.0)) for name in chosen]


def _restore(rng: Random, behavior: ServiceBehavior, start: float, end: float) -> Restore | None:
    """None where an order is placed again and, without a look-up, "done already" looks like "refused"."""
    if behavior.says_done and not behavior.profile.looks_up:
        return None
    at = rng.uniform(start + 30.0, end)
    return Restore(max(start + 10.0, at - rng.expovariate(1 / 30.0)), at)

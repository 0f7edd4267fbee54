"""One exchange with a store: bring the changes, learn what is stored then."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from breakwall.breaker import wire
from breakwall.breaker.changes import Change, applied
from breakwall.breaker.circuit import Circuit
from breakwall.breaker.config import CircuitBreakerConfig
from breakwall.breaker.stores import Record, Store

# One of two racing swaps always wins, so a member of a fleet of n that fail together loses some n races.
# After so many it has a crowd of hundreds about it, and had better come back later.
SWAP_ATTEMPTS = 100
# The first races are run at once; then each loser pauses, at random, up to this many seconds in the end.
RACES_AT_ONCE = 4
LONGEST_PAUSE = 0.02


class ContentionError(Exception):
    """The circuit changed under every attempt to swap it; nothing was stored."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a store said, and when that was on our clock."""

    record: Record
    received_at: float

    @property
    def circuit(self) -> Circuit | None:
        """What is stored; None when there is nothing, or nothing that can be read."""
        return None if self.record.text is None else wire.decode(self.record.text)


@dataclass(frozen=True, slots=True)
class Exchange:
    """The means of one exchange.

    Attributes:
        clock: monotonic seconds.
        reconcile: what to go on from, given what is stored and the store's time.
    """

    store: Store
    name: str
    config: CircuitBreakerConfig
    clock: Callable[[], float]
    luck: float
    reconcile: Callable[[Circuit | None, float], Circuit]

    def run(self, changes: list[Change], known: Answer | None) -> tuple[Answer, Circuit]:
        """Apply ``changes`` to what is stored, beginning with what was ``known`` of it.

        Returns:
            The store's last answer and the circuit in it. Without changes this is one round trip; with
            changes, and nobody else's swap between, one too.

        Raises:
            ContentionError: see there.
            Exception: whatever the store raised. The changes may or may not have arrived.
        """
        answer = known or self._load()
        for attempt in range(SWAP_ATTEMPTS):
            if attempt > RACES_AT_ONCE:
                self._pause(attempt - RACES_AT_ONCE)
            wanted = self._wanted(changes, answer)
            if wanted != (answer.circuit or Circuit()):
                won, answer = self._swap(answer, wanted)
                if won:
                    return answer, answer.circuit or wanted
            elif answer is known:
                answer = self._load()
            else:
                return answer, wanted
        raise ContentionError

    def _pause(self, lost: int) -> None:
        # Swaps in memory run one at a time: nobody is there to make room for.
        if self.store.remote:
            time.sleep(random.random() * min(0.001 * 2.0**lost, LONGEST_PAUSE))  # noqa: S311  # no secret

    def _wanted(self, changes: list[Change], answer: Answer) -> Circuit:
        now = answer.record.now + self.clock() - answer.received_at
        return applied(changes, self.reconcile(answer.circuit, now), self.config, now, self.luck)

    def _load(self) -> Answer:
        return Answer(self.store.load(self.name), self.clock())

    def _swap(self, answer: Answer, wanted: Circuit) -> tuple[bool, Answer]:
        version = secrets.token_hex(8)
        won, record = self.store.swap(self.name, answer.record.version, version, wire.encode(wanted))
        return won, Answer(record, self.clock())


def overrules(ours: Circuit, confirmed: Circuit, stored: Circuit | None) -> bool:
    """Whether this process's circuit goes before the stored one, when the store answers.

    It does when the store is behind what it once confirmed: it was emptied, or lost its last second in
    a failover. It does when the store was lost, has not moved since, and the local circuit has. In every
    other case the fleet has gone on, and its word counts.
    """
    if stored is None or stored.generation < confirmed.generation:
        return True
    return stored.generation == confirmed.generation < ours.generation

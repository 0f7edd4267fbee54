"""One exchange with a store: bring the changes, learn what is stored then."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from breakwall.breaker import wire
from breakwall.breaker.changes import Change, applied
from breakwall.breaker.circuit import Circuit
from breakwall.breaker.config import CircuitBreakerConfig
from breakwall.breaker.stores import Record, Store
from breakwall.breaker.timeshift import caught_up

# One of two racing swaps always wins, so a member of a fleet of n that fail together loses some n races.
# After so many it has a crowd of hundreds about it, and had better come back later.
SWAP_ATTEMPTS = 100
# The first races are run at once; then each loser pauses, at random, up to this many seconds in the end.
# Swaps in memory run one at a time: nobody is there to make room for.
RACES_AT_ONCE = 4
LONGEST_PAUSE = 0.02


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
class Exchanged:
    """An exchange that succeeded.

    Attributes:
        answer: the store's last one.
        circuit: what is stored by that.
        raced: whether others' swaps got in between.
    """

    answer: Answer
    circuit: Circuit
    raced: bool


class ContentionError(Exception):
    """The circuit changed under every attempt to swap it; nothing was stored.

    ``answer`` is what the store said last, ``circuit`` what this member would go on from.
    """

    def __init__(self, answer: Answer, circuit: Circuit) -> None:
        super().__init__(answer, circuit)
        self.answer = answer
        self.circuit = circuit


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

    def run(self, changes: list[Change], known: Answer | None) -> Exchanged:
        """Apply ``changes`` to what is stored, beginning with what was ``known`` of it.

        Without changes this is one round trip; with changes, and nobody else's swap between, one too.

        Raises:
            ContentionError: see there.
            Exception: whatever the store raised. The changes may or may not have arrived.
        """
        answer, raced = known or self._load(), False
        for attempt in range(SWAP_ATTEMPTS):
            if attempt > RACES_AT_ONCE and self.store.remote:
                _pause(attempt - RACES_AT_ONCE)
                # Others have won meanwhile: a swap of what was seen before the pause would lose again.
                answer = self._load()
            wanted = self._wanted(changes, answer)
            if wanted != (answer.circuit or Circuit()):
                won, answer = self._swap(answer, wanted)
                if won:
                    return Exchanged(answer, answer.circuit or wanted, raced)
                # What was known before may merely have been old.
                raced = attempt > 0 or known is None
            elif answer is known:
                answer = self._load()
            else:
                return Exchanged(answer, wanted, raced)
        raise ContentionError(answer, self._wanted([], answer))

    def _wanted(self, changes: list[Change], answer: Answer) -> Circuit:
        now = answer.record.now + self.clock() - answer.received_at
        stored = None if answer.circuit is None else caught_up(answer.circuit, now)
        wanted = applied(changes, self.reconcile(stored, now), self.config, now, self.luck)
        return replace(wanted, written_at=now)

    def _load(self) -> Answer:
        return Answer(self.store.load(self.name), self.clock())

    def _swap(self, answer: Answer, wanted: Circuit) -> tuple[bool, Answer]:
        version = secrets.token_hex(8)
        won, record = self.store.swap(self.name, answer.record.version, version, wire.encode(wanted))
        return won, Answer(record, self.clock())


def _pause(lost: int) -> None:
    time.sleep(random.random() * min(0.001 * 2.0**lost, LONGEST_PAUSE))  # noqa: S311  # no secret

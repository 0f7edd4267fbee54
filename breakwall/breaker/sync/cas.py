"""One synchronization with a store: a bounded loop of compare-and-swap rounds on a snapshot."""

import random
import secrets
import time
from dataclasses import dataclass, replace

from breakwall.breaker.circuit import codec
from breakwall.breaker.circuit.clock_adjustment import adjusted
from breakwall.breaker.circuit.state import Circuit
from breakwall.breaker.sync.conflict import Snapshot, merge
from breakwall.breaker.sync.replica import Setup
from breakwall.breaker.sync.store_protocol import Store, StoredCircuit

# One of two racing swaps always wins, so if n processes fail together, each loses about n races. Only a store that
# answers at once reaches this bound; with any other store the time limit comes first.
MOST_ROUNDS = 100
# After so many rounds, a loser waits for a random time before it tries again: longer each time, up to so many seconds.
# This is for remote stores only: swaps inside one process run one at a time.
ROUNDS_AT_ONCE = 4
LONGEST_PAUSE = 0.02


@dataclass(frozen=True, slots=True)
class Received:
    """What a store answered, and when, on the clock of this process."""

    record: StoredCircuit
    at: float

    @property
    def circuit(self) -> Circuit | None:
        """What is stored; None if nothing is stored, or nothing readable."""
        return None if self.record.text is None else codec.decode(self.record.text)


@dataclass(frozen=True, slots=True)
class Synchronized:
    """The end of a synchronization."""

    received: Received  # The store's last answer.
    circuit: Circuit  # What the copy continues from.
    arrived: bool = True  # Whether the operations are in the store. If not, every swap lost a race.
    raced: bool = False  # Whether a swap lost a race.


@dataclass(frozen=True, slots=True)
class Synchronization:
    """Runs synchronizations of one breaker with ``store``."""

    store: Store
    setup: Setup
    # Seconds after which no further round begins. Well below the schedule's `longest_silence`, so that nothing older
    # than that is sent.
    longest: float

    def run(self, snapshot: Snapshot, known: Received | None) -> Synchronized:
        """Apply the snapshot's operations to the stored circuit, starting from the last ``known`` answer.

        This takes one round trip, if no other process has swapped since that answer. Raises `PrematureError`, or
        whatever the store raises; the operations may have arrived then.
        """
        end = self.setup.clock() + self.longest
        received, raced = known or self._load(), False
        for number in range(MOST_ROUNDS):
            if number > ROUNDS_AT_ONCE and self.store.remote:
                _pause(number - ROUNDS_AT_ONCE)
                # Other processes have won meanwhile: a swap of what was read before the pause would lose again.
                received = self._load()
            wanted = self._merged(snapshot, received)
            if wanted == (received.circuit or Circuit()):
                if received is not known:
                    return Synchronized(received, wanted, raced=raced)
                received = self._load()
            elif self.setup.clock() > end:
                break
            else:
                won, received = self._swap(received, wanted)
                if won:
                    return Synchronized(received, received.circuit or wanted, raced=raced)
                # A swap of what was known before the loop may fail without a race: the answer was old.
                raced = number > 0 or known is None
        without = replace(snapshot, operations=(), early=None)
        return Synchronized(received, self._merged(without, received), arrived=False, raced=True)

    def _merged(self, snapshot: Snapshot, received: Received) -> Circuit:
        clock = self.setup.clock()
        now = received.record.now + clock - received.at
        stored = None if received.circuit is None else adjusted(received.circuit, now)
        shift = now - (clock + snapshot.clock_offset)
        return replace(
            merge(snapshot, stored, self.setup.config, now, self.setup.jitter(), shift), written_at=now
        )

    def _load(self) -> Received:
        return Received(self.store.load(self.setup.name), self.setup.clock())

    def _swap(self, received: Received, wanted: Circuit) -> tuple[bool, Received]:
        version = secrets.token_hex(8)
        won, record = self.store.swap(self.setup.name, received.record.version, version, codec.encode(wanted))
        return won, Received(record, self.setup.clock())


def _pause(lost: int) -> None:
    time.sleep(random.random() * min(0.001 * 2.0**lost, LONGEST_PAUSE))  # noqa: S311  # no secret

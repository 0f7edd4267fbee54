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

# One of two racing swaps always wins, so a member of a fleet of n that fail together loses some n races. A bound for
# stores that answer at once; others run into the time limit first.
MOST_ROUNDS = 100
# The first races are run at once. Then each loser waits before it tries again, at random, up to so many seconds in the
# end. Swaps in this process run one at a time: there is nobody to make room for.
ROUNDS_AT_ONCE = 4
LONGEST_PAUSE = 0.02


@dataclass(frozen=True, slots=True)
class Received:
    """What a store answered, and when that was on our clock."""

    record: StoredCircuit
    at: float

    @property
    def circuit(self) -> Circuit | None:
        """What is stored; None when there is nothing, or nothing that can be read."""
        return None if self.record.text is None else codec.decode(self.record.text)


@dataclass(frozen=True, slots=True)
class Synchronized:
    """The end of a synchronization.

    Attributes:
        received: the store's last answer.
        circuit: what to go on from.
        arrived: whether the operations are in the store. If not, others' swaps came first every time.
        raced: whether others' swaps came first at least once.
    """

    received: Received
    circuit: Circuit
    arrived: bool = True
    raced: bool = False


@dataclass(frozen=True, slots=True)
class Synchronization:
    """The means of one synchronization.

    Attributes:
        longest: after so many seconds no further round is begun. It has to be well below the silence after which a
            store is lost: what is sent must not be older than that.
    """

    store: Store
    setup: Setup
    longest: float

    def run(self, snapshot: Snapshot, known: Received | None) -> Synchronized:
        """Apply the snapshot's operations to what is stored, beginning with what is ``known`` of it.

        One round trip without operations. With operations too, unless somebody else has swapped since.

        Raises:
            PrematureError: see there.
            Exception: whatever the store raised. The operations may or may not have arrived.
        """
        end = self.setup.clock() + self.longest
        received, raced = known or self._load(), False
        for number in range(MOST_ROUNDS):
            if number > ROUNDS_AT_ONCE and self.store.remote:
                _pause(number - ROUNDS_AT_ONCE)
                # Others have won meanwhile: a swap of what was read before the pause would lose again.
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
                # What was known before may only have been old.
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

"""What a member wants done in the store and does not know to be done."""

from __future__ import annotations

from breakwall.breaker.changes import Change, Grant, Insisted, Outcomes, Settlement
from breakwall.breaker.circuit import Circuit
from breakwall.breaker.evidence import Report


class Outbox:
    """Changes that wait for an exchange, and those that one has taken along. Its owner's lock guards it."""

    def __init__(self) -> None:
        self._waiting: list[Change] = []
        self._sent: list[Change] = []
        self._owed: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        """Whether something waits."""
        return bool(self._waiting)

    @property
    def has_failures(self) -> bool:
        """Whether calls that failed, or were slow, wait."""
        return any(isinstance(change, Outcomes) and change.report.bad for change in self._waiting)

    @property
    def unconfirmed(self) -> list[Change]:
        """All of it, in order."""
        return self._sent + self._waiting

    def add(self, change: Change) -> None:
        """Have the next exchange take ``change`` along. The outcomes of one generation become one report."""
        if isinstance(change, Outcomes):
            change = self._merged(change)
        self._waiting.append(change)

    def add_while_lost(self, change: Change) -> None:
        """Of what happens without a store, keep what concerns it: an operator's word, and the end of a probe
        whose lease it may still hold."""
        if isinstance(change, Insisted) or (isinstance(change, Settlement) and change.lease_id in self._owed):
            self._waiting.append(change)

    def withdraw(self, change: Change) -> None:
        """Let ``change`` not be sent, if it was not yet."""
        self._waiting = [other for other in self._waiting if other is not change]

    def take(self, *, outcomes: bool) -> list[Change]:
        """What an exchange is to bring; with the outcomes, or with all but them."""
        self._sent = [change for change in self._waiting if outcomes or not isinstance(change, Outcomes)]
        self._waiting = [change for change in self._waiting if not outcomes and isinstance(change, Outcomes)]
        return self._sent

    def arrived(self) -> None:
        """What was taken is in the store."""
        for change in self._sent:
            if isinstance(change, Insisted):
                change.made = True
        self._sent, self._owed = [], frozenset()

    def failed(self) -> None:
        """What was taken did not arrive: it waits again, but for what nobody waits for any more."""
        again = [change for change in self._sent if not isinstance(change, Grant | Insisted)]
        again, self._sent, self._waiting = again + self._waiting, [], []
        for change in again:
            self.add(change)

    def lost(self, stored: Circuit) -> None:
        """What was taken may have arrived, and the local circuit has the rest: forget what counts only once.

        ``stored`` is what the store confirmed last; its leases, and those that were just asked for, are the
        ones that it may hold.
        """
        asked = [change.lease_id for change in self._sent if isinstance(change, Grant)]
        self._owed |= frozenset([lease.id for lease in stored.leases] + asked)
        repeatable = [change for change in self._sent if change.repeatable]
        unsent = [change for change in self._waiting if change.repeatable or change.fleet_only]
        self._sent, self._waiting = [], repeatable + unsent

    def _merged(self, new: Outcomes) -> Outcomes:
        """``new`` with what waits of the same generation, which goes to the end of the line with it: a pause
        that the service asked for in between still comes first."""
        for old in self._waiting:
            if isinstance(old, Outcomes) and old.report.generation == new.report.generation:
                self._waiting.remove(old)
                return Outcomes(_sum(old.report, new.report))
        return new


def _sum(old: Report, new: Report) -> Report:
    return Report(
        new.generation,
        new.member,
        old.successes + new.successes,
        old.failures + new.failures,
        old.slow + new.slow,
    )

"""Who is right when a store answers that was lost, was emptied, or fell back to an older copy of itself."""

from __future__ import annotations

from dataclasses import dataclass, replace

from breakwall.breaker.circuit import Circuit


@dataclass(frozen=True, slots=True)
class Stand:
    """What a member goes by when the store answers. Times are the store's clock.

    Attributes:
        member: its name.
        circuit: its own; the local one after a loss, else the one that the store confirmed.
        confirmed: the generation that the store confirmed last.
        lost_at: when it lost the store.
    """

    member: str
    circuit: Circuit
    confirmed: int
    lost_at: float


def reconciled(ours: Stand, stored: Circuit | None) -> Circuit:
    """The circuit to go on from, ours or the stored one; the override in it is the later word of the two.

    An override is no transition and has a serial number of its own: whoever's circuit is right, a word that
    was given while a member was away stays, and one that a failover forgot comes back.
    """
    if stored is None:
        return ours.circuit
    right = ours.circuit if overrules(ours, stored) else stored
    later = ours.circuit if ours.circuit.override_serial > stored.override_serial else stored
    return replace(
        right,
        override=later.override,
        override_serial=later.override_serial,
        # What a newer release means by them it has said last in the store.
        unknown=stored.unknown,
    )


def overrules(ours: Stand, stored: Circuit) -> bool:
    """Whether a member's circuit goes before the stored one.

    It does when the store is behind what it once confirmed: it lost its last second in a failover. It does
    when the local circuit has moved during a loss and the stored one has not, but for the case that others
    were not lost and have gone on succeeding: then it was this member's own network that was gone, and its
    failures with it. A healthy circuit's generation never moves, so it cannot tell the two apart.
    """
    if stored.generation < ours.confirmed:
        return True
    if not stored.generation == ours.confirmed < ours.circuit.generation:
        return False
    return not _others_succeeded(ours, stored, ours.lost_at)


def is_premature(ours: Stand, stored: Circuit, window: float) -> bool:
    """Whether others may yet show that a local circuit which would overrule the stored one is wrong.

    They succeeded within ``window`` seconds before the loss, so they are busy: if they lost the store too and
    not the service, they will report successes as soon as they are back.
    """
    behind = stored.generation < ours.confirmed
    return not behind and overrules(ours, stored) and _others_succeeded(ours, stored, ours.lost_at - window)


def _others_succeeded(ours: Stand, stored: Circuit, since: float) -> bool:
    return any(seen.at > since for seen in stored.evidence.succeeding if seen.member != ours.member)

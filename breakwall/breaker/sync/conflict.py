"""Whose circuit is right when a store answers that was lost, was emptied, or fell back to an older copy of itself."""

from dataclasses import dataclass, replace

from breakwall.breaker.circuit.clock_adjustment import shifted
from breakwall.breaker.circuit.operations import Operation, apply_all
from breakwall.breaker.circuit.state import Circuit
from breakwall.breaker.config import CircuitBreakerConfig
from breakwall.breaker.sync.early_outcomes import EarlyOutcomes


class PrematureError(Exception):
    """Others may still refute the local circuit: it must not be stored before they have had time to."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a synchronization starts from. Nothing in it changes while the synchronization is under way.

    Attributes:
        member: this breaker's name in the fleet.
        operations: what is to be done in the store.
        early: what was seen before the store first answered, if there is any.
        circuit: the local circuit after a loss, else the one that the store confirmed last.
        confirmed: the generation that the store confirmed last.
        is_lost: whether the store is lost.
        lost_at: when it was lost, on this breaker's idea of the store's clock.
        others_had_time: whether others can refute the local circuit no more.
        clock_offset: what to add to this breaker's clock for its idea of the store's.
    """

    member: str
    operations: tuple[Operation, ...]
    early: EarlyOutcomes | None
    circuit: Circuit
    confirmed: int
    is_lost: bool
    lost_at: float
    others_had_time: bool
    clock_offset: float


def merge(
    ours: Snapshot,
    stored: Circuit | None,
    config: CircuitBreakerConfig,
    now: float,
    jitter: float,
    shift: float,
) -> Circuit:
    """What should be stored, given what is ``stored``; the store's clock is ``shift`` ahead of our idea of it.

    Raises:
        PrematureError: see there.
    """
    ours = replace(ours, circuit=shifted(ours.circuit, shift), lost_at=ours.lost_at + shift)
    is_ours = stored is None or overrules(ours, stored)
    if is_ours and stored is not None and _is_premature(ours, stored, config.window):
        raise PrematureError
    right = ours.circuit if is_ours or stored is None else stored
    if stored is not None:
        right = _with_later_override(right, ours.circuit, stored)
    # A local circuit has the early outcomes in it.
    if ours.early is not None and not (is_ours and ours.is_lost):
        right = ours.early.apply(right, config, now, jitter, member=ours.member, shift=shift)
    return apply_all(ours.operations, right, config, now, jitter)


def _with_later_override(right: Circuit, ours: Circuit, stored: Circuit) -> Circuit:
    """An override is no transition and has a serial number of its own. So whoever's circuit is right, an override that
    was set while a member was away stays, and one that a failover forgot comes back."""
    later = ours if ours.override_serial > stored.override_serial else stored
    # The store has the latest of what a newer release means by its unknown fields.
    return replace(
        right, override=later.override, override_serial=later.override_serial, unknown=stored.unknown
    )


def overrules(ours: Snapshot, stored: Circuit) -> bool:
    """Whether a member's circuit takes the place of the stored one.

    It does when the store is behind what it once confirmed: it lost its last second in a failover. It also does when
    the local circuit has moved during a loss and the stored one has not. But if other members kept succeeding, our own
    network was down, and our failures do not count. A healthy circuit's generation never moves, so the generation alone
    cannot tell these two apart.
    """
    if stored.generation < ours.confirmed:
        return True
    if not stored.generation == ours.confirmed < ours.circuit.generation:
        return False
    return not _others_succeeded(ours, stored, ours.lost_at)


def _is_premature(ours: Snapshot, stored: Circuit, window: float) -> bool:
    """Whether others may still show that a local circuit that overrules the stored one is wrong.

    They succeeded within ``window`` seconds before the loss, so they are busy. If they lost the store too, and not the
    service, they report successes as soon as they are back.
    """
    is_behind = stored.generation < ours.confirmed
    if is_behind or ours.others_had_time:
        return False
    return _others_succeeded(ours, stored, ours.lost_at - window)


def _others_succeeded(ours: Snapshot, stored: Circuit, since: float) -> bool:
    return any(seen.at > since for seen in stored.window.succeeding if seen.member != ours.member)

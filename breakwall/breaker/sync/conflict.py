"""Which circuit wins when a store answers again: the stored one, or this process's own.

A store may have been lost, emptied, or replaced by an older copy of itself.
"""

from dataclasses import dataclass, replace

from breakwall.breaker.circuit.clock_adjustment import shifted
from breakwall.breaker.circuit.operations import Operation, apply_all
from breakwall.breaker.circuit.state import Circuit
from breakwall.breaker.config import CircuitBreakerConfig
from breakwall.breaker.sync.early_outcomes import EarlyOutcomes


class PrematureError(Exception):
    """Other processes have not had the time to refute the local circuit, so it must not be stored yet."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a synchronization starts from: a copy, so that the breaker can continue meanwhile.

    Two things in it may still change: a caller may withdraw a `ConfirmedOperation`, and ``early`` records that it may
    be stored.
    """

    reporter_id: str
    operations: tuple[Operation, ...]  # To apply to the stored circuit.
    early: EarlyOutcomes | None  # From before the store first answered.
    circuit: Circuit  # The local circuit if the store is lost, else the one that the store confirmed last.
    confirmed: int  # The generation that the store confirmed last.
    is_lost: bool  # Whether the store is lost.
    lost_at: float  # When it was lost, on the store's clock as this process derives it.
    others_had_time: bool  # Whether the other processes have had the time to refute the local circuit.
    clock_offset: float  # The store's clock, as this process derives it, minus this process's clock.


def merge(
    ours: Snapshot,
    stored: Circuit | None,
    config: CircuitBreakerConfig,
    now: float,
    jitter: float,
    shift: float,
) -> Circuit:
    """The circuit to store, if ``stored`` is stored now; or raise `PrematureError`.

    The store's clock is ``shift`` seconds ahead of the time that this process has derived.
    """
    ours = replace(ours, circuit=shifted(ours.circuit, shift), lost_at=ours.lost_at + shift)
    is_ours = stored is None or overrules(ours, stored)
    if is_ours and stored is not None and _is_premature(ours, stored, config.window):
        raise PrematureError
    right = ours.circuit if is_ours or stored is None else stored
    if stored is not None:
        right = _with_later_override(right, ours.circuit, stored)
    # A local circuit contains the early outcomes already.
    if ours.early is not None and not (is_ours and ours.is_lost):
        right = ours.early.apply(right, config, now, jitter, reporter_id=ours.reporter_id, shift=shift)
    return apply_all(ours.operations, right, config, now, jitter)


def _with_later_override(right: Circuit, ours: Circuit, stored: Circuit) -> Circuit:
    """An override is no transition and has a serial number of its own. So whichever circuit wins, an override that was
    set while this process was away stays, and one that was lost in a failover comes back."""
    later = ours if ours.override_serial > stored.override_serial else stored
    # Only the store has the latest values of a newer release's fields.
    return replace(
        right, override=later.override, override_serial=later.override_serial, unknown=stored.unknown
    )


def overrules(ours: Snapshot, stored: Circuit) -> bool:
    """Whether our circuit replaces the stored one.

    It does in two cases. (1) The stored generation is older than one that the store confirmed: the store lost its last
    second in a failover. (2) The local circuit has changed state while the store was lost, and the stored one has not.
    But if other processes kept succeeding, our own network was down, and our failures do not count. We need the
    processes' reports for this: a healthy circuit never changes its generation.
    """
    if stored.generation < ours.confirmed:
        return True
    if not stored.generation == ours.confirmed < ours.circuit.generation:
        return False
    return not _others_succeeded(ours, stored, ours.lost_at)


def _is_premature(ours: Snapshot, stored: Circuit, window: float) -> bool:
    """Whether other processes may still refute a local circuit that overrules the stored one.

    If they succeeded within ``window`` seconds before the loss, they are busy. If they lost the store too, but not the
    service, they report successes as soon as the store answers them.
    """
    is_behind = stored.generation < ours.confirmed
    if is_behind or ours.others_had_time:
        return False
    return _others_succeeded(ours, stored, ours.lost_at - window)


def _others_succeeded(ours: Snapshot, stored: Circuit, since: float) -> bool:
    return any(seen.at > since for seen in stored.window.succeeding if seen.id != ours.reporter_id)

"""What one process may have in hand: its share of the fleet's limit. Live calls go first."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from breakwall.breaker.circuit.fleet_limit import FleetLimit, ProcessLoad

# The background leaves as many places free as live calls have in hand on average, and so many standard deviations of a
# Poisson distribution more.
LIVE_DEVIATIONS = 1.5
LIVE_EXTRA = 1  # Places above the limit for live calls.


@dataclass(frozen=True, slots=True)
class ProcessShare:
    """What one process may have in hand by the last limit that it knows. None: any number."""

    background: int | None = None
    live: int | None = None
    rate: float | None = None  # Background calls a second.


def allowance(fleet: FleetLimit, id_: str, cap: float | None = None) -> ProcessShare:
    """What the process ``id_`` may have in hand. ``cap``: an operator's upper end of the background's rate.

    The background's part is shared by those that want it. A process that has not reported yet has none of it.
    """
    rate = lower_rate(fleet.rate, cap)
    share = None if rate is None else _rate_share(fleet.processes, id_, rate)
    if fleet.places is None:
        return ProcessShare(rate=share)
    places = background_places(fleet)
    in_background = sum([process.background for process in fleet.processes])
    if any(process.wants for process in fleet.processes):
        in_background = max(in_background, places)  # They use all of it.
    others_live = sum([process.live for process in fleet.processes if process.id != id_])
    live = max(1, fleet.places + LIVE_EXTRA - round(others_live + in_background))
    demands = {
        process.id: math.inf if process.wants else math.ceil(process.background) + 1.0
        for process in fleet.processes
        if process.takes
    }
    share_of = shares(places, demands)
    return ProcessShare(share_of.get(id_, 0), live, share)


def background_places(fleet: FleetLimit) -> int:
    """How many calls the background may have in hand in all processes: live calls go first."""
    live = sum([process.live for process in fleet.processes])
    reserved = math.ceil(live + LIVE_DEVIATIONS * math.sqrt(live))
    return max(1, (fleet.places or 0) - reserved)


def shares(total: int, demands: dict[str, float]) -> dict[str, int]:
    """Whole numbers that sum up to ``total``: first what each demands, as evenly as possible, then the rest evenly."""
    left, result = total, {}
    for number, id_ in enumerate(sorted(demands, key=lambda id_: (demands[id_], id_))):
        # Rounded up: the first of those with the same demand get the remainder.
        even = -(-left // (len(demands) - number))
        result[id_] = int(min(demands[id_], even))
        left -= result[id_]
    return {id_: share + left // len(demands) for id_, share in result.items()}


def lower_rate(first: float | None, second: float | None) -> float | None:
    """The lower of two rates of which each may be None: any number."""
    rates = [rate for rate in (first, second) if rate is not None]
    return min(rates, default=None)


def _rate_share(processes: Sequence[ProcessLoad], id_: str, rate: float) -> float:
    takers = {process.id for process in processes if process.takes} | {id_}
    return rate / len(takers)

"""What one process may have in hand: its share of the fleet's limit. Live calls go first."""

import math
from dataclasses import dataclass

from breakwall.breaker.circuit.fleet_limit import FleetLimit

# The background leaves as many places free as live calls have in hand on average, and so many standard deviations of a
# Poisson distribution more.
LIVE_DEVIATIONS = 1.5
LIVE_EXTRA = 1  # Places above the limit for live calls.


@dataclass(frozen=True, slots=True)
class ProcessShare:
    """What one process may have in hand by the last limit that it knows. None: any number."""

    background: int | None = None
    live: int | None = None


def allowance(fleet: FleetLimit, id_: str) -> ProcessShare:
    """What the process ``id_`` may have in hand.

    The background's part is shared by those that want it. A process that has not reported yet has none of it.
    """
    if fleet.places is None:
        return ProcessShare()
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
    return ProcessShare(share_of.get(id_, 0), live)


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

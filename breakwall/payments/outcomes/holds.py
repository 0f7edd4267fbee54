"""What keeps a destination from getting any outcome: its circuit, or its own answer that it is gone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from breakwall.breaker import BreakerStatus, CircuitState
from breakwall.payments.outcomes.operator import Waiting


class HeldBy(StrEnum):
    """``CIRCUIT``: too many calls have failed. ``GONE``: it has answered 410, so a person has to enable it."""

    CIRCUIT = "circuit"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class DestinationHold:
    """Why nothing is sent to a destination now.

    ``until``: when its circuit admits the next try, aware, in UTC; None if that is now, or never by itself.
    """

    destination: str
    by: HeldBy
    until: datetime | None = None

    def __str__(self) -> str:
        name = self.destination
        if self.by is HeldBy.GONE:
            return (
                f"the {name} has answered 410 Gone, so nothing is sent to it: `breakwall outcomes enable {name}`, "
                "or configure another one"
            )
        if self.until is None:
            return f"the circuit of the {name} is half open: one outcome is tried soon, and that try decides"
        at = f"{self.until:%Y-%m-%d %H:%M:%S} UTC"
        return f"the circuit of the {name} is open: one outcome is tried at {at}, and that try decides"


def holds(waiting: Iterable[Waiting], circuits: Mapping[str, BreakerStatus]) -> dict[str, DestinationHold]:
    """By destination, what holds it. A half-open circuit holds nothing if nothing waits: it stays so without calls."""
    found = {}
    for one in waiting:
        name, status = one.destination, circuits.get(one.destination)
        if one.gone:
            found[name] = DestinationHold(name, HeldBy.GONE)
        elif status is not None and status.state is CircuitState.OPEN and status.open_until is not None:
            found[name] = DestinationHold(
                name, HeldBy.CIRCUIT, datetime.fromtimestamp(status.open_until, UTC)
            )
        elif status is not None and status.state is CircuitState.HALF_OPEN and one.count:
            found[name] = DestinationHold(name, HeldBy.CIRCUIT)
    return found

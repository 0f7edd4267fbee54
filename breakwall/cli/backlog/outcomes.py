"""What waits to be told to the shop, as one line of `breakwall backlog`."""

from collections.abc import Iterable, Mapping

from breakwall.payments.outcomes.holds import DestinationHold
from breakwall.payments.outcomes.operator import Waiting
from breakwall.terminal.output import plain
from breakwall.terminal.words import count


def outcome_fields(waiting: Iterable[Waiting], holds: Mapping[str, DestinationHold]) -> dict[str, str]:
    """The field ``outcomes``, as Rich markup; none if nothing waits and nothing is held."""
    parts = [
        _one(each, holds.get(each.destination)) for each in waiting if each.count or each.destination in holds
    ]
    return {"outcomes": "; ".join(parts)} if parts else {}


def _one(waiting: Waiting, hold: DestinationHold | None) -> str:
    verb = "waits" if waiting.count == 1 else "wait"
    text = f"{count(waiting.count, 'event')} {verb} for the {plain(waiting.destination)}"
    return text if hold is None else f"{text} ([bold red]{plain(hold)}[/])"

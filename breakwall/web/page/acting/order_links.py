"""The actions that an order allows now, as links and as a refusal's way out. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from breakwall.payments.incidents import StoredIncident
from breakwall.payments.interventions import Action
from breakwall.web.page.acting.action_page import Link
from breakwall.web.page.labels import ORDER_ACTIONS, label
from breakwall.web.page.words import Words

PATHS = {
    Action.RETRY: "retry",
    Action.CANCEL: "cancel",
    Action.RESOLVE_PAID: "paid",
    Action.RESOLVE_NOT_CHARGED: "not-charged",
}
"""The last part of each action's address."""


def order_links(order_id: str, possible: Sequence[Action], words: Words) -> list[Link]:
    """A link to each possible action on an order."""
    return [
        Link(f"/act/orders/{order_id}/{PATHS[action]}", label(ORDER_ACTIONS, action.value, words))
        for action in possible
    ]


def incident_links(incidents: Sequence[StoredIncident], words: Words) -> list[Link]:
    """A link to close each incident that is open."""
    return [
        Link(
            f"/act/incidents/{one.id}/close",
            words.text("Close incident %(number)s", number=one.id),
        )
        for one in incidents
        if one.closed_at is None
    ]

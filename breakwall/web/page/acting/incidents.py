"""The action on one incident: a person has dealt with it."""

from __future__ import annotations

import re

from breakwall.payments.incidents import StoredIncident
from breakwall.payments.interventions import Author
from breakwall.payments.operator.incidents import (
    IncidentNotFoundError,
    close_incident,
    find_incident,
)
from breakwall.payments.operator.locking import RefusedError
from breakwall.web.page.acting.action_page import (
    ActionImpossibleError,
    ActionPage,
    Done,
    Fact,
)
from breakwall.web.page.acting.action_routes import action_router, add_action
from breakwall.web.page.acting.asked import Asked
from breakwall.web.page.labels import INCIDENTS, label
from breakwall.web.page.words import Words

router = action_router()

_NUMBER = re.compile("[0-9]{1,10}")
_MOST = 2**31 - 1  # The largest number that the database can store.


def show_close(asked: Asked) -> ActionPage:
    """It leaves the list and all counts."""
    words, incident = asked.words, _open_one(asked)
    return ActionPage(
        title=_title(words),
        button=_title(words),
        explanation=(
            words.text(
                "You state that the charge is put right at the payment service, or that nothing is wrong."
            ),
            words.text("The incident leaves the list and all counts, also if the same is found again."),
            words.text("Say in the reason what was done, such as a refund."),
        ),
        facts=_facts(incident, words),
        back="/",
    )


def close(asked: Asked, author: Author) -> Done:
    """Record who has dealt with it, and how."""
    incident, services = _open_one(asked), asked.services
    try:
        close_incident(services.database, incident.id, author, clock=services.clock)
    except RefusedError as error:
        raise asked.too_late() from error
    return Done("incident_close")


def _facts(incident: StoredIncident, words: Words) -> tuple[Fact, ...]:
    say = words.text
    order = say("order %(id)s", id=incident.order_id[:8])
    return (
        Fact(say("Number"), str(incident.id)),
        Fact(say("Kind"), label(INCIDENTS, incident.kind, words)),
        Fact(say("Order"), order, f"/orders/{incident.order_id}"),
        Fact(say("Found (UTC)"), words.moment(incident.at)),
        Fact(say("Detail"), incident.detail),
    )


def _open_one(asked: Asked) -> StoredIncident:
    """Raises `ActionImpossibleError` if it is closed, or if there is none with this number."""
    words, number = asked.words, asked.path["number"]
    try:
        incident = find_incident(asked.services.database, _number(number))
    except IncidentNotFoundError:
        why = words.text("There is no incident with this number.")
        raise ActionImpossibleError(_title(words), why, status=404) from None
    if incident.closed_at is None:
        return incident
    why = words.by(
        incident.closed_by,
        "It was closed by %(actor)s at %(time)s UTC. Reason: %(reason)s.",
        "It was closed at %(time)s UTC. Reason: %(reason)s.",
        time=words.moment(incident.closed_at),
        reason=(incident.close_reason or "–").rstrip("."),
    )
    raise ActionImpossibleError(_title(words), why)


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text) or int(text) > _MOST:
        raise IncidentNotFoundError("the address has no number")
    return int(text)


def _title(words: Words) -> str:
    return words.text("Close the incident")


add_action(router, "/act/incidents/{number}/close", show_close, close)

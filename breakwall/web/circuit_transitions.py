"""`GET /v1/breakers/{name}/transitions`: how the circuit changed its state, and why."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from breakwall.breaker import CircuitState
from breakwall.json_documents import transition_document
from breakwall.monitor.history.circuit_history import newest_transitions
from breakwall.monitor.history.transitions import StoredTransition, TransitionCause
from breakwall.web.action_body import Reader
from breakwall.web.breakers import check_name
from breakwall.web.services import UsedServices

MOST = 1000  # Transitions of a page.
LAST_ID = 2**31 - 1  # The largest that the database can store.

router = APIRouter(prefix="/v1/breakers/{name}", tags=["breaker"])


class TransitionDocument(BaseModel):
    """One change of the circuit's state."""

    at: datetime = Field(description="By the clock of the circuit's store, within about a second.")
    before: CircuitState
    after: CircuitState
    cause: TransitionCause
    failures: int | None = Field(description="That opened it; null: not known, or another cause.")
    generation: int = Field(description="That it began.")
    open_count: int = Field(description="Openings by then, with this one.")


class TransitionPage(BaseModel):
    """Transitions, newest first. ``next`` is the value of ``after`` for the next page; null: there is none."""

    transitions: list[TransitionDocument]
    next: str | None


@router.get("/transitions", summary="How the circuit changed its state")
def read_transitions(
    name: str,
    services: UsedServices,
    reader: Reader,
    limit: Annotated[int, Query(ge=1, le=MOST, description="How many at most.")] = 50,
    after: Annotated[int | None, Query(ge=1, le=LAST_ID, description="`next` of the page before.")] = None,
) -> TransitionPage:
    """The circuit's own transitions, newest first, each with its cause. What people did to it is in `/v1/audit`.

    They are written down while an API or a worker runs, and kept for as long as the backlog's history.
    """
    check_name(services, name)
    found = services.database.read(
        lambda connection: newest_transitions(connection, limit=limit + 1, before=after)
    )
    shown = found[:limit]
    return TransitionPage(
        transitions=[_document(one) for one in shown],
        next=str(shown[-1].id) if len(found) > limit else None,
    )


def _document(transition: StoredTransition) -> TransitionDocument:
    return TransitionDocument.model_validate(transition_document(transition))

"""Attempts as the previous version wrote them, and what the rules must read from each."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, insert, not_, select

from breakwall.payments.db.schema import attempts
from breakwall.payments.gateways.base import Outcome
from breakwall.payments.ledger import attempt_conditions

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
FAILED, UNKNOWN, SUCCEEDED = Outcome.FAILED, Outcome.UNKNOWN, Outcome.SUCCEEDED
SETTING = "The payment service answered HTTP 401: look at the user and password in BREAKWALL_PAYMENT_URL."
NOT_TAKEN = "The payment service will not take this request as it is (HTTP 400); nothing was charged."
LOOKED_UP = "Looked up afterwards: there is no such charge."
RESOLVED = "Resolved by anna: not charged. It is not on the dashboard."

FACTS = {
    "unresolved": attempt_conditions.UNRESOLVED,
    "spends_key": attempt_conditions.SPENDS_KEY,
    "key_conflict": attempt_conditions.KEY_CONFLICT,
    "refused": attempt_conditions.REFUSED,
    "rejected": attempt_conditions.REJECTED,
    "proven": attempt_conditions.RESOLVED_LATER,
}

WRITTEN_BEFORE: list[tuple[Outcome | None, str | None, str | None, set[str]]] = [
    (None, None, None, {"unresolved"}),
    (SUCCEEDED, None, None, set()),
    (SUCCEEDED, "ReadTimeout", "Looked up afterwards.", {"proven"}),
    (SUCCEEDED, None, "Resolved by anna: it charged.", {"proven"}),
    (Outcome.DECLINED, "card_declined", "The payment was declined.", set()),
    (Outcome.NOT_SENT, "ConnectError", "No connection to the payment service: refused.", set()),
    (Outcome.THROTTLED, "http_429", "The payment service asks us to slow down (HTTP 429).", set()),
    (UNKNOWN, "ReadTimeout", "The request may have reached the payment service.", {"unresolved"}),
    (UNKNOWN, None, "No answer was recorded: the process ended or lost its claim.", {"unresolved"}),
    (UNKNOWN, "http_409", "The same charge is still running (HTTP 409).", {"unresolved"}),
    (UNKNOWN, "http_500", "HTTP 500 does not say whether it charged.", {"unresolved", "spends_key"}),
    (UNKNOWN, "http_503", None, {"unresolved", "spends_key"}),
    (UNKNOWN, "http_422", "This idempotency key was used.", {"unresolved", "spends_key", "key_conflict"}),
    (UNKNOWN, "http_302", "put the final address into BREAKWALL_PAYMENT_URL.", {"unresolved", "rejected"}),
    (FAILED, "http_400", NOT_TAKEN, {"spends_key", "refused"}),
    (FAILED, "currency_not_enabled", NOT_TAKEN, {"spends_key", "refused"}),
    (FAILED, None, None, {"spends_key", "refused"}),
    (FAILED, "http_425", "The payment service was not ready yet (HTTP 425).", set()),
    *((FAILED, f"http_{status}", "Its words were others.", {"rejected"}) for status in (401, 403, 404)),
    *((FAILED, f"http_{status}", "Its words were others.", {"rejected"}) for status in (405, 407, 421)),
    (FAILED, "invalid_api_key", SETTING, {"rejected"}),
    (FAILED, "ReadTimeout", LOOKED_UP, {"proven"}),
    (FAILED, None, LOOKED_UP, {"proven"}),
    (FAILED, "http_500", LOOKED_UP, {"proven", "spends_key"}),
    (FAILED, "ReadTimeout", RESOLVED, {"proven"}),
    (FAILED, "http_422", RESOLVED, {"proven", "spends_key", "key_conflict"}),
]


def write_attempt(connection: Connection, order_id: str, **columns: Any) -> None:
    """Insert it as that version does, which does not know the new columns."""
    row = {
        "order_id": order_id,
        "number": 1,
        "source": "worker",
        "fence": 1,
        "gateway_key": "cart-1",
        "started_at": NOON,
        "finished_at": None if columns["outcome"] is None else NOON,
        **columns,
    }
    connection.execute(insert(attempts), row)


def read_facts(connection: Connection, order_id: str) -> set[str]:
    """The names of the conditions that an order's only attempt meets."""
    mine = select(attempts.c.number).where(attempts.c.order_id == order_id)
    found = {name for name, fact in FACTS.items() if connection.scalar(mine.where(fact)) is not None}
    opposite = {name for name, fact in FACTS.items() if connection.scalar(mine.where(not_(fact))) is not None}
    assert found ^ opposite == set(FACTS), "a fact is neither so nor not so"
    return found

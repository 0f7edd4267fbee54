"""What the rules read from rows that a process of the version before wrote: it leaves the new columns empty."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert, not_, select, update

from breakwall.payments import facts
from breakwall.payments.gateways.base import Outcome
from breakwall.payments.schema import attempts, orders
from tests.contract.people import queued
from tests.contract.site import Site

FAILED, UNKNOWN, SUCCEEDED = Outcome.FAILED, Outcome.UNKNOWN, Outcome.SUCCEEDED
SETTING = "The payment service answered HTTP 401: look at the user and password in BREAKWALL_PAYMENT_URL."
NOT_TAKEN = "The payment service will not take this request as it is (HTTP 400); nothing was charged."
LOOKED_UP = "Looked up afterwards: there is no such charge."
RESOLVED = "Resolved by anna: not charged. It is not on the dashboard."

FACTS = {
    "unsettled": facts.UNSETTLED,
    "spends_key": facts.SPENDS_KEY,
    "disputed": facts.DISPUTED,
    "refused": facts.REFUSED,
    "rejected": facts.REJECTED,
    "proven": facts.PROVEN_OTHERWISE,
}

WRITTEN_BEFORE: list[tuple[Outcome | None, str | None, str | None, set[str]]] = [
    (None, None, None, {"unsettled"}),
    (SUCCEEDED, None, None, set()),
    (SUCCEEDED, "ReadTimeout", "Looked up afterwards.", {"proven"}),
    (SUCCEEDED, None, "Resolved by anna: it charged.", {"proven"}),
    (Outcome.DECLINED, "card_declined", "The payment was declined.", set()),
    (Outcome.NOT_SENT, "ConnectError", "No connection to the payment service: refused.", set()),
    (Outcome.THROTTLED, "http_429", "The payment service asks us to slow down (HTTP 429).", set()),
    (UNKNOWN, "ReadTimeout", "The request may have reached the payment service.", {"unsettled"}),
    (UNKNOWN, None, "No answer was recorded: the process ended or lost its claim.", {"unsettled"}),
    (UNKNOWN, "http_409", "The same charge is still running (HTTP 409).", {"unsettled"}),
    (UNKNOWN, "http_500", "HTTP 500 does not say whether it charged.", {"unsettled", "spends_key"}),
    (UNKNOWN, "http_503", None, {"unsettled", "spends_key"}),
    (UNKNOWN, "http_422", "This idempotency key was used.", {"unsettled", "spends_key", "disputed"}),
    (UNKNOWN, "http_302", "put the final address into BREAKWALL_PAYMENT_URL.", {"unsettled", "rejected"}),
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
    (FAILED, "http_422", RESOLVED, {"proven", "spends_key", "disputed"}),
]


def write_attempt(site: Site, order_id: str, **columns: Any) -> None:
    row = {
        "order_id": order_id,
        "number": 1,
        "source": "worker",
        "fence": 1,
        "gateway_key": "cart-1",
        "started_at": site.clock.now,
        "finished_at": None if columns["outcome"] is None else site.clock.now,
        **columns,
    }
    site.database.write(lambda connection: connection.execute(insert(attempts), row))


def read_facts(site: Site) -> set[str]:
    def work(connection: Any) -> set[str]:
        found = {
            name
            for name, fact in FACTS.items()
            if connection.scalar(select(attempts.c.number).where(fact)) is not None
        }
        opposite = {
            name
            for name, fact in FACTS.items()
            if connection.scalar(select(attempts.c.number).where(not_(fact))) is not None
        }
        assert found ^ opposite == set(FACTS), "a fact is neither so nor not so"
        return found

    return site.database.read(work)


@pytest.mark.parametrize(("outcome", "code", "detail", "expected"), WRITTEN_BEFORE)
def test_an_attempt_tells_by_the_codes_and_texts_of_that_version(
    site: Site, outcome: Outcome | None, code: str | None, detail: str | None, expected: set[str]
) -> None:
    (order_id,) = queued(site)
    write_attempt(site, order_id, outcome=outcome, code=code, detail=detail)
    assert read_facts(site) == expected


@pytest.mark.parametrize("settled_by", ["look_up", "person"])
@pytest.mark.parametrize("code", ["http_400", "ReadTimeout"])
def test_an_attempt_that_was_settled_since_tells_by_its_column_whatever_its_text_is(
    site: Site, settled_by: str, code: str
) -> None:
    (order_id,) = queued(site)
    write_attempt(site, order_id, outcome=FAILED, code=code, detail="In words.", settled_by=settled_by)
    assert read_facts(site) == {"proven"}


@pytest.mark.parametrize("settled_by", ["lease", "payment"])
def test_an_attempt_that_nobody_has_answered_proves_nothing_whatever_its_text_is(
    site: Site, settled_by: str
) -> None:
    (order_id,) = queued(site)
    write_attempt(site, order_id, outcome=UNKNOWN, detail=LOOKED_UP, settled_by=settled_by)
    assert read_facts(site) == {"unsettled"}


@pytest.mark.parametrize(
    ("rejected", "last_error", "expected"),
    [
        (None, f"http_401: {SETTING}", True),
        (None, "http_302: HTTP 302 is not followed: put the address into BREAKWALL_PAYMENT_URL.", True),
        (None, "http_401: The look-up was refused (HTTP 401): look at BREAKWALL_PAYMENT_URL.", True),
        (None, "http_500: The payment service answered HTTP 500.", False),
        (None, None, False),
        (False, f"http_401: {SETTING}", False),
        (True, "In other words.", True),
        (True, None, True),
    ],
)
def test_an_order_tells_whether_it_was_rejected(
    site: Site, rejected: bool | None, last_error: str | None, expected: bool
) -> None:
    queued(site)
    change = update(orders).values(rejected=rejected, last_error=last_error)
    site.database.write(lambda connection: connection.execute(change))
    found = site.database.read(
        lambda connection: list(connection.scalars(select(orders.c.id).where(facts.ORDER_REJECTED)))
    )
    assert bool(found) is expected

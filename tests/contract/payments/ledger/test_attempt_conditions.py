"""What the rules read from rows of the previous version, which leaves the new columns empty."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, select, text, update

from breakwall.payments.db.schema import orders
from breakwall.payments.gateways.base import Outcome
from breakwall.payments.ledger import attempt_conditions
from breakwall.payments.ledger.queries import list_attempts
from breakwall.payments.orders import OrderStatus
from tests.contract.people import queued
from tests.contract.site import Site
from tests.contract.written_before import (
    FAILED,
    LOOKED_UP,
    SETTING,
    UNKNOWN,
    WRITTEN_BEFORE,
    read_facts,
    write_attempt,
)
from tests.gateway import NO_ANSWER


def facts_of(site: Site, order_id: str, **columns: Any) -> set[str]:
    def work(connection: Connection) -> set[str]:
        write_attempt(connection, order_id, **columns)
        return read_facts(connection, order_id)

    return site.database.write(work)


@pytest.mark.parametrize(("outcome", "code", "detail", "expected"), WRITTEN_BEFORE)
def test_an_attempt_is_judged_by_the_codes_and_texts_of_that_version(
    site: Site, outcome: Outcome | None, code: str | None, detail: str | None, expected: set[str]
) -> None:
    (order_id,) = queued(site)
    assert facts_of(site, order_id, outcome=outcome, code=code, detail=detail) == expected


@pytest.mark.parametrize("settled_by", ["look_up", "person"])
@pytest.mark.parametrize("code", ["http_400", "ReadTimeout"])
def test_an_attempt_that_was_resolved_since_is_judged_by_its_column_whatever_its_text_is(
    site: Site, settled_by: str, code: str
) -> None:
    (order_id,) = queued(site)
    assert facts_of(site, order_id, outcome=FAILED, code=code, detail="In words.", settled_by=settled_by) == {
        "proven"
    }


@pytest.mark.parametrize("outcome", Outcome)
def test_the_database_takes_each_outcome(site: Site, outcome: Outcome) -> None:
    (order_id,) = queued(site)
    facts = facts_of(site, order_id, outcome=outcome, advice="retry", spends_key=False)
    assert ("unresolved" in facts) != outcome.is_resolved


def test_an_outcome_that_only_a_newer_release_knows_may_have_charged(site: Site) -> None:
    (order_id,) = queued(site)

    def work(connection: Connection) -> set[str]:
        permit_every_outcome(connection)
        write_attempt(connection, order_id, outcome="from_tomorrow", advice="retry", spends_key=False)
        return read_facts(connection, order_id)

    assert site.database.write(work) == {"unresolved"}
    site.gateway.lookups.append(NO_ANSWER)
    assert [attempt.outcome for attempt in list_attempts(site.database, order_id)] == [Outcome.UNKNOWN]
    assert site.retrier.run(order_id) is OrderStatus.QUEUED
    assert (len(site.gateway.looked_up), site.gateway.charged) == (1, [])


def permit_every_outcome(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.execute(text("PRAGMA ignore_check_constraints = ON"))
    else:
        connection.execute(text("ALTER TABLE attempts DROP CONSTRAINT ck_attempts_outcome_is_known"))


@pytest.mark.parametrize("settled_by", ["lease", "payment"])
def test_an_attempt_without_an_answer_proves_nothing_whatever_its_text_is(
    site: Site, settled_by: str
) -> None:
    (order_id,) = queued(site)
    assert facts_of(site, order_id, outcome=UNKNOWN, detail=LOOKED_UP, settled_by=settled_by) == {
        "unresolved"
    }


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
def test_an_order_knows_whether_it_was_rejected(
    site: Site, rejected: bool | None, last_error: str | None, expected: bool
) -> None:
    queued(site)
    change = update(orders).values(rejected=rejected, last_error=last_error)
    site.database.write(lambda connection: connection.execute(change))
    found = site.database.read(
        lambda connection: list(
            connection.scalars(select(orders.c.id).where(attempt_conditions.ORDER_REJECTED))
        )
    )
    assert bool(found) is expected

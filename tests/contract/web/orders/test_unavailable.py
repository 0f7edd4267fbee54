"""What callers are told while the orders database cannot be used."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, Thread

import pytest
from httpx2 import Response
from sqlalchemy import Connection, text

from breakwall.payments.ledger.queries import list_orders
from tests.contract.site import order
from tests.contract.web.api_site import ApiSite
from tests.contract.web.orders.requests import BODY, place_order, placed, problem
from tests.stopwatch import timed
from tests.waiting import wait_until


@contextmanager
def database_that_hangs(api: ApiSite) -> Iterator[None]:
    """Another transaction holds what every insert needs."""
    holds, may_end = Event(), Event()

    def hold(connection: Connection) -> None:
        on_postgresql = connection.dialect.name == "postgresql"
        # SQLite has one lock, which any change takes.
        taking = (
            "LOCK TABLE orders IN EXCLUSIVE MODE" if on_postgresql else "DELETE FROM orders WHERE id = ''"
        )
        connection.execute(text(taking))
        holds.set()
        may_end.wait(60)

    holder = Thread(target=lambda: api.site.database.write(hold, name="hold"))
    holder.start()
    assert holds.wait(30)
    try:
        yield
    finally:
        may_end.set()
        holder.join()


def batch(api: ApiSite) -> Response:
    return api.client.post("/v1/orders/batch", json={"orders": [{**BODY, "idempotency_key": "cart-1"}]})


@pytest.mark.parametrize(("preferred", "longest"), [("wait=1", 1.5), ("respond-async", 2.5)])
def test_an_order_is_answered_in_time_and_can_be_placed_again(
    api: ApiSite, preferred: str, longest: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Far longer than `longest`, also by a stopwatch that leaves out most of it on a busy machine.
    monkeypatch.setattr("breakwall.payments.db.lock_timeouts.LOCK_TIMEOUT", 40.0)
    with database_that_hangs(api):
        answer, seconds = timed(lambda: place_order(api.client, headers={"Prefer": preferred}))
    assert seconds < longest
    assert (answer.status_code, problem(answer)) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert "may have been accepted or not" in answer.json()["detail"]
    api.site.open_circuit()
    assert place_order(api.client).status_code == 202
    assert len(list_orders(api.site.database)) == 1


def test_a_batch_is_accepted_as_a_whole_or_not_at_all(api: ApiSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("breakwall.payments.db.lock_timeouts.LOCK_TIMEOUT", 0.2)
    with database_that_hangs(api):
        answer = batch(api)
    assert (answer.status_code, problem(answer)) == (503, "unavailable")
    assert not list_orders(api.site.database)
    assert batch(api).json()["accepted"] == 1


@contextmanager
def first_request_before_its_commit(api: ApiSite) -> Iterator[Event]:
    """Its order is inserted under the key, and not committed until the event is set."""
    inserted, may_commit = Event(), Event()

    def before_commit() -> None:
        inserted.set()
        may_commit.wait(60)

    first = Thread(target=lambda: api.site.ledger.accept_sending(order(), before_commit=before_commit))
    first.start()
    assert inserted.wait(30)
    try:
        yield may_commit
    finally:
        may_commit.set()
        first.join()


class TestKeyWhoseFirstOrderIsNotCommitted:
    def test_a_second_request_waits_for_it_and_is_a_repeated_one(self, api: ApiSite) -> None:
        with first_request_before_its_commit(api) as may_commit, ThreadPoolExecutor() as threads:
            second = threads.submit(place_order, api.client, headers={"Prefer": "wait=4"})
            wait_until(lambda: api.site.producer.placing.in_hand)
            may_commit.set()
            assert (second.result(30).status_code, placed(second.result()).status) == (202, "in_flight")
        assert second.result().headers["idempotent-replayed"] == "true"

    def test_a_second_request_that_may_not_wait_so_long_can_be_sent_again(self, api: ApiSite) -> None:
        with first_request_before_its_commit(api):
            answer, seconds = timed(lambda: place_order(api.client, headers={"Prefer": "wait=1"}))
        assert seconds < 1.5
        assert (answer.status_code, problem(answer)) == (503, "unavailable")
        assert "retry-after" in answer.headers
        assert placed(place_order(api.client, headers={"Prefer": "wait=0"})).replayed

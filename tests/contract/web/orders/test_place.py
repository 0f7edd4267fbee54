from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from sqlalchemy import select

from breakwall.payments.db.schema import orders
from breakwall.payments.gateways.base import ChargeAnswer
from breakwall.payments.ledger.claim import Attempt
from breakwall.payments.ledger.order_state import AWAITED
from breakwall.payments.orders import OrderStatus
from tests.contract.people import ANNA, dead, in_review, queued
from tests.contract.site import order
from tests.contract.web.api_site import ApiSite
from tests.contract.web.orders.requests import place_order, placed, problem
from tests.gateway import DECLINED, DOWN, LOST, PAID
from tests.stopwatch import timed
from tests.waiting import wait_until


class TestFirstRequest:
    def test_a_paid_order_is_created(self, api: ApiSite) -> None:
        api.site.gateway.answers.append(PAID)
        answer = place_order(api.client)
        order = placed(answer)
        assert (answer.status_code, order.status, order.charge_id) == (201, "paid", "ch_1")
        assert answer.headers["location"] == f"/v1/orders/{order.id}"
        assert "idempotent-replayed" not in answer.headers

    def test_an_order_is_accepted_while_the_circuit_is_open(self, api: ApiSite) -> None:
        api.site.open_circuit()
        answer = place_order(api.client)
        order = placed(answer)
        assert (answer.status_code, order.status, order.message_code) == (202, "queued", "payment_pending")
        assert answer.headers["location"] == f"/v1/orders/{order.id}"
        assert not api.site.gateway.charged

    @pytest.mark.parametrize("failure", [DOWN, LOST])
    def test_an_order_is_accepted_if_its_charge_fails(self, api: ApiSite, failure: ChargeAnswer) -> None:
        api.site.gateway.answers.append(failure)
        answer = place_order(api.client)
        assert (answer.status_code, placed(answer).status) == (202, "queued")

    def test_a_declined_order_is_a_problem_with_the_order_in_it(self, api: ApiSite) -> None:
        api.site.gateway.answers.append(DECLINED)
        answer = place_order(api.client)
        assert (answer.status_code, problem(answer)) == (402, "payment-declined")
        order = placed(answer)
        assert (order.status, order.reason) == ("declined", "card_declined")
        assert answer.headers["location"] == f"/v1/orders/{order.id}"

    @pytest.mark.parametrize("wait", [0, 1])
    def test_an_order_is_accepted_while_its_charge_takes_longer_than_the_wait(
        self, api: ApiSite, wait: int
    ) -> None:
        may_end = Event()
        api.site.gateway.during = lambda: assert_set(may_end)
        api.site.gateway.answers.append(PAID)
        answer, seconds = timed(lambda: place_order(api.client, headers={"Prefer": f"wait={wait}"}))
        order = placed(answer)
        may_end.set()
        assert seconds < wait + 0.5
        assert (answer.status_code, order.status, order.message_code) == (
            202,
            "in_flight",
            "payment_in_progress",
        )
        assert api.site.producer.wait_for(order.id, 30).status == "paid"

    def test_an_order_goes_straight_to_the_queue_if_its_caller_prefers_it(self, api: ApiSite) -> None:
        answer = place_order(api.client, headers={"Prefer": "respond-async"})
        assert (answer.status_code, placed(answer).status) == (202, "queued")
        assert answer.headers["preference-applied"] == "respond-async"
        assert not api.site.gateway.charged

    def test_all_fields_of_an_order_are_stored(self, api: ApiSite) -> None:
        api.site.open_circuit()
        fields = {
            "payment_method": "pm_1N",
            "description": "Two tickets",
            "metadata": {"cart": "17"},
            "gateway": "http",
            "charge_before": "2027-01-01T00:00:00+01:00",
        }
        assert place_order(api.client, **fields).status_code == 202
        stored = api.site.get()
        assert (stored.payment_method, stored.description, stored.metadata) == (
            "pm_1N",
            "Two tickets",
            {"cart": "17"},
        )
        assert (stored.gateway, str(stored.charge_before)) == ("http", "2026-12-31 23:00:00+00:00")

    def test_a_last_moment_may_be_seconds_from_now(self, api: ApiSite) -> None:
        api.site.open_circuit()
        place_order(api.client, charge_before=600)
        last = api.site.get().charge_before
        assert last is not None
        assert (last - api.site.clock.now).total_seconds() == 600

    def test_no_payment_method_is_in_an_answer(self, api: ApiSite) -> None:
        api.site.gateway.answers.append(DECLINED)
        answers = [place_order(api.client, payment_method="pm_secret") for _ in range(2)]
        answers.append(api.client.get("/v1/orders/cart-1"))
        assert not [answer for answer in answers if "pm_secret" in answer.text]


class TestRepeatedRequest:
    """It is answered with the order's state as it is now, with the same address, and nothing is charged again."""

    def test_it_charges_nothing(self, api: ApiSite) -> None:
        api.site.gateway.answers += [PAID, PAID]
        first, again = place_order(api.client), place_order(api.client)
        assert (again.status_code, again.headers["idempotent-replayed"]) == (201, "true")
        assert again.headers["location"] == first.headers["location"]
        assert placed(again).replayed
        assert len(api.site.gateway.charged) == 1

    def test_a_quoted_key_and_the_bare_one_are_the_same(self, api: ApiSite) -> None:
        api.site.gateway.answers += [PAID, PAID]
        first, again = place_order(api.client, "cart-1"), place_order(api.client, '"cart-1"')
        assert placed(again).id == placed(first).id

    def test_another_payload_is_refused(self, api: ApiSite) -> None:
        api.site.gateway.answers += [PAID, PAID]
        place_order(api.client)
        answer = place_order(api.client, amount=1)
        assert (answer.status_code, problem(answer)) == (422, "idempotency-conflict")
        assert answer.json()["fields"] == ["amount"]
        assert len(api.site.gateway.charged) == 1

    @pytest.mark.parametrize(
        ("status", "http_status", "code"),
        [
            ("queued", 202, "payment_pending"),
            ("in_flight", 202, "payment_in_progress"),
            ("paid", 201, "payment_received"),
            ("declined", 402, "payment_declined"),
            ("review", 202, "payment_unclear"),
            ("dead", 402, "payment_failed"),
            ("cancelled", 402, "order_cancelled"),
        ],
    )
    def test_it_tells_the_state_of_now(self, api: ApiSite, status: str, http_status: int, code: str) -> None:
        order_id = _STATES[status](api)
        answer = place_order(api.client, headers={"Prefer": "wait=0"})
        order = placed(answer)
        assert (answer.status_code, order.status, order.message_code) == (http_status, status, code)
        assert (order.id, order.replayed) == (order_id, True)
        assert answer.headers["location"] == f"/v1/orders/{order_id}"
        assert answer.headers["idempotent-replayed"] == "true"

    def test_it_waits_while_the_first_one_is_charged(self, api: ApiSite) -> None:
        started, may_end = Event(), Event()
        api.site.gateway.during = lambda: (started.set(), assert_set(may_end))[1]
        api.site.gateway.answers.append(PAID)
        with ThreadPoolExecutor() as threads:
            first = threads.submit(place_order, api.client)
            assert started.wait(30)
            again = threads.submit(place_order, api.client)
            wait_until(lambda: _is_awaited(api))  # The second request has come.
            may_end.set()
            assert (first.result(60).status_code, again.result(60).status_code) == (201, 201)
        assert again.result().headers["idempotent-replayed"] == "true"

    def test_of_many_at_once_one_is_charged(self, api: ApiSite) -> None:
        api.site.gateway.answers += [PAID] * 20
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda _: place_order(api.client), range(20)))
        assert {answer.status_code for answer in answers} == {201}
        assert Counter(placed(answer).replayed for answer in answers) == {False: 1, True: 19}
        assert len(api.site.gateway.charged) == 1


def assert_set(event: Event) -> None:
    assert event.wait(60)


def _is_awaited(api: ApiSite) -> bool:
    return api.site.database.read(lambda connection: connection.scalar(select(orders.c.told))) == AWAITED


def _queued(api: ApiSite) -> str:
    return queued(api.site)[0]


def _in_flight(api: ApiSite) -> str:
    attempt = api.site.ledger.accept_sending(order())
    assert isinstance(attempt, Attempt)
    return attempt.claim.order_id


def _paid(api: ApiSite) -> str:
    return api.site.people.resolve_paid(_queued(api), "ch_1", ANNA).id


def _declined(api: ApiSite) -> str:
    order_id = _queued(api)
    api.site.attempt(order_id, DECLINED, OrderStatus.DECLINED)
    return order_id


def _cancelled(api: ApiSite) -> str:
    return api.site.people.cancel(_queued(api), ANNA).id


_STATES: dict[str, Callable[[ApiSite], str]] = {
    "queued": _queued,
    "in_flight": _in_flight,
    "paid": _paid,
    "declined": _declined,
    "review": lambda api: in_review(api.site),
    "dead": lambda api: dead(api.site)[0],
    "cancelled": _cancelled,
}

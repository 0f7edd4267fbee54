"""A process that stops while orders are waited for: each caller hears of its order, and no order is lost."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

import pytest
from httpx2 import Response

from tests.contract.web.api_site import ApiSite
from tests.contract.web.orders.requests import place_order, placed
from tests.gateway import PAID


class HangingService:
    """A payment service that answers when it may. Callers wait 30 s for their orders."""

    def __init__(self, api: ApiSite) -> None:
        self.api = api
        self.charging, self.may_end = Event(), Event()
        self._callers = ThreadPoolExecutor(2)
        api.site.gateway.during = self._during
        api.site.gateway.answers.append(PAID)

    def _during(self) -> None:
        self.charging.set()
        assert self.may_end.wait(60)

    def place(self) -> Future[Response]:
        answer = self._callers.submit(place_order, self.api.client)
        assert self.charging.wait(30)
        return answer

    def stop_the_process(self) -> None:
        portal = self.api.client.portal
        assert portal is not None
        portal.call(self.api.services.stopping.begin)

    def close(self) -> None:
        self.may_end.set()
        self._callers.shutdown()


@pytest.fixture
def hanging(api: ApiSite) -> Iterator[HangingService]:
    service = HangingService(api)
    yield service
    service.close()


def test_a_caller_who_waits_hears_that_the_order_is_in_flight_and_a_retry_finds_it(
    hanging: HangingService,
) -> None:
    first = hanging.place()
    hanging.stop_the_process()
    answer = first.result(25)
    assert (answer.status_code, placed(answer).status) == (202, "in_flight")
    assert answer.headers["location"] == f"/v1/orders/{placed(answer).id}"
    assert "idempotent-replayed" not in answer.headers
    hanging.may_end.set()
    assert hanging.api.site.producer.wait_for("cart-1", 30).status == "paid"
    again = place_order(hanging.api.client)
    assert (again.status_code, placed(again).id) == (201, placed(answer).id)
    assert len(hanging.api.site.gateway.charged) == 1


def test_a_charge_that_ends_soon_is_still_answered_as_paid(
    hanging: HangingService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("breakwall.web.stopping.ANSWER_AFTER", 60.0)
    first = hanging.place()
    hanging.stop_the_process()
    hanging.may_end.set()
    assert first.result(25).status_code == 201


def test_a_repeated_request_that_waits_hears_of_the_first_one_too(hanging: HangingService) -> None:
    first = place_order(hanging.api.client, headers={"Prefer": "wait=0"})
    assert first.status_code == 202
    again = hanging.place()
    hanging.stop_the_process()
    answer = again.result(25)
    assert (answer.status_code, placed(answer).id) == (202, placed(first).id)
    assert answer.headers["idempotent-replayed"] == "true"

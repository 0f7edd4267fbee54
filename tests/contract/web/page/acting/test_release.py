"""One order is released while the queue is paused."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from breakwall.payments.fleet.drain_control import DrainControl
from breakwall.payments.fleet.released_orders import next_released
from breakwall.payments.interventions import Action, Author
from breakwall.payments.ledger.audit import list_interventions
from breakwall.payments.orders import OrderStatus
from tests.contract.people import ANNA, give_to_another_gateway, queued
from tests.contract.web.api_site import ApiSite
from tests.contract.web.page.acting.acting_person import act, links_in, open_form, send_form
from tests.gateway import PAID

RELEASE = "/act/queue/release"


@pytest.fixture
def orders(api: ApiSite) -> list[str]:
    """Three that wait, the oldest first, while the queue is paused."""
    found = queued(api.site, "a", "b", "c")
    DrainControl(api.site.database, clock=api.site.clock).pause(ANNA)
    return found


def released(api: ApiSite) -> str | None:
    def work(connection: Connection) -> str | None:
        return next_released(connection, api.site.clock)

    return api.site.database.read(work)


def test_workers_try_the_oldest_waiting_order_alone(api: ApiSite, orders: list[str]) -> None:
    seen = open_form(api, RELEASE).text
    assert f'<a href="/orders/{orders[0]}">a (₩10,000)</a>' in seen
    assert act(api, RELEASE).headers["Location"] == "/?done=order_released"
    assert released(api) == orders[0]
    (done,) = list_interventions(api.site.database, orders[0])
    assert (done.action, done.actor, done.reason) == (Action.RETRY, "kim", "maintenance")
    assert [list_interventions(api.site.database, one) for one in orders[1:]] == [[], []]


def test_an_order_of_this_servers_gateway_comes_before_an_older_one(api: ApiSite, orders: list[str]) -> None:
    """The older one may be one that this server must leave to the other gateway's workers."""
    give_to_another_gateway(api.site, "a")
    assert act(api, RELEASE).headers["Location"] == "/?done=order_released"
    assert released(api) == orders[1]


def test_an_order_of_another_gateway_is_released_if_no_other_waits(api: ApiSite, orders: list[str]) -> None:
    for key in "abc":
        give_to_another_gateway(api.site, key)
    assert act(api, RELEASE).headers["Location"] == "/?done=order_released"
    assert released(api) == orders[0]


def test_the_same_form_sent_twice_releases_one_order(api: ApiSite, orders: list[str]) -> None:
    seen = open_form(api, RELEASE).text
    assert send_form(api, RELEASE, seen, reason="a trial", actor="kim").status_code == 303
    again = send_form(api, RELEASE, seen, reason="a trial", actor="kim")
    assert again.status_code == 409
    assert 'value="a trial"' in again.text
    assert f"/orders/{orders[1]}" in again.text
    assert list_interventions(api.site.database, orders[1]) == []


def test_an_order_that_is_paid_meanwhile_is_not_touched(api: ApiSite, orders: list[str]) -> None:
    seen = open_form(api, RELEASE).text
    api.site.attempt(orders[0], PAID, OrderStatus.PAID)
    assert send_form(api, RELEASE, seen, reason="a trial", actor="kim").status_code == 409
    assert api.site.get("a").status is OrderStatus.PAID


def test_an_order_that_is_to_be_cancelled_is_left_out(api: ApiSite, orders: list[str]) -> None:
    api.site.people.cancel(orders[0], Author("anna", "the customer called"))
    assert f"/orders/{orders[1]}" in open_form(api, RELEASE).text


def test_without_a_pause_there_is_nothing_to_release(api: ApiSite) -> None:
    queued(api.site, "a")
    answer = open_form(api, RELEASE)
    assert answer.status_code == 409
    assert links_in(answer.text) == ["/act/queue/pause", "/act/queue/rate"]


def test_without_a_waiting_order_the_page_says_so(api: ApiSite) -> None:
    DrainControl(api.site.database, clock=api.site.clock).pause(ANNA)
    answer = open_form(api, RELEASE)
    assert answer.status_code == 409
    assert "No order waits that is not released already." in answer.text
    assert links_in(answer.text) == ["/act/queue/resume", "/act/queue/pause", "/act/queue/rate"]


def test_where_all_that_wait_are_released_the_page_does_not_lead_to_itself(
    api: ApiSite, orders: list[str]
) -> None:
    for _ in orders:
        act(api, RELEASE)
    answer = open_form(api, RELEASE)
    assert answer.status_code == 409
    assert links_in(answer.text) == ["/act/queue/resume", "/act/queue/pause", "/act/queue/rate"]

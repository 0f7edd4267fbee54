"""Releasing single orders while the drain is paused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from breakwall.payments.fleet.drain_control import DrainControl
from breakwall.payments.fleet.released_orders import next_released
from breakwall.payments.orders import OrderStatus
from tests.contract.people import ANNA
from tests.contract.site import Site, order
from tests.gateway import PAID


@pytest.fixture
def control(site: Site) -> DrainControl:
    site.producer.enqueue([order("cart-1"), order("cart-2"), order("cart-3")])
    return DrainControl(site.database, clock=site.clock)


def released(site: Site) -> str | None:
    """The key of the next one that is due."""
    order_id = site.database.read(lambda connection: next_released(connection, site.clock))
    keys = {site.get(key).id: key for key in ("cart-1", "cart-2", "cart-3")}
    return None if order_id is None else keys[order_id]


def pay(site: Site, key: str) -> None:
    site.gateway.answers.append(replace(PAID, charge_id=f"ch_{key}"))
    assert site.retrier.run(site.get(key).id, released=True) is OrderStatus.PAID


def test_a_retry_while_the_drain_is_paused_releases_the_order_and_no_other(
    site: Site, control: DrainControl
) -> None:
    control.pause(ANNA)
    site.people.retry("cart-2", ANNA)
    assert released(site) == "cart-2"
    pay(site, "cart-2")
    assert released(site) is None


def test_a_retry_without_a_pause_releases_nothing(site: Site, control: DrainControl) -> None:
    site.people.retry("cart-2", ANNA)
    control.pause(ANNA)
    assert released(site) is None


def test_the_first_to_be_released_comes_first_and_twice_is_once(site: Site, control: DrainControl) -> None:
    control.pause(ANNA)
    for key in ("cart-3", "cart-1", "cart-3"):
        site.people.retry(key, ANNA)
        site.advance(1.0)
    assert released(site) == "cart-3"
    pay(site, "cart-3")
    assert released(site) == "cart-1"


def test_an_order_stays_released_while_it_waits_for_its_next_attempt_and_until_it_has_finished(
    site: Site, control: DrainControl
) -> None:
    control.pause(ANNA)
    site.people.retry("cart-1", ANNA)
    order_id = site.get("cart-1").id
    site.ledger.defer(order_id, 30.0)
    assert released(site) is None
    site.advance(30.0)
    assert released(site) == "cart-1"
    pay(site, "cart-1")
    assert released(site) is None


def test_pausing_again_keeps_it_released(site: Site, control: DrainControl) -> None:
    control.pause(ANNA)
    site.people.retry("cart-1", ANNA)
    control.pause(ANNA, 600.0)
    assert released(site) == "cart-1"


@pytest.mark.parametrize("ended", ["by a person", "by itself"])
def test_the_next_pause_holds_it_again(site: Site, control: DrainControl, ended: str) -> None:
    control.pause(ANNA, 60.0)
    site.people.retry("cart-1", ANNA)
    if ended == "by a person":
        control.resume(ANNA)
    else:
        site.advance(61.0)
    control.pause(ANNA)
    assert released(site) is None

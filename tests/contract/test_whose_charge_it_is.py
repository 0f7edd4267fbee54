"""An order is paid by its own charge alone: what answers of other charges do, and what is done without attempts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select, update

from breakwall.payments.actions import Author, IncidentKind
from breakwall.payments.charges import known_charge
from breakwall.payments.gateways.base import ChargeDetails
from breakwall.payments.keys import derive_charge_key, key_shape
from breakwall.payments.orders import OrderStatus
from breakwall.payments.resolution import Resolution
from breakwall.payments.schema import incidents, orders
from tests.contract.people import REFUSED
from tests.contract.site import Site, order
from tests.gateway import ABSENT, FOUND, LOST, PAID

ADA = Author("ada", "asked the payment service")


def reported(site: Site, key: str) -> list[str]:
    query = select(incidents.c.kind).where(incidents.c.order_id == site.get(key).id)
    with site.database.engine.connect() as connection:
        return list(connection.scalars(query))


def place(site: Site, key: str, answer: object) -> OrderStatus:
    site.gateway.answers.append(answer)  # type: ignore[arg-type]
    return site.producer.place(order(key)).status


def test_a_charge_that_is_another_orders_pays_nothing_and_is_an_incident(site: Site) -> None:
    assert place(site, "cart-1", PAID) is OrderStatus.PAID
    assert place(site, "cart-2", PAID) is OrderStatus.REVIEW
    assert reported(site, "cart-2") == [IncidentKind.WRONG_CHARGE]


def test_a_look_up_that_finds_another_orders_charge_pays_nothing(site: Site) -> None:
    place(site, "cart-1", PAID)
    place(site, "cart-2", LOST)
    site.advance(60)
    site.gateway.look_ups.append(FOUND)
    assert site.retrier.run(site.get("cart-2").id) is OrderStatus.REVIEW
    assert reported(site, "cart-2") == [IncidentKind.WRONG_CHARGE]


@pytest.mark.parametrize(
    "details", [ChargeDetails(order_id="another"), ChargeDetails(amount=1), ChargeDetails(currency="USD")]
)
def test_an_answer_that_names_what_is_not_the_orders_pays_nothing(site: Site, details: ChargeDetails) -> None:
    assert place(site, "cart-1", replace(PAID, details=details)) is OrderStatus.REVIEW
    assert reported(site, "cart-1") == [IncidentKind.WRONG_CHARGE]


@pytest.mark.parametrize("details", [ChargeDetails(order_id="another"), ChargeDetails(amount=1)])
def test_its_charge_stays_free_for_the_order_whose_it_is(site: Site, details: ChargeDetails) -> None:
    """Mixed up, answers of two orders would otherwise leave both to a person, and one of them for ever."""
    place(site, "cart-1", replace(PAID, details=details))
    assert place(site, "cart-2", PAID) is OrderStatus.PAID


def test_a_person_may_say_that_the_charge_is_the_orders_for_all_that(site: Site) -> None:
    place(site, "cart-1", replace(PAID, details=ChargeDetails(amount=1)))
    assert Resolution(site.database, clock=site.clock).paid("cart-1", "ch_1", ADA).status is OrderStatus.PAID


def test_a_refusal_is_looked_up_before_the_order_ends(site: Site) -> None:
    """It may mean that the charge was made before, by an attempt that the database has lost."""
    assert place(site, "cart-1", REFUSED) is OrderStatus.QUEUED
    site.advance(60)
    site.gateway.look_ups.append(FOUND)
    assert site.retrier.run(site.get().id) is OrderStatus.PAID


def test_a_look_up_is_tried_out_with_a_charge_under_a_key_of_the_same_shape(site: Site) -> None:
    """A service may find every key but those with a slash in them."""
    place(site, "cart-1", PAID)
    ledger, shape = site.ledger, key_shape(site.get("cart-1").charge_key)
    account = ledger.account
    found = known_charge(site.database, site.clock, account, shape, settled_for=0)
    assert found is not None
    assert found.charge_id == "ch_1"
    assert known_charge(site.database, site.clock, account, key_shape("shop/1"), settled_for=0) is None


def test_a_suspected_order_is_looked_up_before_anything_is_sent(site: Site) -> None:
    site.know_a_charge()
    (queued,) = site.producer.enqueue([order()])
    with site.database.engine.begin() as connection:
        connection.execute(update(orders).values(suspected_at=site.clock.after(0)))
    site.advance(60)
    site.gateway.look_ups.append(ABSENT)
    site.gateway.answers.append(PAID)
    assert site.retrier.run(queued.order_id) is OrderStatus.PAID
    assert site.gateway.looked_up[0] == derive_charge_key(queued.order_id)


def test_the_key_that_travels_is_made_of_the_order_and_not_the_callers(site: Site) -> None:
    place(site, "shop/17.pdf", PAID)
    (sent,) = site.gateway.charged
    assert sent.idempotency_key == derive_charge_key(sent.order_id)
    assert sent.reference == "shop/17.pdf"

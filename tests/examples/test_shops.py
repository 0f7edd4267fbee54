"""What each shop promises its customers, whichever framework it has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import pytest

from breakwall.producers import AsyncOrderProducer, DatabaseUnavailableError, OrderProducer
from tests.examples.customer import (
    CANCELLED,
    CHANGE_YOUR_ORDER,
    DECLINED,
    IN_A_MOMENT,
    IN_REVIEW,
    NO_SUCH_PAGE,
    NOT_CHARGED,
    NOT_CONFIRMED,
    PAID,
    number_in,
)
from tests.examples.events import event_of
from tests.examples.shops import Shop

CARD_NUMBER = "4242 4242 4242 4242"
ENDS = {
    "paid": PAID,
    "declined": DECLINED,
    "cancelled": CANCELLED,
    "dead": NOT_CHARGED,
    "review": IN_REVIEW,
}
UNAVAILABLE = DatabaseUnavailableError("the orders database does not answer")


@contextmanager
def breakwall_does_not_answer() -> Iterator[None]:
    with (
        mock.patch.object(OrderProducer, "place", side_effect=UNAVAILABLE),
        mock.patch.object(AsyncOrderProducer, "place", side_effect=UNAVAILABLE),
    ):
        yield


def test_an_order_is_paid_at_once(shop: Shop) -> None:
    path = shop.customer.order()
    assert shop.customer.reads(path) == PAID
    assert shop.charges().count(number_in(path)) == 1
    assert "refresh" not in shop.customer.client.get(path).text


def test_the_order_carries_what_a_charge_needs_and_when_its_price_ends(shop: Shop) -> None:
    order = shop.at_breakwall(number_in(shop.customer.order(note="Happy birthday")))
    assert (order["payment_method"], order["description"]) == ("pm_test", "One tea. Happy birthday")
    assert (order["amount"], order["currency"]) == (450, "EUR")
    assert order["metadata"] == '{"product":"tea"}'
    assert order["charge_before"] is not None


def test_a_declined_card_is_said_so(shop: Shop) -> None:
    shop.payments.change({"decline_rate": 1}, replace=True)
    assert shop.customer.reads(shop.customer.order()) == DECLINED


def test_while_the_payment_service_is_down_the_order_is_taken_and_its_page_reloads(shop: Shop) -> None:
    shop.payments.change({"down": True}, replace=True)
    path = shop.customer.order()
    page = shop.customer.client.get(path).text
    assert IN_A_MOMENT in page
    assert "You need not do anything" in page
    assert '<meta http-equiv="refresh" content="' in page


@pytest.mark.parametrize(("status", "headline"), ENDS.items())
def test_the_event_of_a_queued_order_changes_its_page(shop: Shop, status: str, headline: str) -> None:
    shop.payments.change({"down": True}, replace=True)
    path = shop.customer.order()
    shop.hear(event_of(number_in(path), status, f"evt_page_{status}"))
    assert shop.customer.reads(path) == headline
    assert "refresh" not in shop.customer.client.get(path).text


def test_an_event_that_comes_twice_changes_nothing_the_second_time(shop: Shop) -> None:
    path = shop.customer.order()
    event = event_of(number_in(path), "review", "evt_twice")
    shop.hear(event)
    assert shop.customer.reads(path) == IN_REVIEW
    shop.change(number_in(path), status="paid")  # What the shop has done since.
    shop.hear(event)
    assert shop.customer.reads(path) == PAID


def test_an_older_event_that_comes_late_changes_nothing(shop: Shop) -> None:
    path = shop.customer.order()
    shop.hear(event_of(number_in(path), "paid", "evt_newer", second=2))
    shop.hear(event_of(number_in(path), "review", "evt_older", second=1))
    assert shop.customer.reads(path) == PAID


def test_an_event_of_an_order_that_is_not_the_shops_is_taken(shop: Shop) -> None:
    shop.hear(event_of("cart-17", "paid", "evt_foreign"))


def test_a_form_that_is_sent_twice_is_one_order(shop: Shop) -> None:
    form, before = shop.customer.form(), len(shop.stored())
    first, second = shop.customer.send(form), shop.customer.send(form)
    assert first.headers["Location"] == second.headers["Location"]
    assert len(shop.stored()) == before + 1
    assert shop.charges().count(number_in(first.headers["Location"])) == 1


def test_the_price_is_on_the_form_and_on_the_page(shop: Shop) -> None:
    for path in ("/", shop.customer.order()):
        assert "4.50 €" in shop.customer.client.get(path).text


def test_an_order_keeps_its_price_when_the_shop_changes_its_own(shop: Shop) -> None:
    path = order_that_breakwall_never_had(shop)
    shop.change(number_in(path), amount="390")
    shop.restart()
    assert shop.at_breakwall(number_in(path))["amount"] == 390


@pytest.mark.parametrize("form", ["", "1", "x" * 65])
def test_a_form_that_is_none_of_the_shops_is_refused(shop: Shop, form: str) -> None:
    before = len(shop.stored())
    answer = shop.customer.send(shop.customer.form(form=form))
    assert answer.status_code == 400
    assert CHANGE_YOUR_ORDER in answer.text
    assert len(shop.stored()) == before


@pytest.mark.parametrize("field", ["customer", "payment_method", "note"])
def test_a_card_number_in_a_text_is_refused_at_the_door(shop: Shop, field: str) -> None:
    before, charged = len(shop.stored()), len(shop.charges())
    answer = shop.customer.send(shop.customer.form(**{field: CARD_NUMBER}))
    assert answer.status_code == 422
    assert CHANGE_YOUR_ORDER in answer.text
    assert "looks like a card number" in answer.text
    assert CARD_NUMBER not in answer.text
    assert (len(shop.stored()), len(shop.charges())) == (before, charged)


def test_a_wrong_token_gets_the_same_answer_as_an_unknown_order(shop: Shop) -> None:
    path = shop.customer.order()
    wrong = shop.customer.client.get(f"/orders/{number_in(path)}/{'x' * 43}")
    unknown = shop.customer.client.get(f"/orders/00000000/{'x' * 43}")
    assert wrong.status_code == unknown.status_code == 404
    assert wrong.text == unknown.text
    assert NO_SUCH_PAGE in wrong.text


def test_a_token_that_is_no_ascii_is_a_wrong_one(shop: Shop) -> None:
    path = shop.customer.order()
    assert shop.customer.client.get(f"/orders/{number_in(path)}/ü").status_code == 404


def test_the_token_is_random_and_not_the_forms(shop: Shop) -> None:
    form = shop.customer.form()
    path, other = shop.customer.send(form).headers["Location"], shop.customer.order()
    token = path.split("/")[3]
    assert len(token) == 43
    assert token not in {other.split("/")[3], form["form"], number_in(path)}


def test_the_page_stays_out_of_caches_and_its_address_out_of_other_requests(shop: Shop) -> None:
    headers = shop.customer.client.get(shop.customer.order()).headers
    assert "no-store" in headers["Cache-Control"]
    assert headers["Referrer-Policy"] == "no-referrer"


def test_nothing_is_loaded_from_elsewhere(shop: Shop) -> None:
    for path in ("/", shop.customer.order()):
        text = shop.customer.client.get(path).text
        assert "http://" not in text
        assert "https://" not in text


def test_while_breakwall_does_not_answer_the_order_can_be_sent_again(shop: Shop) -> None:
    with breakwall_does_not_answer():
        page = shop.customer.send(shop.customer.form(note='Two <cups> & "more"'))
    assert page.status_code == 503
    assert NOT_CONFIRMED in page.text
    before = len(shop.stored())
    answer = shop.customer.send_again(page)
    assert shop.customer.reads(answer.headers["Location"]) == PAID
    assert len(shop.stored()) == before


def order_that_breakwall_never_had(shop: Shop) -> str:
    """As a crash between the shop's commit and `place` leaves it; returns its path."""
    with breakwall_does_not_answer():
        page = shop.customer.send(shop.customer.form())
    assert page.status_code == 503
    order = shop.stored()[-1]
    assert order["status"] == "new"
    return f"/orders/{order['number']}/{order['token']}"


def test_a_crash_before_breakwall_had_the_order_is_mended_by_the_next_start(shop: Shop) -> None:
    path = order_that_breakwall_never_had(shop)
    shop.restart()
    shop.restart()
    assert shop.customer.reads(path) == PAID
    assert shop.charges().count(number_in(path)) == 1


def test_a_crash_after_the_charge_is_mended_by_the_next_start(shop: Shop) -> None:
    path = shop.customer.order()
    shop.change(number_in(path), status="new")  # The process died before it stored Breakwall's answer.
    shop.restart()
    assert shop.customer.reads(path) == PAID
    assert shop.charges().count(number_in(path)) == 1


def test_an_order_whose_price_has_ended_is_not_charged_by_the_next_start(shop: Shop) -> None:
    path = order_that_breakwall_never_had(shop)
    ended = "2026-01-01 00:00:00" if shop.table == "shop_shoporder" else "1"
    column = "charge_before" if shop.table == "shop_shoporder" else "price_ends"
    shop.change(number_in(path), **{column: ended})
    shop.restart()
    assert shop.customer.reads(path) == CANCELLED
    assert number_in(path) not in shop.charges()


def test_an_answer_that_comes_after_the_event_does_not_hide_it(shop: Shop) -> None:
    form = shop.customer.form()
    path = shop.customer.send(form).headers["Location"]
    shop.hear(event_of(number_in(path), "review", "evt_before_answer"))
    shop.customer.send(form)  # Breakwall answers that the order is paid.
    assert shop.customer.reads(path) == IN_REVIEW

"""What only the shop on Flask has: pages that wait for the end of their order."""

import threading
from unittest import mock

from breakwall.producers import OrderNotFoundError
from tests.examples.customer import IN_A_MOMENT, PAID, number_in
from tests.examples.shops import Shop


def queued_order(shop: Shop) -> str:
    shop.payments.change({"down": True}, replace=True)
    path = shop.customer.order()
    assert 'content="1; url=?wait=1"' in shop.customer.client.get(path).text
    return path


def test_a_page_that_waits_shows_the_end_of_its_order(flask_shop: Shop) -> None:
    path = queued_order(flask_shop)
    number = number_in(path)
    ended = mock.Mock(status=mock.Mock(value="paid"))
    with mock.patch.object(flask_shop.module.producer, "wait_for", return_value=ended) as wait_for:
        assert flask_shop.customer.reads(f"{path}?wait=1") == PAID
    wait_for.assert_called_once_with(number, flask_shop.module.LONGEST_WAIT)
    assert flask_shop.customer.reads(path) == PAID


def test_if_the_time_is_over_the_page_says_what_it_said(flask_shop: Shop) -> None:
    path = queued_order(flask_shop)
    with mock.patch.object(flask_shop.module, "LONGEST_WAIT", 0.0):
        assert flask_shop.customer.reads(f"{path}?wait=1") == IN_A_MOMENT


def test_if_too_many_pages_wait_the_next_one_is_answered_at_once(flask_shop: Shop) -> None:
    path = queued_order(flask_shop)
    no_room = threading.BoundedSemaphore(1)
    no_room.acquire()
    with (
        mock.patch.object(flask_shop.module, "room_to_wait", no_room),
        mock.patch.object(flask_shop.module.producer, "wait_for") as wait_for,
    ):
        assert flask_shop.customer.reads(f"{path}?wait=1") == IN_A_MOMENT
    wait_for.assert_not_called()


def test_the_room_is_free_again_after_an_order_that_breakwall_does_not_have(flask_shop: Shop) -> None:
    path = queued_order(flask_shop)
    with mock.patch.object(
        flask_shop.module.producer, "wait_for", side_effect=OrderNotFoundError("cart-1")
    ) as wait_for:
        for _ in range(6):
            assert flask_shop.customer.reads(f"{path}?wait=1") == IN_A_MOMENT
    assert wait_for.call_count == 6


def test_a_wrong_token_waits_for_nothing(flask_shop: Shop) -> None:
    path = queued_order(flask_shop)
    with mock.patch.object(flask_shop.module.producer, "wait_for") as wait_for:
        assert flask_shop.customer.client.get(f"{path}x?wait=1").status_code == 404
    wait_for.assert_not_called()

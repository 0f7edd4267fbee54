"""What only the shop with Celery has: its task, which hears the outcomes, and Breakwall in its app."""

from typing import Any
from unittest import mock

import pytest
from celery.exceptions import Retry
from sqlalchemy.exc import OperationalError

from tests.examples.customer import DECLINED, number_in
from tests.examples.events import event_of
from tests.examples.shops import NO_BROKER, Shop

LOCKED = OperationalError("UPDATE", {}, Exception("database is locked"))


def test_the_task_hears_how_an_order_has_ended(celery_shop: Shop) -> None:
    path = celery_shop.customer.order()
    celery_shop.module.hear(event_of(number_in(path), "declined", "evt_task"))
    assert celery_shop.customer.reads(path) == DECLINED


def test_the_task_has_the_name_that_the_settings_give_it(celery_shop: Shop) -> None:
    assert celery_shop.module.hear.name == "shop.hear"
    assert "breakwall.retry_payment" in celery_shop.module.app.tasks


def test_an_event_is_tried_again_while_the_shops_database_does_not_answer(celery_shop: Shop) -> None:
    task: Any = celery_shop.module.app.tasks["shop.hear"]
    retry = mock.Mock(return_value=Retry())
    with (
        mock.patch.object(celery_shop.module.orders, "hear", side_effect=LOCKED),
        mock.patch.object(task, "retry", retry),
        pytest.raises(Retry),
    ):
        task.run(event_of("00000000", "paid"))
    assert retry.call_args.kwargs["exc"] is LOCKED
    assert (task.acks_late, task.max_retries) == (True, None)


def test_the_pages_publish_where_the_shops_workers_read(celery_shop: Shop) -> None:
    assert celery_shop.module.addition.settings().broker == NO_BROKER


def test_a_task_of_the_shops_own_works_as_before(celery_shop: Shop) -> None:
    assert celery_shop.module.greet("Ann") == "Hello Ann"

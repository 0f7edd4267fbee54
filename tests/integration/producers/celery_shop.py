"""A shop whose Celery task places orders: ``celery -A tests.integration.producers.celery_shop worker``."""

import os
from functools import cache

from celery import Celery

from breakwall.producers import Order, OrderProducer

QUEUE = os.environ["CELERY_SHOP_QUEUE"]  # A folder.

app = Celery("shop", broker="filesystem://", set_as_current=False)
app.conf.broker_transport_options = {
    "data_folder_in": QUEUE,
    "data_folder_out": QUEUE,
    "control_folder": f"{QUEUE}/control",
}
app.conf.task_ignore_result = True
app.conf.worker_hijack_root_logger = False

producer = cache(OrderProducer.from_settings)


@app.task(name="buy")  # type: ignore[untyped-decorator]
def buy(key: str) -> None:
    """Place an order whose charge goes on behind."""
    producer().place(Order(user_id="u1", amount=1000, currency="KRW", idempotency_key=key), wait=1.0)

"""The shop's own Celery app. Its workers charge the queued orders, too, and hear how they ended in a task."""

import os
from typing import Any

import orders
from celery import Celery
from sqlalchemy.exc import OperationalError

from breakwall.worker import add_to

app = Celery("shop", broker=os.environ.get("SHOP_BROKER_URL") or "redis://127.0.0.1:6379/0")
addition = add_to(app)


# Breakwall has done its part when the message is in the queue. So the message stays there until the shop has stored
# the event: it is acknowledged late, and tried again for as long as the shop's database does not answer.
@app.task(
    name="shop.hear",
    acks_late=True,
    autoretry_for=(OperationalError,),
    retry_backoff=True,
    max_retries=None,
)
def hear(event: dict[str, Any]) -> None:
    """BREAKWALL_OUTCOMES__TASK names this task; its id is the event's."""
    orders.hear(event)


@app.task(name="shop.greet")
def greet(name: str) -> str:
    """A task as the shop has others: `add_to` changes nothing for it."""
    return f"Hello {name}"

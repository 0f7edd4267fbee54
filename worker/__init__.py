"""Drains the queue: the Celery app, its retry task and the dispatcher of due orders.

`startup` has the steps of a worker's start, `background` what it does beside the orders, `log` what it logs. A
shop that has Celery already calls `add_to`, from `shop`.

May import `breakwall`, never `breakwall.producers`. `celery -A breakwall.worker worker` starts a worker; so does
`celery -A worker worker`, unless another program has a module of that name.
"""

from breakwall.aliases import also_known_as
from breakwall.worker.shop.addition import Addition, add_to

__all__ = ["Addition", "add_to"]

if __name__ == "worker":
    also_known_as("worker")

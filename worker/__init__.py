"""Drains the queue: the Celery app, its retry task and the dispatcher of due orders.

`startup` has the steps of a worker's start, `background` what it does beside the orders, `log` what it logs.

May import `breakwall`, never `breakwall.producers`. `celery -A breakwall.worker worker` starts a worker; so does
`celery -A worker worker`, unless another program has a module of that name.
"""

from breakwall.aliases import also_known_as

if __name__ == "worker":
    also_known_as("worker")

"""Plain Celery as its guide shows it: a task that is retried after each error, with backoff and jitter.

`plain` calls the payment service, `guarded` does it behind pybreaker. Neither has a database.
"""

from __future__ import annotations

import os
from typing import Any

from celery import Celery

from bench.peers import direct

URL = os.environ.get("BENCH_PAYMENT_URL", "")
BROKER = os.environ.get("BENCH_BROKER", "")

app = Celery("bench", broker=BROKER, backend=BROKER)
app.conf.update(
    broker_connection_retry_on_startup=True,
    result_expires=3600,
    task_default_queue="bench",
    worker_hijack_root_logger=True,
)

RETRIED: dict[str, Any] = {
    "autoretry_for": (Exception,),
    "retry_backoff": True,
    "retry_backoff_max": 600,
    "retry_jitter": True,
    "max_retries": None,
}


@app.task(ignore_result=True, **RETRIED)
def plain(key: str) -> str:
    return direct.charge(key, URL)


@app.task(ignore_result=True, **RETRIED)
def guarded(key: str) -> str:
    from bench.peers import guarded as behind  # Only a worker that runs this task needs pybreaker.

    return behind.charge(key, URL)


@app.task(**RETRIED)
def with_result(key: str) -> str:
    """`plain`, for a shop that waits for the answer."""
    return direct.charge(key, URL)


TASKS = {"plain": plain, "guarded": guarded}

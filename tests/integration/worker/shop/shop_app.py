"""A shop's Celery app with a task of its own: ``celery -A tests.integration.worker.shop.shop_app worker``."""

import json
import logging
import os
import signal
import time
from pathlib import Path
from typing import Any

import sqlalchemy  # noqa: F401 - as many a shop does; its import sets the level of its logger
from celery import Celery, signals

from breakwall.worker import add_to

LOGGERS = (
    "celery celery.task celery.worker celery.worker.loops kombu amqp redis httpx2 sqlalchemy alembic".split()
)

app = Celery("shop", broker=os.environ["SHOP_BROKER"])
app.conf.update(
    task_default_queue="shop",
    task_routes={"shop.*": {"queue": "shop"}},
    worker_prefetch_multiplier=2,
    result_backend="cache+memory://",
    **json.loads(os.environ.get("SHOP_CONF", "{}")),
)

if "SHOP_ALONE" not in os.environ:
    add_to(app, concurrency=4)

if "SHOP_PATCHES" in os.environ:
    from gevent import monkey

    monkey.patch_all()


@app.task(name="shop.greet", acks_late=True)  # type: ignore[untyped-decorator]
def greet(name: str, held: bool = False) -> None:
    """Leave a file; when ``held``, not before there is a file "release"."""
    Path(f"began-{name}").touch()
    while held and not Path("release").exists():
        time.sleep(0.05)
    Path(f"greeted-{name}").touch()


@signals.worker_ready.connect  # type: ignore[untyped-decorator]
def describe(sender: Any, **_: Any) -> None:
    """Write what the worker is like, to compare it with one that has no Breakwall."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD)
    loggers = {name: logging.getLogger(name) for name in LOGGERS} | {"": logging.getLogger()}
    found = {
        "conf": {name: repr(value) for name, value in app.conf.items()},
        "queues": sorted(app.amqp.queues.consume_from),
        "routes": [repr(vars(route)) for route in app.amqp.routes],
        "signals": {
            number.name: getattr(signal.getsignal(number), "__qualname__", None) for number in numbers
        },
        "loggers": {
            name: [one.level, one.propagate, one.disabled, len(one.handlers), len(one.filters)]
            for name, one in loggers.items()
        },
        "root format": [getattr(one.formatter, "_fmt", None) for one in logging.getLogger().handlers],
        "prefetch": sender.qos.value,
        "pool": type(sender.pool).__name__,
        "environment": sorted(os.environ),
    }
    Path("worker.json").write_text(json.dumps(found))

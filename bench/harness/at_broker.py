"""Puts a long backlog into the database and all of its messages at the broker, faster than any producer could."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator
from itertools import islice

import redis
from sqlalchemy import create_engine, text

from bench.harness.site import Site
from tests.backlog import Backlog, fill, tidy

QUEUE = "payments.retry"
BODY = "<the body>"
AT_ONCE = 1_000
SINGLE = 200_000
"""Messages at most, if each has one order's id: a million of them would take a gigabyte of Redis."""


def put_at_broker(site: Site, count: int) -> int:
    """Store so many due orders, and publish them as copies of what `enqueue` publishes.

    Returns how many orders have a message.
    """
    url = str(site.database_url)
    site.enqueue(20)
    known = _ids(url)
    engine = create_engine(url)
    fill(engine, Backlog(due=count))
    tidy(engine)
    engine.dispose()
    waiting = [order_id for order_id in _ids(url) if order_id not in known]
    with redis.Redis.from_url(site.redis_url) as client:
        template = max(
            (json.loads(one) for one in client.lrange(QUEUE, 0, -1)), key=lambda one: len(one["body"])
        )
        body = base64.b64decode(template["body"]).decode()
        within = [order_id for order_id in known if order_id in body]
        if len(within) == 1:
            waiting = waiting[:SINGLE]
        copies = _copies(template, body, within, waiting)
        while batch := list(islice(copies, AT_ONCE)):
            client.lpush(QUEUE, *batch)
    return len(waiting)


def _copies(template: dict[str, object], body: str, within: list[str], ids: list[str]) -> Iterator[str]:
    """The template for as many orders as it has, again and again; the last may have the first one's ids again."""
    delivery = str(template["properties"]["delivery_tag"])  # type: ignore[index]
    message = json.dumps({**template, "body": BODY})
    for start in range(0, len(ids), len(within)):
        chosen = (ids[start : start + len(within)] + ids[: len(within)])[: len(within)]
        new, copy = body, message.replace(delivery, str(uuid.uuid4()))
        for old, order_id in zip(within, chosen, strict=True):
            new, copy = new.replace(old, order_id), copy.replace(old, order_id)
        yield copy.replace(BODY, base64.b64encode(new.encode()).decode())


def _ids(url: str) -> list[str]:
    engine = create_engine(url)
    with engine.connect() as connection:
        ids = list(connection.scalars(text("SELECT id FROM orders WHERE status = 'queued'")))
    engine.dispose()
    return ids

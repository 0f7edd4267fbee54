"""Many Celery messages at once: copies of a real one, each with an id of its own."""

from __future__ import annotations

import base64
import json
import uuid

import redis
from celery import Celery

from bench.peers import celery_app

AT_ONCE = 2_000


def fill(url: str, task: str, count: int) -> None:
    """Put so many tasks into the empty queue of the broker at ``url``, as ``delay`` would."""
    app = Celery("fill", broker=url)
    app.conf.task_default_queue = celery_app.app.conf.task_default_queue
    app.send_task(celery_app.TASKS[task].name, args=["template"])
    with redis.Redis.from_url(url) as client:
        template = json.loads(client.lpop("bench"))
        for start in range(0, count, AT_ONCE):
            copies = [_copy(template) for _ in range(min(AT_ONCE, count - start))]
            client.lpush("bench", *copies)
    app.close()


def _copy(template: dict[str, object]) -> str:
    new = str(uuid.uuid4())
    body = base64.b64decode(str(template["body"])).replace(b"template", new.encode())
    old = str(template["headers"]["id"])  # type: ignore[index]
    text = json.dumps({**template, "body": base64.b64encode(body).decode()})
    delivery = str(template["properties"]["delivery_tag"])  # type: ignore[index]
    return text.replace(old, new).replace(delivery, str(uuid.uuid4()))

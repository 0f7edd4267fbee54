"""The shop's task over a real RabbitMQ and a real Redis, with a Celery worker of the shop's."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from breakwall.broker.errors import explain
from breakwall.broker.shop_task import TaskSender
from breakwall.payments.outcomes.task import TaskDestination
from breakwall.settings import load_settings
from tests.unit.payments.outcomes.test_event import EVENT
from tests.waiting import wait_until

SHOP = """
import json, pathlib
from celery import Celery

app = Celery("shop", broker={url!r})
app.conf.task_default_queue = "shop.outcomes"
app.conf.broker_connection_retry_on_startup = True

@app.task(name="shop.settled", bind=True)
def settled(self, event):
    with pathlib.Path({file!r}).open("a") as told:
        told.write(json.dumps([self.request.id, event]) + "\\n")
"""


@pytest.fixture(params=["redis", "rabbitmq"])
def shop_broker_url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def sender(shop_broker_url: str) -> Iterator[TaskSender]:
    sender = TaskSender(load_settings({}), shop_broker_url, "shop.settled", "shop.outcomes")
    yield sender
    sender.close()


@contextmanager
def shop_worker(folder: Path, url: str) -> Iterator[Path]:
    """A Celery worker that writes each call of the task as a line of the yielded file."""
    told = folder / "told"
    told.touch()
    (folder / "shop_app.py").write_text(SHOP.format(url=url, file=str(told)))
    command = [sys.executable, "-m", "celery", "-A", "shop_app", "worker", "-P", "solo", "-l", "info"]
    with (folder / "log").open("wb") as log:
        worker = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        wait_until(lambda: "ready." in (folder / "log").read_text(), 120)
        yield told
    finally:
        worker.kill()
        worker.wait(60)


def test_the_shops_task_gets_the_event_under_its_id(
    sender: TaskSender, shop_broker_url: str, tmp_path: Path
) -> None:
    with shop_worker(tmp_path, shop_broker_url) as told:
        assert sender.check() is None
        assert sender.send(EVENT.id, EVENT.document) is None
        wait_until(lambda: told.read_text().endswith("\n"), 60)
        assert json.loads(told.read_text()) == [EVENT.id, EVENT.document]
    assert "cart-17" not in (tmp_path / "log").read_text()


def test_a_queue_that_nobody_has_declared_gets_nothing_and_is_not_made(sender: TaskSender) -> None:
    for _ in range(2):
        problem = sender.send(EVENT.id, EVENT.document)
        assert problem is not None
        assert "no queue shop.outcomes is there" in problem
    assert sender.check() == problem


def test_a_broker_that_is_away_is_an_error() -> None:
    away = TaskSender(load_settings({}), "redis://:hidden@127.0.0.1:9/0", "shop.settled", "shop.outcomes")
    result = TaskDestination(away.send, explain).deliver(EVENT, deadline=time.monotonic() + 60)
    assert result.error == "the broker took no message (ConnectionError)"

"""Puts strange messages into the queue: messages that Breakwall did not write."""

import contextlib
import itertools
import threading
from collections.abc import Callable
from typing import Any

import kombu
import redis

from breakwall.broker.config import QUEUE, TASK

EACH = 0.4  # Seconds from one to the next.

Enveloped = tuple[bytes, str, dict[str, Any]]

ENVELOPED: tuple[Enveloped, ...] = (
    (b"{}", "application/json", {}),
    (b"null", "application/json", {"task": TASK, "id": "nothing"}),
    (b'[["a\\u001b[2J\\n"], {}, {}]', "application/json", {"task": TASK, "id": "two\nlines\x1b[2J"}),
    (b'[[1], {"x": 2}, {}]', "application/json", {"task": TASK, "id": "wrong arguments"}),
    (b"[[], {}, {}]", "application/json", {"task": "shop.send_mail", "id": "a foreign task"}),
    (b"\x80\x04N.", "application/x-python-serialize", {"task": TASK, "id": "pickled"}),
    (b"\xff\xfe", "application/json", {"task": TASK, "id": "no text"}),
    (b"[[], {}, {}]", "application/json", {"task": 5, "id": ["no", "id"]}),
    (b'[["' + 300_000 * b"x" + b'"], {}, {}]', "application/json", {"task": TASK, "id": "long"}),
)
"""Body, content type and headers."""

RAW = (b"not JSON", b"{}", b"null", b"[1, 2]", b"\xff\xfe", b'{"body": 5, "headers": [], "properties": {}}')
"""Only for Redis, where a queue is a list of any bytes."""


class StrangeMessages:
    """A thread that puts one strange message after another into the queue.

    ``url`` returns where the broker is at the moment; it may raise.
    """

    def __init__(self, url: Callable[[], str]) -> None:
        self.sent = 0  # Messages that the broker took.
        self._url = url
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="strange messages", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Safe to call twice."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        for message in itertools.cycle((*ENVELOPED, *RAW)):
            if self._stopped.wait(EACH):
                return
            # The broker may be down, be full, or not be a Redis.
            with contextlib.suppress(Exception):
                self._send(message)
                self.sent += 1

    def _send(self, message: bytes | Enveloped) -> None:
        url = self._url()
        if isinstance(message, bytes):
            with redis.Redis.from_url(url.replace("redis+socket", "unix"), socket_timeout=2) as client:
                client.lpush(QUEUE, message)
            return
        body, content_type, headers = message
        options = {"socket_timeout": 2, "read_timeout": 2, "write_timeout": 2}
        with kombu.Connection(url, connect_timeout=2, transport_options=options) as connection:
            connection.Producer(auto_declare=False).publish(
                body,
                routing_key=QUEUE,
                exchange="",
                content_type=content_type,
                content_encoding="utf-8",
                headers=headers,
            )

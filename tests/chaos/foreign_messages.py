"""ForeignMessages: they put into the queue what none of ours ever sends."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable
from typing import Any

import kombu
import redis

from breakwall.broker.config import QUEUE, TASK

EACH = 0.4
"""Seconds from one to the next."""

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
"""What only Redis takes: there a queue is a list, of anything."""


class ForeignMessages:
    """A thread that puts one strange message after the other into the queue.

    Args:
        url: where the broker is, now. It may raise.

    Attributes:
        sent: messages that the broker took.
    """

    def __init__(self, url: Callable[[], str]) -> None:
        self.sent = 0
        self._url = url
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="foreign", daemon=True)

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
            # The broker may be away, be full, or be no Redis.
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
        with kombu.Connection(url, connect_timeout=2, transport_options=options) as line:
            line.Producer(auto_declare=False).publish(
                body,
                routing_key=QUEUE,
                exchange="",
                content_type=content_type,
                content_encoding="utf-8",
                headers=headers,
            )

"""A PostgreSQL database of revision 0003, of any size, and a thread that writes in it."""

import threading
import time
from types import TracebackType
from typing import Self
from unittest import mock

import psycopg
from sqlalchemy import Engine, text

from breakwall.payments.db import migrate

_ORDERS = """
INSERT INTO orders (id, idempotency_key, user_id, amount, currency, status, charge_key, attempt_count, next_attempt_at,
    dispatch_at, charge_id, last_error, created_at, settled_at)
SELECT md5(n::text), 'cart-' || n, 'u' || n, 1000, 'KRW', CASE WHEN n <= :open THEN 'queued' ELSE 'paid' END,
    'cart-' || n, 1, CASE WHEN n <= :open THEN now() END, CASE WHEN n <= :open THEN now() END,
    CASE WHEN n > :open THEN 'ch_' || n END, CASE WHEN n <= :open THEN 'http_500: HTTP 500.' END, now(),
    CASE WHEN n > :open THEN now() - n * interval '1 ms' END
FROM generate_series(1, :orders) AS n
"""
_ATTEMPTS = """
INSERT INTO attempts (order_id, number, source, fence, gateway_key, started_at, finished_at, outcome, code, charge_id)
SELECT id, 1, 'producer', 1, idempotency_key, created_at, created_at,
    CASE WHEN status = 'paid' THEN 'succeeded' ELSE 'unknown' END,
    CASE WHEN status = 'paid' THEN NULL ELSE 'http_500' END, charge_id
FROM orders
"""


def fill(engine: Engine, orders: int, open_orders: int) -> None:
    """Migrate to 0003 and add orders, each with an attempt; ``open_orders`` of them are queued."""
    with mock.patch.object(migrate, "HEAD", "0003"):
        migrate.upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text(_ORDERS), {"orders": orders, "open": open_orders})
        connection.execute(text(_ATTEMPTS))
    with psycopg.connect(_plain(engine), autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE orders, attempts")


LONGEST_WAIT = 1500
"""Milliseconds for which a writer waits for a lock; then it fails. The server counts them, whatever else is slow."""


class Writer:
    """A thread that accepts an order and finishes it as the version of 0003 does, again and again."""

    def __init__(self, engine: Engine) -> None:
        self.waits: list[float] = []  # Seconds that each transaction took.
        self.errors: list[Exception] = []
        self._engine = engine
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()

    def _write(self) -> None:
        options = f"-c lock_timeout={LONGEST_WAIT}"
        with psycopg.connect(_plain(self._engine), options=options) as connection:
            while not self._end.wait(0.002):
                began = time.monotonic()
                try:
                    self._place(connection, f"new-{began}")
                except psycopg.Error as error:
                    self.errors.append(error)
                    connection.rollback()
                self.waits.append(time.monotonic() - began)

    def _place(self, connection: psycopg.Connection[tuple[object, ...]], key: str) -> None:
        connection.execute(
            "INSERT INTO orders (id, idempotency_key, user_id, amount, currency, status, charge_key, lease_until, "
            "created_at) VALUES (md5(%s), %s, 'u1', 1000, 'KRW', 'in_flight', %s, now(), now())",
            (key, key, key),
        )
        connection.execute(
            "INSERT INTO attempts (order_id, number, source, fence, gateway_key, started_at) "
            "VALUES (md5(%s), 1, 'producer', 1, %s, now())",
            (key, key),
        )
        connection.execute(
            "UPDATE orders SET status = 'declined', lease_until = NULL, settled_at = now() WHERE id = md5(%s)",
            (key,),
        )
        connection.commit()


def _plain(engine: Engine) -> str:
    return engine.url.set(drivername="postgresql").render_as_string(hide_password=False)

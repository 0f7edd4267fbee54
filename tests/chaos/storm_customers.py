"""The storm's customers: a process that places orders until each is accepted, however often it is killed.

``python -m tests.chaos.storm_customers --orders N --rate R --seed S --begin T --record FILE`` appends to FILE
what its customers were told (`breakwall.demo.acknowledgements`). Started again after a ``kill -9`` it places what has
no promise there, with the same idempotency keys, as a caller does who never got an answer.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from breakwall.demo.acknowledgements import PromiseReader, PromiseWriter
from breakwall.demo.customers import shopping
from breakwall.demo.reconciliation import Promise
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.orders import Order
from breakwall.settings import load_settings
from producers import OrderProducer

THREADS = 8
IMPATIENT = 0.1
"""The share of customers who press the button twice: the same order comes from two threads at once."""

STRAIGHT_TO_THE_QUEUE = 0.15
"""The share of orders that are enqueued instead of charged at once."""

TRY_AGAIN = 0.25
"""Seconds until a customer who was told of an error places the order again."""

EXPECTED = "expected"
"""How a refusal begins that a customer may see: the database was not there, so nothing was accepted."""


def main() -> None:
    """Place every order that has no promise yet, each at its time or at once when that is over."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.storm_customers")
    parser.add_argument("--orders", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--begin", type=float, required=True, help="on this machine's monotonic clock")
    parser.add_argument("--record", type=Path, required=True)
    chosen = parser.parse_args()
    told = _told(chosen.record)
    with (
        chosen.record.open("a") as record,
        OrderProducer.from_settings(load_settings()) as producer,
        ThreadPoolExecutor(THREADS) as pool,
    ):
        writer = PromiseWriter(record)
        for number, order in enumerate(shopping(chosen.orders, chosen.seed)):
            if order.idempotency_key in told:
                continue
            time.sleep(max(0.0, chosen.begin + number / chosen.rate - time.monotonic()))
            for visit in _visits(order):
                pool.submit(insist, producer, visit, writer)
        pool.shutdown()
        writer.done()


def insist(producer: OrderProducer, order: Order, writer: PromiseWriter) -> None:
    """Place one order again and again until it is accepted, and write down what was told."""
    started = time.monotonic()
    queued = _dice(order, "queue") < STRAIGHT_TO_THE_QUEUE
    while True:
        try:
            result = producer.enqueue([order])[0] if queued else producer.place(order)
            break
        except DatabaseUnavailableError as error:
            writer.refused(order.idempotency_key, f"{EXPECTED}: {error}")
        except Exception as error:
            writer.refused(order.idempotency_key, f"{type(error).__name__}: {error}")
        time.sleep(TRY_AGAIN)
    waited = round(time.monotonic() - started, 4)
    key, money = order.idempotency_key, (order.amount, order.currency)
    writer.promised(Promise(result.order_id, key, *money, result.status.value, waited))


def _told(record: Path) -> set[str]:
    reader = PromiseReader(record)
    reader.follow()
    return {promise.key for promise in reader.promises}


def _visits(order: Order) -> Iterator[Order]:
    yield order
    if _dice(order, "twice") < IMPATIENT:
        yield order


def _dice(order: Order, question: str) -> float:
    """The same for the same order, also in the process's next life."""
    return random.Random(f"{order.idempotency_key}:{question}").random()


if __name__ == "__main__":
    main()

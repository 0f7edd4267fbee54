"""The demo's customers: a process of its own that places orders at a steady rate through `OrderProducer`.

``python -m breakwall.demo.customers --orders N --rate R --seed S`` waits for a line on stdin, so that all
processes can start at the same time, and writes its record (`breakwall.demo.acknowledgements`) to stdout. It reads
Breakwall's settings from the environment, as any producer does.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from breakwall.demo.acknowledgements import PromiseWriter
from breakwall.demo.reconciliation import Promise
from breakwall.payments.orders import Order
from breakwall.producers import OrderProducer
from breakwall.settings import load_settings

CURRENCY = "KRW"
MOST_AT_ONCE = 200
"""Threads at most: at the highest rate, a second's worth of customers who are all kept waiting."""


def main() -> None:
    """Serve every customer once, then end."""
    parser = argparse.ArgumentParser(prog="python -m breakwall.demo.customers")
    parser.add_argument("--orders", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    chosen = parser.parse_args()
    settings = load_settings()
    writer = PromiseWriter(sys.stdout)
    with OrderProducer.from_settings(settings) as producer:
        writer.ready()
        if not sys.stdin.readline():
            return  # whoever started this is gone
        threads = min(MOST_AT_ONCE, int(chosen.rate * (settings.payment_timeout + 1)) + 1)
        with ThreadPoolExecutor(threads) as pool:
            for order in paced(shopping(chosen.orders, chosen.seed), chosen.rate, time.monotonic, time.sleep):
                pool.submit(serve, producer, order, writer)
    writer.done()


def shopping(orders: int, seed: int) -> Iterator[Order]:
    """The same orders for the same seed: amounts from ₩1,000 to ₩99,900."""
    dice = random.Random(seed)  # noqa: S311 - shopping, not a secret
    for number in range(1, orders + 1):
        yield Order(
            user_id=f"customer-{dice.randrange(1, 1000)}",
            amount=100 * dice.randrange(10, 1000),
            currency=CURRENCY,
            idempotency_key=f"cart-{seed}-{number}",
        )


def paced(
    orders: Iterator[Order], rate: float, clock: Callable[[], float], sleep: Callable[[float], None]
) -> Iterator[Order]:
    """Let ``rate`` orders a second through, by a schedule: whatever delayed one does not delay the rest."""
    start = clock()
    for number, order in enumerate(orders):
        wait = start + number / rate - clock()
        if wait > 0:
            sleep(wait)
        yield order


def serve(producer: OrderProducer, order: Order, writer: PromiseWriter) -> None:
    """Place one order and write down what its customer was told."""
    started = time.monotonic()
    try:
        result = producer.place(order)
    except Exception as error:  # the customer sees an error, whatever it is, and may try again
        writer.refused(order.idempotency_key, f"{type(error).__name__}: {error}")
        return
    waited = round(time.monotonic() - started, 4)
    writer.promised(
        Promise(
            result.order_id, order.idempotency_key, order.amount, order.currency, result.status.value, waited
        )
    )


if __name__ == "__main__":
    main()

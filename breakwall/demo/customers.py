"""The demo's customers: a process of its own that places orders at a steady rate through `OrderProducer`.

``python -m breakwall.demo.customers --orders N --rate R --seed S`` waits for a line on stdin, so that all processes
can start at the same time, and writes its record (`breakwall.demo.acknowledgements`) to stdout. It reads Breakwall's
settings from the environment, as any producer does.
"""

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from breakwall.demo.acknowledgements import Acknowledgement, AcknowledgementWriter
from breakwall.payments.orders import Order
from breakwall.producers import OrderProducer
from breakwall.settings import load_settings

CURRENCY = "KRW"
MOST_THREADS = 200  # At the highest rate, this is enough for two seconds' worth of customers who all wait.


def main() -> None:
    """Place every order once, then end."""
    parser = argparse.ArgumentParser(prog="python -m breakwall.demo.customers")
    parser.add_argument("--orders", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    options = parser.parse_args()
    settings = load_settings()
    writer = AcknowledgementWriter(sys.stdout)
    with OrderProducer.from_settings(settings) as producer:
        writer.ready()
        if not sys.stdin.readline():
            return  # the parent process is gone
        threads = min(MOST_THREADS, int(options.rate * (settings.payment_timeout + 1)) + 1)
        orders = generate_orders(options.orders, options.seed)
        with ThreadPoolExecutor(threads) as pool:
            for order in paced(orders, options.rate, time.monotonic, time.sleep):
                pool.submit(place_and_record, producer, order, writer)
    writer.done()


def generate_orders(number: int, seed: int) -> Iterator[Order]:
    """The same orders for the same seed: amounts from ₩1,000 to ₩99,900."""
    rng = random.Random(seed)  # noqa: S311 - test orders, not a secret
    for index in range(1, number + 1):
        yield Order(
            user_id=f"customer-{rng.randrange(1, 1000)}",
            amount=100 * rng.randrange(10, 1000),
            currency=CURRENCY,
            idempotency_key=f"cart-{seed}-{index}",
        )


def paced(
    orders: Iterator[Order], rate: float, clock: Callable[[], float], sleep: Callable[[float], None]
) -> Iterator[Order]:
    """Yield ``rate`` orders a second, by a schedule: a delay of one order does not delay all later ones."""
    start = clock()
    for number, order in enumerate(orders):
        wait = start + number / rate - clock()
        if wait > 0:
            sleep(wait)
        yield order


def place_and_record(producer: OrderProducer, order: Order, writer: AcknowledgementWriter) -> None:
    """Place one order and record what its customer was told."""
    started = time.monotonic()
    try:
        result = producer.place(order)
    except Exception as error:  # any error: the customer sees it and may try again
        writer.refused(order.idempotency_key, f"{type(error).__name__}: {error}")
        return
    seconds = round(time.monotonic() - started, 4)
    money = (order.amount, order.currency)
    writer.acknowledged(
        Acknowledgement(result.order_id, order.idempotency_key, *money, result.status.value, seconds)
    )


if __name__ == "__main__":
    main()

"""The demo's customers: a process of its own that places orders at a steady rate through `OrderProducer`.

It waits for a line on stdin, so that all processes of the demo can start at the same time. It writes its record
(`breakwall.demo.acknowledgements`) to stdout. Breakwall's settings are in the environment, as for any producer.
"""

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

from breakwall.demo.acknowledgements import Acknowledgement, AcknowledgementWriter
from breakwall.payments.orders import Order
from breakwall.producers import OrderProducer
from breakwall.settings import load_settings

CURRENCY = "KRW"
MOST_THREADS = 200  # Customers who wait at the same time: at the highest rate, those of two seconds.


def main() -> None:
    """Place every order once, then end."""
    parser = argparse.ArgumentParser(prog="python -m breakwall.demo.customers")
    for name, kind in (("--orders", int), ("--rate", float), ("--seed", int)):
        parser.add_argument(name, type=kind, required=True)
    options = parser.parse_args()
    settings = load_settings()
    writer = AcknowledgementWriter(sys.stdout)
    with OrderProducer.from_settings(settings) as producer:
        writer.write("ready")
        if not sys.stdin.readline():
            return  # the parent process is gone
        threads = min(MOST_THREADS, int(options.rate * (settings.place.wait + 1)) + 1)
        orders = generate_orders(options.orders, options.seed)
        with ThreadPoolExecutor(threads) as pool:
            for order in paced(orders, options.rate, time.monotonic, time.sleep):
                pool.submit(place_and_record, producer, order, writer)
    writer.write("done")


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
    """Yield ``rate`` orders a second, by a schedule: if one order is late, the later ones are not."""
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
        writer.write("failed", reason=f"{type(error).__name__}: {error}")
        return
    seconds = round(time.monotonic() - started, 4)
    order_id, status = result.order_id, result.status.value
    told = Acknowledgement(order_id, order.idempotency_key, order.amount, order.currency, status, seconds)
    writer.write("acknowledged", **asdict(told))


if __name__ == "__main__":
    main()

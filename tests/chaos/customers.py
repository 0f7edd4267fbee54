"""The customers of a run: a process that places orders until each is accepted, however often it is killed.

``python -m tests.chaos.customers --orders N --rate R --seed S --begin T --record FILE`` appends the answers that its
customers got to FILE (`breakwall.demo.acknowledgements`). Started again after a ``kill -9``, it places the orders
without an answer again, with the same idempotency keys.
"""

import argparse
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from breakwall.demo.acknowledgements import Acknowledgement, AcknowledgementReader, AcknowledgementWriter
from breakwall.demo.customers import generate_orders
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.orders import Order
from breakwall.settings import load_settings
from producers import OrderProducer

THREADS = 8
DOUBLE_CLICKS = 0.1  # The share of customers who click twice: two threads place the same order at once.

STRAIGHT_TO_THE_QUEUE = 0.15  # The share of orders that are enqueued instead of charged at once.

TRY_AGAIN = 0.25  # Seconds until a customer who got an error places the order again.

EXPECTED = "expected"
"""The beginning of a refusal that a customer may get: the database was down, so nothing was accepted."""


def main() -> None:
    """Place every order without an answer, at its time, or at once if that is over."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.customers")
    parser.add_argument("--orders", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--begin", type=float, required=True, help="on this machine's monotonic clock")
    parser.add_argument("--record", type=Path, required=True)
    chosen = parser.parse_args()
    answered = _answered(chosen.record)
    with (
        chosen.record.open("a") as record,
        OrderProducer.from_settings(load_settings()) as producer,
        ThreadPoolExecutor(THREADS) as pool,
    ):
        writer = AcknowledgementWriter(record)
        for number, order in enumerate(generate_orders(chosen.orders, chosen.seed)):
            if order.idempotency_key in answered:
                continue
            time.sleep(max(0.0, chosen.begin + number / chosen.rate - time.monotonic()))
            for click in _clicks(order):
                pool.submit(place_until_accepted, producer, click, writer)
        pool.shutdown()
        writer.write("done")


def place_until_accepted(producer: OrderProducer, order: Order, writer: AcknowledgementWriter) -> None:
    """Place one order again and again until it is accepted, and record each answer."""
    started = time.monotonic()
    queued = _random(order, "queue") < STRAIGHT_TO_THE_QUEUE
    while True:
        try:
            result = producer.enqueue([order])[0] if queued else producer.place(order)
            break
        except DatabaseUnavailableError as error:
            writer.write("failed", reason=f"{EXPECTED}: {error}")
        except Exception as error:
            writer.write("failed", reason=f"{type(error).__name__}: {error}")
        time.sleep(TRY_AGAIN)
    waited = round(time.monotonic() - started, 4)
    key, money = order.idempotency_key, (order.amount, order.currency)
    answer = Acknowledgement(result.order_id, key, *money, result.status.value, waited)
    writer.write("acknowledged", **asdict(answer))


def _answered(record: Path) -> set[str]:
    reader = AcknowledgementReader(record)
    reader.follow()
    return {answer.key for answer in reader.acknowledgements}


def _clicks(order: Order) -> Iterator[Order]:
    yield order
    if _random(order, "twice") < DOUBLE_CLICKS:
        yield order


def _random(order: Order, question: str) -> float:
    """Random, but the same for the same order, also after the process was killed."""
    return random.Random(f"{order.idempotency_key}:{question}").random()


if __name__ == "__main__":
    main()

"""A shop that ends while a charge goes on behind: ``python -m tests.integration.producers.leaving_shop HOW``.

It places one order, writes what it was told as a line of JSON, and ends in the given way.
"""

import asyncio
import atexit
import gc
import json
import os
import signal
import sys
import threading
import time
from contextlib import suppress

from breakwall.producers import AsyncOrderProducer, Order, OrderNotFoundError, OrderProducer

ORDER = Order(user_id="u1", amount=1000, currency="KRW", idempotency_key="cart-1")
WAIT = 1.0


def main(how: str) -> None:
    if how == "loop":
        asyncio.run(place_in_a_loop())
        return
    if how == "billiard":
        end_as_a_child_of_billiard()
        return
    if how == "drops":
        drop_without_close()
        return
    producer = OrderProducer.from_settings()
    if how == "thread":
        place_when_main_has_ended(producer)
        return
    with suppress(OrderNotFoundError):
        producer.get("warms-up")
    say(status=producer.place(ORDER, wait=WAIT).status.value)
    end(how, producer)


def end(how: str, producer: OrderProducer) -> None:
    match how:
        case "returns":
            return
        case "exits":
            sys.exit(3)
        case "raises":
            raise KeyboardInterrupt
        case "looks at its exit":
            atexit.register(lambda: say(at_exit=producer.get("cart-1").status.value))
        case "closes":
            producer.close()
            say(status=producer.get("cart-1").status.value)
            os._exit(0)
        case "is killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "forks":
            fork(producer)


def end_as_a_child_of_billiard() -> None:
    """It ends with ``os._exit``, as all of them do."""
    import billiard

    def place() -> None:
        say(status=OrderProducer.from_settings().place(ORDER, wait=WAIT).status.value)

    child = billiard.Process(target=place)
    child.start()
    child.join()


def drop_without_close() -> None:
    producer = OrderProducer.from_settings()
    say(status=producer.place(ORDER, wait=30).status.value)
    del producer
    deadline = time.monotonic() + 60
    while threading.active_count() > 1 and time.monotonic() < deadline:
        gc.collect()  # A thread that has just finished its work may still hold it.
        time.sleep(0.01)
    say(threads=[thread.name for thread in threading.enumerate()])
    os._exit(0)


def place_when_main_has_ended(producer: OrderProducer) -> None:
    """As an application's own worker thread, which the interpreter waits for."""
    # Billiard would wait at the exit, too; a producer that is made of its parts may have none.
    sys.modules.pop("billiard.util", None)
    first = Order(user_id="u1", amount=1000, currency="KRW", idempotency_key="starts-the-threads")
    say(first=producer.place(first, wait=30).status.value)

    def place() -> None:
        threading.main_thread().join()
        say(status=producer.place(ORDER, wait=WAIT).status.value)

    threading.Thread(target=place).start()


def fork(producer: OrderProducer) -> None:
    """The child has room of its own, waits for nothing of its parent's, and ends first."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        say(parent=producer.get("cart-1").status.value)
        return
    other = Order(user_id="u1", amount=1000, currency="KRW", idempotency_key="of-the-child")
    in_hand = len(producer.placing.in_hand)
    say(child=producer.place(other, wait=WAIT).status.value, in_hand=in_hand)
    producer.close()
    say(child=producer.get("of-the-child").status.value)
    os._exit(0)


async def place_in_a_loop() -> None:
    producer = AsyncOrderProducer.from_settings()
    with suppress(OrderNotFoundError):
        await producer.get("warms-up")
    say(status=(await producer.place(ORDER, wait=WAIT)).status.value)


def say(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])

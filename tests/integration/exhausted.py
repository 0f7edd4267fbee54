"""A shop in a process that exhausts a resource: ``python -m tests.integration.exhausted WHAT``.

It places orders from many threads with too little of the resource, and writes each caller's answer into a line of JSON.
After a line on stdin it places them again, with enough.
"""

import json
import mmap
import os
import resource
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from breakwall.producers import Order, OrderProducer


def main(what: str) -> None:
    producer = OrderProducer.from_settings()
    if what != "descriptors":  # without descriptors everything is used for the first time, too
        producer.place(order(f"{what}-warm"))
    with SHORTAGES[what]():
        # Without memory this program cannot start sixty threads either.
        scarce = place_from_threads(producer, what, 1 if what == "memory" else 60)
    say(scarce)
    sys.stdin.readline()
    enough = place(producer, f"{what}-enough")
    # The same keys again: that is safe after any answer.
    again = {key: place(producer, key) for key in scarce}
    state = producer._breaker.status().state.value
    say({"again": again, "enough": enough, "circuit": state})
    producer.close()


def say(document: object) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def order(key: str) -> Order:
    return Order("u1", 100, "KRW", key)


def place(producer: OrderProducer, key: str) -> str:
    try:
        return producer.place(order(key)).status.value
    except BaseException as error:
        return f"{type(error).__name__}: {getattr(error, 'lack', None)}: {error}"


def place_from_threads(producer: OrderProducer, what: str, customers: int) -> dict[str, str]:
    told: dict[str, str] = {}

    def customer(number: int) -> None:
        key = f"{what}-{number}"
        told[key] = place(producer, key)

    customer(0)
    threads = [threading.Thread(target=customer, args=(number,)) for number in range(1, customers)]
    started = [thread for thread in threads if _starts(thread)]
    for thread in started:
        thread.join()
    return told


def _starts(thread: threading.Thread) -> bool:
    with suppress(RuntimeError):
        thread.start()
        return True
    return False


@contextmanager
def limit(which: int, soft: int) -> Iterator[None]:
    before = resource.getrlimit(which)
    resource.setrlimit(which, (soft, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(which, before)


@contextmanager
def descriptors() -> Iterator[None]:
    with limit(resource.RLIMIT_NOFILE, 64):
        yield


@contextmanager
def descriptors_later() -> Iterator[None]:
    """Other code in the process has taken all descriptors."""
    with limit(resource.RLIMIT_NOFILE, 64):
        taken: list[int] = []
        with suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        try:
            yield
        finally:
            for descriptor in taken:
                os.close(descriptor)


@contextmanager
def threads() -> Iterator[None]:
    """There is no memory for another thread's stack, but for everything small."""
    with limit(resource.RLIMIT_AS, _address_space() + 6 * 2**20):
        yield


@contextmanager
def memory() -> Iterator[None]:
    with limit(resource.RLIMIT_AS, _address_space()):
        hold: list[Any] = []
        for size in (2**20, 2**16, 4096):
            with suppress(OSError):
                while True:
                    hold.append(mmap.mmap(-1, size))
        blocks: list[bytes] = []
        with suppress(MemoryError):
            while True:
                blocks.append(bytes(4096))
        del blocks[:8]
        yield
        blocks.clear()
        hold.clear()


def _address_space() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


SHORTAGES: dict[str, Callable[[], Any]] = {
    "descriptors": descriptors,
    "descriptors-later": descriptors_later,
    "descriptors-on-postgresql": descriptors_later,
    "threads": threads,
    "memory": memory,
}

if __name__ == "__main__":
    main(sys.argv[1])

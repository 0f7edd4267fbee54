"""A shop in an event loop: it measures its customers and the longest time for which its loop stood still.

    python -m bench.shop_async '{"contender": "breakwall", "url": "http://127.0.0.1:8090"}'

Requests and answers are lines of JSON, as in `bench.shop`.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from bench.peers.direct import charge, new_key

Pay = Callable[[str], Awaitable[str]]
PATIENCE = 15.0  # Seconds after the last customer has come, after which all have left.
TICK = 0.005  # Seconds between two looks at the clock.


async def payer(contender: str, url: str) -> Pay | None:
    """How a contender pays; None if this version does not have it."""
    if contender == "direct":
        return lambda key: asyncio.to_thread(charge, key, url)
    import breakwall.producers as ours

    if not hasattr(ours, "AsyncOrderProducer"):
        return None
    producer = ours.AsyncOrderProducer.from_settings()
    if inspect.isawaitable(producer):
        producer = await producer

    async def pay(key: str) -> str:
        order = ours.Order(user_id="u1", amount=10_000, currency="KRW", idempotency_key=key)
        return str((await producer.place(order)).status.value)

    return pay


async def load(pay: Pay, seconds: float, customers: int) -> dict[str, Any]:
    """Let so many customers come within ``seconds``, evenly, and wait for them, but not longer than `PATIENCE`."""
    pauses: list[float] = []
    work: list[float] = []
    watch = asyncio.create_task(_watch(pauses, work))
    began = time.monotonic()
    tasks = []
    for number in range(customers):
        await asyncio.sleep(began + seconds * number / customers - time.monotonic())
        tasks.append(asyncio.create_task(_serve(pay)))
    await asyncio.wait(tasks, timeout=PATIENCE)
    watch.cancel()
    served = [task.result() if task.done() else (PATIENCE, "none") for task in tasks]
    return {
        "customers": served,
        "longest_pause": max(pauses, default=0.0),
        "longest_work": max(work, default=0.0),
    }


async def _serve(pay: Pay) -> tuple[float, str]:
    began = time.monotonic()
    try:
        answer = await pay(new_key())
    except Exception as error:
        answer = type(error).__name__
    return time.monotonic() - began, answer


async def _watch(pauses: list[float], work: list[float]) -> None:
    """Record by how much each tick was late, and the CPU seconds of the loop's thread in it."""
    while True:
        before, cpu_before = time.monotonic(), time.thread_time()
        await asyncio.sleep(TICK)
        pauses.append(time.monotonic() - before - TICK)
        work.append(time.thread_time() - cpu_before)


async def main() -> None:
    options = json.loads(sys.argv[1])
    pay = await payer(options["contender"], options["url"])
    _say({"ready": True, "missing": pay is None})
    while line := await asyncio.to_thread(sys.stdin.readline):
        request = json.loads(line)
        request.pop("do")
        assert pay is not None
        _say(await load(pay, **request))


def _say(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
    os._exit(0)  # Threads may still hang in calls.

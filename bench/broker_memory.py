"""Bytes that a waiting order takes at the broker, and how long its depth takes to read: the numbers of docs/scaling.md.

    python bench/broker_memory.py [--orders N]

Publishes N orders as the dispatcher does, on a Valkey of its own, and on a RabbitMQ of its own if one is here. Then the
messages are copied until so many thousand wait, and the depth is timed. Takes about a minute.
"""

from __future__ import annotations

import argparse
import statistics
import time
import uuid
from typing import Any

import redis
from pydantic import SecretStr

from breakwall.broker.config import QUEUE
from breakwall.broker.connections.base import IDS_A_MESSAGE
from breakwall.broker.depth import QueueDepth
from breakwall.broker.publisher import Publisher
from breakwall.settings import Settings
from tests.servers import (
    RabbitServer,
    RedisServer,
    UnavailableError,
    Workspace,
    rabbitmq_server_for_this_machine,
)

DEPTHS = (2_000, 100_000, 1_000_000)  # Messages.
ROUNDS = 51
COPIES = 1_000  # Messages in one command.
COUNTED_WITHIN = 20.0  # Seconds.


def publish(settings: Settings, orders: int) -> float:
    """Publish so many orders; returns the seconds that it took."""
    publisher = Publisher(settings)
    publisher.prepare()
    ids = [uuid.uuid4().hex for _ in range(orders)]
    began = time.perf_counter()
    sent = publisher.publish_many(ids)
    took = time.perf_counter() - began
    publisher.close()
    assert sent == orders, f"the broker has {sent} of {orders}"
    return took


def time_depth(depth: QueueDepth) -> float:
    """The median of one reading, in milliseconds."""
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        assert depth() is not None
        taken.append(time.perf_counter() - began)
    return statistics.median(taken) * 1e3


def used(client: Any) -> int:
    return int(client.info("memory")["used_memory"])


def measure_valkey(workspace: Workspace, orders: int) -> None:
    server = RedisServer(workspace)
    server.start()
    settings = Settings(broker_url=SecretStr(server.url()))
    client = redis.Redis.from_url(server.url())
    publish(settings, 20)  # Whatever is loaded once.
    before, messages = used(client), int(client.llen(QUEUE))
    took = publish(settings, orders)
    sent = int(client.llen(QUEUE)) - messages
    size = (used(client) - before) / orders
    print(
        f"{server.description}: {orders:,} orders in {sent:,} messages, {size:,.0f} bytes an order; "
        f"{orders / took:,.0f} orders/s published"
    )
    depth = QueueDepth(settings)
    message = client.lindex(QUEUE, 0)
    for number in DEPTHS:
        fill(client, message, number)
        print(f"  depth of {number:,} messages: {time_depth(depth):.2f} ms", flush=True)
    print(f"  {used(client) / DEPTHS[-1]:,.0f} bytes a message at {DEPTHS[-1]:,}")
    depth.close()
    server.close()


def fill(client: Any, message: Any, number: int) -> None:
    while (missing := number - client.llen(QUEUE)) > 0:
        client.lpush(QUEUE, *[message] * min(missing, COPIES))


def measure_rabbitmq(workspace: Workspace, orders: int) -> None:
    server = rabbitmq_server_for_this_machine(workspace)
    server.start()
    url = server.fresh_url()
    settings = Settings(broker_url=SecretStr(url))
    publish(settings, 20)
    took = publish(settings, orders)
    vhost = url.rpartition("/")[2]
    messages, memory = counted(server, vhost, at_least=orders // IDS_A_MESSAGE)
    size = f"{memory / orders:,.0f} bytes of memory an order"
    rate = f"{orders / took:,.0f} orders/s published"
    print(f"{server.description}: {orders:,} orders in {messages:,} messages, {size}; {rate}")
    depth = QueueDepth(settings)
    print(f"  depth of {messages:,} messages: {time_depth(depth):.2f} ms")
    depth.close()
    server.close()


def counted(server: RabbitServer, vhost: str, at_least: int) -> tuple[int, int]:
    """The queue's messages and the bytes of its process. A quorum queue counts them every few seconds."""
    deadline = time.monotonic() + COUNTED_WITHIN
    while True:
        table = server.control("list_queues", "--vhost", vhost, "name", "messages", "memory")
        found = next(line.split() for line in table.splitlines() if line.startswith(QUEUE))
        messages, memory = (int(cell) for cell in found[1:])
        if messages >= at_least or time.monotonic() > deadline:
            return messages, memory
        time.sleep(1)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=20_000)
    options = parser.parse_args()
    workspace = Workspace()
    try:
        measure_valkey(workspace, options.orders)
        try:
            measure_rabbitmq(workspace, options.orders)
        except UnavailableError as error:
            print(error)
    finally:
        workspace.close()


if __name__ == "__main__":
    main()

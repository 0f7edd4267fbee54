"""Republishes messages for orders that wait, that are being charged, or that finished long ago."""

import heapq
import random
import threading
import time
from collections.abc import Iterator

from breakwall.broker.publisher import Publisher
from breakwall.demo.acknowledgements import AcknowledgementReader
from breakwall.settings import Settings

MOST = 4  # Extra messages for an order that has to wait: five with the producer's own.

WITHIN = 8.0  # Seconds after the answer within which they come.

INTERVAL = 0.1


class Duplicator:
    """A thread that follows the customers' records and republishes each accepted order a few times.

    ``seed`` decides how often and when.
    """

    def __init__(self, settings: Settings, records: list[AcknowledgementReader], seed: int) -> None:
        self.published = 0  # Messages that the broker took.
        self._records = records
        self._publisher = Publisher(settings)
        self._random = random.Random(f"{seed}:duplicates")
        self._waiting: list[tuple[float, str]] = []
        self._seen = [0] * len(records)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="duplicator", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def finish(self) -> None:
        """Publish at once all that is left, and stop."""
        self.stop()
        self._follow()
        self._publish(float("inf"))
        self._publisher.close()

    def stop(self) -> None:
        """Stop without a further message. Safe to call twice."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(INTERVAL):
            self._follow()
            self._publish(time.monotonic())

    def _follow(self) -> None:
        for number, record in enumerate(self._records):
            record.follow()
            for answer in record.acknowledgements[self._seen[number] :]:
                waits = answer.status in {"queued", "in_flight"}
                for delay in self._delays(MOST if waits else 1):
                    heapq.heappush(self._waiting, (time.monotonic() + delay, answer.order_id))
            self._seen[number] = len(record.acknowledgements)

    def _delays(self, most: int) -> Iterator[float]:
        delay = 0.0
        for _ in range(self._random.randint(0, most)):
            # Often together: two workers then try to claim the order at the same moment.
            delay = delay if self._random.random() < 0.3 else self._random.uniform(0, WITHIN)
            yield delay

    def _publish(self, until: float) -> None:
        due = []
        while self._waiting and self._waiting[0][0] <= until:
            due.append(heapq.heappop(self._waiting)[1])
        self.published += self._publisher.publish_many(due)

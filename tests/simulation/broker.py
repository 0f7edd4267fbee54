"""The broker: a queue that loses, doubles, delays and reorders messages, and is wiped now and then."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from tests.simulation.engine import Task
from tests.simulation.world import Part, World

REDELIVERED_AFTER = 20.0
"""Seconds after which the message of a dead worker is delivered again (a visibility timeout)."""


@dataclass(eq=False)
class Message:
    """The ids of some orders on their way to a worker."""

    order_ids: tuple[str, ...]


class Broker(Part):
    """One queue with late acknowledgement."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._ready: list[Message] = []
        self._unacknowledged: set[Message] = set()
        self._idle: list[Task] = []

    @property
    def down(self) -> bool:
        return "broker down" in self._faults.down

    def accept(self, order_ids: tuple[str, ...]) -> None:
        """Take one message from a publisher, which relies on it from now on."""
        occurs = self._faults.occurs
        if len(order_ids) > 1:
            self._faults.seen["message of several orders"] += 1
        if occurs("message lost"):
            self._trace.record("broker", f"loses the message for {', '.join(order_ids)}")
            return
        for _ in range(2 if occurs("message doubled") else 1):
            seconds = self._rng.uniform(0.0, 90.0) if occurs("message delayed") else 0.0
            self._engine.after(seconds, partial(self._enqueue, Message(order_ids)))

    def take(self, wait_for_gate: Callable[[], None]) -> Message:
        """Wait for a message, any that is ready, and first until the consumer may fetch one."""
        task = self._engine.task
        wait_for_gate()
        while self.down or not self._ready:
            self._idle.append(task)
            try:
                self._engine.park()
            finally:
                if task in self._idle:
                    self._idle.remove(task)
            wait_for_gate()
        message = self._ready.pop(self._rng.randrange(len(self._ready)))
        self._unacknowledged.add(message)
        if self._faults.occurs("message redelivered while in hand"):
            self._engine.after(self._rng.uniform(0.0, REDELIVERED_AFTER), lambda: self._redeliver(message))
        return message

    def acknowledge(self, message: Message) -> None:
        """The worker has finished with it. A broker that is down does not notice."""
        if self.down or message not in self._unacknowledged:
            return
        self._unacknowledged.discard(message)
        if self._faults.occurs("message redelivered"):
            self._enqueue(Message(message.order_ids))

    def abandon(self, message: Message) -> None:
        """Its worker died."""
        self._engine.after(REDELIVERED_AFTER, lambda: self._redeliver(message))

    def give_back(self, message: Message) -> None:
        """Its worker has ended without acknowledging it."""
        self._redeliver(message)

    def wipe(self) -> None:
        """Start again, empty."""
        self._ready.clear()
        self._unacknowledged.clear()

    def wake_up(self) -> None:
        """The broker is back: let waiting consumers take the messages that are there."""
        for task in self._idle[: len(self._ready)]:
            self._engine.wake(task)

    def depth(self) -> int | None:
        """Messages that wait; None while the broker is down."""
        return None if self.down else len(self._ready)

    def _enqueue(self, message: Message) -> None:
        self._ready.append(message)
        if self._idle and not self.down:
            self._engine.wake(self._idle[self._rng.randrange(len(self._idle))])

    def _redeliver(self, message: Message) -> None:
        if message in self._unacknowledged:
            self._unacknowledged.discard(message)
            self._enqueue(message)


class SimulatedPublisher(Part):
    """One process's publisher, with the contract of the real one: it takes under a second and never raises.

    ``size``: the ids of one message, at most.
    """

    def __init__(self, world: World, broker: Broker, size: int) -> None:
        super().__init__(world)
        self._broker = broker
        self._size = size

    def publish_many(self, order_ids: list[str]) -> int:
        """Return how many the broker has for certain; some of the others may have arrived too."""
        hangs = self._faults.occurs("publish hangs")
        self._engine.sleep(self._rng.uniform(0.2, 1.0) if hangs else self._rng.uniform(0.001, 0.01))
        if self._broker.down or self._faults.occurs("publish fails"):
            return 0
        messages = self._messages(order_ids)
        sent = len(messages)
        if self._faults.occurs("publish breaks off"):
            sent = self._rng.randrange(sent)
        for ids in messages[:sent]:
            self._broker.accept(ids)
        for ids in messages[sent:]:
            if self._rng.random() < 0.5:
                self._broker.accept(ids)
        return sum(map(len, messages[:sent]))

    def _messages(self, order_ids: Sequence[str]) -> list[tuple[str, ...]]:
        starts = range(0, len(order_ids), self._size)
        return [tuple(order_ids[start : start + self._size]) for start in starts]

    def publish_soon(self, order_ids: list[str]) -> None:
        """In a task of its own: the caller does not wait."""
        task = self._engine.task
        self._engine.spawn(f"{task.name}/publish", task.process, lambda: self._publish(order_ids))

    def _publish(self, order_ids: list[str]) -> None:
        self.publish_many(order_ids)

    def close(self) -> None:
        """Nothing is open."""

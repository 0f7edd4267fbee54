"""A producer without threads, where a test counts or interrupts what one thread does."""

from collections.abc import Callable


class InThisThread:
    """Runs what the producer would run in a thread of its own."""

    def submit(self, work: Callable[[], None]) -> None:
        work()

    def close(self) -> None:
        """Nothing is open."""

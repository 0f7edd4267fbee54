"""What producers and workers need of a publisher."""

from typing import Protocol


class OrderPublisher(Protocol):
    """Sends orders' ids to the workers. Bounded in time, and never raises: a message is only a hint."""

    def publish_many(self, order_ids: list[str]) -> int:
        """Returns how many were sent, from the beginning of the list."""
        ...

    def close(self) -> None: ...

"""What a run of the demo was like, beside its result."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Course:
    """Noted on the way, for the report.

    Attributes:
        most_waiting: the longest that the queue was, in orders.
        came_while_open: customers who were served while the circuit was open and the payment service dead.
        calls_while_open: calls to the dead service from the moment at which the circuit opened.
        worker_killed: whether the worker was killed while it was charging.
    """

    most_waiting: int = 0
    came_while_open: int = 0
    calls_while_open: int = 0
    worker_killed: bool = False

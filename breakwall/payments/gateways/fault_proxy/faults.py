"""What the proxy does to a connection."""

import threading
from dataclasses import dataclass, field
from enum import StrEnum


class Fault(StrEnum):
    """What the proxy does instead of an answer. The first group keeps the request from the service."""

    DOWN = "down"  # Refuses connections.
    RESET_AT_ONCE = "reset_at_once"  # Resets the connection when the request comes.
    HANG_AT_ONCE = "hang_at_once"  # Takes the request, and does nothing.
    GARBAGE = "garbage"  # Answers nonsense.
    FLOOD = "flood"  # Answers nonsense without an end.

    HANG = "hang"  # Passes the request on, and keeps the answer.
    RESET = "reset"  # Passes the request on, and resets the connection instead of the answer.
    CUT = "cut"  # Passes half of the answer on, and closes.
    DRIP = "drip"  # Passes the answer on, byte by byte.

    @property
    def reaches_the_service(self) -> bool:
        """Whether the service gets the request: then it may have charged."""
        return self in {Fault.HANG, Fault.RESET, Fault.CUT, Fault.DRIP}


class Delivery(StrEnum):
    """How the proxy delivers a request."""

    HALF = "half"  # Half of it; then both connections are reset.
    # Again, on a connection of its own, once the first is answered; the second answer is passed on. Not in a tunnel.
    TWICE = "twice"
    LATE = "late"  # Once its caller has closed the connection; nobody gets the answer.


@dataclass
class Instructions:
    """What the proxy does at present. ``healed`` is set when that ends; ``held`` and ``arrived`` for a late request."""

    fault: Fault | None = None
    delivery: Delivery | None = None
    gathering: threading.Barrier | None = None  # Requests wait for each other.
    healed: threading.Event = field(default_factory=threading.Event)
    held: threading.Event = field(default_factory=threading.Event)
    arrived: threading.Event = field(default_factory=threading.Event)  # The service has answered it.

"""How many orders are begun before a slot is free, and how long results may gather for one exchange."""

AHEAD = 0.05  # Seconds of the slots' work that are begun ahead at most, and in any case no more than one order a slot.
# Seconds that results gather at most: many share a transaction, and nobody waits for one of them much longer.
LONGEST_GATHERING = 0.02
LEAST_GATHERING = 0.001  # Seconds; for less it is not worth a sleep.
MARGIN = 1.5  # An exchange may take so many times as long as usual before a slot has to wait for it.
CALL_WEIGHT = 1 / 16  # Of one call in the usual time of a call.
EXCHANGE_WEIGHT = 1 / 8


class Pace:
    """Knows how long calls and exchanges usually take, in seconds. For one thread."""

    def __init__(self) -> None:
        self._call: float | None = None  # None: none has ended yet.
        self._exchange = 0.0

    def called(self, seconds: float) -> None:
        """A call has ended."""
        self._call = seconds if self._call is None else self._call + CALL_WEIGHT * (seconds - self._call)

    def forget(self) -> None:
        """Calls take longer than was known: the next one that ends says how long."""
        self._call = None

    def exchanged(self, seconds: float) -> None:
        """An exchange with the database has ended."""
        self._exchange += EXCHANGE_WEIGHT * (seconds - self._exchange)

    def ahead(self, slots: int) -> int:
        """How many orders to begin before a slot is free, so that no slot waits for the next exchange.

        None while the service is slow: an order that is begun should not wait for long.
        """
        if self._call is None:
            return 0
        return slots if self._call <= AHEAD else int(slots * AHEAD / self._call)

    def gathering(self, ready: int, slots: int) -> float:
        """The seconds that results may gather while ``ready`` orders, which are begun, wait for a slot.

        So many orders keep the slots at work until the next exchange is over. 0.0: exchange now.
        """
        if ready <= 0 or self._call is None:
            return 0.0
        left = ready * self._call / slots - MARGIN * self._exchange
        return min(left, LONGEST_GATHERING) if left > LEAST_GATHERING else 0.0

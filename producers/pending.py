"""An order between the caller that places it and the thread that works on it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.db.errors import SAFE_TO_REPEAT
from breakwall.payments.ledger.pruned_orders import PrunedOrder
from breakwall.payments.orders import Order, OrderStatus, StoredOrder
from breakwall.producers.threads import Right

if TYPE_CHECKING:
    from opentelemetry.context import Context

# Seconds after ``wait`` in which a commit may still be confirmed.
COMMIT_GRACE = 0.4
LONGEST_WAIT = 86_400.0  # Seconds. Longer ones overflow a lock's timeout.


@dataclass(frozen=True, slots=True)
class PlaceResult:
    """The state of an order that was placed.

    Attributes:
        order_id: Breakwall's id of the order.
        status: its state now; compares equal to ``"paid"``, ``"queued"``, ``"in_flight"``, ….
        charge_id: the payment service's id of the charge, once the order is paid.
        replayed: the idempotency key was known, so nothing was done; this is the earlier order's state.
        reason: why it ended as it did, one of `EndReason` or a decline code; None while it is open, for a payment, and
            if another process has just ended it.
    """

    order_id: str
    status: OrderStatus
    charge_id: str | None = None
    replayed: bool = False
    reason: str | None = None


class Signal(Protocol):
    """Set by the thread that works on an order; its caller waits for it in its own way."""

    def set(self) -> None:
        """Safe from any thread, also a second time."""


class PendingOrder:
    """One order that is being placed. Its caller leaves after a while; the work goes on."""

    def __init__(
        self, order: Order, *, waits_until: float, accepted: Signal, finished: Signal, may_block: bool = True
    ) -> None:
        self.order = order
        self.waits_until = waits_until  # When its caller wants to leave, on the producer's monotonic clock.
        self.ends_by = math.inf  # When the interpreter's exit no longer waits for it, on the same clock.
        self.may_block = may_block  # Whether its caller's thread may do the work if no other can be started.
        self.caller_left = False
        self._committing = False
        # Its end is being recorded without an outcome, because its caller is told; and whether it is being committed.
        self._telling = self._telling_for_sure = False
        self._withdrawn = False  # Its caller was told that it is in flight.
        self._accepted, self._finished = accepted, finished
        self._result: PlaceResult | None = None
        self._error: Exception | None = None
        self.trace: Context | None = None  # Its caller's span, from `tracing.carry`.
        self.work = Right()  # Of a thread to charge it, or of its caller to give it up before.

    def accept(self, order_id: str) -> None:
        """The order is committed, and is being charged."""
        self._result = PlaceResult(order_id, OrderStatus.IN_FLIGHT)
        self._accepted.set()

    def finish(self, result: PlaceResult) -> None:
        """The work has ended, and the order is accepted."""
        self._result = result
        self._finished.set()
        self._accepted.set()

    def fail(self, error: Exception) -> None:
        """The order is not accepted, or that is not known. Once it is accepted, that is what its caller is told."""
        if self._result is None:
            self._error = error
        self._finished.set()
        self._accepted.set()

    def leave(self) -> PlaceResult:
        """What its caller is told now. Raises the work's error.

        Raises `DatabaseUnavailableError` if the order was not accepted in time; its text says whether it may still be.
        Also if the order's end may be committed for this caller, and that was not confirmed: nobody else is told then.
        """
        self.caller_left = True
        if self._error is not None:
            raise self._error
        if self._result is None:
            raise _late(may_be_accepted=self._committing)
        return self._result if self._result.status.is_final else self._leave_in_flight(self._result)

    def _leave_in_flight(self, in_flight: PlaceResult) -> PlaceResult:
        # In this sequence, and the other way round in `confirm_telling`: at least one of the two sees the other.
        self._withdrawn = True
        if not self._telling_for_sure:
            return in_flight
        if self._result is None or not self._result.status.is_final:
            raise _untold()
        return self._result  # It was confirmed just now.

    def time_is_over(self) -> bool:
        """Its caller wants to leave. True: its end is just being recorded for it, so it should wait a little more."""
        self.caller_left = True
        return self._telling

    def begin_telling(self) -> bool:
        """Call this last before its end is recorded. False: its caller has left, so write an outcome."""
        # In this sequence, and the other way round in `leave`: at least one of the two sees the other.
        self._telling = True
        if self.caller_left:
            self._telling = False
        return self._telling

    def confirm_telling(self) -> bool:
        """Call this last before its end is committed without an outcome. False: its caller has been told otherwise."""
        self._telling_for_sure = True
        if self._withdrawn:
            self._telling_for_sure = False
        return self._telling_for_sure

    def stop_telling(self) -> None:
        """Nothing was committed that its caller would have to be told."""
        self._telling = self._telling_for_sure = False

    def check_caller(self) -> None:
        """Raise `DatabaseUnavailableError` if its caller has left: nobody would learn that the order is accepted."""
        if self.caller_left:
            raise _late(may_be_accepted=False)

    def begin_commit(self) -> bool:
        """Call this last before the order is committed. If it returns False, its caller has left: do not commit it."""
        # In this sequence, and the other way round in `leave`: a caller that is told "not accepted" is seen here.
        self._committing = True
        return not self.caller_left

    def check_before_commit(self) -> None:
        """`begin_commit`, which raises `DatabaseUnavailableError` instead of returning False."""
        if not self.begin_commit():
            raise _late(may_be_accepted=False)


def _late(*, may_be_accepted: bool) -> DatabaseUnavailableError:
    if may_be_accepted:
        what = "did not confirm the order in time. It may be accepted or not"
    else:
        what = "did not take the order in time. It is not accepted"
    return DatabaseUnavailableError(f"the orders database {what}; {SAFE_TO_REPEAT}")


def _untold() -> DatabaseUnavailableError:
    return DatabaseUnavailableError(
        "the orders database did not confirm in time how the order has ended. It is accepted, and may be paid or "
        f"not: place it again to learn that. {SAFE_TO_REPEAT[0].upper()}{SAFE_TO_REPEAT[1:]}"
    )


def replay(known: StoredOrder | PrunedOrder) -> PlaceResult:
    """The result for an order that was placed before."""
    # A process from before revision 0007 left the reason of an earlier end as it was, also when the order was paid.
    has_reason = known.status.is_final and known.status is not OrderStatus.PAID
    reason = known.reason if has_reason else None
    return PlaceResult(known.id, known.status, known.charge_id, replayed=True, reason=reason)


def check_wait(wait: float, name: str = "wait") -> float:
    """Return the seconds, at most `LONGEST_WAIT`. Raises `ValueError`, which names it, for what is no such number."""
    if isinstance(wait, bool) or not isinstance(wait, int | float) or not wait >= 0:
        raise ValueError(f"{name} should be a number of seconds of at least 0")
    return min(float(wait), LONGEST_WAIT)


def as_exception(error: BaseException) -> Exception:
    """What a caller is told if the work for its order raised ``error``.

    An exit or a cancellation is not the caller's: a driver has raised it, or a signal's handler in another thread.
    """
    if isinstance(error, Exception):
        return error
    interrupted = DatabaseUnavailableError(
        f"storing the order was interrupted ({type(error).__name__}). It may be accepted or not; {SAFE_TO_REPEAT}"
    )
    interrupted.__cause__ = error
    return interrupted

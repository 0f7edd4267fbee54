"""What a breaker asks of its copy of a circuit, wherever the circuit is kept."""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol, TypeVar

from breakwall.breaker.circuit.operations import Operation
from breakwall.breaker.circuit.state import CallOutcome, Circuit
from breakwall.breaker.sync.fast_path import FastPath

T = TypeVar("T")

# What a caller may wait for: done when the store has answered, or is known not to. None: there is nothing to wait for.
Pending = Future[None] | None
# Code that waits for several of these, one after the other. A thread and an event loop wait in different ways, so the
# code only yields what is to be waited for: `Replica.run` and `Replica.run_async` wait.
Steps = Generator[Future[None], None, T]


@dataclass(frozen=True, slots=True)
class Observer:
    """Whom a replica tells; the first with its lock held, the others outside of every lock.

    Attributes:
        on_fast_path: the fast path for calls from now on, or None when each call has to ask.
        on_change: the circuit before and after a transition or a change of its override, and the store's time.
        on_store: None when the store answers again, else the name of the error that it is lost with.
    """

    on_fast_path: Callable[[FastPath | None], None]
    on_change: Callable[[Circuit, Circuit, float], None]
    on_store: Callable[[str | None], None]


class Replica(Protocol):
    """One breaker's copy of a circuit, at most one refresh interval old. Safe for threads.

    A method that returns something `Pending` has begun its work already; whoever does not wait for it loses nothing.
    """

    @property
    def circuit(self) -> Circuit:
        """The copy. A frozen value."""
        ...

    @property
    def store_error(self) -> str | None:
        """The name of the error that the store is slow or lost with; None if it answers."""
        ...

    @property
    def is_in_touch(self) -> bool:
        """Whether the store has answered the last time, and ever."""
        ...

    @property
    def fast_path(self) -> FastPath | None:
        """Of the closed generation, if it is closed."""
        ...

    def now(self) -> float:
        """The store's time, as far as this process can tell."""
        ...

    # --- before a call

    def look(self) -> Pending:
        """Have the copy renewed if it is older than the refresh interval. The circuit does not change."""
        ...

    def refresh(self) -> Pending:
        """`look`, before a call: what time alone has done is stored too."""
        ...

    def request_lease(self, lease_id: str) -> Pending:
        """Ask for a probe's lease."""
        ...

    def has_lease(self, lease_id: str) -> bool:
        """Whether the lease was granted; if not, the request is taken back."""
        ...

    def give_up_lease(self, lease_id: str) -> None:
        """The caller was cancelled or interrupted while it waited for the lease: nobody will use it."""
        ...

    # --- after a call

    def record_probe(self, lease_id: str, outcome: CallOutcome, hold: float | None) -> Pending:
        """A probe has ended; the service may have asked for a pause of ``hold`` seconds."""
        ...

    def record_failure(self, generation: int, *, slow: bool, hold: float | None) -> Pending:
        """A call of the closed ``generation`` failed, or was slow."""
        ...

    # --- waiting

    def run(self, steps: Steps[T]) -> T:
        """Take ``steps`` in this thread."""
        ...

    async def run_async(self, steps: Steps[T]) -> T:
        """`run` for an event loop, which is not blocked."""
        ...

    def wait(self, pending: Pending) -> None:
        """Wait in this thread, at most the store time-out."""
        ...

    async def wait_async(self, pending: Pending) -> None:
        """`wait` for an event loop."""
        ...

    # --- operators, and the end

    def confirm(self, operation: Operation, patience: float) -> bool:
        """Have ``operation`` stored within ``patience`` seconds, or not at all; whether it was."""
        ...

    def close(self, patience: float) -> None:
        """Store what was counted, within ``patience`` seconds, and leave the store."""
        ...

    def reset(self) -> None:
        """Forget everything, in a forked child: what was counted is the parent's to report."""
        ...

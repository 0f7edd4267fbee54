"""Whether the caller of `place` is told how its order ended. Then no outcome is written, see `outcome_trigger`."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol

from breakwall.payments.orders import OrderStatus


class Caller(Protocol):
    """Waits for an order's end, and may leave at any time."""

    def begin_telling(self) -> bool:
        """Call this last before an end is recorded. True: it still waits, and is told what is committed then."""

    def confirm_telling(self) -> bool:
        """Call this last before the commit. False: it has left meanwhile, so nothing may be committed for it."""

    def stop_telling(self) -> None:
        """Nothing was committed that it would have to be told."""


class CallerLeftError(Exception):
    """The caller has left while its order's end was recorded for it. Roll back, and record the end with an outcome."""


class tells:  # noqa: N801 - it is used as a function is
    """For a transaction that may end an order: ``told`` says whether the caller is told what it leads to.

    A class, because a generator costs a `place` twice as much.
    """

    __slots__ = ("_caller", "_kept", "told")

    def __init__(self, caller: Caller | None) -> None:
        self._caller = caller
        self._kept = False
        self.told = False

    def keep(self, status: OrderStatus) -> None:
        """The order has this state now, which is committed next. If it has not ended, there is nothing to tell.

        Raises `CallerLeftError`.
        """
        if self.told and status.is_final:
            if self._caller is None or not self._caller.confirm_telling():
                raise CallerLeftError
            self._kept = True

    def __enter__(self) -> tells:
        self.told = self._caller is not None and self._caller.begin_telling()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # An error before the commit: then nothing is committed.
        if self.told and self._caller is not None and not self._kept:
            self._caller.stop_telling()

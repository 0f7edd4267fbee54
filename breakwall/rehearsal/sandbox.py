"""The sandbox, as the questions see it.

Every call goes through here: so each charge is listed, and there are not more than permitted.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import cast

from breakwall.payments.gateways import (
    Advice,
    CancellingGateway,
    ChargeAnswer,
    ChargeRequest,
    Gateway,
    LookupAnswer,
    LookupResult,
    Outcome,
    Prepared,
    PreparingGateway,
)
from breakwall.payments.gateways.fault_proxy import FaultProxy
from breakwall.payments.gateways.trusted_answers import hide_secrets
from breakwall.pickling import Picklable
from breakwall.rehearsal.charges import MadeCharges
from breakwall.rehearsal.requests import Requests

SHORTEST_SEARCH = 60.0  # Seconds for which the first charge is searched, at least.
NEXT_SEARCH = 10.0  # Seconds, at least, for charges after one that was found.
MARGIN = 3  # Times the slowest look-up until now.
IN_A_ROW = 3  # A look-up that finds a charge so often finds it from then on.
FIRST_WAIT, LONGEST_WAIT = 0.25, 5.0  # Seconds between two look-ups; doubled each time.
PAUSE, LONGEST_PAUSE = 1.0, 30.0  # Seconds, if the sandbox is busy.
PAUSES = 3


class LimitReachedError(Exception):
    """No more may be asked. Its text says why."""


class NoChargeError(Picklable, Exception):
    """A charge that a question needs was not made."""

    def __init__(self, answer: ChargeAnswer) -> None:
        super().__init__(answer.code or answer.outcome.value)
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Found:
    """The last answer of a search, and the seconds until the charge was found; None: it was not."""

    answer: LookupAnswer
    seconds: float | None


@dataclass(frozen=True, slots=True)
class RehearsalLimits:
    """How much a rehearsal may do. ``timeout``: seconds for one call; ``seconds`` for everything."""

    charges: int = 40
    seconds: float = 300.0
    timeout: float = 10.0


class Sandbox:
    """A sandbox of the payment service.

    Args:
        proxy: the one that the gateway's calls go through; None: they go another way.
        clock: monotonic seconds.
        sleep: waits for seconds.
    """

    def __init__(
        self,
        gateway: Gateway,
        requests: Requests,
        limits: RehearsalLimits,
        *,
        proxy: FaultProxy | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.gateway, self.profile, self.requests = gateway, gateway.profile, requests
        self.charges = MadeCharges(gateway.profile.absent_after)
        self.proxy = proxy
        self.has_charged = False  # A charge was answered as paid.
        self.finds: bool | None = None  # Whether its look-up finds charges, once that is known.
        self.slowest_find = 0.0  # Seconds.
        self.limits, self._sent, self._lock = limits, 0, threading.Lock()
        self.clock, self._sleep = clock, sleep
        self._end = clock() + limits.seconds

    @property
    def can_cut(self) -> bool:
        """Whether the gateway's calls go through our proxy."""
        return self.proxy is not None and self.proxy.received > 0

    @property
    def can_read(self) -> bool:
        """Whether our proxy sees the requests: none came in a tunnel."""
        return self.proxy is not None and self.can_cut and self.proxy.tunnels == 0

    def paid(self, request: ChargeRequest) -> ChargeAnswer:
        """Charge, and raise `NoChargeError` if that fails."""
        answer = self.charge(request)
        if answer.outcome is not Outcome.SUCCEEDED:
            if answer.outcome is Outcome.UNKNOWN:
                self.look_up(request)
            raise NoChargeError(answer)
        return answer

    def charge(self, request: ChargeRequest, *, deliveries: int = 1) -> ChargeAnswer:
        """Charge as the pipeline does: prepared first, if the profile says so. Waits for a sandbox that is busy.

        Raises `LimitReachedError` before it would exceed a limit.
        """
        answer = self.charge_once(request, deliveries=deliveries)
        for _ in range(PAUSES):
            if answer.outcome is not Outcome.THROTTLED and answer.advice is not Advice.LOOK_AGAIN:
                break
            self.wait(min(answer.retry_after or PAUSE, LONGEST_PAUSE))
            answer = self.charge_once(request, deliveries=deliveries)
        return answer

    def charge_once(
        self, request: ChargeRequest, *, deliveries: int = 1, timeout: float | None = None
    ) -> ChargeAnswer:
        """The same without waiting. ``timeout``: seconds, instead of those of the limits."""
        self._take(deliveries)
        ready = self.prepared(request)
        answer = ready if isinstance(ready, ChargeAnswer) else self._confirm(ready, deliveries, timeout)
        self.has_charged = self.has_charged or answer.outcome is Outcome.SUCCEEDED
        return answer

    def _confirm(self, request: ChargeRequest, deliveries: int, timeout: float | None) -> ChargeAnswer:
        self.charges.sending(request, deliveries)
        answer = hide_secrets(self.gateway.charge(request, deadline=self._deadline(timeout)), request)
        self.charges.answered(request, answer, self.clock(), deliveries)
        return answer

    def at_once(self, request: ChargeRequest, number: int) -> list[ChargeAnswer]:
        """The answers to so many charges of one request at the same time."""
        gate = threading.Barrier(number)

        def charge(_: int) -> ChargeAnswer:
            gate.wait()
            return self.charge_once(request)

        with ThreadPoolExecutor(number) as pool:
            return list(pool.map(charge, range(number)))

    def prepared(self, request: ChargeRequest) -> ChargeRequest | ChargeAnswer:
        """The request that only has to be confirmed; an answer instead if it cannot be prepared."""
        if request.prepared is not None or not isinstance(self.gateway, PreparingGateway):
            return request
        self._check_time()
        made = self.gateway.prepare(request, deadline=self._deadline())
        return (
            replace(request, prepared=made.id) if isinstance(made, Prepared) else hide_secrets(made, request)
        )

    def ready(self) -> ChargeRequest:
        """A new request; prepared if the profile says so, and `NoChargeError` if that fails."""
        made = self.prepared(self.requests.new())
        if isinstance(made, ChargeAnswer):
            raise NoChargeError(made)
        return made

    def look_up(self, request: ChargeRequest) -> LookupAnswer:
        """Ask for the charge of a request, as the pipeline does."""
        self._check_time()
        at = self.clock()
        if request.prepared is not None and isinstance(self.gateway, PreparingGateway):
            answer = self.gateway.look_up_prepared(request.prepared, deadline=self._deadline())
        else:
            answer = self.gateway.look_up(request.idempotency_key, deadline=self._deadline())
        answer = hide_secrets(answer, request)
        self.charges.looked_up(request, answer, at)
        return answer

    def cancel(self, request: ChargeRequest) -> LookupAnswer:
        """Cancel the charge of a request. The gateway's profile says that it can."""
        self._check_time()
        gateway, at = cast("CancellingGateway", self.gateway), self.clock()
        answer = hide_secrets(gateway.cancel(request, deadline=self._deadline()), request)
        self.charges.looked_up(request, answer, at)
        return answer

    def search(
        self, request: ChargeRequest, *, shortest: float = NEXT_SEARCH, since: float | None = None
    ) -> Found:
        """Look a charge up until it is found `IN_A_ROW` times, or for as long as is sensible.

        ``shortest``: seconds, at least, if it is known already how long its look-up needs. ``since``: from when on the
        seconds count, by `clock`; None: from now on.
        """
        start = self.clock() if since is None else since
        wait, in_a_row, first = FIRST_WAIT, 0, 0.0
        end = min(start + self._search_time(shortest), self._end)
        while True:
            at = self.clock() - start
            answer = self.look_up(request)
            found = answer.result is LookupResult.SUCCEEDED
            in_a_row, first = (in_a_row + 1, first if in_a_row else at) if found else (0, 0.0)
            if in_a_row == IN_A_ROW:
                self.finds, self.slowest_find = True, max(self.slowest_find, first)
                return Found(answer, first)
            if found:
                self.wait(FIRST_WAIT)  # Other servers of the service answer, too.
                continue
            if self.clock() >= end:
                return Found(answer, None)
            self.wait(min(wait, end - self.clock()))
            wait = min(2 * wait, LONGEST_WAIT)

    def _search_time(self, shortest: float) -> float:
        """Seconds: long at first, until it is known how long its look-up needs, or that it finds nothing."""
        if self.finds is None:
            return max(2 * self.profile.absent_after, SHORTEST_SEARCH)
        return max(MARGIN * self.slowest_find, shortest) if self.finds else 0.0

    def wait(self, seconds: float) -> None:
        """Wait, but not past the end of the time."""
        self._sleep(min(seconds, max(self._end - self.clock(), 0.0)))

    def _take(self, charges: int) -> None:
        """Count a request, whatever its answer will be: what the service promises is not trusted here."""
        with self._lock:
            self._check_time()
            if self._sent + charges > self.limits.charges:
                raise LimitReachedError(f"{self.limits.charges} charges were tried")
            self._sent += charges

    def _check_time(self) -> None:
        """Raise `LimitReachedError` if nothing more may be sent."""
        if self.clock() >= self._end:
            raise LimitReachedError(f"its {self.limits.seconds:g} s were over")

    def _deadline(self, timeout: float | None = None) -> float:
        """Of one call. Gateways read the real clock."""
        return time.monotonic() + (timeout or self.limits.timeout)

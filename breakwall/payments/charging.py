"""One attempt, from its permit to its recorded result, for the producer and the worker."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace

from breakwall import tracing
from breakwall.breaker import Permit
from breakwall.crashpoints import reach
from breakwall.payments.db.lock_timeouts import LockBudget
from breakwall.payments.decisions import Decision, after_attempt, without_look_up
from breakwall.payments.gateways.base import (
    Advice,
    ChargeAnswer,
    ChargeRequest,
    Gateway,
    Health,
    LookupAnswer,
    Outcome,
    Prepared,
    PreparingGateway,
)
from breakwall.payments.ledger.claim import Attempt
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.ledger.record import Recorded
from breakwall.payments.ledger.telling import Caller
from breakwall.payments.ledger.traces import trace_of
from breakwall.payments.orders import OrderStatus
from breakwall.payments.retry_policy import RetryPolicy
from breakwall.payments.verification import verified


class Charger:
    """Sends attempts whose rows are committed, and records their results.

    ``jitter``: uniform random numbers from 0 to 1. ``on_recorded`` is called with each answer to a charge, once it is
    recorded.
    """

    def __init__(
        self,
        gateway: Gateway,
        ledger: Ledger,
        policy: RetryPolicy,
        jitter: Callable[[], float],
        *,
        on_recorded: Callable[[ChargeAnswer], None] = lambda answer: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.gateway = gateway
        self.ledger = ledger
        self.policy = policy
        self.jitter = jitter
        self.on_recorded = on_recorded
        self.monotonic = monotonic
        # Called with each answer before the breaker gets the result; by `Retrier` for look-ups. `log_circuit` sets it.
        self.on_received: Callable[[ChargeAnswer | LookupAnswer], None] = lambda answer: None

    def send(
        self,
        attempt: Attempt,
        permit: Permit,
        *,
        deadline: float,
        send_by: float = math.inf,
        lock_budget: LockBudget | None = None,
        caller: Caller | None = None,
    ) -> Recorded:
        """Charge by the ``deadline`` (monotonic), report to the breaker, record. No transaction is open meanwhile.

        After ``send_by`` (monotonic) nothing is sent: the order has expired. A ``caller`` as in `Ledger.record`.

        Returns the order's state afterwards. If the answer cannot be recorded, raises
        `DatabaseUnavailableError`: the claim expires then, and a later claim resolves the attempt. Raises `LookupError`
        if the order is no longer in the database.
        """
        answer = self.charge(attempt, permit, deadline=deadline, send_by=send_by)
        return self.record(attempt, answer, lock_budget, caller)

    def charge(
        self, attempt: Attempt, permit: Permit, *, deadline: float, send_by: float = math.inf
    ) -> ChargeAnswer:
        """Charge by the ``deadline`` (monotonic), and report to the breaker. The answer is to be recorded next."""
        with released_on_error(permit), self._span(attempt) as span:
            permit.sent()
            answer = self._call(attempt, deadline, send_by)
            span.set(outcome=answer.outcome.value, code=answer.code)
        self.on_received(answer)
        report_health(permit, answer)
        return answer

    def _span(self, attempt: Attempt) -> AbstractContextManager[tracing.Span]:
        """The attempt in its order's trace."""
        if not tracing.is_on():
            return nullcontext(tracing.OFF)
        order_id = attempt.claim.order_id
        parent = None if tracing.carry() else trace_of(self.ledger.database, order_id)
        return tracing.span("charge", parent=parent, order_id=order_id, attempt=attempt.number)

    def _call(self, attempt: Attempt, deadline: float, send_by: float) -> ChargeAnswer:
        request, gateway = attempt.claim.request, self.gateway
        if gateway.profile.prepares:
            prepared = request.prepared or self._prepare(request, deadline)
            if isinstance(prepared, ChargeAnswer):
                return prepared
            if not self.ledger.confirm(attempt, prepared):
                return NOT_CONFIRMED
            request = replace(request, prepared=prepared)
        reach("before", "charge")
        if self.monotonic() > send_by:
            return EXPIRED
        answer = gateway.charge(request, deadline=deadline)
        reach("after", "charge")
        return answer

    def _prepare(self, request: ChargeRequest, deadline: float) -> str | ChargeAnswer:
        """The id of a charge that is prepared now; or why there is none, which proves that nothing was charged."""
        if not isinstance(self.gateway, PreparingGateway):
            raise TypeError("the gateway's profile says that it prepares, but it has no method `prepare`")
        reach("before", "prepare")
        prepared = self.gateway.prepare(request, deadline=deadline)
        reach("after", "prepare")
        return prepared.id if isinstance(prepared, Prepared) else not_prepared(prepared)

    def trusted(self, attempt: Attempt, answer: ChargeAnswer) -> ChargeAnswer:
        """The answer, as far as it is trusted."""
        return without_look_up(verified(answer, attempt.claim.request), self.gateway.profile)

    def record(
        self,
        attempt: Attempt,
        answer: ChargeAnswer,
        lock_budget: LockBudget | None = None,
        caller: Caller | None = None,
    ) -> Recorded:
        """Record an answer of `charge`, and what it leads to. Returns and raises what `send` does."""
        profile, progress = self.gateway.profile, attempt.claim.progress
        trusted = self.trusted(attempt, answer)
        if answer in {EXPIRED, NOT_CONFIRMED}:
            # Something has happened meanwhile: the next claim reads what, and decides.
            decision = Decision(OrderStatus.QUEUED, uncharged=not progress.unresolved)
        else:
            decision = after_attempt(trusted, progress, profile, self.policy, self.jitter())
        result = self.ledger.record(attempt, trusted, decision, lock_budget, caller)
        self.on_recorded(answer)
        return result


EXPIRED = ChargeAnswer(
    Outcome.NOT_SENT,
    Health.NEUTRAL,
    code="expired",
    detail="The order's last moment passed before it was sent.",
)
NOT_CONFIRMED = ChargeAnswer(
    Outcome.NOT_SENT,
    Health.NEUTRAL,
    code="not_confirmed",
    detail="The prepared charge was not confirmed: the claim was lost, or nobody wants the charge any more.",
)


ONLY_PREPARED = "It was to prepare the charge only, so nothing was charged."


def not_prepared(answer: ChargeAnswer) -> ChargeAnswer:
    """An answer of `PreparingGateway.prepare`: whatever it says, nothing was confirmed, so nothing was charged."""
    answer = _about_its_key(answer)
    if answer.health is Health.FAILURE:
        answer = replace(answer, detail=" ".join(filter(None, (answer.detail, ONLY_PREPARED))))
    if answer.outcome is Outcome.UNKNOWN:
        # What is still running charges nothing either: it is tried again after the backoff.
        advice = Advice.RETRY if answer.advice is Advice.LOOK_AGAIN else answer.advice
        return replace(answer, outcome=Outcome.FAILED, advice=advice)
    if answer.outcome is Outcome.SUCCEEDED:
        return replace(answer, outcome=Outcome.UNKNOWN, advice=Advice.REVIEW)
    return answer


def _about_its_key(answer: ChargeAnswer) -> ChargeAnswer:
    """The answer, so that the order gets another key only after a replay.

    A restored database may have lost a request with the same key that charged. A replay proves that there was none. As
    it is old, it refuses nothing now, and says nothing about the service's health.
    """
    if answer.replayed:
        advice = Advice.RETRY if answer.advice is Advice.STOP else answer.advice
        return replace(answer, health=Health.NEUTRAL, advice=advice)
    return replace(answer, spends_key=answer.spends_key and answer.advice is Advice.REVIEW)


def report_health(permit: Permit, answer: ChargeAnswer | LookupAnswer) -> None:
    """Record what the answer says about the service's health, which ends the permit.

    If the service asks for a pause, the circuit opens for that time; if it only refuses too many calls a second, the
    retry queue sends fewer (`Permit.record_throttled`).
    """
    match answer.health:
        case Health.SUCCESS:
            permit.record_success()
        case Health.FAILURE:
            permit.record_failure(answer.retry_after)
        case Health.THROTTLED:
            permit.record_throttled(answer.retry_after)
        case Health.NEUTRAL:
            permit.release()


@contextmanager
def released_on_error(permit: Permit) -> Iterator[None]:
    """Release the permit if our own code or the database raises in this block. The service's failures are answers."""
    try:
        yield
    except BaseException:
        permit.release()
        raise

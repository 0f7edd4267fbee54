"""One attempt, from its permit to its recorded result, for the producer and the worker."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from breakwall.breaker import Permit
from breakwall.crashpoints import reach
from breakwall.payments.db.lock_timeouts import LockBudget
from breakwall.payments.decisions import after_attempt, without_look_up
from breakwall.payments.gateways.base import ChargeAnswer, Gateway, Health, LookupAnswer
from breakwall.payments.ledger.claim import Attempt
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.ledger.telling import Caller
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
    ) -> None:
        self.gateway = gateway
        self.ledger = ledger
        self.policy = policy
        self.jitter = jitter
        self.on_recorded = on_recorded
        # Called with each answer before the breaker gets the result; by `Retrier` for look-ups. `log_circuit` sets it.
        self.on_received: Callable[[ChargeAnswer | LookupAnswer], None] = lambda answer: None

    def send(
        self,
        attempt: Attempt,
        permit: Permit,
        *,
        deadline: float,
        lock_budget: LockBudget | None = None,
        caller: Caller | None = None,
    ) -> tuple[OrderStatus, str | None]:
        """Charge by the ``deadline`` (monotonic), report to the breaker, record. No transaction is open meanwhile.

        Returns the order's state and, if it is paid, the charge's id; a ``caller`` as in `Ledger.record`. If the answer
        cannot be recorded, raises
        `DatabaseUnavailableError`: the claim expires then, and a later claim resolves the attempt. Raises `LookupError`
        if the order is no longer in the database.
        """
        return self.record(attempt, self.charge(attempt, permit, deadline=deadline), lock_budget, caller)

    def charge(self, attempt: Attempt, permit: Permit, *, deadline: float) -> ChargeAnswer:
        """Charge by the ``deadline`` (monotonic), and report to the breaker. The answer is to be recorded next."""
        with released_on_error(permit):
            reach("before", "charge")
            permit.sent()
            answer = self.gateway.charge(attempt.claim.request, deadline=deadline)
            reach("after", "charge")
        self.on_received(answer)
        report_health(permit, answer)
        return answer

    def trusted(self, attempt: Attempt, answer: ChargeAnswer) -> ChargeAnswer:
        """The answer, as far as it is trusted."""
        return without_look_up(verified(answer, attempt.claim.request), self.gateway.profile)

    def record(
        self,
        attempt: Attempt,
        answer: ChargeAnswer,
        lock_budget: LockBudget | None = None,
        caller: Caller | None = None,
    ) -> tuple[OrderStatus, str | None]:
        """Record an answer of `charge`, and what it leads to. Returns and raises what `send` does."""
        profile, progress = self.gateway.profile, attempt.claim.progress
        trusted = self.trusted(attempt, answer)
        decision = after_attempt(trusted, progress, profile, self.policy, self.jitter())
        result = self.ledger.record(attempt, trusted, decision, lock_budget, caller)
        self.on_recorded(answer)
        return result


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

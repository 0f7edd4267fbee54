"""One attempt, from its permit to its recorded result; the producer and the worker both make it here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from breakwall.breaker import Permit
from breakwall.crashpoints import reach
from breakwall.payments.db.database import Patience
from breakwall.payments.decisions import RetryPolicy, after_attempt, without_look_up
from breakwall.payments.gateways.base import Answer, Gateway, Health, LookUpAnswer
from breakwall.payments.ledger.claims import Attempt
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.orders import OrderStatus
from breakwall.payments.verification import checked


class Charger:
    """Sends attempts whose rows are written, and records what came of them.

    Args:
        gateway: whom to charge with.
        ledger: where results go.
        policy: when an attempt without a final answer is due again.
        draw: uniform random numbers from 0 to 1, for the jitter.
        on_answer: told each answer to a charge, once it is recorded.
        on_reply: told each answer, to a charge or a look-up, before the breaker is.
    """

    def __init__(
        self,
        gateway: Gateway,
        ledger: Ledger,
        policy: RetryPolicy,
        draw: Callable[[], float],
        *,
        on_answer: Callable[[Answer], None] = lambda answer: None,
        on_reply: Callable[[Answer | LookUpAnswer], None] = lambda answer: None,
    ) -> None:
        self.gateway = gateway
        self.ledger = ledger
        self.policy = policy
        self.draw = draw
        self.on_answer = on_answer
        self.on_reply = on_reply

    def send(
        self, attempt: Attempt, permit: Permit, *, deadline: float, patience: Patience | None = None
    ) -> tuple[OrderStatus, str | None]:
        """Charge, tell the breaker, record; no transaction is open meanwhile.

        Returns the order's state and, once it is paid, the charge's id.

        Args:
            deadline: until when the call may take.
            patience: how long recording its answer may wait for a lock, as `Database.write`.

        Raises:
            DatabaseUnavailableError: the answer could not be recorded. The claim's lease runs out, and a
                later claim settles the order.
        """
        with given_back_on_error(permit):
            reach("before", "charge")
            answer = self.gateway.charge(attempt.claim.request, deadline=deadline)
            reach("after", "charge")
        self.on_reply(answer)
        tell_breaker(permit, answer)
        result = self._record(attempt, answer, patience)
        self.on_answer(answer)
        return result

    def _record(
        self, attempt: Attempt, answer: Answer, patience: Patience | None
    ) -> tuple[OrderStatus, str | None]:
        profile = self.gateway.profile
        told = without_look_up(checked(answer, attempt.claim.request), profile)
        verdict = after_attempt(told, attempt.claim.progress, profile, self.policy, self.draw())
        return self.ledger.record_answer(attempt, told, verdict, patience)


def tell_breaker(permit: Permit, answer: Answer | LookUpAnswer) -> None:
    """Settle the permit with what the answer says about the service.

    Where it says for how long it wants to be left alone, the circuit opens for so long.
    """
    match answer.health:
        case Health.SUCCESS:
            permit.record_success()
        case Health.FAILURE:
            permit.record_failure(answer.retry_after)
        case Health.THROTTLED if answer.retry_after:
            permit.record_failure(answer.retry_after)
        case Health.THROTTLED | Health.NEUTRAL:
            permit.release()


@contextmanager
def given_back_on_error(permit: Permit) -> Iterator[None]:
    """Give the permit back when something else than the payment service fails while it is held."""
    try:
        yield
    except BaseException:
        permit.release()
        raise

"""The gateway to Stripe. A charge is a PaymentIntent: created, then confirmed, looked up and cancelled by its id.

Two requests have two keys, both derived from the one key of the charge. Reading and cancelling need none.
"""

import time
from collections.abc import Callable
from dataclasses import replace

from breakwall.payments.gateways.answer_bodies import UNREADABLE
from breakwall.payments.gateways.base import (
    Advice,
    ChargeAnswer,
    ChargeRequest,
    GatewayProfile,
    Health,
    LookupAnswer,
    LookupResult,
    Outcome,
    Prepared,
)
from breakwall.payments.gateways.charge_answers import DEFAULT_BOUNDS, Bounds
from breakwall.payments.gateways.http import HttpService
from breakwall.payments.gateways.stripe.api import IntentsApi
from breakwall.payments.gateways.stripe.errors import Failure, charge_failed, look_up_failed, prepare_failed
from breakwall.payments.gateways.stripe.intents import (
    AUTHENTICATION_REQUIRED,
    Intent,
    as_charge,
    as_look_up,
    can_still_charge,
    declined,
    details_of,
    intent_id,
    needs_the_customer,
    read_intent,
)
from breakwall.payments.gateways.stripe.parameters import (
    NotSendableError,
    confirm_key,
    confirm_parameters,
    create_key,
    create_parameters,
)

NO_INTENT = "pi_breakwall"  # Stripe's own ids are longer.
_NO_LOOK_UP = "Stripe has no look-up by key that could be trusted: its search may be an hour behind."
_ANOTHER = LookupAnswer(
    LookupResult.UNAVAILABLE,
    Health.FAILURE,
    code=UNREADABLE,
    detail="Stripe's answer is about another charge.",
)
_NO_ID = LookupAnswer(
    LookupResult.UNAVAILABLE,
    Health.NEUTRAL,
    code="no_intent",
    detail="It is not known which intent of Stripe's it has.",
)


class StripeGateway:
    """A `PreparingGateway` and `CancellingGateway` to Stripe, to be shared by all threads of a process.

    It repeats no request and tells Stripe nothing about our calls. After a ``fork`` the child opens its own
    connections.

    Args:
        service: where Stripe is.
        api_key: called for the secret or restricted key of each request; must not raise.
        profile: what Stripe promises.
        account: the connected account, ``acct_…``, on whose behalf is charged; None: the key's own.
        off_session: tell Stripe that the customer is not there while it charges.
        bounds: limits of an answer, the same as those of ``service``.
    """

    def __init__(
        self,
        service: HttpService,
        *,
        api_key: Callable[[], str],
        profile: GatewayProfile,
        account: str | None = None,
        off_session: bool = True,
        bounds: Bounds = DEFAULT_BOUNDS,
    ) -> None:
        self.profile = profile
        self._service, self._account, self._bounds = service, account, bounds
        self._intents = IntentsApi(service, api_key=api_key, account=account)
        self._confirmation = confirm_parameters(off_session=off_session)

    def __repr__(self) -> str:
        account = "" if self._account is None else f", account={self._account!r}"
        return f"StripeGateway({self._service!r}{account})"

    def prepare(self, request: ChargeRequest, *, deadline: float) -> Prepared | ChargeAnswer:
        """Create the intent; see `PreparingGateway.prepare`.

        What Stripe cannot charge exactly is not sent: `Outcome.NOT_SENT` with `Advice.STOP`.
        """
        try:
            created = self._create(request, deadline)
        except NotSendableError as error:
            return _not_sendable(error)
        if isinstance(created, Failure):
            return prepare_failed(created, now=time.time(), bounds=self._bounds)
        return _prepared(created, request)

    def charge(self, request: ChargeRequest, *, deadline: float) -> ChargeAnswer:
        """Confirm the intent ``request.prepared``; see `Gateway.charge`. Without one, it is created first."""
        if request.prepared is None:
            created = self.prepare(request, deadline=deadline)
            if isinstance(created, ChargeAnswer):
                return created
            request = replace(request, prepared=created.id)
        return self._confirm(request, str(request.prepared), deadline)

    def look_up(self, idempotency_key: str, *, deadline: float) -> LookupAnswer:
        """Nothing: Stripe is looked up by id. `ValueError` if the key is empty."""
        if not idempotency_key:
            raise ValueError("a charge needs an idempotency key")
        return LookupAnswer(
            LookupResult.UNAVAILABLE, Health.NEUTRAL, code="no_look_up_by_key", detail=_NO_LOOK_UP
        )

    def look_up_prepared(self, prepared: str, *, deadline: float) -> LookupAnswer:
        """Read the intent; see `PreparingGateway.look_up_prepared`. One that waits for the customer is cancelled."""
        found = self._intents.read(prepared, deadline=deadline)
        return self._failed(found) if isinstance(found, Failure) else self._finish(found, prepared, deadline)

    def cancel(self, request: ChargeRequest, *, deadline: float) -> LookupAnswer:
        """Cancel the intent; see `CancellingGateway.cancel`. Without ``request.prepared`` nothing can be proven.

        To create the intent once more and cancel it proves nothing: Stripe may have forgotten the key.
        """
        return _NO_ID if request.prepared is None else self._cancel(request.prepared, deadline)

    def check_access(self, *, deadline: float) -> LookupAnswer:
        """Ask for an intent that does not exist, for `doctor`: `LookupResult.ABSENT` if Stripe answers this API key."""
        found = self._intents.read(NO_INTENT, deadline=deadline)
        if isinstance(found, Failure) and found.is_unknown_id:
            return LookupAnswer(LookupResult.ABSENT, Health.SUCCESS)
        return self._failed(found) if isinstance(found, Failure) else _ANOTHER

    def close(self) -> None:
        """Close the connections. Safe to call twice."""
        self._service.close()

    def _create(self, request: ChargeRequest, deadline: float) -> Intent | Failure:
        parameters = create_parameters(request)
        return self._intents.create(parameters, key=create_key(request), deadline=deadline)

    def _confirm(self, request: ChargeRequest, prepared: str, deadline: float) -> ChargeAnswer:
        key = confirm_key(request)
        found = self._intents.confirm(prepared, self._confirmation, key=key, deadline=deadline)
        if not isinstance(found, Failure):
            return as_charge(self._finish(found, prepared, deadline))
        answer = charge_failed(found, now=time.time(), bounds=self._bounds)
        if answer.outcome is Outcome.DECLINED:
            return self._after_decline(answer, found.intent, prepared, deadline)
        if answer.advice is Advice.STOP and found.is_refusal:
            return self._after_refusal(answer, prepared, deadline)
        return answer

    def _after_decline(
        self, answer: ChargeAnswer, intent: Intent | None, prepared: str, deadline: float
    ) -> ChargeAnswer:
        """The decline, once it is certain that its intent can charge no more."""
        if intent is None or not can_still_charge(intent):
            return answer
        cancelled = self._cancel(prepared, deadline)
        return answer if cancelled.result is LookupResult.CANCELLED else as_charge(cancelled)

    def _after_refusal(self, answer: ChargeAnswer, prepared: str, deadline: float) -> ChargeAnswer:
        """A refused confirmation may have come after one that charged, so the intent is read."""
        found = self.look_up_prepared(prepared, deadline=deadline)
        if found.result is LookupResult.UNAVAILABLE:
            return answer
        if found.result is LookupResult.PREPARED:
            return replace(answer, outcome=Outcome.FAILED)
        return as_charge(found)

    def _finish(self, intent: Intent, prepared: str, deadline: float) -> LookupAnswer:
        """What the intent says.

        One that waits for the customer is cancelled first. Nobody will bring the customer to it, and it must not charge
        after the shop has taken the money in another way.
        """
        if intent_id(intent) != prepared:
            return _ANOTHER
        if not needs_the_customer(intent):
            return read_intent(intent)
        cancelled = self._cancel(prepared, deadline)
        if cancelled.result is LookupResult.CANCELLED:
            return as_look_up(declined(AUTHENTICATION_REQUIRED, details_of(intent)))
        return cancelled if cancelled.outcome.is_final else read_intent(intent)

    def _cancel(self, prepared: str, deadline: float) -> LookupAnswer:
        found = self._intents.cancel(prepared, deadline=deadline)
        if isinstance(found, Failure) and found.is_refusal:
            # It has succeeded, is still charging, or was cancelled before.
            found = self._intents.read(prepared, deadline=deadline)
        if isinstance(found, Failure):
            return self._failed(found)
        return read_intent(found) if intent_id(found) == prepared else _ANOTHER

    def _failed(self, failure: Failure) -> LookupAnswer:
        return look_up_failed(failure, now=time.time(), bounds=self._bounds)


def _not_sendable(error: NotSendableError) -> ChargeAnswer:
    return ChargeAnswer(
        Outcome.NOT_SENT, Health.NEUTRAL, code=error.code, detail=str(error), advice=Advice.STOP
    )


def _prepared(intent: Intent, request: ChargeRequest) -> Prepared | ChargeAnswer:
    """The created intent, if it is this order's."""
    named, details = intent_id(intent), details_of(intent)
    expected = (request.order_id, request.amount, request.currency.lower())
    if named is not None and (details.order_id, details.amount, details.currency) == expected:
        return Prepared(named)
    return ChargeAnswer(
        Outcome.FAILED,
        Health.SUCCESS,
        code="wrong_charge",
        detail="Stripe's answer is about another order or amount; nothing was charged. A person must compare the two.",
        advice=Advice.REVIEW,
    )

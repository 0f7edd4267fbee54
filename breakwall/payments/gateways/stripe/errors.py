"""What each error of Stripe's, or of the connection to it, means for a charge, its preparation and a look-up.

Pure functions. `charge_failed` assumes that the request may have charged; a preparation never has. Stripe's texts are
never repeated: they may name payment methods. Only the name of a missing permission is taken from one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from breakwall.breaker import parse_retry_after
from breakwall.payments.gateways.answer_bodies import UNREADABLE, find_code
from breakwall.payments.gateways.base import Advice, ChargeAnswer, Health, LookupAnswer, LookupResult, Outcome
from breakwall.payments.gateways.charge_answers import Bounds, classify_charge, classify_charge_error
from breakwall.payments.gateways.lookup_answers import classify_lookup_error
from breakwall.payments.gateways.stripe.intents import Intent, declined, details_of
from breakwall.payments.gateways.transport.errors import Phase

KEY_REUSED = "idempotency_error"  # The code of an answer that says that our key belongs to another request.
NOT_FOUND = 404

# Only other settings can change these.
_OTHER_SETTINGS = frozenset(
    "account_closed account_invalid api_key_expired charge_not_allowed livemode_mismatch platform_account_required "
    "platform_api_key_expired secret_key_required testmode_charges_only".split()
)
_PERMISSION = re.compile(r"'(rak_[a-z0-9_]{1,60})'")
_OTHER_MODE = re.compile(r"similar object exists in (live|test) mode", re.IGNORECASE)
_REQUEST_ID = re.compile(r"req_[A-Za-z0-9]{1,40}")
_PARAMETER = re.compile(r"[a-z_\[\]]{1,60}")
_TOKEN = "BREAKWALL_PAYMENT_TOKEN"  # noqa: S105 - a variable's name
_ACCOUNT = "BREAKWALL_PAYMENT_STRIPE_ACCOUNT"


class LibraryLogsError(ValueError):
    """Stripe's library would print our requests, so nothing was sent."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that brought no intent: an answer with an error, or no answer at all."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)  # names in lower case
    body: Mapping[str, Any] | None = None  # None: no JSON object
    no_answer: tuple[Exception, Phase] | None = None

    @property
    def error(self) -> Mapping[str, Any] | None:
        """Stripe's description of the error; None if the answer is not Stripe's."""
        found = None if self.body is None else self.body.get("error")
        return found if isinstance(found, Mapping) else None

    @property
    def intent(self) -> Intent | None:
        """The intent as Stripe shows it beside the error."""
        found = None if self.error is None else self.error.get("payment_intent")
        return found if isinstance(found, Mapping) else None

    @property
    def is_replayed(self) -> bool:
        """Stripe itself says that it repeats the answer which it stored under the key."""
        return self.error is not None and self.headers.get("idempotent-replayed") == "true"

    @property
    def is_unknown_id(self) -> bool:
        """Stripe has accepted the API key, and does not know the id that was asked for."""
        return self.error is not None and self.status == NOT_FOUND and not _other_mode(self.error)

    @property
    def is_refusal(self) -> bool:
        """Stripe did not accept the request as such. It may mean "done already": reading the intent decides."""
        return self.error is not None and self.status in {400, NOT_FOUND}


def charge_failed(failure: Failure, *, now: float, bounds: Bounds) -> ChargeAnswer:
    """What a failed confirmation means. ``now`` is in seconds since the epoch, for a ``Retry-After`` date."""
    if failure.no_answer is not None:
        return _no_answer(*failure.no_answer)
    if failure.error is None:
        return _not_stripes(failure, now, bounds)
    answer = _from_error(failure, failure.error)
    if answer is None:
        return _with_code(
            classify_charge(failure.status, failure.headers, b"{}", now=now, bounds=bounds), failure
        )
    wait = parse_retry_after(failure.headers, now=now, longest=bounds.max_retry_after)
    return replace(_with_code(answer, failure), retry_after=wait)


def prepare_failed(failure: Failure, *, now: float, bounds: Bounds) -> ChargeAnswer:
    """What a failed creation means: nothing was charged, because nothing was confirmed.

    Only of its key this is not said: another request with the same key may have charged. A replay says that none has.
    """
    answer = replace(charge_failed(failure, now=now, bounds=bounds), replayed=failure.is_replayed)
    if failure.error is not None and failure.status == NOT_FOUND and answer.advice is Advice.RECONFIGURE:
        # What is not found is in the request, unless Stripe says that it is in the other mode.
        answer = (
            answer
            if _other_mode(failure.error)
            else _with_code(_refused(failure.error, is_missing=True), failure)
        )
    if answer.code == KEY_REUSED:
        # A charge may have been made for the other payload, so no other key is tried.
        return replace(answer, advice=Advice.REVIEW)
    is_known = answer.outcome is not Outcome.UNKNOWN or answer.advice is Advice.LOOK_AGAIN
    return answer if is_known else replace(answer, outcome=Outcome.FAILED)


def look_up_failed(failure: Failure, *, now: float, bounds: Bounds) -> LookupAnswer:
    """What a failed look-up, or a failed cancellation, means: nothing is known.

    It is never "no such charge": an id that was committed exists. Who does not find it looks with another key, in
    another account or in the other mode.
    """
    if failure.no_answer is not None and not isinstance(failure.no_answer[0], LibraryLogsError):
        return classify_lookup_error(*failure.no_answer)
    answer = charge_failed(failure, now=now, bounds=bounds)
    advice = answer.advice if answer.advice is Advice.RECONFIGURE else Advice.RETRY
    return LookupAnswer(
        LookupResult.UNAVAILABLE,
        answer.health,
        code=answer.code,
        detail=answer.detail,
        retry_after=answer.retry_after,
        advice=advice,
    )


def _no_answer(error: Exception, phase: Phase) -> ChargeAnswer:
    if not isinstance(error, LibraryLogsError):
        return classify_charge_error(error, phase)
    code = type(error).__name__
    return ChargeAnswer(
        Outcome.NOT_SENT, Health.NEUTRAL, code=code, detail=str(error), advice=Advice.RECONFIGURE
    )


def _from_error(failure: Failure, error: Mapping[str, Any]) -> ChargeAnswer | None:
    """The answer for an error that Stripe describes; None if its status says all."""
    status, code = failure.status, error.get("code")
    if status == 429 or code in {"rate_limit", "lock_timeout"}:
        return _throttled(is_load=code != "lock_timeout")
    if status == 401:
        return _misconfigured(f"Stripe does not accept the API key: check {_TOKEN}")
    if status == 403:
        return _misconfigured(_not_permitted(error))
    if status == 409 or error.get("type") == KEY_REUSED:
        return _still_running() if status == 409 else _key_reused()
    if status == 402:
        return _payment_failed(failure, error)
    return _refusal(status, error) if failure.is_refusal else None


def _throttled(*, is_load: bool) -> ChargeAnswer:
    if is_load:
        return ChargeAnswer(Outcome.THROTTLED, Health.THROTTLED, detail="Stripe asks us to slow down.")
    # That one object is locked says nothing about Stripe's load.
    detail = "Another request uses this charge, or its customer, at Stripe."
    return ChargeAnswer(Outcome.THROTTLED, Health.NEUTRAL, detail=detail)


def _not_permitted(error: Mapping[str, Any]) -> str:
    if missing := _PERMISSION.search(str(error.get("message"))):
        return (
            f"the restricted API key lacks the permission {missing[1]}: add it at Stripe, or change {_TOKEN}"
        )
    return f"the API key may not do this: check its permissions, {_TOKEN} and {_ACCOUNT}"


def _still_running() -> ChargeAnswer:
    detail = "The same request is still running at Stripe."
    return ChargeAnswer(Outcome.UNKNOWN, Health.SUCCESS, detail=detail, advice=Advice.LOOK_AGAIN)


def _key_reused() -> ChargeAnswer:
    return ChargeAnswer(
        Outcome.UNKNOWN,
        Health.SUCCESS,
        code=KEY_REUSED,
        detail="Stripe knows this idempotency key with another payload: somebody else uses it, or changed the order.",
        advice=Advice.LOOK_AGAIN,
        spends_key=True,
    )


def _payment_failed(failure: Failure, error: Mapping[str, Any]) -> ChargeAnswer:
    intent = failure.intent or {}
    if intent.get("status") in {"succeeded", "processing", "requires_capture"}:
        detail = "Stripe reports a failed payment, and shows a charge that may have succeeded."
        return ChargeAnswer(Outcome.UNKNOWN, Health.SUCCESS, detail=detail, advice=Advice.LOOK_AGAIN)
    return declined(find_code(error) or "declined", details_of(intent))


def _refusal(status: int, error: Mapping[str, Any]) -> ChargeAnswer:
    if mode := _other_mode(error):
        return _misconfigured(
            f"it is in {mode} mode, and the API key is not: check {_TOKEN}", Outcome.UNKNOWN
        )
    if error.get("code") in _OTHER_SETTINGS:
        return _misconfigured(f"check {_TOKEN} and {_ACCOUNT}", Outcome.UNKNOWN)
    if status == NOT_FOUND:
        reason = (
            f"this API key does not see the charge: check {_TOKEN} and {_ACCOUNT}, and BREAKWALL_PAYMENT_URL"
        )
        return _misconfigured(reason, Outcome.UNKNOWN)
    return _refused(error)


def _refused(error: Mapping[str, Any], *, is_missing: bool = False) -> ChargeAnswer:
    """``is_missing``: Stripe does not know something that the request names."""
    parameter = error.get("param")
    named = isinstance(parameter, str) and _PARAMETER.fullmatch(parameter)
    if named:
        cause = f", for its parameter {parameter}"
    else:
        cause = ": it knows no such payment method or customer" if is_missing else ""
    detail = f"Stripe refused this request{cause}. docs/stripe.md says what an order needs."
    return ChargeAnswer(Outcome.UNKNOWN, Health.NEUTRAL, detail=detail, advice=Advice.STOP, spends_key=True)


def _other_mode(error: Mapping[str, Any]) -> str | None:
    found = _OTHER_MODE.search(str(error.get("message")))
    return None if found is None else found[1].lower()


def _misconfigured(reason: str, outcome: Outcome = Outcome.FAILED) -> ChargeAnswer:
    detail = f"Stripe refused the request: {reason}."
    return ChargeAnswer(outcome, Health.NEUTRAL, detail=detail, advice=Advice.RECONFIGURE)


def _not_stripes(failure: Failure, now: float, bounds: Bounds) -> ChargeAnswer:
    """A proxy's answer, or one that cannot be read."""
    if not (200 <= failure.status < 300 or failure.status == 402):
        return classify_charge(failure.status, failure.headers, b"", now=now, bounds=bounds)
    detail = f"The answer with HTTP {failure.status} is not one of Stripe's, or cannot be read."
    return ChargeAnswer(Outcome.UNKNOWN, Health.FAILURE, code=UNREADABLE, detail=detail)


def _with_code(answer: ChargeAnswer, failure: Failure) -> ChargeAnswer:
    """With Stripe's own code, and the id under which Stripe's staff find the request."""
    error = failure.error or {}
    code = (
        answer.code
        if answer.code == KEY_REUSED
        else find_code(error) or find_code({"code": error.get("type")})
    )
    request_id = _REQUEST_ID.fullmatch(failure.headers.get("request-id", ""))
    detail = f"{answer.detail} (Stripe's {request_id[0]})" if request_id else answer.detail
    return replace(answer, code=code or f"http_{failure.status}", detail=detail)

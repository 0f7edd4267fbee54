"""What each HTTP answer or error of a charge means. Pure functions.

Only an answer that a server cannot send after it has charged proves "not charged". A 5xx, a 408, a redirect, a success
that we cannot read and a refusal that may mean "already done" prove nothing: `Outcome.UNKNOWN`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from breakwall.breaker import parse_retry_after
from breakwall.host.exhaustion import exhausted_resource
from breakwall.payments.gateways.answer_bodies import (
    UNREADABLE,
    UnreadableError,
    excerpt,
    find_code,
    read_charge_id,
    read_details,
    read_object,
    read_status,
    unknown_status,
)
from breakwall.payments.gateways.base import Advice, ChargeAnswer, Health, Outcome
from breakwall.payments.gateways.front_pages import refused_in_front
from breakwall.payments.gateways.transport.errors import (
    CertificateRefusedError,
    DeadlinePassedError,
    Phase,
    PoolFullError,
    ProxyCredentialsError,
)

RUNNING = frozenset({"processing", "pending"})  # A body's `status` while the charge is not decided yet.


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is read of an answer, at most."""

    max_body: int = 65_536  # bytes; a longer body is unreadable
    max_retry_after: float = 600.0  # seconds; a longer `Retry-After` is ignored


DEFAULT_BOUNDS = Bounds()


def _misconfigured(reason: str, outcome: Outcome = Outcome.FAILED) -> ChargeAnswer:
    detail = f"The payment service answered HTTP {{status}}: {reason}."
    return ChargeAnswer(outcome, Health.NEUTRAL, detail=detail, advice=Advice.RECONFIGURE)


_NO_PROOF = ChargeAnswer(
    Outcome.UNKNOWN,
    Health.FAILURE,
    detail="The payment service answered HTTP {status}, which does not say whether it charged.",
)
_SERVER_ERROR = replace(_NO_PROOF, spends_key=True)
_REDIRECT = ChargeAnswer(
    Outcome.UNKNOWN,
    Health.NEUTRAL,
    detail="HTTP {status} sends us elsewhere and is not followed: put the final address into BREAKWALL_PAYMENT_URL.",
    advice=Advice.RECONFIGURE,
)
# A refusal may mean "already done": Toss Payments answers 400 ALREADY_PROCESSED_PAYMENT.
_REFUSAL = ChargeAnswer(
    Outcome.UNKNOWN,
    Health.NEUTRAL,
    detail="The payment service refused this request (HTTP {status}), which does not say whether it has charged it "
    "before: if the service has a look-up, the charge is looked up before the order finishes.",
    advice=Advice.STOP,
    spends_key=True,
)
_NOT_FOUND = _misconfigured(
    "nothing is there, which does not say whether it has charged before; check the host and the path in "
    "BREAKWALL_PAYMENT_URL",
    Outcome.UNKNOWN,
)
_CREDENTIALS = (
    "check the user and password in BREAKWALL_PAYMENT_URL, or BREAKWALL_PAYMENT_TOKEN, _HEADERS or _CERT_FILE"
)
_STILL_RUNNING = ChargeAnswer(
    Outcome.UNKNOWN,
    Health.SUCCESS,
    detail="The same charge is still running at the payment service (HTTP {status}).",
    advice=Advice.LOOK_AGAIN,
)
_BY_STATUS = {
    401: _misconfigured(f"it did not accept our credentials, {_CREDENTIALS}"),
    403: _misconfigured(f"it refused our credentials or our address, {_CREDENTIALS}"),
    404: _NOT_FOUND,
    405: _misconfigured("that address takes no POST, check the path in BREAKWALL_PAYMENT_URL"),
    407: _misconfigured("a proxy wants credentials, check BREAKWALL_PAYMENT_PROXY"),
    408: _NO_PROOF,
    409: _STILL_RUNNING,
    410: _NOT_FOUND,
    421: _misconfigured("that server does not serve this host, check the host in BREAKWALL_PAYMENT_URL"),
    422: ChargeAnswer(
        Outcome.UNKNOWN,
        Health.SUCCESS,
        detail="This idempotency key was used with another payload (HTTP {status}): a person must compare the two.",
        advice=Advice.REVIEW,
        spends_key=True,
    ),
    425: ChargeAnswer(
        Outcome.FAILED,
        Health.NEUTRAL,
        detail="The payment service was not ready to take the request yet (HTTP {status}).",
    ),
    429: ChargeAnswer(
        Outcome.THROTTLED,
        Health.THROTTLED,
        detail="The payment service asks us to slow down (HTTP {status}).",
    ),
    # Proxies send 460 (AWS) and 499 (nginx) when the client closed. They may have passed the request on before.
    460: _NO_PROOF,
    499: _NO_PROOF,
}


def classify_charge(
    status: int,
    headers: Mapping[str, str],
    body: bytes | None,
    *,
    now: float,
    bounds: Bounds = DEFAULT_BOUNDS,
) -> ChargeAnswer:
    """What the service's answer to a charge means; ``now`` is in seconds since the epoch, for a ``Retry-After`` date.

    A 2xx and a 402 mean what their body says, which must be a JSON object: hosting platforms and proxies send bare 402s
    for their own unpaid bills. Any other answer means what its status says. Headers and body are as in `read_object`.
    """
    if (front := refused_in_front(status, body)) is not None:
        code, todo = front
        return replace(_filled(_misconfigured(todo, Outcome.UNKNOWN), status, {}), code=code)
    body_decides = 200 <= status < 300 or status == 402
    try:
        fields = read_object(headers, body, bounds.max_body)
        answer = _from_body(status, fields) if body_decides else _from_status(status, fields)
    except UnreadableError as error:
        answer = _unreadable(status, error) if body_decides else _from_status(status, {})
    return replace(answer, retry_after=parse_retry_after(headers, now=now, longest=bounds.max_retry_after))


def classify_charge_error(error: Exception, phase: Phase) -> ChargeAnswer:
    """What a call without an answer means. The phase decides the outcome; the error decides the rest.

    One error in the phase ``SENT`` is a proof: a service that refused our certificate while it shook hands has read
    nothing (RFC 8446, 4.4.4).
    """
    code, advice = type(error).__name__, advice_after(error)
    if phase is Phase.SENT and not (isinstance(error, CertificateRefusedError) and error.unread):
        detail = f"The request may have reached the payment service; no usable answer came back ({code})."
        return ChargeAnswer(Outcome.UNKNOWN, health_after(error), code=code, detail=detail, advice=advice)
    outcome = Outcome.FAILED if phase is Phase.SENT else Outcome.NOT_SENT
    health, detail = explain_unsent(error, phase)
    return ChargeAnswer(outcome, health, code=code, detail=detail, advice=advice)


def health_after(error: Exception) -> Health:
    """What an error of a connection says about the service: nothing, if the reason is on our side."""
    is_ours = exhausted_resource(error) or advice_after(error) is Advice.RECONFIGURE
    return Health.NEUTRAL if is_ours else Health.FAILURE


def advice_after(error: Exception) -> Advice:
    """What to do after an error: only other settings help against one about our own credentials."""
    is_ours = isinstance(error, CertificateRefusedError | ProxyCredentialsError)
    return Advice.RECONFIGURE if is_ours else Advice.RETRY


def explain_unsent(error: Exception, phase: Phase) -> tuple[Health, str]:
    """The service's health, and a sentence for an operator, after an error before the service read the request."""
    code = type(error).__name__
    if (resource := exhausted_resource(error)) is not None:
        return Health.NEUTRAL, f"This process has no {resource} left for the call; nothing was sent."
    if isinstance(error, CertificateRefusedError):
        files = "check BREAKWALL_PAYMENT_CERT_FILE and BREAKWALL_PAYMENT_KEY_FILE"
        return Health.NEUTRAL, f"The payment service refused our certificate ({code}): {files}."
    if phase is Phase.CONNECTING:
        # The texts of socket, resolver and TLS errors name hosts and reasons, never credentials.
        return health_after(error), f"No connection to the payment service: {str(error) or code}."
    if isinstance(error, PoolFullError):
        return Health.NEUTRAL, "All our connections to the payment service were busy; nothing was sent."
    if isinstance(error, DeadlinePassedError):
        return Health.NEUTRAL, "No time was left for the call; nothing was sent."
    return Health.NEUTRAL, f"A kept connection could not be used any more ({code}); nothing was sent."


def declined_code(fields: Mapping[str, Any]) -> str:
    """The service's own code of a decline, or ``"declined"``."""
    return find_code(fields) or "declined"


def _from_status(status: int, fields: Mapping[str, Any]) -> ChargeAnswer:
    return _filled(_BY_STATUS.get(status) or _by_class(status), status, fields)


def _by_class(status: int) -> ChargeAnswer:
    if status >= 500:
        return _SERVER_ERROR
    if status >= 400:
        return _REFUSAL
    return _REDIRECT if status >= 300 else _NO_PROOF


def _filled(answer: ChargeAnswer, status: int, fields: Mapping[str, Any]) -> ChargeAnswer:
    code = find_code(fields) or f"http_{status}"
    return replace(answer, code=code, detail=answer.detail.format(status=status))


def _from_body(status: int, fields: Mapping[str, Any]) -> ChargeAnswer:
    if status == 402:
        return _payment_required(fields)
    state = read_status(fields)
    if state == "declined":
        return _declined(fields)
    if state in RUNNING:
        return _filled(_STILL_RUNNING, status, fields)
    if state != "succeeded":
        raise unknown_status(fields)
    if status not in {200, 201}:
        raise UnreadableError("only 200 and 201 can say that a charge succeeded")
    return ChargeAnswer(
        Outcome.SUCCEEDED, Health.SUCCESS, charge_id=read_charge_id(fields), details=read_details(fields)
    )


def _payment_required(fields: Mapping[str, Any]) -> ChargeAnswer:
    state = fields.get("status")
    if isinstance(state, str) and state.strip().lower() in {"succeeded", *RUNNING}:
        raise UnreadableError(f"its `status` is {excerpt(state)}, which contradicts it")
    return _declined(fields)


def _declined(fields: Mapping[str, Any]) -> ChargeAnswer:
    return ChargeAnswer(
        Outcome.DECLINED,
        Health.SUCCESS,
        code=declined_code(fields),
        detail="The payment was declined.",
        details=read_details(fields),
    )


def _unreadable(status: int, error: UnreadableError) -> ChargeAnswer:
    return ChargeAnswer(
        Outcome.UNKNOWN,
        Health.FAILURE,
        code="http_402" if status == 402 else UNREADABLE,
        detail=f"The payment service answered HTTP {status}, but {error}.",
    )

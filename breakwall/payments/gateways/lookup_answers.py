"""What each HTTP answer or error of a look-up means. Pure functions.

After `LookupResult.ABSENT` an order is sent again. So only a 404 gives it that has a JSON object or no body. A web page
with a 404 comes from a server in front of the service.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from breakwall.breaker import parse_retry_after
from breakwall.payments.gateways.answer_bodies import (
    UNREADABLE,
    UnreadableError,
    excerpt,
    read_charge_id,
    read_details,
    read_object,
    read_status,
    unknown_status,
)
from breakwall.payments.gateways.base import Advice, Health, LookupAnswer, LookupResult
from breakwall.payments.gateways.charge_answers import (
    DEFAULT_BOUNDS,
    RUNNING,
    Bounds,
    advice_after,
    declined_code,
    explain_unsent,
)
from breakwall.payments.gateways.front_pages import refused_in_front
from breakwall.payments.gateways.transport.errors import CertificateRefusedError, Phase

OTHER_STATUS = "other_status"  # The code of a charge in a state outside the protocol, such as `refunded`.
_NO_ENDPOINT = frozenset({405, 501})
_TEMPORARY = frozenset({408, 409, 425, 460, 499})  # Refusals (4xx) that other settings would not change.

_ADDRESS = "BREAKWALL_PAYMENT_URL"
_CREDENTIALS = "our credentials: BREAKWALL_PAYMENT_TOKEN, _HEADERS, or the user in BREAKWALL_PAYMENT_URL"
_SETTINGS = {401: _CREDENTIALS, 403: _CREDENTIALS, 407: "the user in BREAKWALL_PAYMENT_PROXY"}


def classify_lookup(
    status: int,
    headers: Mapping[str, str],
    body: bytes | None,
    *,
    now: float,
    bounds: Bounds = DEFAULT_BOUNDS,
) -> LookupAnswer:
    """What the service's answer to a look-up means. Arguments as in `charge_answers.classify_charge`."""
    if status == 200:
        answer = _found(headers, body, bounds.max_body)
    elif status == 404:
        answer = _not_found(headers, body, bounds.max_body)
    else:
        answer = _refused_in_front(status, body) or _from_status(status)
    return replace(answer, retry_after=parse_retry_after(headers, now=now, longest=bounds.max_retry_after))


def classify_lookup_error(error: Exception, phase: Phase) -> LookupAnswer:
    """What a look-up without an answer means."""
    if phase is Phase.SENT and not isinstance(error, CertificateRefusedError):
        health, detail = Health.FAILURE, f"The look-up got no usable answer ({type(error).__name__})."
    else:
        health, detail = explain_unsent(error, phase)
    return _unavailable(health, type(error).__name__, detail, advice_after(error))


def _found(headers: Mapping[str, str], body: bytes | None, max_body: int) -> LookupAnswer:
    try:
        return _from_body(read_object(headers, body, max_body))
    except UnreadableError as error:
        return _unavailable(Health.FAILURE, UNREADABLE, f"The look-up answered HTTP 200, but {error}.")


def _from_body(fields: Mapping[str, Any]) -> LookupAnswer:
    state, details = read_status(fields), read_details(fields)
    if state == "declined":
        code = declined_code(fields)
        return LookupAnswer(LookupResult.DECLINED, Health.SUCCESS, code=code, details=details)
    if state in RUNNING:
        return LookupAnswer(LookupResult.PROCESSING, Health.SUCCESS)
    if state == "succeeded":
        charge_id = read_charge_id(fields)
        return LookupAnswer(LookupResult.SUCCEEDED, Health.SUCCESS, charge_id, details=details)
    return _other_status(fields)


def _other_status(fields: Mapping[str, Any]) -> LookupAnswer:
    try:
        charge_id = read_charge_id(fields)
    except UnreadableError:
        raise unknown_status(fields) from None
    detail = (
        f"The look-up knows the charge as {excerpt(fields['status'])}, which says neither paid nor declined."
    )
    return replace(_unavailable(Health.NEUTRAL, OTHER_STATUS, detail), charge_id=charge_id)


def _not_found(headers: Mapping[str, str], body: bytes | None, max_body: int) -> LookupAnswer:
    if _is_from_the_service(headers, body, max_body):
        return LookupAnswer(LookupResult.ABSENT, Health.SUCCESS, code="http_404")
    detail = (
        "HTTP 404 came without the payment service's JSON, perhaps from a web server in front of it, so it "
        "does not mean 'no such charge': check the host and the path in BREAKWALL_PAYMENT_URL."
    )
    return _unavailable(Health.NEUTRAL, "http_404", detail, Advice.RECONFIGURE)


def _is_from_the_service(headers: Mapping[str, str], body: bytes | None, max_body: int) -> bool:
    if "html" in headers.get("content-type", "").lower():
        return False
    try:
        if body != b"":
            read_object(headers, body, max_body)
    except UnreadableError:
        return False
    return True


def _refused_in_front(status: int, body: bytes | None) -> LookupAnswer | None:
    if (front := refused_in_front(status, body)) is None:
        return None
    code, todo = front
    detail = f"The look-up was refused (HTTP {status}): {todo}."
    return _unavailable(Health.NEUTRAL, code, detail, Advice.RECONFIGURE)


def _from_status(status: int) -> LookupAnswer:
    code = f"http_{status}"
    if status in _NO_ENDPOINT:
        return _unavailable(
            Health.NEUTRAL, code, f"The payment service has no look-up there (HTTP {status})."
        )
    if status == 429:
        return _unavailable(Health.THROTTLED, code, "The payment service asks us to slow down (HTTP 429).")
    if 300 <= status < 500 and status not in _TEMPORARY:
        detail = f"The look-up was refused (HTTP {status}): check {_SETTINGS.get(status, _ADDRESS)}."
        return _unavailable(Health.NEUTRAL, code, detail, Advice.RECONFIGURE)
    health = Health.NEUTRAL if status in {409, 425} else Health.FAILURE
    return _unavailable(health, code, f"The look-up failed (HTTP {status}).")


def _unavailable(health: Health, code: str, detail: str, advice: Advice = Advice.RETRY) -> LookupAnswer:
    return LookupAnswer(LookupResult.UNAVAILABLE, health, code=code, detail=detail, advice=advice)

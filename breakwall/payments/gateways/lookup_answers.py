"""What the payment service's answer to "was this key charged?" means. Pure functions.

*Absent* is the dangerous word: it lets an order be sent again. It is said only where the service's own
programming interface answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from breakwall.breaker import parse_retry_after
from breakwall.payments.gateways.answers import (
    DEFAULT_BOUNDS,
    RUNNING,
    Bounds,
    Phase,
    declined_code,
    explain_unsent,
)
from breakwall.payments.gateways.base import Advice, Health, LookUpAnswer, LookUpResult
from breakwall.payments.gateways.bodies import (
    UnreadableError,
    excerpt,
    read_charge_id,
    read_details,
    read_object,
    read_status,
    unknown_status,
)

OTHER_STATUS = "other_status"
"""The code of a look-up that knows the charge, in a state that the protocol has no word for: a refunded one."""

UNREADABLE = "unexpected_body"
"""The code of a look-up whose answer cannot be read."""

_NO_ENDPOINT = frozenset({405, 501})
_PASSES_BY_ITSELF = frozenset({408, 409, 425, 460, 499})
"""Refusals (4xx) that other settings would not help against."""


def classify_look_up(
    status: int,
    headers: Mapping[str, str],
    body: bytes | None,
    *,
    now: float,
    bounds: Bounds = DEFAULT_BOUNDS,
) -> LookUpAnswer:
    """What the service's answer to a look-up means; the arguments are those of `answers.classify`."""
    if status == 200:
        answer = _found(headers, body, bounds.max_body)
    elif status == 404:
        answer = _not_found(headers, body, bounds.max_body)
    else:
        answer = _told_by_status(status)
    return replace(answer, retry_after=parse_retry_after(headers, now=now, longest=bounds.max_retry_after))


def classify_look_up_error(error: Exception, phase: Phase) -> LookUpAnswer:
    """What a look-up that ended without an answer means."""
    if phase is Phase.SENT:
        health, detail = Health.FAILURE, f"The look-up got no usable answer ({type(error).__name__})."
    else:
        health, detail = explain_unsent(error, phase)
    return _unavailable(health, type(error).__name__, detail)


def _found(headers: Mapping[str, str], body: bytes | None, max_body: int) -> LookUpAnswer:
    try:
        return _told_by_body(read_object(headers, body, max_body))
    except UnreadableError as error:
        return _unavailable(Health.FAILURE, UNREADABLE, f"The look-up answered HTTP 200, but {error}.")


def _told_by_body(said: Mapping[str, Any]) -> LookUpAnswer:
    word, details = read_status(said), read_details(said)
    if word == "declined":
        code = declined_code(said)
        return LookUpAnswer(LookUpResult.DECLINED, Health.SUCCESS, code=code, details=details)
    if word in RUNNING:
        return LookUpAnswer(LookUpResult.PROCESSING, Health.SUCCESS)
    if word == "succeeded":
        charge_id = read_charge_id(said)
        return LookUpAnswer(LookUpResult.SUCCEEDED, Health.SUCCESS, charge_id, details=details)
    return _known_otherwise(said)


def _known_otherwise(said: Mapping[str, Any]) -> LookUpAnswer:
    try:
        charge_id = read_charge_id(said)
    except UnreadableError:
        raise unknown_status(said) from None
    detail = (
        f"The look-up knows the charge as {excerpt(said['status'])}, which says neither paid nor declined."
    )
    return replace(_unavailable(Health.NEUTRAL, OTHER_STATUS, detail), charge_id=charge_id)


def _not_found(headers: Mapping[str, str], body: bytes | None, max_body: int) -> LookUpAnswer:
    if _is_from_the_service(headers, body, max_body):
        return LookUpAnswer(LookUpResult.ABSENT, Health.SUCCESS, code="http_404")
    detail = (
        "HTTP 404 came without the payment service's JSON, perhaps from a web server in front of it, so it "
        "is not taken for 'no such charge': look at the host and the path in BREAKWALL_PAYMENT_URL."
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


def _told_by_status(status: int) -> LookUpAnswer:
    code = f"http_{status}"
    if status in _NO_ENDPOINT:
        detail = f"The payment service offers no look-up of charges there (HTTP {status})."
        return _unavailable(Health.NEUTRAL, code, detail)
    if status == 429:
        detail = "The payment service asks us to slow down (HTTP 429)."
        return _unavailable(Health.THROTTLED, code, detail)
    if 300 <= status < 500 and status not in _PASSES_BY_ITSELF:
        detail = f"The look-up was refused (HTTP {status}): look at BREAKWALL_PAYMENT_URL."
        return _unavailable(Health.NEUTRAL, code, detail, Advice.RECONFIGURE)
    health = Health.NEUTRAL if status in {409, 425} else Health.FAILURE
    return _unavailable(health, code, f"The look-up failed (HTTP {status}).")


def _unavailable(health: Health, code: str, detail: str, advice: Advice = Advice.RETRY) -> LookUpAnswer:
    return LookUpAnswer(LookUpResult.UNAVAILABLE, health, code=code, detail=detail, advice=advice)

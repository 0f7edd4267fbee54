"""What the payment service's answer to "was this key charged?" means. Pure functions.

*Absent* is the dangerous word: it lets an order be sent again. It is said only where the service's own
programming interface answered.
"""

from __future__ import annotations

from collections.abc import Mapping

from .answers import Phase, explain_unsent, parse_charge_id, parse_code, parse_object
from .base import Health, LookUpAnswer, LookUpResult
from .retry_after import parse_retry_after

OTHER_STATUS = "other_status"
"""The code of a look-up that knows the charge, in a state that the protocol has no word for: a refunded one."""

_NO_ENDPOINT = frozenset({405, 501})


def classify_look_up(
    status: int, headers: Mapping[str, str], body: bytes | None, *, now: float
) -> LookUpAnswer:
    """What the service's answer to a look-up means; the arguments are those of `answers.classify`."""
    if status == 200:
        return _found(body)
    if status == 404:
        return _not_found(headers, body)
    wait = parse_retry_after(headers, now=now)
    code = f"http_{status}"
    if status in _NO_ENDPOINT:
        detail = f"The payment service offers no look-up of charges there (HTTP {status})."
        return _unavailable(Health.NEUTRAL, code, detail, wait)
    if status == 429:
        detail = "The payment service asks us to slow down (HTTP 429)."
        return _unavailable(Health.THROTTLED, code, detail, wait)
    if 300 <= status < 500 and status != 408:
        detail = f"The look-up was refused (HTTP {status}): look at BREAKWALL_PAYMENT_URL."
        return _unavailable(Health.NEUTRAL, code, detail, wait)
    return _unavailable(Health.FAILURE, code, f"The look-up failed (HTTP {status}).", wait)


def classify_look_up_error(error: Exception, phase: Phase) -> LookUpAnswer:
    """What a look-up that ended without an answer means."""
    if phase is Phase.SENT:
        health, detail = Health.FAILURE, f"The look-up got no usable answer ({type(error).__name__})."
    else:
        health, detail = explain_unsent(error, phase)
    return _unavailable(health, type(error).__name__, detail)


def classify_route(status: int, headers: Mapping[str, str], body: bytes | None, *, now: float) -> bool | None:
    """Whether there is anything behind the address that OPTIONS was asked of; None: no telling.

    A bare 200 tells nothing: what stands in front of a service often gives it to every browser's preflight.
    """
    if status == 404:
        return False
    allows_get = 200 <= status < 300 and "GET" in headers.get("allow", "").upper()
    return True if allows_get or status in _NO_ENDPOINT else None


def _found(body: bytes | None) -> LookUpAnswer:
    said = parse_object(body) or {}
    charge_id = parse_charge_id(said)
    match said.get("status"):
        case "succeeded" if charge_id:
            return LookUpAnswer(LookUpResult.SUCCEEDED, Health.SUCCESS, charge_id)
        case "declined":
            return LookUpAnswer(LookUpResult.DECLINED, Health.SUCCESS, code=parse_code(said) or "declined")
        case "processing":
            return LookUpAnswer(LookUpResult.PROCESSING, Health.SUCCESS)
        case str() as status if charge_id:
            detail = f"The look-up knows the charge as {status[:40]!r}, which says neither paid nor declined."
            return _unavailable(Health.NEUTRAL, OTHER_STATUS, detail)
    detail = "The look-up answered HTTP 200 without a readable status and charge_id."
    return _unavailable(Health.FAILURE, "unexpected_body", detail)


def _not_found(headers: Mapping[str, str], body: bytes | None) -> LookUpAnswer:
    from_a_web_page = "html" in headers.get("content-type", "").lower()
    if not from_a_web_page and (body == b"" or parse_object(body) is not None):
        return LookUpAnswer(LookUpResult.ABSENT, Health.SUCCESS, code="http_404")
    detail = (
        "HTTP 404 came without the payment service's JSON, perhaps from a web server in front of it, so it "
        "is not taken for 'no such charge': look at the host and the path in BREAKWALL_PAYMENT_URL."
    )
    return _unavailable(Health.NEUTRAL, "http_404", detail)


def _unavailable(health: Health, code: str, detail: str, wait: float | None = None) -> LookUpAnswer:
    return LookUpAnswer(LookUpResult.UNAVAILABLE, health, code=code, detail=detail, retry_after=wait)

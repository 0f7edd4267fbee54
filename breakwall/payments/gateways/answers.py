"""The HTTP payment protocol's status codes and errors, put into the words that gateways share.

Pure functions. The rule under all of them: *no charge* is only said where it is proven. A status that a
server can send after it has charged (any 5xx, 408, a redirect, a success that we cannot read) proves
nothing and is `Outcome.UNKNOWN`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from enum import Enum
from typing import Any, NamedTuple

from .base import Advice, Answer, Health, Outcome
from .retry_after import parse_retry_after

_CODE = re.compile(r"[A-Za-z0-9_.:-]{1,64}", re.ASCII)
_CHARGE_ID_LENGTH = 255


class _Meaning(NamedTuple):
    outcome: Outcome
    health: Health
    advice: Advice
    detail: str


def _misconfigured(reason: str) -> _Meaning:
    detail = f"The payment service answered HTTP {{status}}: {reason} BREAKWALL_PAYMENT_URL."
    return _Meaning(Outcome.FAILED, Health.NEUTRAL, Advice.RETRY, detail)


_PROVES_NOTHING = _Meaning(
    Outcome.UNKNOWN,
    Health.FAILURE,
    Advice.RETRY,
    "The payment service answered HTTP {status}, which does not say whether it charged.",
)
_REDIRECTED = _Meaning(
    Outcome.UNKNOWN,
    Health.NEUTRAL,
    Advice.RETRY,
    "HTTP {status} sends us elsewhere and is not followed: put the final address into BREAKWALL_PAYMENT_URL.",
)
_REFUSED = _Meaning(
    Outcome.FAILED,
    Health.NEUTRAL,
    Advice.STOP,
    "The payment service will not take this request as it is (HTTP {status}); nothing was charged.",
)
_MEANINGS = {
    401: _misconfigured("it did not accept our credentials, look at the user and password in"),
    403: _misconfigured("it refused our credentials or our address, look at the user, password and host in"),
    404: _misconfigured("nothing takes charges there, look at the host and the path in"),
    405: _misconfigured("that address takes no POST, look at the path in"),
    407: _misconfigured("a proxy wants credentials, look at the network on the way to"),
    408: _PROVES_NOTHING,
    409: _Meaning(
        Outcome.UNKNOWN,
        Health.SUCCESS,
        Advice.LOOK_AGAIN,
        "The same charge is still running at the payment service (HTTP {status}).",
    ),
    421: _misconfigured("that server does not serve this host, look at the host in"),
    422: _Meaning(
        Outcome.UNKNOWN,
        Health.SUCCESS,
        Advice.REVIEW,
        "This idempotency key was used with another payload (HTTP {status}): a person must compare the two.",
    ),
    425: _Meaning(
        Outcome.FAILED,
        Health.NEUTRAL,
        Advice.RETRY,
        "The payment service was not ready to take the request yet (HTTP {status}).",
    ),
    429: _Meaning(
        Outcome.THROTTLED,
        Health.THROTTLED,
        Advice.RETRY,
        "The payment service asks us to slow down (HTTP {status}).",
    ),
    # A proxy's "the client went away" (AWS 460, nginx 499) may be said after the request was passed on.
    460: _PROVES_NOTHING,
    499: _PROVES_NOTHING,
}


class Phase(Enum):
    """How far a call had come when it failed.

    ``WAITING``: no new connection was begun and nothing written. ``CONNECTING``: resolving, connecting or
    in the TLS handshake, nothing of the request written. ``SENT``: a byte of the request may have left.
    """

    WAITING = "waiting"
    CONNECTING = "connecting"
    SENT = "sent"


class PoolFullError(Exception):
    """All of the gateway's own connections were busy."""


class DeadlinePassedError(Exception):
    """No time was left when the call began."""


class StrayAnswerError(Exception):
    """The answer was there before our question: it belongs to another one."""


def classify(status: int, headers: Mapping[str, str], body: bytes | None, *, now: float) -> Answer:
    """What the service's answer to a charge means.

    A 402 counts as a decline only with the protocol's own body: hosting platforms and proxies send bare
    402s for unpaid bills of their own. Other refusals (4xx) need no body: whoever sent them did not
    pass the request on.

    Args:
        status: the HTTP status.
        headers: names in lower case.
        body: the whole body, or None where it was too long to be read.
        now: seconds since the epoch, for a ``Retry-After`` date.
    """
    wait = parse_retry_after(headers, now=now)
    said = parse_object(body) or {}
    if 200 <= status < 300:
        return _accepted(status, said, wait)
    if status == 402:
        return _declined(said, wait)
    if status == 422 or status >= 500:
        return _told_by_status(status, parse_code(said), wait)
    return _answer(_meaning(status), status, parse_code(said), wait)


def classify_error(error: Exception, phase: Phase) -> Answer:
    """What a call that ended without an answer means; ``phase`` decides, not the kind of error."""
    code = type(error).__name__
    if phase is Phase.SENT:
        detail = f"The request may have reached the payment service; no usable answer came back ({code})."
        return Answer(Outcome.UNKNOWN, Health.FAILURE, code=code, detail=detail)
    health, detail = explain_unsent(error, phase)
    return Answer(Outcome.NOT_SENT, health, code=code, detail=detail)


def explain_unsent(error: Exception, phase: Phase) -> tuple[Health, str]:
    """What an error from before the request's first byte says of the service, and to an operator."""
    code = type(error).__name__
    if phase is Phase.CONNECTING:
        # The texts of socket, resolver and TLS errors name hosts and reasons, never credentials.
        return Health.FAILURE, f"No connection to the payment service: {str(error) or code}."
    if isinstance(error, PoolFullError):
        return Health.NEUTRAL, "All our connections to the payment service were busy; nothing was sent."
    if isinstance(error, DeadlinePassedError):
        return Health.NEUTRAL, "No time was left for the call; nothing was sent."
    return Health.NEUTRAL, f"A kept connection was of no use any more ({code}); nothing was sent."


def parse_object(body: bytes | None) -> dict[str, Any] | None:
    """The JSON object in ``body``; None for everything else."""
    try:
        value = json.loads(body or b"")
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def parse_charge_id(said: Mapping[str, Any]) -> str | None:
    """The charge's id where it is one: text that can be stored and shown, of 1 to 255 characters."""
    value = said.get("charge_id")
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        return None
    return value if len(value) <= _CHARGE_ID_LENGTH else None


def parse_code(said: Mapping[str, Any] | None) -> str | None:
    """The service's own code where it is short and plain; other text might hold anything."""
    value = (said or {}).get("code")
    return value if isinstance(value, str) and _CODE.fullmatch(value) else None


def _meaning(status: int) -> _Meaning:
    if status in _MEANINGS:
        return _MEANINGS[status]
    if 300 <= status < 400:
        return _REDIRECTED
    return _REFUSED if 400 <= status < 500 else _PROVES_NOTHING


def _answer(meaning: _Meaning, status: int, code: str | None, wait: float | None) -> Answer:
    return Answer(
        meaning.outcome,
        meaning.health,
        code=code or f"http_{status}",
        detail=meaning.detail.format(status=status),
        retry_after=wait,
        advice=meaning.advice,
    )


def _told_by_status(status: int, own_code: str | None, wait: float | None) -> Answer:
    # By this code, and not the service's own, the ledger knows that the answer may be stored under its key,
    # and that only a person can end an order whose key belongs to another payload.
    answer = _answer(_meaning(status), status, None, wait)
    return replace(answer, detail=f"{answer.detail} Its own code is {own_code}.") if own_code else answer


def _accepted(status: int, said: Mapping[str, Any], wait: float | None) -> Answer:
    charge_id = parse_charge_id(said)
    if status in {200, 201} and said.get("status") == "succeeded" and charge_id:
        return Answer(Outcome.SUCCEEDED, Health.SUCCESS, charge_id=charge_id)
    if said.get("status") == "processing":
        return _answer(_MEANINGS[409], status, None, wait)
    detail = f"The payment service answered HTTP {status} without a readable status and charge_id."
    return _unreadable("unexpected_body", detail, wait)


def _declined(said: Mapping[str, Any], wait: float | None) -> Answer:
    if said.get("status") == "declined":
        code = parse_code(said) or "declined"
        return Answer(Outcome.DECLINED, Health.SUCCESS, code=code, detail="The payment was declined.")
    return _unreadable("http_402", "HTTP 402 without the payment service's own body is no decline.", wait)


def _unreadable(code: str, detail: str, wait: float | None) -> Answer:
    return Answer(Outcome.UNKNOWN, Health.FAILURE, code=code, detail=detail, retry_after=wait)

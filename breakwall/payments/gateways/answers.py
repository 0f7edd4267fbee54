"""The HTTP payment protocol's status codes and errors, put into the words that gateways share.

Pure functions. The rule under all of them: *no charge* is only said where it is proven. A status that a
server can send after it has charged (any 5xx, 408, a redirect, a success that we cannot read, a refusal that
may mean "this was done already") proves nothing and is `Outcome.UNKNOWN`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, NamedTuple

from breakwall.breaker import parse_retry_after
from breakwall.host.exhaustion import lack_of
from breakwall.payments.gateways.base import Advice, Answer, Health, Outcome
from breakwall.payments.gateways.bodies import (
    UnreadableError,
    excerpt,
    find_code,
    read_charge_id,
    read_details,
    read_object,
    read_status,
    unknown_status,
)

RUNNING = frozenset({"processing", "pending"})
"""The texts of a ``status`` that say that the charge is not decided yet."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What of an answer is taken seriously.

    Attributes:
        max_body: bytes of a body; a longer one is unreadable.
        max_retry_after: seconds; a longer ``Retry-After`` is ignored.
    """

    max_body: int = 65_536
    max_retry_after: float = 600.0


DEFAULT_BOUNDS = Bounds()


class _Meaning(NamedTuple):
    outcome: Outcome
    health: Health
    advice: Advice
    detail: str
    spends_key: bool = False


def _misconfigured(reason: str, outcome: Outcome = Outcome.FAILED) -> _Meaning:
    detail = f"The payment service answered HTTP {{status}}: {reason}."
    return _Meaning(outcome, Health.NEUTRAL, Advice.RECONFIGURE, detail)


_NO_PROOF = "The payment service answered HTTP {status}, which does not say whether it charged."
_PROVES_NOTHING = _Meaning(Outcome.UNKNOWN, Health.FAILURE, Advice.RETRY, _NO_PROOF)
_SERVER_ERROR = _Meaning(Outcome.UNKNOWN, Health.FAILURE, Advice.RETRY, _NO_PROOF, spends_key=True)
_REDIRECTED = _Meaning(
    Outcome.UNKNOWN,
    Health.NEUTRAL,
    Advice.RECONFIGURE,
    "HTTP {status} sends us elsewhere and is not followed: put the final address into BREAKWALL_PAYMENT_URL.",
)
# It may mean "this was done already", as Toss Payments says it: 400 ALREADY_PROCESSED_PAYMENT.
_REFUSED = _Meaning(
    Outcome.UNKNOWN,
    Health.NEUTRAL,
    Advice.STOP,
    "The payment service refused this request (HTTP {status}), which does not say whether it has charged it "
    "before: it is looked up, where it can be, before the order ends.",
    spends_key=True,
)
_NOT_THERE = _misconfigured(
    "nothing is there, which does not say whether it has charged before; look at the host and the path in "
    "BREAKWALL_PAYMENT_URL",
    Outcome.UNKNOWN,
)
_CREDENTIALS = (
    "look at the user and password in BREAKWALL_PAYMENT_URL, or at BREAKWALL_PAYMENT_TOKEN, _HEADERS "
    "or _CERT_FILE"
)
_STILL_RUNNING = _Meaning(
    Outcome.UNKNOWN,
    Health.SUCCESS,
    Advice.LOOK_AGAIN,
    "The same charge is still running at the payment service (HTTP {status}).",
)
_MEANINGS = {
    401: _misconfigured(f"it did not accept our credentials, {_CREDENTIALS}"),
    403: _misconfigured(f"it refused our credentials or our address, {_CREDENTIALS}"),
    404: _NOT_THERE,
    405: _misconfigured("that address takes no POST, look at the path in BREAKWALL_PAYMENT_URL"),
    407: _misconfigured("a proxy wants credentials, look at BREAKWALL_PAYMENT_PROXY"),
    408: _PROVES_NOTHING,
    409: _STILL_RUNNING,
    410: _NOT_THERE,
    421: _misconfigured("that server does not serve this host, look at the host in BREAKWALL_PAYMENT_URL"),
    422: _Meaning(
        Outcome.UNKNOWN,
        Health.SUCCESS,
        Advice.REVIEW,
        "This idempotency key was used with another payload (HTTP {status}): a person must compare the two.",
        spends_key=True,
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


def classify(
    status: int,
    headers: Mapping[str, str],
    body: bytes | None,
    *,
    now: float,
    bounds: Bounds = DEFAULT_BOUNDS,
) -> Answer:
    """What the service's answer to a charge means.

    A success and a 402 are told by their body, which must be a JSON object: hosting platforms and proxies
    send bare 402s for unpaid bills of their own. Everything else is told by its status.

    Args:
        status: the HTTP status.
        headers: names in lower case.
        body: the whole body as it was received, or None where it was longer than ``bounds.max_body``.
        now: seconds since the epoch, for a ``Retry-After`` date.
        bounds: what is taken seriously.
    """
    told_by_body = 200 <= status < 300 or status == 402
    try:
        said = read_object(headers, body, bounds.max_body)
        answer = _told_by_body(status, said) if told_by_body else _answer(_meaning(status), status, said)
    except UnreadableError as error:
        answer = _unreadable(status, error) if told_by_body else _answer(_meaning(status), status, {})
    return replace(answer, retry_after=parse_retry_after(headers, now=now, longest=bounds.max_retry_after))


def classify_error(error: Exception, phase: Phase) -> Answer:
    """What a call that ended without an answer means; ``phase`` decides, not the kind of error."""
    code = type(error).__name__
    if phase is Phase.SENT:
        detail = f"The request may have reached the payment service; no usable answer came back ({code})."
        health = Health.NEUTRAL if lack_of(error) else Health.FAILURE
        return Answer(Outcome.UNKNOWN, health, code=code, detail=detail)
    health, detail = explain_unsent(error, phase)
    return Answer(Outcome.NOT_SENT, health, code=code, detail=detail)


def explain_unsent(error: Exception, phase: Phase) -> tuple[Health, str]:
    """What an error from before the request's first byte says of the service, and to an operator."""
    code = type(error).__name__
    if (lack := lack_of(error)) is not None:
        return Health.NEUTRAL, f"This process has no {lack} left for the call; nothing was sent."
    if phase is Phase.CONNECTING:
        # The texts of socket, resolver and TLS errors name hosts and reasons, never credentials.
        return Health.FAILURE, f"No connection to the payment service: {str(error) or code}."
    if isinstance(error, PoolFullError):
        return Health.NEUTRAL, "All our connections to the payment service were busy; nothing was sent."
    if isinstance(error, DeadlinePassedError):
        return Health.NEUTRAL, "No time was left for the call; nothing was sent."
    return Health.NEUTRAL, f"A kept connection was of no use any more ({code}); nothing was sent."


def declined_code(said: Mapping[str, Any]) -> str:
    """The service's own code of a decline, or the word itself."""
    return find_code(said) or "declined"


def _meaning(status: int) -> _Meaning:
    if status in _MEANINGS:
        return _MEANINGS[status]
    if status >= 500:
        return _SERVER_ERROR
    if status >= 400:
        return _REFUSED
    return _REDIRECTED if status >= 300 else _PROVES_NOTHING


def _answer(meaning: _Meaning, status: int, said: Mapping[str, Any]) -> Answer:
    return Answer(
        meaning.outcome,
        meaning.health,
        code=find_code(said) or f"http_{status}",
        detail=meaning.detail.format(status=status),
        advice=meaning.advice,
        spends_key=meaning.spends_key,
    )


def _told_by_body(status: int, said: Mapping[str, Any]) -> Answer:
    if status == 402:
        return _payment_required(said)
    word = read_status(said)
    if word == "declined":
        return _declined(said)
    if word in RUNNING:
        return _answer(_STILL_RUNNING, status, said)
    if word != "succeeded":
        raise unknown_status(said)
    if status not in {200, 201}:
        raise UnreadableError("only 200 and 201 can say that a charge succeeded")
    return Answer(
        Outcome.SUCCEEDED, Health.SUCCESS, charge_id=read_charge_id(said), details=read_details(said)
    )


def _payment_required(said: Mapping[str, Any]) -> Answer:
    word = said.get("status")
    if isinstance(word, str) and word.strip().lower() in {"succeeded", *RUNNING}:
        raise UnreadableError(f"its `status` is {excerpt(word)}, which contradicts it")
    return _declined(said)


def _declined(said: Mapping[str, Any]) -> Answer:
    return Answer(
        Outcome.DECLINED,
        Health.SUCCESS,
        code=declined_code(said),
        detail="The payment was declined.",
        details=read_details(said),
    )


def _unreadable(status: int, error: UnreadableError) -> Answer:
    return Answer(
        Outcome.UNKNOWN,
        Health.FAILURE,
        code="http_402" if status == 402 else "unexpected_body",
        detail=f"The payment service answered HTTP {status}, but {error}.",
    )

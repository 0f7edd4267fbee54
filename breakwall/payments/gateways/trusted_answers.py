"""Checks the answers of a gateway that is not ours. Pure.

Each check returns the answer, or None if it breaks the protocol: a wrong type, or a success without its charge's id.
Almost every answer passes, so this is quick.
"""

import math
import re
from dataclasses import replace
from typing import Any, TypeVar

from breakwall.payments.gateways.base import (
    Advice,
    ChargeAnswer,
    ChargeDetails,
    ChargeRequest,
    Health,
    LookupAnswer,
    LookupResult,
    Outcome,
    Prepared,
)

MAX_ID = 255  # Characters of an id of the service, as in the database.
MAX_CODE = 64
MAX_DETAIL = 500

HIDDEN = "…"
SHORTEST_SECRET = 4  # Characters; a shorter text is found in any sentence.

_PLAIN_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")  # The ones that `decisions` stores as reasons.

Answer = TypeVar("Answer", ChargeAnswer, LookupAnswer)


def charge_answer(answer: Any) -> ChargeAnswer | None:
    """Check an answer of `Gateway.charge`."""
    if type(answer) is not ChargeAnswer or type(answer.outcome) is not Outcome:
        return None
    if answer.outcome is Outcome.SUCCEEDED and answer.charge_id is None:
        return None
    has_flags = type(answer.spends_key) is bool and type(answer.replayed) is bool
    return answer if has_flags and _has_types(answer) else None


def lookup_answer(answer: Any) -> LookupAnswer | None:
    """Check an answer of `Gateway.look_up` or `CancellingGateway.cancel`."""
    if type(answer) is not LookupAnswer or type(answer.result) is not LookupResult:
        return None
    if answer.result is LookupResult.SUCCEEDED and answer.charge_id is None:
        return None
    return answer if _has_types(answer) else None


def prepared_answer(answer: Any) -> Prepared | ChargeAnswer | None:
    """Check an answer of `PreparingGateway.prepare`. One that has charged breaks the protocol."""
    if type(answer) is Prepared:
        return answer if _is_id(answer.id) else None
    checked = charge_answer(answer)
    return None if checked is None or checked.outcome is Outcome.SUCCEEDED else checked


def without_secrets(answer: Answer, request: ChargeRequest | None) -> Answer:
    """The answer with short texts that repeat nothing of the request that must not be shown. For gateways not ours."""
    hidden = hide_secrets(answer, request)
    return hidden if hidden.contradiction is None else replace(hidden, contradiction=None)


def hide_secrets(answer: Answer, request: ChargeRequest | None) -> Answer:
    """The answer with short texts that repeat nothing of the request that must not be shown."""
    code, detail = answer.code, answer.detail
    for secret in _secrets(request):
        code = None if code is None else _code_without(secret, code)
        detail = detail.replace(secret, HIDDEN)
    code, detail = None if code is None else code[:MAX_CODE], detail[:MAX_DETAIL]
    if (code, detail) == (answer.code, answer.detail):
        return answer
    return replace(answer, code=code, detail=detail)


def _code_without(secret: str, code: str) -> str:
    """The code without the text. A word within a plain code tells nothing: ``card`` in ``expired_card``."""
    tells_nothing = code != secret and secret.isalpha() and _PLAIN_CODE.fullmatch(code)
    return code if tells_nothing else code.replace(secret, HIDDEN)


def _secrets(request: ChargeRequest | None) -> list[str]:
    if request is None:
        return []
    texts = [request.payment_method, request.description, *(request.metadata or {}).values()]
    return sorted({text for text in texts if text and len(text) >= SHORTEST_SECRET}, key=len, reverse=True)


def _has_types(answer: ChargeAnswer | LookupAnswer) -> bool:
    return (
        type(answer.health) is Health
        and type(answer.advice) is Advice
        and (answer.charge_id is None or _is_id(answer.charge_id))
        and (answer.code is None or type(answer.code) is str)
        and type(answer.detail) is str
        and (answer.retry_after is None or _is_pause(answer.retry_after))
        and type(answer.details) is ChargeDetails
    )


def _is_id(value: Any) -> bool:
    return type(value) is str and 0 < len(value) <= MAX_ID and value.isprintable()


def _is_pause(value: Any) -> bool:
    return type(value) in {int, float} and math.isfinite(value) and value >= 0

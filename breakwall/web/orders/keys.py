"""The header ``Idempotency-Key``: a quoted structured-field string (RFC 9651) or the bare key, which mean the same."""

from __future__ import annotations

import re

from fastapi import Request

from breakwall.texts import text_problem
from breakwall.web.problems import ProblemError, ProblemType

_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
_ESCAPED = re.compile(r'\\(["\\])')

DOCUMENTED = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "Your own name for the order, the same on each try: 1 to 255 characters, in quotation marks or not.",
    "schema": {"type": "string", "minLength": 1},
    "example": '"cart-17"',
}
"""The header in the OpenAPI document."""


def key_of(request: Request) -> str:
    """The request's key. Raises `ProblemError` if there is none, or no usable one."""
    found = request.headers.getlist("idempotency-key")
    if not any(found):
        raise ProblemError(
            ProblemType.IDEMPOTENCY_KEY_MISSING,
            "Send the header Idempotency-Key: your own name for this order, the same on each try.",
        )
    if len(found) > 1:
        raise _invalid("should be sent once")
    return key_in(found[0])


def key_in(header: str) -> str:
    """The key in a header's value, as Starlette decodes it. Raises `ProblemError` if it is malformed."""
    try:
        value = header.encode("latin-1").decode()
    except UnicodeError:
        raise _invalid("should be ASCII or UTF-8") from None
    key = _unquoted(value) if value.startswith('"') else value
    if problem := text_problem(key):
        raise _invalid(problem)
    return key


def _unquoted(value: str) -> str:
    quoted = _QUOTED.fullmatch(value)
    if quoted is None:
        raise _invalid(r'should end with a quotation mark as it begins with one; within, " is \" and \ is \\')
    return _ESCAPED.sub(r"\1", quoted[1])


def _invalid(problem: str) -> ProblemError:
    return ProblemError(
        ProblemType.IDEMPOTENCY_KEY_INVALID,
        f"The header Idempotency-Key {problem}.",
        {"errors": {"Idempotency-Key": problem}},
    )

"""The header ``Idempotency-Key``: a quoted structured-field string (RFC 9651) or the bare key, which mean the same."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Depends, Header, Request

from breakwall.texts import text_problem
from breakwall.web.problems import ProblemError, ProblemType

_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
_ESCAPED = re.compile(r'\\(["\\])')

_DOCUMENTED = Header(
    alias="Idempotency-Key",
    description="Your own name for the order, the same on each try, of 1 to 255 characters; quoted or not.",
    examples=['"cart-17"'],
)


async def _idempotency_key(request: Request, documented: Annotated[str | None, _DOCUMENTED] = None) -> str:
    found = request.headers.getlist("idempotency-key")
    if not any(found):
        raise ProblemError(
            ProblemType.IDEMPOTENCY_KEY_MISSING,
            "Send the header Idempotency-Key: your own name for this order, the same on each try.",
        )
    if len(found) > 1:
        raise _invalid("should be sent once")
    return key_in(found[0])


OrderKey = Annotated[str, Depends(_idempotency_key)]
"""The type of a route's argument that gets the key. Without a usable one, the request ends with a problem."""


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

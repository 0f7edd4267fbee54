"""A request that does not fit its route, as a problem that names each field and repeats no value."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError

from breakwall.web.problems import ProblemError, ProblemType

MOST_ERRORS = 20  # A batch may have the same error in each of its orders.

# What a field's name looks like. Anything else is the caller's own text, and may be a card number.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,39}")


def problem_of_validation(request: Request, error: RequestValidationError) -> ProblemError:
    """400 for what is no JSON, 415 for another format, else 422 with ``errors``."""
    found: Sequence[Any] = error.errors()
    for one in found:
        if one["type"] == "json_invalid":
            where = f"at character {one['loc'][-1]}"
            return ProblemError(
                ProblemType.MALFORMED, f"The body is no JSON: {one['ctx']['error']}, {where}."
            )
        if isinstance(one.get("input"), bytes) and _is_of_another_type(request):
            return ProblemError(
                ProblemType.UNSUPPORTED_MEDIA_TYPE,
                "The body should be JSON, and its Content-Type application/json.",
            )
    errors = dict(_described(one) for one in found[:MOST_ERRORS])
    detail = "; ".join(f"{field}: {problem}" for field, problem in errors.items())
    return ProblemError(ProblemType.INVALID_REQUEST, detail, {"errors": errors})


def _is_of_another_type(request: Request) -> bool:
    return "json" not in request.headers.get("content-type", "").lower()


def _described(one: Any) -> tuple[str, str]:
    place, *path = one["loc"]
    field = ".".join(_shown(part) for part in path) or str(place)
    if one["type"] == "extra_forbidden":
        return field, "is not a field of this request"
    return field, one["msg"].removeprefix("Value error, ")


def _shown(part: object) -> str:
    if isinstance(part, int):
        return str(part)
    return str(part) if _NAME.fullmatch(str(part)) else "…"

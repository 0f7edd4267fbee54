"""A request that does not fit its route, as a problem that names each field and repeats no value."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError

from breakwall.web.problems import ProblemError, ProblemType, invalid

MOST_ERRORS = 20  # A batch may have the same error in each of its orders.

# What a field's name looks like. Anything else is the caller's own text, and may be a card number.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,39}")
_PLACES = {"body", "query", "path", "header"}
_FORMS = {"paid", "not_charged"}  # Of a body, by its ``outcome``. They are no fields.
_FREE = "metadata"  # The names within it are the caller's own, and may be as secret as a value.


def problem_of_validation(request: Request, error: RequestValidationError) -> ProblemError:
    """400 for what is no JSON, 415 for another format, else 422 with ``errors``."""
    found: Sequence[Any] = error.errors()
    if any(isinstance(one.get("input"), bytes) for one in found) and _is_of_another_type(request):
        return ProblemError(
            ProblemType.UNSUPPORTED_MEDIA_TYPE,
            "The body should be JSON, and its Content-Type application/json.",
        )
    return problem_of_fields(found)


def problem_of_fields(found: Sequence[Any]) -> ProblemError:
    """The problem of what pydantic has found: 400 for what is no JSON, else 422 with ``errors``."""
    for one in found:
        if one["type"] == "json_invalid":
            return ProblemError(
                ProblemType.MALFORMED, f"The body is no JSON: {one['ctx']['error']}{_where(one)}."
            )
    return invalid(dict(_described(one) for one in found[:MOST_ERRORS]))


def _where(one: Any) -> str:
    """FastAPI has the place apart; pydantic has it in its text."""
    return f", at character {one['loc'][-1]}" if one["loc"] else ""


def _is_of_another_type(request: Request) -> bool:
    return "json" not in request.headers.get("content-type", "").lower()


def _described(one: Any) -> tuple[str, str]:
    field = _field(one["loc"])
    if one["type"] == "extra_forbidden":
        return field, "is not a field of this request"
    return field, one["msg"].removeprefix("Value error, ")


def _field(location: Sequence[str | int]) -> str:
    """The field and what is within it. A name that may be a secret is left out."""
    path = [part for part in location if part not in {*_PLACES, *_FORMS}]
    known = [*takewhile(lambda part: part != _FREE, path), *([_FREE] if _FREE in path else [])]
    if not known:
        return str(location[0]) if location and location[0] in _PLACES else "body"
    shown = [field_name(part) for part in known]
    return "body" if shown == ["…"] else ".".join(shown)


def field_name(given: str | int) -> str:
    """A field's name as it may be shown: "…" if it does not look like one."""
    return str(given) if isinstance(given, int) or _NAME.fullmatch(given) else "…"

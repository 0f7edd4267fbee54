"""Reads the JSON of a request's body in one step, without FastAPI's parameters."""

from __future__ import annotations

from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from breakwall.web.orders.errors import field_errors, invalid
from breakwall.web.problems import ProblemError, ProblemType

Body = TypeVar("Body", bound=BaseModel)


async def read_body(request: Request, model: type[Body]) -> Body:
    """The request's body. Raises `ProblemError` that names each field which is missing, wrong or not known."""
    if not _is_json(request.headers.get("content-type", "")):
        raise ProblemError(
            ProblemType.UNSUPPORTED_MEDIA_TYPE,
            "The body should be JSON, and its Content-Type application/json.",
        )
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as error:
        raise _problem_of(error) from None  # The cause holds the values.


def _problem_of(error: ValidationError) -> ProblemError:
    for one in error.errors():
        if one["type"] == "json_invalid":
            return ProblemError(ProblemType.MALFORMED, f"The body is no JSON: {one['ctx']['error']}.")
    return invalid(field_errors(error))


def _is_json(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))

"""Reads the JSON of a request's body in one step, without FastAPI's parameters."""

from __future__ import annotations

from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from breakwall.web.problems import ProblemError, ProblemType
from breakwall.web.validation import problem_of_fields

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
        raise problem_of_fields(error.errors()) from None  # The cause holds the values.


def _is_json(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))

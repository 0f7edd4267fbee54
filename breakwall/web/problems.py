"""Errors as problem documents (RFC 9457): each has a type that never changes, at an address that explains it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import cast

from fastapi import Request
from fastapi.responses import JSONResponse

from breakwall.pickling import Picklable

MEDIA_TYPE = "application/problem+json"
PATH = "/problems"  # Of the pages that explain the types.


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """One type of problem."""

    slug: str  # The last part of its address. Public: it stays.
    status: int
    title: str
    explanation: str  # What to do about it, for a developer.


class ProblemType(Enum):
    """The types of problems that the API answers with."""

    INVALID_REQUEST = ProblemKind(
        "invalid-request",
        422,
        "The request is not valid",
        "A field is missing or has a wrong value. `errors` names each field and says what would be right.",
    )
    MALFORMED = ProblemKind(
        "malformed",
        400,
        "The request cannot be read",
        "The body is no JSON, or was cut off. `detail` says where reading ended.",
    )
    NOT_FOUND = ProblemKind(
        "not-found", 404, "There is no such thing", "Nothing has this id, key or address."
    )
    METHOD_NOT_ALLOWED = ProblemKind(
        "method-not-allowed",
        405,
        "The method is not allowed here",
        "The header `Allow` lists the methods of this address.",
    )
    AMBIGUOUS_NAME = ProblemKind(
        "ambiguous-name",
        409,
        "The name fits two orders",
        "It is one order's id and another order's key. Add `by=id` or `by=key`.",
    )
    ORDER_PRUNED = ProblemKind(
        "order-pruned",
        410,
        "The order is not kept any more",
        "It had ended, and was removed after the retention time. `order` is what is kept of it.",
    )
    REFUSED = ProblemKind(
        "refused",
        409,
        "The state does not allow it",
        "Nothing was changed. `detail` says why, and what is possible instead.",
    )
    TOO_LARGE = ProblemKind(
        "too-large",
        413,
        "The body is too large",
        "Nothing was read. Send less at once, for example a batch in several parts.",
    )
    UNSUPPORTED_MEDIA_TYPE = ProblemKind(
        "unsupported-media-type",
        415,
        "The body has an unknown format",
        "Send JSON, with the header `Content-Type: application/json`.",
    )
    IDEMPOTENCY_CONFLICT = ProblemKind(
        "idempotency-conflict",
        422,
        "The idempotency key belongs to another order",
        "Nothing was accepted. Send the first order unchanged, or the new order under a key of its own.",
    )
    UNAVAILABLE = ProblemKind(
        "unavailable",
        503,
        "The service cannot work now",
        "Send the same request again after `Retry-After` seconds. What it asked for may have happened or not: an order "
        "with the same `Idempotency-Key` is never charged twice.",
    )
    INTERNAL = ProblemKind(
        "internal",
        500,
        "The server has failed",
        "This is a fault of the server; its log has the details. A request with an `Idempotency-Key` can be repeated.",
    )

    @property
    def address(self) -> str:
        """The value of the document's ``type``, relative to the server."""
        return f"{PATH}/{self.value.slug}"


class ProblemError(Picklable, Exception):
    """Ends a request with a problem document. ``members`` are more fields of the document."""

    def __init__(
        self,
        type_: ProblemType,
        detail: str,
        members: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.type = type_
        self.detail = detail
        self.members = members or {}
        self.headers = headers


def problem_response(problem: ProblemError) -> JSONResponse:
    """The answer to a request that ended with ``problem``."""
    kind = problem.type.value
    document = {"type": problem.type.address, "title": kind.title, "status": kind.status}
    return JSONResponse(
        {**document, "detail": problem.detail, **problem.members},
        status_code=kind.status,
        headers=problem.headers,
        media_type=MEDIA_TYPE,
    )


async def answer_problem(request: Request, problem: Exception) -> JSONResponse:
    """The handler of `ProblemError`."""
    return problem_response(cast(ProblemError, problem))

"""Errors as problem documents (RFC 9457): each has a type that never changes, at an address that explains it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
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
    UNSUPPORTED_MEDIA_TYPE = ProblemKind(
        "unsupported-media-type",
        415,
        "The body has an unknown format",
        "Send JSON, with the header `Content-Type: application/json`.",
    )
    IDEMPOTENCY_KEY_MISSING = ProblemKind(
        "idempotency-key-missing",
        400,
        "The order has no idempotency key",
        "Send the header `Idempotency-Key`: your own name for the order, the same on each try. It keeps a repeated "
        "request from charging twice.",
    )
    IDEMPOTENCY_KEY_INVALID = ProblemKind(
        "idempotency-key-invalid",
        400,
        "The idempotency key is not usable",
        "The header `Idempotency-Key` is a text of 1 to 255 characters without control characters, quoted or not.",
    )
    IDEMPOTENCY_CONFLICT = ProblemKind(
        "idempotency-conflict",
        422,
        "The idempotency key belongs to another order",
        "Nothing was accepted. Send the first order unchanged, or the new order under a key of its own.",
    )
    PAYMENT_DECLINED = ProblemKind(
        "payment-declined",
        402,
        "The payment was declined",
        "Nothing was charged. `order` has the decline code as its `reason`. A new try needs a new key.",
    )
    PAYMENT_FAILED = ProblemKind(
        "payment-failed",
        402,
        "The payment could not be made",
        "Nothing was charged, and nothing more is tried unless an operator retries the order.",
    )
    ORDER_CANCELLED = ProblemKind(
        "order-cancelled",
        402,
        "The order was cancelled",
        "Nothing was charged. `order` has the cause as its `reason`. A new try needs a new key.",
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
    NOT_FOUND = ProblemKind(
        "not-found", 404, "There is no such thing", "Nothing has this id, key or address."
    )
    REFUSED = ProblemKind(
        "refused",
        409,
        "The state does not allow it",
        "Nothing was changed. `detail` says why, and what is possible instead.",
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


def problem_document(problem: ProblemError) -> dict[str, object]:
    """The problem as RFC 9457 has it."""
    kind = problem.type.value
    document = {"type": problem.type.address, "title": kind.title, "status": kind.status}
    return {**document, "detail": problem.detail, **problem.members}


def problem_response(problem: ProblemError) -> JSONResponse:
    """The answer to a request that ended with ``problem``."""
    return JSONResponse(
        problem_document(problem),
        status_code=problem.type.value.status,
        headers=problem.headers,
        media_type=MEDIA_TYPE,
    )


async def answer_problem(request: Request, problem: Exception) -> JSONResponse:
    """The handler of `ProblemError`."""
    return problem_response(cast(ProblemError, problem))


def phrase(status: int) -> str:
    """The usual words for a status."""
    return HTTPStatus(status).phrase

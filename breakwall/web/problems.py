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
    UNAUTHENTICATED = ProblemKind(
        "unauthenticated",
        401,
        "A valid token is needed",
        "Send `Authorization: Bearer TOKEN`. `breakwall token create` makes one; it ends when it is revoked, or when "
        "its time is over.",
    )
    FORBIDDEN = ProblemKind(
        "forbidden",
        403,
        "The token does not allow it",
        "Use a token with one of the `scopes`. A token keeps the scopes that it was made with.",
    )
    CROSS_SITE = ProblemKind(
        "cross-site",
        403,
        "The request comes from another site",
        "A browser's requests are taken from this server's own pages only. Programs send a token in `Authorization`.",
    )
    FOREIGN_HOST = ProblemKind(
        "foreign-host",
        421,
        "This server does not have that name",
        "Nothing was done. Set `BREAKWALL_API__HOSTS` to the names under which the server is reached.",
    )
    UNSUPPORTED_FORM = ProblemKind(
        "unsupported-form",
        415,
        "A form is not accepted here",
        "Send the body as JSON, with `Content-Type: application/json`.",
    )
    TOO_MANY_TRIES = ProblemKind(
        "too-many-tries",
        429,
        "Too many wrong tokens",
        "Wait for `Retry-After` seconds. A valid token is accepted meanwhile.",
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
    TOO_LARGE = ProblemKind(
        "too-large", 413, "The body is too large", "Nothing was done. `detail` says how large it may be."
    )
    UNSIGNED_HINT = ProblemKind(
        "unsigned-hint",
        401,
        "The hint is not signed",
        "Nothing was done. Compare the payment service's signing secret with `BREAKWALL_PAYMENT_HOOK_SECRET`.",
    )
    UNAVAILABLE = ProblemKind(
        "unavailable",
        503,
        "The service cannot work now",
        "Nothing was accepted. Send the same request again after `Retry-After` seconds.",
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


def phrase(status: int) -> str:
    """The usual words for a status."""
    return HTTPStatus(status).phrase

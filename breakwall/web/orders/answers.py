"""What a caller is told of an order that it has placed: a status, and an honest sentence for the customer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import Response
from pydantic_core import to_json

from breakwall.payments.orders import OrderStatus
from breakwall.producers import PlaceResult
from breakwall.web.problems import ProblemError, ProblemType, problem_response


@dataclass(frozen=True, slots=True)
class Answer:
    """How a state of an order is answered. ``code`` never changes, so a shop can have a text of its own for it."""

    http_status: int
    code: str
    message: str  # For the customer. It promises nothing that the order's rules do not keep.
    problem: ProblemType | None = None


ANSWERS = {
    OrderStatus.PAID: Answer(201, "payment_received", "Your payment was received."),
    OrderStatus.QUEUED: Answer(
        202,
        "payment_pending",
        "Your order is accepted. The payment is not confirmed yet, and you are charged at most once. There is no need "
        "to order again.",
    ),
    OrderStatus.IN_FLIGHT: Answer(
        202,
        "payment_in_progress",
        "Your order is accepted. The payment is being made and is not confirmed yet; you are charged at most once. "
        "There is no need to order again.",
    ),
    OrderStatus.REVIEW: Answer(
        202,
        "payment_unclear",
        "It is not certain yet whether the payment was made. A person has to find out. There is no need to order "
        "again.",
    ),
    OrderStatus.DECLINED: Answer(
        402,
        "payment_declined",
        "The payment was declined. Nothing was charged.",
        ProblemType.PAYMENT_DECLINED,
    ),
    OrderStatus.DEAD: Answer(
        402,
        "payment_failed",
        "The payment could not be made. Nothing was charged.",
        ProblemType.PAYMENT_FAILED,
    ),
    OrderStatus.CANCELLED: Answer(
        402,
        "order_cancelled",
        "The order was cancelled. Nothing was charged.",
        ProblemType.ORDER_CANCELLED,
    ),
}


def placed_document(key: str, result: PlaceResult) -> dict[str, Any]:
    """What is known of an order that was placed: the fields of `documents.PlacedOrder`."""
    answer = ANSWERS[result.status]
    return {
        "id": result.order_id,
        "idempotency_key": key,
        "status": result.status.value,
        "reason": result.reason,
        "charge_id": result.charge_id,
        "replayed": result.replayed,
        "message_code": answer.code,
        "message": answer.message,
    }


def placed_response(key: str, result: PlaceResult, headers: dict[str, str]) -> Response:
    """The answer to `POST /v1/orders`, with more ``headers``."""
    answer, headers = ANSWERS[result.status], _headers(result, headers)
    document = placed_document(key, result)
    if answer.problem is None:
        return Response(to_json(document), answer.http_status, headers, "application/json")
    return problem_response(ProblemError(answer.problem, answer.message, {"order": document}, headers))


def placed_parts(
    key: str, result: PlaceResult, headers: dict[str, str]
) -> tuple[int, list[tuple[bytes, bytes]], bytes] | None:
    """Status, headers and body of the same answer; None if it is a problem document."""
    answer = ANSWERS[result.status]
    if answer.problem is not None:
        return None
    found = [(name.lower().encode(), value.encode()) for name, value in _headers(result, headers).items()]
    found.append((b"content-type", b"application/json"))
    return answer.http_status, found, to_json(placed_document(key, result))


def _headers(result: PlaceResult, more: dict[str, str]) -> dict[str, str]:
    headers = {**more, "Location": f"/v1/orders/{result.order_id}"}
    if result.replayed:
        headers["Idempotent-Replayed"] = "true"
    return headers

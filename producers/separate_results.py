"""Enqueues a batch in which a refused order does not stop the others: each order has a result of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeAlias

from breakwall.payments.db.database import Database
from breakwall.payments.ledger.accept import known_by_key
from breakwall.payments.orders import IdempotencyConflictError, InvalidOrderError, Order, differing_fields
from breakwall.producers.pending import PlaceResult

OrderResult: TypeAlias = PlaceResult | IdempotencyConflictError | InvalidOrderError
"""The state of an accepted order, or why it was refused."""


_REFUSED = "should be in a batch once: an order before this one has the same key, and was refused; send this one again"


def enqueue_each(
    enqueue: Callable[[Iterable[Order]], list[PlaceResult]], database: Database, orders: Sequence[Order]
) -> list[OrderResult]:
    """A result for each order, in the same order. What is not refused is accepted together.

    ``enqueue`` is `OrderProducer.enqueue`, of at most `BATCH` orders, and ``database`` its database. If two orders have
    the same key, the first one counts, also if it is refused. Raises `DatabaseUnavailableError`: none is accepted, or
    that is not known.
    """
    first: dict[str, Order] = {}
    for order in orders:
        first.setdefault(order.idempotency_key, order)
    by_key = _enqueue(enqueue, database, first)
    return [_result(order, first[order.idempotency_key], by_key) for order in orders]


def _result(order: Order, first: Order, by_key: dict[str, OrderResult]) -> OrderResult:
    found = by_key[order.idempotency_key]
    if order is first:
        return found
    if not isinstance(found, PlaceResult):
        # Why the first one was refused is true of the same order only. Nobody has looked at another one.
        return (
            found
            if order == first
            else InvalidOrderError({"idempotency_key": _REFUSED}, [first.idempotency_key])
        )
    if differing := differing_fields(first, order):
        return IdempotencyConflictError(order.idempotency_key, differing)
    return replace(found, replayed=True)


def _enqueue(
    enqueue: Callable[[Iterable[Order]], list[PlaceResult]], database: Database, orders: dict[str, Order]
) -> dict[str, OrderResult]:
    left = dict(orders)
    refused: dict[str, OrderResult] = {}
    while left:
        try:
            results = enqueue(left.values())
        except (IdempotencyConflictError, InvalidOrderError) as error:
            # Nothing was stored. One read finds all conflicting orders.
            found = refused_orders(database, left, error)
            refused |= found
            left = {key: order for key, order in left.items() if key not in found}
        else:
            return {**refused, **dict(zip(left, results, strict=True))}
    return refused


def refused_orders(
    database: Database, orders: dict[str, Order], error: IdempotencyConflictError | InvalidOrderError
) -> dict[str, IdempotencyConflictError | InvalidOrderError]:
    """Those of the orders of a batch, by key, that made ``error``, and why.

    Raises ``error`` if it names none of them: nobody may try the same batch for ever.
    """
    if isinstance(error, InvalidOrderError):
        found: dict[str, IdempotencyConflictError | InvalidOrderError] = {
            key: error for key in orders if key in error.keys
        }
    else:
        found = {error.key: error} if error.key in orders else {}
        found |= _conflicts(database, orders)
    if not found:
        raise error
    return found


def _conflicts(database: Database, orders: dict[str, Order]) -> dict[str, IdempotencyConflictError]:
    known = database.read(lambda connection: known_by_key(connection, list(orders)))
    conflicts = {}
    for key, order in known.items():
        try:
            order.check_same_as(orders[key])
        except IdempotencyConflictError as conflict:
            conflicts[key] = conflict
    return conflicts

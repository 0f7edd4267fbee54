"""What the tests of bulk retries share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, select, update

from breakwall.payments.db.operator_tables import bulk_retry_orders
from breakwall.payments.db.schema import orders
from breakwall.payments.gateways.base import ChargeAnswer, Health, Outcome
from breakwall.payments.operator.bulk_retry.freezing import Freezing
from breakwall.payments.operator.bulk_retry.record import BulkRetries, BulkRetry
from breakwall.payments.operator.bulk_retry.runner import BulkRetryRunner
from breakwall.payments.operator.bulk_retry.selection import Selection
from breakwall.payments.orders import OrderStatus
from tests.contract import bulk
from tests.contract.people import ANNA
from tests.contract.site import Site

DEAD = Selection((OrderStatus.DEAD,))
TIMED_OUT = ChargeAnswer(Outcome.FAILED, Health.NEUTRAL, code="http_408", detail="50% of it took Too Long.")


def bulk_retries(site: Site) -> BulkRetries:
    return BulkRetries(site.database, clock=site.clock)


def create(site: Site, selection: Selection = DEAD, **options: Any) -> BulkRetry:
    return bulk_retries(site).create(selection, ANNA, **options)


def get(site: Site, made: BulkRetry) -> BulkRetry:
    return bulk_retries(site).get(made.id)


def runner(site: Site, **options: Any) -> BulkRetryRunner:
    return bulk.runner(site.database, site.clock, **options)


def steps(site: Site, selection: Selection = DEAD, **options: Any) -> Iterator[BulkRetry]:
    return bulk.steps(site.database, selection, ANNA, clock=site.clock, **options)


def run(site: Site, selection: Selection = DEAD, limit: int | None = None) -> int:
    """Retry all that match; how many were retried?"""
    return bulk.retry_all(site.database, selection, ANNA, clock=site.clock, limit=limit).retried


def collected(site: Site, made: BulkRetry) -> BulkRetry:
    """Have all its orders written down, and nothing retried."""
    while (now := get(site, made)).state == "collecting":
        Freezing(site.database, site.clock).run_once(now)
    return now


def frozen(site: Site, made: BulkRetry) -> list[str]:
    """The keys of the orders that are written down, in their sequence."""
    wanted = (
        select(orders.c.idempotency_key)
        .join(bulk_retry_orders, bulk_retry_orders.c.order_id == orders.c.id)
        .where(bulk_retry_orders.c.bulk_id == made.id)
        .order_by(bulk_retry_orders.c.place)
    )
    return site.database.read(lambda connection: list(connection.scalars(wanted)))


def states(site: Site, *keys: str) -> list[OrderStatus]:
    return [site.get(key).status for key in keys]


def make_all_dead(connection: Connection) -> None:
    connection.execute(update(orders).values(status="dead", next_attempt_at=None, dispatch_at=None))

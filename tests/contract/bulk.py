"""Bulk retries in a test: made and worked off at once, with the test's clock."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from breakwall.payments.db.clock import DATABASE_CLOCK, Clock
from breakwall.payments.db.database import Database
from breakwall.payments.interventions import Author
from breakwall.payments.operator.bulk_retry.record import BulkRetries, BulkRetry
from breakwall.payments.operator.bulk_retry.runner import BulkRetryRunner
from breakwall.payments.operator.bulk_retry.selection import Selection


def runner(database: Database, clock: Clock = DATABASE_CLOCK, **options: Any) -> BulkRetryRunner:
    """One that does not pause between two transactions."""
    return BulkRetryRunner(database, clock=clock, **{"sleep": lambda seconds: None, **options})


def steps(
    database: Database, selection: Selection, author: Author, *, clock: Clock = DATABASE_CLOCK, **options: Any
) -> Iterator[BulkRetry]:
    """Make one; then work on it, and yield it after each transaction."""
    made = BulkRetries(database, clock=clock).create(selection, author, **options)
    yield from runner(database, clock).run(made.id)


def retry_all(
    database: Database, selection: Selection, author: Author, *, clock: Clock = DATABASE_CLOCK, **options: Any
) -> BulkRetry:
    """Retry all orders that match now, and return the bulk retry as it has ended."""
    *_, last = steps(database, selection, author, clock=clock, **options)
    return last

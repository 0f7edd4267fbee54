"""What a person does to orders in a test: the operator's actions at one database, with the test's clock."""

from __future__ import annotations

from functools import partial

from breakwall.payments.db.clock import DATABASE_CLOCK, Clock
from breakwall.payments.db.database import Database
from breakwall.payments.operator.resolve import resolve_not_charged, resolve_paid
from breakwall.payments.operator.retry_and_cancel import cancel_order, retry_order


class People:
    """Each action as it is called, without the database and the clock."""

    def __init__(self, database: Database, *, clock: Clock = DATABASE_CLOCK, looks_up: bool = True) -> None:
        self.retry = partial(retry_order, database, clock=clock, looks_up=looks_up)
        self.cancel = partial(cancel_order, database, clock=clock)
        self.resolve_paid = partial(resolve_paid, database, clock=clock)
        self.resolve_not_charged = partial(resolve_not_charged, database, clock=clock)

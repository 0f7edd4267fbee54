"""Makes, reads and aborts bulk retries: each is one row of `bulk_retries`."""

import uuid
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, insert, select, update

from breakwall.errors import BreakwallError, ExitCode
from breakwall.payments.db.clock import DATABASE_CLOCK, Clock, seconds_between
from breakwall.payments.db.database import Database
from breakwall.payments.db.errors import SchemaError
from breakwall.payments.db.insert_missing import insert_missing
from breakwall.payments.db.operator_tables import ActionResult, BulkState, bulk_retries, operator_actions
from breakwall.payments.db.revisions import has_table
from breakwall.payments.interventions import Author
from breakwall.payments.operator.bulk_retry.selection import Selection
from breakwall.payments.operator.bulk_retry.waiting import missing_gateway
from breakwall.payments.operator.locking import RefusedError
from breakwall.pickling import Picklable
from breakwall.texts import MAX_LENGTH, text_problem

SLOWEST = 0.001  # Orders a second. With less, the next moment could be in no calendar.
MAX_NUMBER = 2**31 - 1  # The largest limit that the database can store.

_MOMENT = "%Y-%m-%d %H:%M:%S UTC"
_NO_TABLES = (
    "the orders database has no table for bulk retries before its next revision: run `breakwall db upgrade`"
)
_OPEN = (BulkState.COLLECTING, BulkState.RUNNING)


class BulkRetryNotFoundError(Picklable, BreakwallError):
    """There is no bulk retry with this id."""

    kind = "not_found"
    exit_code = ExitCode.NOT_FOUND

    def __init__(self, bulk_id: str) -> None:
        super().__init__(f"there is no bulk retry {bulk_id}: `breakwall orders bulk-retries list` shows all")


class OtherBulkRetryError(Picklable, RefusedError):
    """The id belongs to a bulk retry of other orders, or at another rate; nothing was changed."""

    def __init__(self, bulk_id: str) -> None:
        super().__init__(f"bulk retry {bulk_id} has another selection, rate or limit: use another key")


@dataclass(frozen=True, slots=True)
class BulkRetry:
    """One retry of all orders that matched when it was made."""

    id: str
    name: str  # For people.
    created_at: datetime  # Aware, in UTC, by the database's clock, as all moments here.
    actor: str
    reason: str
    selection: Selection
    rate: float | None  # Orders a second at most; None: at most half of the database's time.
    order_limit: int | None
    state: BulkState
    position: str | None  # While its orders are written down: how far that has come.
    eligible: int  # Its orders. While it is `collecting`: so far.
    # In numbers of orders, as in `Preview`, when all were written down; 0 before. None: they were too many to count.
    looked_up_first: int | None
    already_paid: int | None
    skipped: int | None
    to_be_resolved: int | None
    # Of the eligible orders, so far:
    retried: int
    changed: int  # Left alone: their state had changed meanwhile.
    paid: int  # Left alone: they had been paid meanwhile.
    disputed: int  # Left alone: only `resolve` ends their review.
    started_at: datetime | None  # When all its orders were written down.
    next_at: datetime | None  # Its rate allows no more orders before then.
    ended_at: datetime | None
    aborted_by: str | None
    abort_reason: str | None
    read_at: datetime
    # A running one that is `get` or listed: the gateway of the orders that are left, if it waits for a worker that has
    # it, see `waiting`.
    waits_for: str | None = None

    @property
    def until(self) -> datetime:
        """When the youngest of its orders were accepted, at the latest."""
        return self.created_at - timedelta(seconds=self.selection.older_than)

    @property
    def has_ended(self) -> bool:
        return self.state not in _OPEN

    @property
    def done(self) -> int:
        """Orders that it is through with."""
        return self.retried + self.changed + self.paid + self.disputed

    @property
    def is_held_back(self) -> bool:
        """Whether its rate allows no order now. Whoever works on it may have given the lease back meanwhile."""
        return self.next_at is not None and self.next_at > self.read_at

    @property
    def seconds_left(self) -> float | None:
        """An estimate, by its rate or by its progress so far; None if neither says anything, or if it waits."""
        if self.has_ended:
            return 0.0
        if self.waits_for is not None:
            return None
        left = self.eligible - self.done
        if self.rate is not None and self.state is BulkState.RUNNING:
            return left / self.rate
        return left * seconds_between(self.started_at, self.read_at) / self.done if self.done else None


class BulkRetries:
    """All bulk retries. Thread-safe.

    Every method raises `DatabaseUnavailableError`, and `SchemaError` while the database has no tables for them.
    """

    def __init__(self, database: Database, *, clock: Clock = DATABASE_CLOCK) -> None:
        self._database = database
        self._clock = clock

    def create(
        self,
        selection: Selection,
        author: Author,
        *,
        name: str | None = None,
        rate: float | None = None,
        limit: int | None = None,
        bulk_id: str | None = None,
    ) -> BulkRetry:
        """Make a bulk retry of the orders that match now; a process with a `BulkRetryRunner` does the rest.

        ``name``: up to 255 characters; None: made from reason and time. ``rate``: orders a second at most. ``limit``:
        the oldest so many. ``bulk_id`` (32 characters) may be that of an earlier call: then this returns what that has
        made, or raises `OtherBulkRetryError` if it was for other orders. Raises `ValueError` for a wrong argument.
        """
        _check(author, name, rate, limit)
        made_id = bulk_id or uuid.uuid4().hex
        row: dict[str, Any] = {"id": made_id, "selection": selection.as_json(), "rate": rate}
        row |= {"order_limit": limit, "state": BulkState.COLLECTING, "reason": author.reason}

        def work(connection: Connection) -> BulkRetry:
            check_tables(connection)
            self._insert(connection, row | {"actor": author.actor}, name, author)
            return self._found(connection, made_id)

        made = self._database.write(work, name="create_bulk_retry")
        if (made.selection, made.rate, made.order_limit) != (selection, rate, limit):
            raise OtherBulkRetryError(made.id)
        return made

    def get(self, bulk_id: str) -> BulkRetry:
        """Raises `BulkRetryNotFoundError`."""

        def read(connection: Connection) -> BulkRetry:
            check_tables(connection)
            return self._with_wait(connection, self._found(connection, bulk_id))

        return self._database.read(read)

    def newest(self, limit: int) -> list[BulkRetry]:
        """The newest first."""

        def read(connection: Connection) -> list[BulkRetry]:
            check_tables(connection)
            wanted = self._select().order_by(bulk_retries.c.created_at.desc(), bulk_retries.c.id)
            found = [_bulk_retry(row) for row in connection.execute(wanted.limit(limit)).all()]
            return [self._with_wait(connection, bulk) for bulk in found]

        return self._database.read(read)

    def oldest_open(self) -> BulkRetry | None:
        """The oldest that has not ended; None also before the tables exist."""
        return next(iter(self.open_ones(1)), None)

    def open_ones(self, limit: int) -> list[BulkRetry]:
        """Those that have not ended, the oldest first; none before the tables exist."""

        def read(connection: Connection) -> list[BulkRetry]:
            if not has_table(connection, bulk_retries.name):
                return []
            wanted = self._select(bulk_retries.c.state.in_(_OPEN))
            oldest = wanted.order_by(bulk_retries.c.created_at, bulk_retries.c.id).limit(limit)
            return [_bulk_retry(row) for row in connection.execute(oldest)]

        return self._database.read(read)

    def abort(self, bulk_id: str, author: Author) -> BulkRetry:
        """Retry no more of its orders after the batch in hand; what was retried stays retried.

        Raises `BulkRetryNotFoundError`, `RefusedError` if it has ended, `ValueError` without a reason.
        """
        _check(author)
        ended = {"state": BulkState.ABORTED, "ended_at": self._clock.after(0), "next_at": None}
        ended |= {"aborted_by": author.actor, "abort_reason": author.reason}

        def work(connection: Connection) -> BulkRetry:
            check_tables(connection)
            before = self._found(connection, bulk_id, locked=True)
            if before.has_ended:
                raise RefusedError(f"bulk retry {bulk_id} is {before.state} already")
            connection.execute(update(bulk_retries).where(bulk_retries.c.id == bulk_id).values(ended))
            self._record(connection, "bulk_retry_abort", bulk_id, author)
            return self._found(connection, bulk_id)

        return self._database.write(work, name="abort_bulk_retry")

    def lock(self, connection: Connection, bulk_id: str) -> BulkRetry:
        """Read it, and keep every other process from changing it until the transaction ends."""
        return self._found(connection, bulk_id, locked=True)

    def _insert(self, connection: Connection, row: dict[str, Any], name: str | None, author: Author) -> None:
        now = connection.scalars(select(self._clock.after(0))).one()
        named = name or f"{author.reason}"[: MAX_LENGTH - 30] + f", {now.strftime(_MOMENT)}"
        missing = insert_missing(connection.dialect.name, bulk_retries)
        values = missing.values(row | {"created_at": now, "name": named})
        # Not by `rowcount`: for an INSERT, SQLAlchemy has none on PostgreSQL.
        if connection.scalar(values.returning(bulk_retries.c.id)) is not None:
            self._record(connection, "bulk_retry_create", row["id"], author)

    def _record(self, connection: Connection, action: str, bulk_id: str, author: Author) -> None:
        row: dict[str, Any] = {
            "action": action,
            "subject": bulk_id,
            "actor": author.actor,
            "reason": author.reason,
        }
        row |= {"at": self._clock.after(0), "result": ActionResult.DONE}
        connection.execute(insert(operator_actions).values(row))

    def _with_wait(self, connection: Connection, bulk: BulkRetry) -> BulkRetry:
        if bulk.state is not BulkState.RUNNING or bulk.is_held_back:
            return bulk
        return replace(bulk, waits_for=missing_gateway(connection, self._clock, bulk.id))

    def _found(self, connection: Connection, bulk_id: str, *, locked: bool = False) -> BulkRetry:
        wanted = self._select(bulk_retries.c.id == bulk_id)
        row = connection.execute(wanted.with_for_update() if locked else wanted).first()
        if row is None:
            raise BulkRetryNotFoundError(bulk_id)
        return _bulk_retry(row)

    def _select(self, *conditions: ColumnElement[bool]) -> Select[Any]:
        return select(bulk_retries, self._clock.after(0).label("read_at")).where(*conditions)


def check_tables(connection: Connection) -> None:
    """Raise `SchemaError` while the database has no tables for bulk retries."""
    if not has_table(connection, bulk_retries.name):
        raise SchemaError(_NO_TABLES)


def _bulk_retry(row: Row[Any]) -> BulkRetry:
    values = dict(row._mapping)
    values |= {"selection": Selection.from_json(row.selection), "state": BulkState(row.state)}
    return BulkRetry(**values)


def _check(
    author: Author, name: str | None = None, rate: float | None = None, limit: int | None = None
) -> None:
    if author.reason is None:
        raise ValueError("reason: a bulk action needs it; it is recorded")
    if name is not None and (problem := text_problem(name)):
        raise ValueError(f"name: {problem}")
    if rate is not None and not SLOWEST <= rate < float("inf"):
        raise ValueError(f"rate: should be at least {SLOWEST:g} orders a second")
    if limit is not None and not 0 < limit <= MAX_NUMBER:
        raise ValueError(f"limit: should be from 1 to {MAX_NUMBER}")

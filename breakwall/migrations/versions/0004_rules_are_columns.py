"""Rules read columns, a charge belongs to one order, and the site has a name.

Workers of the version before continue while this runs, and afterwards. They leave the new columns empty, so the rules
then read the codes and texts that they write (`ledger.attempt_conditions`). They and the commands are replaced before
the producers, see `docs/operations.md`.

First the columns are added, empty, which takes a moment. Then they are filled in batches for the orders that are open
at that time. The table `open_before_0004` lists the remaining ones; it is dropped at the end. Each step may be done
twice.
"""

import secrets
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import postgresql, sqlite

from breakwall.payments.keys import key_shape

revision = "0004"
down_revision = "0003"

NEWEST_PAID = 50_000
"""Paid orders that are searched for known charges of each shape of key."""

OF_EACH_SHAPE = 3

BATCH = 200
"""Open orders that one transaction fills: it locks them for about ten milliseconds."""

OPEN = ("queued", "in_flight", "review", "dead")

_ADVICE = "advice IN ('retry', 'look_again', 'review', 'stop', 'reconfigure')"
_SETTLED_BY = "settled_by IN ('look_up', 'person', 'lease', 'payment')"
_KINDS = (
    "kind IN ('two_charges', 'charged_after_cancel', 'charged_after_resolution', 'wrong_charge', 'reported')"
)
_ACTIONS = "action IN ('retry', 'cancel', 'resolve_paid', 'resolve_not_charged', 'suspect')"

_PAID = sa.text(
    """
    SELECT o.id, o.charge_id, a.gateway_key, o.settled_at FROM orders o
    JOIN attempts a ON a.order_id = o.id AND a.outcome = 'succeeded' AND a.charge_id = o.charge_id
    WHERE o.settled_at IS NOT NULL AND o.charge_id IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM interventions i WHERE i.order_id = o.id AND i.action = 'resolve_paid'
    ) AND NOT EXISTS (
        SELECT 1 FROM orders other WHERE other.charge_id = o.charge_id AND other.id <> o.id
    )
    ORDER BY o.settled_at DESC LIMIT :most
    """
)
_DOUBLED = sa.text(
    """
    SELECT a.order_id AS id, a.charge_id, o.settled_at FROM attempts a JOIN orders o ON o.id = a.order_id
    WHERE a.charge_id IS NOT NULL AND a.order_id IN (SELECT order_id FROM incidents WHERE kind = 'two_charges')
    ORDER BY a.order_id, a.number
    """
)
_SHARED = sa.text(
    """
    SELECT o.id, o.charge_id, o.settled_at FROM orders o WHERE o.charge_id IN (
        SELECT charge_id FROM orders WHERE charge_id IS NOT NULL GROUP BY charge_id HAVING count(*) > 1
    ) ORDER BY o.charge_id, o.settled_at, o.id
    """
)

_RETRIED_AFTER_A_REFUSAL = sa.text(
    """
    SELECT a.order_id, a.number, a.gateway_key FROM orders o JOIN attempts a ON a.order_id = o.id
    WHERE o.id IN :ids AND o.status IN ('queued', 'in_flight')
    AND a.outcome = 'failed' AND a.advice = 'stop' AND a.settled_by IS NULL
    AND a.number = (
        SELECT max(n.number) FROM attempts n
        WHERE n.order_id = o.id AND (n.outcome IS NULL OR n.outcome NOT IN ('not_sent', 'throttled'))
    )
    AND NOT EXISTS (
        SELECT 1 FROM attempts u WHERE u.order_id = o.id AND (u.outcome IS NULL OR u.outcome = 'unknown')
    )
    """
).bindparams(sa.bindparam("ids", expanding=True))
_DOUBTED_ATTEMPT = sa.text(
    "UPDATE attempts SET outcome = 'unknown' WHERE order_id = :of AND number = :refused AND gateway_key = :key"
)
_DOUBTED_ORDER = sa.text(
    "UPDATE orders SET charge_key = :key, attempt_floor = attempt_count WHERE id = :of AND :refused > 0"
)

_ORDERS = sa.table("orders", *map(sa.column, ("id", "status", "last_error", "rejected")))
_ATTEMPTS = sa.table(
    "attempts",
    *map(sa.column, ("order_id", "outcome", "code", "detail", "advice", "settled_by")),
    sa.column("spends_key", sa.Boolean()),
)
_SETTING = "BREAKWALL_PAYMENT_URL."
_REJECTIONS = ("http_401", "http_403", "http_404", "http_405", "http_407", "http_421")

# The trigger of revision 0003: SQLite drops it with the old table.
_IGNORE_KNOWN = """
CREATE TRIGGER incidents_leave_known_out BEFORE INSERT ON incidents WHEN EXISTS (
    SELECT 1 FROM incidents WHERE order_id = NEW.order_id AND kind = NEW.kind AND detail = NEW.detail
) BEGIN SELECT RAISE(IGNORE); END
"""


_CHARGES = sa.table(
    "charges",
    *map(sa.column, ("charge_id", "account", "order_id", "key", "key_shape")),
    sa.column("at", sa.DateTime(timezone=True)),
)
_TO_FILL = sa.table("open_before_0004", sa.column("id"))


def upgrade() -> None:
    steps = context.config.attributes["steps"]
    steps.run_short(_make_tables, "orders")
    steps.run_short(_widen_orders, "orders")
    steps.run_short(_widen_attempts, "attempts")
    steps.run_short(_allow_more_kinds, "incidents")
    steps.run_short(_allow_more_actions, "interventions")
    steps.run_long(_validate_checks)
    _list_step(steps)(_list_open_orders)
    _fill_open_orders(steps)
    shared, rows = steps.run_long(lambda _: (_shared_charges(), _known_charges()))
    steps.run_short(partial(_keep_charges, rows), "charges")
    steps.run_short(partial(_report, shared), "incidents")
    steps.run_short(lambda _: op.drop_table(_TO_FILL.name), _TO_FILL.name)


def _list_step(steps: Any) -> Any:
    # On SQLite, a transaction that reads first and then writes fails if another one writes meanwhile: it needs the lock
    # from its start.
    return (
        partial(steps.run_short, table="orders") if op.get_bind().dialect.name == "sqlite" else steps.run_long
    )


def _make_tables(connection: sa.Connection) -> None:
    if not sa.inspect(connection).has_table("site"):
        _name_the_site()
        _make_charges()


def _name_the_site() -> None:
    site = op.create_table(
        "site",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_site_there_is_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_site")),
    )
    name = context.config.attributes.get("site") or secrets.token_hex(8)
    op.bulk_insert(site, [{"id": 1, "name": name}])


def _make_charges() -> None:
    op.create_table(
        "charges",
        sa.Column("charge_id", sa.String(length=255), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("order_id", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=True),
        sa.Column("key_shape", sa.String(length=300), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("charge_id", "account", name=op.f("pk_charges")),
    )
    op.create_index(
        "ix_charges_known",
        "charges",
        ["account", "key_shape", "at"],
        unique=False,
        postgresql_where=sa.text("key_shape IS NOT NULL"),
        sqlite_where=sa.text("key_shape IS NOT NULL"),
    )


def _list_open_orders(connection: sa.Connection) -> None:
    """Read all orders once. An order that becomes open later needs no filling: either its process fills the columns,
    or it is of the version before, and the rules read the texts of its rows."""
    if sa.inspect(connection).has_table(_TO_FILL.name):
        return  # An interrupted migration continues with the remaining ones.
    op.create_table(_TO_FILL.name, sa.Column("id", sa.String(length=32), primary_key=True))
    found = sa.select(_ORDERS.c.id).where(_ORDERS.c.status.in_(OPEN))
    connection.execute(sa.insert(_TO_FILL).from_select(["id"], found))


def _fill_open_orders(steps: Any) -> None:
    last: str | None = ""
    while last is not None:
        last = steps.run_short(partial(_fill_some, last), "orders")
        steps.pause()


def _fill_some(last: str, connection: sa.Connection) -> str | None:
    """Fill the next batch after the id ``last``; returns the batch's last id, or None after the last batch."""
    waiting = sa.select(_TO_FILL.c.id).where(_TO_FILL.c.id > last).order_by(_TO_FILL.c.id).limit(BATCH)
    ids = list(connection.scalars(waiting))
    if not ids:
        return None
    # As the ledger does: lock an order before its attempts.
    still_open = sa.select(_ORDERS.c.id).where(_ORDERS.c.id.in_(ids), _ORDERS.c.status.in_(OPEN))
    locked = list(connection.scalars(still_open.order_by(_ORDERS.c.id).with_for_update()))
    for statement in _fills(locked):
        connection.execute(statement)
    _doubt_refusals(locked)
    connection.execute(sa.delete(_TO_FILL).where(_TO_FILL.c.id.in_(ids)))
    return str(ids[-1])


def _known_charges() -> list[dict[str, Any]]:
    # For a charge without a row, `orders.charge_id` names its order. Of two rows for one charge, the first stays.
    rows = [*_first_of_shared(), *_newest_of_each_shape(), *_second_charges()]
    return list({row["charge_id"]: row for row in reversed(rows)}.values())


def _keep_charges(rows: list[dict[str, Any]], connection: sa.Connection) -> None:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    if rows:
        connection.execute(dialect.insert(_CHARGES).on_conflict_do_nothing(), rows)


def _first_of_shared() -> Iterator[dict[str, Any]]:
    for order_id, charge_id, at in op.get_bind().execute(_SHARED):
        yield _row(order_id, charge_id, at)


def _newest_of_each_shape() -> Iterator[dict[str, Any]]:
    known: Counter[str] = Counter()
    for order_id, charge_id, key, at in op.get_bind().execute(_PAID, {"most": NEWEST_PAID}):
        shape = key_shape(key)
        known[shape] += 1
        if known[shape] <= OF_EACH_SHAPE:
            yield _row(order_id, charge_id, at, key, shape)


def _second_charges() -> Iterator[dict[str, Any]]:
    for order_id, charge_id, at in op.get_bind().execute(_DOUBLED):
        yield _row(order_id, charge_id, at)


def _row(
    order_id: str, charge_id: str, at: Any, key: str | None = None, shape: str | None = None
) -> dict[str, Any]:
    # SQLite returns times as texts.
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at or datetime.now(UTC)
    return {
        "account": "default",
        "charge_id": charge_id,
        "order_id": order_id,
        "key": key,
        "key_shape": shape,
        "at": moment,
    }


def _allow_more_kinds(connection: sa.Connection) -> None:
    _replace_check("incidents", "ck_incidents_kind_is_known", _KINDS)
    if connection.dialect.name == "sqlite":
        op.execute(_IGNORE_KNOWN)


def _allow_more_actions(_: sa.Connection) -> None:
    _replace_check("interventions", "ck_interventions_action_is_known", _ACTIONS)


def _replace_check(table: str, name: str, check: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        # All values that were allowed are allowed now, so no writer needs to wait for a check of the existing rows.
        replaced = f"DROP CONSTRAINT IF EXISTS {name}, ADD CONSTRAINT {name} CHECK ({check}) NOT VALID"
        op.execute(f"ALTER TABLE {table} {replaced}")
        return
    # SQLite changes no constraint in place: the table, which is small, is copied.
    with op.batch_alter_table(table) as changed:
        changed.drop_constraint(op.f(name), type_="check")
        changed.create_check_constraint(op.f(name), check)


def _validate_checks(connection: sa.Connection) -> None:
    """Let PostgreSQL check the existing rows by the new constraints. Others read and write meanwhile."""
    if connection.dialect.name != "postgresql":
        return
    checks = {
        "attempts": ("ck_attempts_advice_is_known", "ck_attempts_settled_by_is_known"),
        "incidents": ("ck_incidents_kind_is_known",),
        "interventions": ("ck_interventions_action_is_known",),
    }
    for table, names in checks.items():
        validated = ", ".join(f"VALIDATE CONSTRAINT {name}" for name in names)
        op.execute(f"ALTER TABLE {table} {validated}")


def _shared_charges() -> list[tuple[str, str]]:
    """Orders that share their charge with an earlier order: each with the text of its incident."""
    first: dict[str, str] = {}
    found = []
    for order_id, charge_id, _ in op.get_bind().execute(_SHARED):
        owner = first.setdefault(charge_id, order_id)
        if owner != order_id:
            found.append((order_id, f"it is paid by {charge_id}, which is the charge of order {owner}"))
    return found


def _report(shared: list[tuple[str, str]], _: sa.Connection) -> None:
    now = datetime.now(UTC)
    table = sa.table(
        "incidents",
        *map(sa.column, ("order_id", "kind", "detail")),
        sa.column("at", sa.DateTime(timezone=True)),
    )
    told = [
        {"order_id": order_id, "kind": "wrong_charge", "detail": why, "at": now} for order_id, why in shared
    ]
    op.bulk_insert(table, told)


def _doubt_refusals(ids: list[str]) -> None:
    """Have orders looked up that a person has retried after a refusal. The look-up asks for the refused key, because
    the version before has rotated that one without a look-up."""
    doubted = [
        {"of": order_id, "refused": number, "key": key}
        for order_id, number, key in op.get_bind().execute(_RETRIED_AFTER_A_REFUSAL, {"ids": ids})
    ]
    for row in doubted:
        op.get_bind().execute(_DOUBTED_ATTEMPT, row)
        op.get_bind().execute(_DOUBTED_ORDER, row)


def _widen_orders(connection: sa.Connection) -> None:
    for column in (
        sa.Column("attempt_floor", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("renewals", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("suspected_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("looked_up_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rejected", sa.Boolean(), nullable=True),
    ):
        if not _has(connection, "orders", column.name):
            op.add_column("orders", column)


def _widen_attempts(connection: sa.Connection) -> None:
    if not _has(connection, "attempts", "spends_key"):
        op.add_column("attempts", sa.Column("spends_key", sa.Boolean(), nullable=True))
        _add_checked("advice", _ADVICE)
        _add_checked("settled_by", _SETTLED_BY)


def _has(connection: sa.Connection, table: str, column: str) -> bool:
    return column in {found["name"] for found in sa.inspect(connection).get_columns(table)}


def _add_checked(column: str, check: str) -> None:
    named = f"CONSTRAINT ck_attempts_{column}_is_known CHECK ({check})"
    if op.get_bind().dialect.name == "sqlite":
        _add_checked_to_sqlite(f"{column} VARCHAR(16)", named)
        return
    op.execute(f"ALTER TABLE attempts ADD COLUMN {column} VARCHAR(16)")
    # It is empty everywhere, so no writer needs to wait for a check of the existing rows.
    op.execute(f"ALTER TABLE attempts ADD {named} NOT VALID")


def _add_checked_to_sqlite(column: str, named: str) -> None:
    # Added with its check, SQLite would read the whole table, and check all else in it, while nobody can write. The
    # column is empty, so the check is put into the stored statement: https://sqlite.org/lang_altertable.html, part 7.
    connection = op.get_bind()
    version = connection.exec_driver_sql("PRAGMA schema_version").scalar_one()
    connection.exec_driver_sql("PRAGMA writable_schema = ON")
    try:
        if not _schema_is_writable(connection):
            op.execute(f"ALTER TABLE attempts ADD COLUMN {column} {named}")
            return
        checked = (
            "UPDATE sqlite_master SET sql = replace(sql, ?, ?) WHERE type = 'table' AND name = 'attempts'"
        )
        connection.exec_driver_sql(f"ALTER TABLE attempts ADD COLUMN {column}")
        connection.exec_driver_sql(checked, (column, f"{column} {named}"))
        connection.exec_driver_sql(f"PRAGMA schema_version = {version + 2}")
    finally:
        connection.exec_driver_sql("PRAGMA writable_schema = OFF")


def _schema_is_writable(connection: sa.Connection) -> bool:
    # A SQLite that is built in defensive mode, such as Apple's, refuses it.
    try:
        connection.exec_driver_sql("UPDATE sqlite_master SET sql = sql WHERE 0")
    except sa.exc.OperationalError:
        return False
    return True


def _fills(ids: list[str]) -> Iterator[sa.Update]:
    """The updates for some orders that are not finished: no rule reads an attempt of a finished order."""
    of_open = _ATTEMPTS.c.order_id.in_(ids)
    code, detail = (sa.func.coalesce(column, "") for column in (_ATTEMPTS.c.code, _ATTEMPTS.c.detail))
    change = sa.update(_ATTEMPTS).where(of_open)
    still_empty = change.where(_ATTEMPTS.c.outcome.is_not(None), _ATTEMPTS.c.advice.is_(None))
    yield change.where(detail.startswith("Resolved by")).values(settled_by="person")
    yield change.where(detail.startswith("Looked up afterwards")).values(settled_by="look_up")
    yield still_empty.where(code == "http_422").values(advice="review", spends_key=True)
    yield still_empty.where(code.startswith("http_5")).values(advice="retry", spends_key=True)
    rejected = sa.or_(detail.endswith(_SETTING), code.in_(_REJECTIONS))
    yield still_empty.where(rejected).values(advice="reconfigure", spends_key=False)
    refused = sa.and_(_ATTEMPTS.c.outcome == "failed", _ATTEMPTS.c.settled_by.is_(None), code != "http_425")
    yield still_empty.where(refused).values(advice="stop", spends_key=True)
    yield still_empty.values(advice="retry", spends_key=False)
    # Processes of the version before leave the column empty, and no process of this version has started yet.
    answered = sa.and_(_ORDERS.c.last_error.is_not(None), _ORDERS.c.id.in_(ids))
    yield sa.update(_ORDERS).where(answered).values(rejected=_ORDERS.c.last_error.endswith(_SETTING))

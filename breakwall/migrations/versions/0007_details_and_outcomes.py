"""Columns for what an order carries, for its gateway, its expiry and its prepared charges; tables for the outcomes that
the shop is told, and the trigger that writes them.

Only new tables, and columns that are empty: a process of the version before does not use them, and a process of this
version works without them until they exist. The trigger also writes the outcomes of orders that a process of the
version before ends. Each step may be done twice.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import sqlalchemy as sa
from alembic import context, op

from breakwall.payments.db.outcome_trigger import create_trigger, drop_trigger

revision = "0007"
down_revision = "0006"

_MOMENT = sa.DateTime(timezone=True)
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_NEW_COLUMNS: dict[str, tuple[tuple[str, Any], ...]] = {
    "orders": (
        ("payment_method", sa.String(length=255)),
        ("description", sa.Text()),
        ("metadata", sa.Text()),
        ("gateway", sa.String(length=64)),
        ("charge_before", _MOMENT),
        ("reason", sa.String(length=64)),
        ("told", sa.BigInteger()),
    ),
    "attempts": (("prepared", sa.String(length=255)),),
    "known_keys": (
        ("details_digest", sa.String(length=32)),
        ("gateway", sa.String(length=64)),
        ("charge_before", _MOMENT),
        ("reason", sa.String(length=64)),
    ),
    "workers": (("gateway", sa.String(length=64)), ("broker", sa.Text()), ("ways", sa.String(length=64))),
}

_KINDS = "'two_charges', 'charged_after_cancel', 'charged_after_resolution', 'wrong_charge', 'reported'"
_KIND_CHECK = "ck_incidents_kind_is_known"

# The trigger of revision 0003: SQLite drops it with the old table.
_IGNORE_KNOWN = """
CREATE TRIGGER incidents_leave_known_out BEFORE INSERT ON incidents WHEN EXISTS (
    SELECT 1 FROM incidents WHERE order_id = NEW.order_id AND kind = NEW.kind AND detail = NEW.detail
) BEGIN SELECT RAISE(IGNORE); END
"""


def upgrade() -> None:
    steps = context.config.attributes["steps"]
    for table in _NEW_COLUMNS:
        steps.run_short(partial(_widen, table), table)
    # Tables and trigger in one step: a worker that sees the tables believes that outcomes are written.
    steps.run_short(_begin_outcomes, "orders")
    steps.run_short(partial(_check_kinds, f"kind IN ({_KINDS}, 'undelivered')"), "incidents")
    steps.run_long(_validate_kinds)
    where = "WHERE status = 'queued' AND charge_before IS NOT NULL"
    index = f"INDEX %s ix_orders_expiry ON orders (charge_before, id) {where}"
    if op.get_bind().dialect.name == "postgresql":
        # It reads all orders, so nobody may wait for it.
        steps.build_index("ix_orders_expiry", f"CREATE {index % 'CONCURRENTLY'}")
    else:
        steps.run_short(lambda _: op.execute(f"CREATE {index % 'IF NOT EXISTS'}"), "orders")


def downgrade() -> None:
    _run(drop_trigger)(op.get_bind())
    op.drop_index("ix_orders_expiry", table_name="orders")
    for table, columns in _NEW_COLUMNS.items():
        there = _column_names(table, op.get_bind())
        for name, _ in columns:
            if name in there:  # An unreleased version of this revision had fewer columns.
                op.drop_column(table, name)
    op.execute("DELETE FROM incidents WHERE kind = 'undelivered'")
    _check_kinds(f"kind IN ({_KINDS})", op.get_bind())
    for table in ("deliveries", "destinations", "outcomes"):
        op.drop_table(table)


def _run(statements: Callable[[str], tuple[str, ...]]) -> Callable[[sa.Connection], None]:
    def work(connection: sa.Connection) -> None:
        for statement in statements(connection.dialect.name):
            connection.exec_driver_sql(statement)

    return work


def _begin_outcomes(connection: sa.Connection) -> None:
    _make_tables(connection)
    _run(create_trigger)(connection)


def _widen(table: str, connection: sa.Connection) -> None:
    there = _column_names(table, connection)
    for name, kind in _NEW_COLUMNS[table]:
        if name not in there:
            op.add_column(table, sa.Column(name, kind, nullable=True))


def _column_names(table: str, connection: sa.Connection) -> set[str]:
    return {column["name"] for column in sa.inspect(connection).get_columns(table)}


def _check_kinds(check: str, connection: sa.Connection) -> None:
    if connection.dialect.name == "postgresql":
        # All values that were allowed are allowed now, so no writer needs to wait for a check of the existing rows.
        replaced = (
            f"DROP CONSTRAINT IF EXISTS {_KIND_CHECK}, ADD CONSTRAINT {_KIND_CHECK} CHECK ({check}) NOT VALID"
        )
        op.execute(f"ALTER TABLE incidents {replaced}")
        return
    # SQLite changes no constraint in place: the table, which is small, is copied.
    with op.batch_alter_table("incidents") as changed:
        changed.drop_constraint(op.f(_KIND_CHECK), type_="check")
        changed.create_check_constraint(op.f(_KIND_CHECK), check)
    op.execute(_IGNORE_KNOWN)


def _validate_kinds(connection: sa.Connection) -> None:
    if connection.dialect.name == "postgresql":
        op.execute(f"ALTER TABLE incidents VALIDATE CONSTRAINT {_KIND_CHECK}")


def _make_tables(connection: sa.Connection) -> None:
    if sa.inspect(connection).has_table("deliveries"):
        return
    op.create_table(
        "outcomes",
        sa.Column("id", _ID, nullable=False),
        sa.Column("order_id", sa.String(length=32), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=True),
        sa.Column("charge_id", sa.String(length=255), nullable=True),
        sa.Column("retry_count", sa.Integer(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("taken_at", _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outcomes")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outcomes_order", "outcomes", ["order_id", "id"])
    _partial_index("ix_outcomes_new", "outcomes", ["id"], "taken_at IS NULL")
    op.create_table(
        "destinations",
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("since", _MOMENT, nullable=False),
        sa.Column("gone", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_destinations")),
    )
    op.create_table(
        "deliveries",
        sa.Column("outcome_id", _ID, autoincrement=False, nullable=False),
        sa.Column("destination", sa.String(length=16), nullable=False),
        sa.Column("order_id", sa.String(length=32), nullable=False),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("unrecorded", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("due_at", _MOMENT, nullable=True),
        sa.Column("delivered_at", _MOMENT, nullable=True),
        sa.Column("given_up_at", _MOMENT, nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(due_at IS NULL) = (delivered_at IS NOT NULL OR given_up_at IS NOT NULL)",
            name=op.f("ck_deliveries_it_is_due_or_ended"),
        ),
        sa.PrimaryKeyConstraint("outcome_id", "destination", name=op.f("pk_deliveries")),
    )
    _partial_index("ix_deliveries_due", "deliveries", ["destination", "due_at"], "due_at IS NOT NULL")
    columns = ["order_id", "destination", "outcome_id"]
    _partial_index("ix_deliveries_order", "deliveries", columns, "due_at IS NOT NULL")


def _partial_index(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, postgresql_where=sa.text(where), sqlite_where=sa.text(where))

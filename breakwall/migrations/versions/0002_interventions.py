"""Actions of people on orders, an index of charges, and incidents of a charge after a person's resolution."""

import sqlalchemy as sa
from alembic import context, op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    steps = context.config.attributes["steps"]
    steps.run_short(_make_interventions, "orders")
    charges = "INDEX %s IF NOT EXISTS ix_orders_charge ON orders (charge_id) WHERE charge_id IS NOT NULL"
    if op.get_bind().dialect.name == "postgresql":
        # It reads all orders, so nobody may wait for it.
        steps.build_index("ix_orders_charge", f"CREATE {charges % 'CONCURRENTLY'}")
    else:
        steps.run_short(lambda _: op.execute(f"CREATE {charges % ''}"), "orders")
    steps.run_short(_allow_more_kinds, "incidents")


def _make_interventions(connection: sa.Connection) -> None:
    if sa.inspect(connection).has_table("interventions"):
        return
    op.create_table(
        "interventions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("order_id", sa.String(length=32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("before", sa.String(length=16), nullable=False),
        sa.Column("after", sa.String(length=16), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("evidence", sa.String(length=255), nullable=True),
        sa.Column("run", sa.String(length=32), nullable=True),
        sa.CheckConstraint(
            "action IN ('retry', 'cancel', 'resolve_paid', 'resolve_not_charged')",
            name=op.f("ck_interventions_action_is_known"),
        ),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_interventions_order_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_interventions")),
    )
    op.create_index(op.f("ix_interventions_order_id"), "interventions", ["order_id"], unique=False)


def _allow_more_kinds(_: sa.Connection) -> None:
    # SQLite changes no constraint in place: the table, which is small, is copied.
    with op.batch_alter_table("incidents") as incidents:
        incidents.drop_constraint(op.f("ck_incidents_kind_is_known"), type_="check")
        incidents.create_check_constraint(
            op.f("ck_incidents_kind_is_known"),
            "kind IN ('two_charges', 'charged_after_cancel', 'charged_after_resolution')",
        )

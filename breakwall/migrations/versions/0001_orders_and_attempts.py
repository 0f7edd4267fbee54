"""Orders, their attempts, and incidents for a person to check."""

import sqlalchemy as sa
from alembic import context, op

revision = "0001"
down_revision = None


def upgrade() -> None:
    context.config.attributes["steps"].run_short(_make_tables, "orders")


def _make_tables(_: sa.Connection) -> None:
    op.create_table(
        "orders",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("idempotency_key", sa.String(length=255), nullable=False),
        sa.Column("user_id", sa.String(length=255), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("charge_key", sa.String(length=255), nullable=False),
        sa.Column("attempt_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("retry_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("deferral_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("look_up_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("crash_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("retry_floor", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("look_up_floor", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("fence", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("dispatch_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("charge_id", sa.String(length=255), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(status = 'in_flight') = (lease_until IS NOT NULL)", name=op.f("ck_orders_a_claim_has_a_lease")
        ),
        sa.CheckConstraint(
            "(status = 'paid') = (charge_id IS NOT NULL)", name=op.f("ck_orders_paid_has_a_charge")
        ),
        sa.CheckConstraint(
            "(status = 'queued') = (dispatch_at IS NOT NULL)",
            name=op.f("ck_orders_a_queued_order_is_dispatched"),
        ),
        sa.CheckConstraint(
            "(status = 'queued') = (next_attempt_at IS NOT NULL)",
            name=op.f("ck_orders_a_queued_order_is_due"),
        ),
        sa.CheckConstraint(
            "status IN ('in_flight', 'queued', 'paid', 'declined', 'review', 'dead', 'cancelled')",
            name=op.f("ck_orders_status_is_known"),
        ),
        sa.CheckConstraint("amount > 0", name=op.f("ck_orders_amount_is_positive")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_orders_idempotency_key")),
    )
    op.create_index(
        "ix_orders_dispatch",
        "orders",
        ["dispatch_at", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'queued'"),
        sqlite_where=sa.text("status = 'queued'"),
    )
    op.create_index(
        "ix_orders_lease",
        "orders",
        ["lease_until", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'in_flight'"),
        sqlite_where=sa.text("status = 'in_flight'"),
    )
    op.create_index(
        "ix_orders_settled",
        "orders",
        ["settled_at"],
        unique=False,
        postgresql_where=sa.text("settled_at IS NOT NULL"),
        sqlite_where=sa.text("settled_at IS NOT NULL"),
    )
    op.create_index("ix_orders_status_created", "orders", ["status", "created_at"], unique=False)
    op.create_table(
        "attempts",
        sa.Column("order_id", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("gateway_key", sa.String(length=255), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("code", sa.String(length=64), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("charge_id", sa.String(length=255), nullable=True),
        sa.CheckConstraint(
            "outcome IN ('succeeded', 'declined', 'not_sent', 'throttled', 'failed', 'unknown')",
            name=op.f("ck_attempts_outcome_is_known"),
        ),
        sa.CheckConstraint("source IN ('producer', 'worker')", name=op.f("ck_attempts_source_is_known")),
        sa.CheckConstraint(
            "(outcome IS NULL) = (finished_at IS NULL)", name=op.f("ck_attempts_an_end_has_an_outcome")
        ),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_attempts_order_id")),
        sa.PrimaryKeyConstraint("order_id", "number", name=op.f("pk_attempts")),
    )
    op.create_table(
        "incidents",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("order_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('two_charges', 'charged_after_cancel')", name=op.f("ck_incidents_kind_is_known")
        ),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_incidents_order_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incidents")),
    )
    op.create_index(op.f("ix_incidents_order_id"), "incidents", ["order_id"], unique=False)

"""Tables for the operators' control of the drain: pause, rate, their history, and released orders; and for a long
backlog's count, which workers store. A column for the workers that notice a hang of the payment service.

Only new tables and an empty column: a process of the version before does not use them, and a process of this version
works without them until they exist.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "drain_control",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused_by", sa.String(length=255), nullable=True),
        sa.Column("pause_reason", sa.Text(), nullable=True),
        sa.Column("rate", sa.Float(), nullable=True),
        sa.Column("rate_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rate_by", sa.String(length=255), nullable=True),
        sa.Column("rate_reason", sa.Text(), nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_drain_control_there_is_one")),
        sa.CheckConstraint(
            "(paused_at IS NULL) = (paused_by IS NULL)", name=op.f("ck_drain_control_a_pause_has_an_actor")
        ),
        sa.CheckConstraint(
            "(rate IS NULL) = (rate_by IS NULL)", name=op.f("ck_drain_control_a_rate_has_an_actor")
        ),
        sa.CheckConstraint("rate > 0", name=op.f("ck_drain_control_rate_is_positive")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drain_control")),
    )
    op.create_table(
        "drain_actions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rate", sa.Float(), nullable=True),
        sa.CheckConstraint(
            "action IN ('pause', 'resume', 'rate')", name=op.f("ck_drain_actions_action_is_known")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drain_actions")),
    )
    op.create_table(
        "released_orders",
        sa.Column("order_id", sa.String(length=32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_released_orders")),
    )
    op.create_table(
        "backlog_counts",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("numbers", sa.Text(), nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_backlog_counts_there_is_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_backlog_counts")),
    )
    op.add_column("workers", sa.Column("hanging", sa.Boolean(), nullable=True))


def downgrade() -> None:
    columns = sa.inspect(op.get_bind()).get_columns("workers")
    # Not where an earlier form of this revision, which no release had, has made the tables.
    if "hanging" in {column["name"] for column in columns}:
        op.drop_column("workers", "hanging")
    for table in ("backlog_counts", "released_orders", "drain_actions", "drain_control"):
        op.drop_table(table)

"""Tables for people: tokens of the API, browsers that use them, the audit trail of actions that are on no order, bulk
retries, the history of the backlog and of the circuit; and for hints of the payment service and traces of orders. For
the counters: the ends that orders have left, which a trigger keeps.

Only new tables, the trigger, and an index for the audit trail. A process of the version before does not use the tables;
a process of this version works without them until they exist.
"""

import sqlalchemy as sa
from alembic import context, op

from breakwall.payments.db.end_trigger import create_end_trigger, drop_end_trigger

revision = "0008"
down_revision = "0007"

_MOMENT = sa.DateTime(timezone=True)
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_TABLES = (
    "earlier_ends",
    "delivery_totals",
    "api_tokens",
    "browser_sessions",
    "operator_actions",
    "leases",
    "backlog_samples",
    "circuit_transitions",
    "order_totals",
    "bulk_retries",
    "bulk_retry_orders",
    "payment_hints",
    "order_traces",
)


def upgrade() -> None:
    _index_interventions()  # First the steps of their own, which may be done again.
    context.config.attributes["steps"].run_short(_keep_ends, "orders")
    op.create_table(
        "delivery_totals",
        sa.Column("destination", sa.String(length=16), nullable=False),
        sa.Column("delivered", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("failed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("given_up", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("destination", name=op.f("pk_delivery_totals")),
    )
    op.create_table(
        "api_tokens",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.String(length=255), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("created_by", sa.String(length=255), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("expires_at", _MOMENT, nullable=True),
        sa.Column("used_at", _MOMENT, nullable=True),
        sa.Column("revoked_at", _MOMENT, nullable=True),
        sa.Column("revoked_by", sa.String(length=255), nullable=True),
        sa.Column("revoke_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("digest", name=op.f("uq_api_tokens_digest")),
    )
    where = sa.text("revoked_at IS NULL")
    op.create_index(
        "uq_api_tokens_valid_name",
        "api_tokens",
        ["name"],
        unique=True,
        postgresql_where=where,
        sqlite_where=where,
    )
    op.create_table(
        "browser_sessions",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("token_digest", sa.String(length=64), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_browser_sessions")),
    )
    op.create_index("ix_browser_sessions_expires_at", "browser_sessions", ["expires_at"])
    op.create_table(
        "operator_actions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=True),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("result", sa.String(length=16), nullable=True),
        sa.CheckConstraint(
            "result IN ('done', 'refused', 'unconfirmed')", name=op.f("ck_operator_actions_result_is_known")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operator_actions")),
    )
    op.create_index("ix_operator_actions_at", "operator_actions", ["at"])
    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=False),
        sa.Column("until", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "backlog_samples",
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("span", sa.Float(), nullable=False),
        sa.Column("numbers", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("at", name=op.f("pk_backlog_samples")),
    )
    op.create_table(
        "circuit_transitions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("open_count", sa.BigInteger(), nullable=False),
        sa.Column("before", sa.String(length=16), nullable=False),
        sa.Column("after", sa.String(length=16), nullable=False),
        sa.Column("cause", sa.String(length=32), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_circuit_transitions")),
    )
    op.create_table(
        "order_totals",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("counted_until", _MOMENT, nullable=False),
        sa.Column("numbers", sa.Text(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_order_totals_there_is_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_totals")),
    )
    op.create_table(
        "bulk_retries",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("selection", sa.Text(), nullable=False),
        sa.Column("rate", sa.Float(), nullable=True),
        sa.Column("order_limit", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("position", sa.Text(), nullable=True),
        sa.Column("eligible", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("looked_up_first", sa.Integer(), server_default=sa.text("0"), nullable=True),
        sa.Column("already_paid", sa.Integer(), server_default=sa.text("0"), nullable=True),
        sa.Column("skipped", sa.Integer(), server_default=sa.text("0"), nullable=True),
        sa.Column("to_be_resolved", sa.Integer(), server_default=sa.text("0"), nullable=True),
        sa.Column("retried", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("changed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("paid", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("disputed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("started_at", _MOMENT, nullable=True),
        sa.Column("next_at", _MOMENT, nullable=True),
        sa.Column("ended_at", _MOMENT, nullable=True),
        sa.Column("aborted_by", sa.String(length=255), nullable=True),
        sa.Column("abort_reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state IN ('collecting', 'running', 'finished', 'aborted')",
            name=op.f("ck_bulk_retries_state_is_known"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bulk_retries")),
    )
    op.create_index("ix_bulk_retries_created_at", "bulk_retries", ["created_at"])
    op.create_table(
        "bulk_retry_orders",
        sa.Column("bulk_id", sa.String(length=32), nullable=False),
        sa.Column("place", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("order_id", sa.String(length=32), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("result", sa.String(length=16), nullable=True),
        sa.CheckConstraint(
            "result IN ('retried', 'changed', 'paid', 'disputed')",
            name=op.f("ck_bulk_retry_orders_result_is_known"),
        ),
        sa.PrimaryKeyConstraint("bulk_id", "place", name=op.f("pk_bulk_retry_orders")),
    )
    where = sa.text("result IS NULL")
    op.create_index(
        "ix_bulk_retry_orders_open",
        "bulk_retry_orders",
        ["bulk_id", "place"],
        postgresql_where=where,
        sqlite_where=where,
    )
    op.create_table(
        "payment_hints",
        sa.Column("order_id", sa.String(length=32), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_payment_hints")),
    )
    op.create_index("ix_payment_hints_at", "payment_hints", ["at"])
    op.create_table(
        "order_traces",
        sa.Column("order_id", sa.String(length=32), nullable=False),
        sa.Column("parent", sa.String(length=64), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_order_traces")),
    )
    op.create_index("ix_order_traces_at", "order_traces", ["at"])


def downgrade() -> None:
    _execute(drop_end_trigger(op.get_bind().dialect.name))
    for table in reversed(_TABLES):
        op.drop_table(table)
    op.drop_index("ix_interventions_at", table_name="interventions")


def _index_interventions() -> None:
    steps = context.config.attributes["steps"]
    index = "INDEX %s ix_interventions_at ON interventions (at, id)"
    if op.get_bind().dialect.name == "postgresql":
        # A bulk retry may have left a million rows.
        steps.build_index("ix_interventions_at", f"CREATE {index % 'CONCURRENTLY'}")
    else:
        steps.run_short(lambda _: op.execute(f"CREATE {index % 'IF NOT EXISTS'}"), "interventions")


def _keep_ends(connection: sa.Connection) -> None:
    if not sa.inspect(connection).has_table("earlier_ends"):
        _make_earlier_ends()
    _execute(create_end_trigger(connection.dialect.name))


def _make_earlier_ends() -> None:
    op.create_table(
        "earlier_ends",
        sa.Column("id", _ID, nullable=False),
        sa.Column("order_id", sa.String(length=32), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("settled_at", _MOMENT, nullable=False),
        sa.Column("attempt_count", sa.Integer(), nullable=False),
        sa.Column("retry_count", sa.Integer(), nullable=False),
        sa.Column("deferral_count", sa.Integer(), nullable=False),
        sa.Column("look_up_count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_earlier_ends")),
    )
    op.create_index("ix_earlier_ends_settled_at", "earlier_ends", ["settled_at"])
    op.create_index("ix_earlier_ends_order", "earlier_ends", ["order_id", "id"])


def _execute(statements: tuple[str, ...]) -> None:
    for statement in statements:
        op.get_bind().exec_driver_sql(statement)

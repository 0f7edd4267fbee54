"""The tables for people: who may call the API, what they did, bulk actions, and the history of the backlog.

None of them is needed to accept, charge or finish an order. They are new in revision 0008: code calls
`revisions.has_table` before it uses one of them.
"""

from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, Column, Float, Index, Integer, String, Table, Text, text

from breakwall.payments.db.clock import UtcDateTime
from breakwall.payments.db.table_parts import LONG_ID, metadata, one_of, partial_index
from breakwall.texts import MAX_LENGTH


class ActionResult(StrEnum):
    """How an action that is recorded before it is done has ended: the column ``operator_actions.result``."""

    DONE = "done"
    REFUSED = "refused"  # Nothing was changed.
    UNCONFIRMED = "unconfirmed"  # Whether it was done is not known: the store did not confirm it in time.


class BulkState(StrEnum):
    """How far a bulk retry has come: the column ``bulk_retries.state``."""

    COLLECTING = "collecting"  # Its orders are being written down.
    RUNNING = "running"
    FINISHED = "finished"
    ABORTED = "aborted"


class BulkResult(StrEnum):
    """What became of one order of a bulk retry: the column ``bulk_retry_orders.result``."""

    RETRIED = "retried"
    CHANGED = "changed"  # Left alone: its state was another one by then.
    PAID = "paid"  # Left alone: it was paid by then.
    DISPUTED = "disputed"  # Left alone: only a person's `resolve` ends its review.


# Who may call the API. The token itself is stored nowhere.
api_tokens = Table(
    "api_tokens",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),  # SHA-256 of the token, as hexadecimal digits.
    Column("scopes", String(255), nullable=False),  # With spaces between.
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", String(MAX_LENGTH), nullable=False),
    Column("reason", Text),
    Column("expires_at", UtcDateTime),  # Empty: never.
    Column("used_at", UtcDateTime),  # Within a minute.
    Column("revoked_at", UtcDateTime),
    Column("revoked_by", String(MAX_LENGTH)),
    Column("revoke_reason", Text),
)

# A name can be used again after its token was revoked.
Index(
    "uq_api_tokens_valid_name",
    api_tokens.c.name,
    unique=True,
    postgresql_where=api_tokens.c.revoked_at.is_(None),
    sqlite_where=api_tokens.c.revoked_at.is_(None),
)

# The browsers that have signed in with a token. The cookie itself is stored nowhere.
browser_sessions = Table(
    "browser_sessions",
    metadata,
    Column("digest", String(64), primary_key=True),  # SHA-256 of the cookie, as hexadecimal digits.
    Column("token_digest", String(64), nullable=False),  # The session is as good as this token.
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
)

# What people did to anything but an order (`interventions`) and the drain (`drain_actions`): only appended, but for the
# result.
operator_actions = Table(
    "operator_actions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("action", String(32), nullable=False),  # Such as `breaker_force_open`.
    Column("subject", String(MAX_LENGTH)),  # What it was done to, such as the circuit's or the token's name.
    Column("actor", String(MAX_LENGTH), nullable=False),
    Column("reason", Text),
    Column("detail", Text),  # A few words, such as for how long.
    # Empty: the process that did it ended before it wrote how it went.
    Column("result", String(16)),
    one_of("result", ActionResult),
)

# What one process at a time does, by the name of the task.
leases = Table(
    "leases",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("holder", String(64), nullable=False),  # The id of a process.
    Column("until", UtcDateTime, nullable=False),  # From then on, another process may take it.
)

# The history of the backlog.
backlog_samples = Table(
    "backlog_samples",
    metadata,
    Column("at", UtcDateTime, primary_key=True),
    Column("span", Float, nullable=False),  # Seconds up to ``at`` that it stands for.
    Column("numbers", Text, nullable=False),  # As JSON, see `monitor.history`.
)

# How the circuit of the payment service changed its state, as the process that samples the history has seen it.
circuit_transitions = Table(
    "circuit_transitions",
    metadata,
    Column("id", Integer, primary_key=True),  # In the order of the transitions.
    Column("at", UtcDateTime, nullable=False),  # By the clock of the circuit's store.
    Column("generation", BigInteger, nullable=False),  # That it began.
    Column("open_count", BigInteger, nullable=False),  # Openings by then, with this one.
    Column("before", String(16), nullable=False),
    Column("after", String(16), nullable=False),
    Column("cause", String(32), nullable=False),  # See `monitor.history.transitions`.
    Column("failures", Integer),  # That opened it; empty: not known, or for another cause.
)

# One row: what has happened to orders since the first count, see `monitor.metrics.totals`.
order_totals = Table(
    "order_totals",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("counted_until", UtcDateTime, nullable=False),  # What is older is counted, once.
    Column("numbers", Text, nullable=False),  # As JSON.
    CheckConstraint("id = 1", name="there_is_one"),
)

# The ends that orders have left, with their counts then: `end_trigger` writes them, and the totals count them.
earlier_ends = Table(
    "earlier_ends",
    metadata,
    Column("id", LONG_ID, primary_key=True),
    # No foreign key: it would cost each row a search.
    Column("order_id", String(32), nullable=False),
    Column("status", String(16), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("settled_at", UtcDateTime, nullable=False, index=True),
    Column("attempt_count", Integer, nullable=False),
    Column("retry_count", Integer, nullable=False),
    Column("deferral_count", Integer, nullable=False),
    Column("look_up_count", Integer, nullable=False),
)

Index("ix_earlier_ends_order", earlier_ends.c.order_id, earlier_ends.c.id)

# How often the shop was told an outcome, or was not: added up by each worker, in the transaction that records it.
delivery_totals = Table(
    "delivery_totals",
    metadata,
    Column("destination", String(16), primary_key=True),
    Column("delivered", BigInteger, nullable=False, server_default=text("0")),
    Column("failed", BigInteger, nullable=False, server_default=text("0")),  # They are tried again.
    Column("given_up", BigInteger, nullable=False, server_default=text("0")),
)

# Each retry of all orders that match, with the orders that matched when it was made.
bulk_retries = Table(
    "bulk_retries",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(MAX_LENGTH), nullable=False),  # For people, such as the incident's.
    Column("created_at", UtcDateTime, nullable=False, index=True),
    Column("actor", String(MAX_LENGTH), nullable=False),
    Column("reason", Text, nullable=False),
    Column("selection", Text, nullable=False),  # The conditions, as JSON.
    Column("rate", Float),  # Orders a second at most; empty: as fast as it goes.
    Column("order_limit", Integer),  # Orders at most, the oldest ones; empty: all.
    Column("state", String(16), nullable=False),
    # While its orders are written down: how far that has come, see `freezing`.
    Column("position", Text),
    # Its orders; `RUNNING` and later states have all.
    Column("eligible", Integer, nullable=False, server_default=text("0")),
    # Counted when all of them were written down. Empty: that would have taken too long.
    Column("looked_up_first", Integer, server_default=text("0")),
    Column("already_paid", Integer, server_default=text("0")),
    Column("skipped", Integer, server_default=text("0")),
    Column("to_be_resolved", Integer, server_default=text("0")),
    # How many of its orders have each result. To count them for each look would take too long.
    Column("retried", Integer, nullable=False, server_default=text("0")),
    Column("changed", Integer, nullable=False, server_default=text("0")),
    Column("paid", Integer, nullable=False, server_default=text("0")),
    Column("disputed", Integer, nullable=False, server_default=text("0")),
    Column("started_at", UtcDateTime),  # When it had written down all orders.
    Column("next_at", UtcDateTime),  # Its rate allows no more orders before then.
    Column("ended_at", UtcDateTime),
    Column("aborted_by", String(MAX_LENGTH)),
    Column("abort_reason", Text),
    one_of("state", BulkState),
)

bulk_retry_orders = Table(
    "bulk_retry_orders",
    metadata,
    Column("bulk_id", String(32), primary_key=True),
    Column("place", BigInteger, primary_key=True, autoincrement=False),  # In the order of their retries.
    # No foreign key: pruning an order must not wait for a person's action.
    Column("order_id", String(32), nullable=False),
    Column("status", String(16), nullable=False),  # The order's, when the bulk retry was made.
    Column("result", String(16)),  # Empty: not yet.
    one_of("result", BulkResult),
)

partial_index(
    "ix_bulk_retry_orders_open",
    bulk_retry_orders.c.bulk_id,
    bulk_retry_orders.c.place,
    where=bulk_retry_orders.c.result.is_(None),
)

# When a hint of the payment service was last followed, for each order: to limit how many are.
payment_hints = Table(
    "payment_hints",
    metadata,
    Column("order_id", String(32), primary_key=True),
    Column("at", UtcDateTime, nullable=False, index=True),
)

# The trace that an order was accepted in. Written only by a process that traces.
order_traces = Table(
    "order_traces",
    metadata,
    Column("order_id", String(32), primary_key=True),
    Column("parent", String(64), nullable=False),  # A W3C `traceparent`.
    Column("at", UtcDateTime, nullable=False, index=True),
)

"""The tables of orders and of the fleet; those for people are in `operator_tables`. `breakwall/migrations` builds them
all; a test checks that both are the same.

Two partial indexes, of queued and of claimed orders, do not contain finished orders. So the number of those does not
matter for finding due orders and expired leases.
"""

from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    and_,
    literal_column,
    text,
)

# Imported for its tables: `metadata` has all of them wherever this module is imported.
from breakwall.payments.db import operator_tables as operator_tables
from breakwall.payments.db.clock import UtcDateTime
from breakwall.payments.db.table_parts import LONG_ID, one_of, partial_index
from breakwall.payments.db.table_parts import NEWEST as NEWEST
from breakwall.payments.db.table_parts import metadata as metadata
from breakwall.payments.gateways.base import Advice, Outcome
from breakwall.payments.incidents import IncidentKind
from breakwall.payments.interventions import Action, DrainAction
from breakwall.payments.orders import OrderStatus
from breakwall.texts import MAX_LENGTH


class ResolvedBy(StrEnum):
    """What resolved an attempt, if it was not the answer to it: the column ``attempts.settled_by``."""

    LOOK_UP = "look_up"  # A look-up has found its charge, or none.
    PERSON = "person"  # A person has said what happened.
    LEASE = "lease"  # Its process ended or lost its claim.
    PAYMENT = "payment"  # Another attempt has paid the order.


def _count(name: str, *, key: str | None = None) -> Column[int]:
    return Column(name, Integer, key=key or name, nullable=False, server_default=text("0"))


MAX_KEY_SHAPE = 300  # Characters of `keys.key_shape`, at most.

# Literals, not parameters: a planner uses a partial index only for a value that it sees.
QUEUED: ColumnElement[str] = literal_column("'queued'")
IN_FLIGHT: ColumnElement[str] = literal_column("'in_flight'")

# One row, which the migration inserts.
site = Table(
    "site",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("name", String(64), nullable=False),
    CheckConstraint("id = 1", name="there_is_one"),
)

orders = Table(
    "orders",
    metadata,
    Column("id", String(32), primary_key=True),  # Derived from the site and the caller's key, see `keys`.
    Column("idempotency_key", String(MAX_LENGTH), nullable=False, unique=True),
    Column("user_id", String(MAX_LENGTH), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("status", String(16), nullable=False),
    # The key that is sent. It changes only after it is proven that nothing was charged under it.
    Column("charge_key", String(MAX_LENGTH), nullable=False),
    # How often the key was rotated; the next key is derived with the next number. The stored name is that of revision
    # 0004, from before "rotation" became the word. Renaming the column would stop every process of the version before.
    _count("renewals", key="key_rotations"),
    _count("attempt_count"),
    _count("retry_count"),  # The attempts that the worker made.
    _count("deferral_count"),  # A deferral sends nothing and uses up no attempt.
    _count("look_up_count"),
    _count("crash_count"),
    # The counts when an operator last retried the order: its budgets begin there.
    _count("retry_floor"),
    _count("look_up_floor"),
    _count("attempt_floor"),
    # The claim: the holder of the newest fence may write until the lease expires.
    Column("fence", BigInteger, nullable=False, server_default=text("0")),
    Column("lease_until", UtcDateTime),
    # When the next attempt is due, and when the dispatcher next publishes the order. They differ while the queue may
    # hold a message for the order.
    Column("next_attempt_at", UtcDateTime),
    Column("dispatch_at", UtcDateTime),
    Column("cancel_requested", Boolean, nullable=False, server_default=text("false")),
    # Since when it may have been charged without an attempt here, as after a restore. A look-up empties it.
    Column("suspected_at", UtcDateTime),
    Column("looked_up_at", UtcDateTime),  # When a look-up last gave no usable answer.
    Column("charge_id", String(MAX_LENGTH)),
    Column("last_error", Text),
    # Whether only other settings can change the last answer. Empty before revision 0004.
    Column("rejected", Boolean),
    Column("created_at", UtcDateTime, nullable=False),
    Column("settled_at", UtcDateTime),
    # What the order carries for the payment service. Secret: for the gateway alone.
    Column("payment_method", String(MAX_LENGTH)),
    Column("description", Text),
    Column("metadata", Text),  # As JSON, see `orders.metadata_text`.
    # The gateway that charges it. Empty before revision 0007: the configured one.
    Column("gateway", String(64)),
    Column("charge_before", UtcDateTime),  # After this moment nothing is sent.
    Column("reason", String(64)),  # Why it ended as it did, see `orders.EndReason`.
    # The fence of the claim whose result `place` returns to its caller, see `outcome_trigger`.
    Column("told", BigInteger),
    CheckConstraint("amount > 0", name="amount_is_positive"),
    one_of("status", OrderStatus),
    CheckConstraint("(status = 'in_flight') = (lease_until IS NOT NULL)", name="a_claim_has_a_lease"),
    CheckConstraint("(status = 'queued') = (next_attempt_at IS NOT NULL)", name="a_queued_order_is_due"),
    CheckConstraint("(status = 'queued') = (dispatch_at IS NOT NULL)", name="a_queued_order_is_dispatched"),
    CheckConstraint("(status = 'paid') = (charge_id IS NOT NULL)", name="paid_has_a_charge"),
)

partial_index("ix_orders_dispatch", orders.c.dispatch_at, orders.c.id, where=orders.c.status == QUEUED)
partial_index("ix_orders_lease", orders.c.lease_until, orders.c.id, where=orders.c.status == IN_FLIGHT)
Index("ix_orders_status_created", orders.c.status, orders.c.created_at)
# Not unique: every answer of a gateway is stored, also a wrong one.
partial_index("ix_orders_charge", orders.c.charge_id, where=orders.c.charge_id.is_not(None))
partial_index("ix_orders_settled", orders.c.settled_at, where=orders.c.settled_at.is_not(None))
# Finds queued orders that expire. Most orders do not, and are not in it.
_expires = and_(orders.c.status == QUEUED, orders.c.charge_before.is_not(None))
partial_index("ix_orders_expiry", orders.c.charge_before, orders.c.id, where=_expires)

attempts = Table(
    "attempts",
    metadata,
    Column("order_id", String(32), ForeignKey("orders.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("source", String(16), nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("gateway_key", String(MAX_LENGTH), nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("outcome", String(16)),
    Column("code", String(64)),
    Column("detail", Text),
    Column("charge_id", String(MAX_LENGTH)),
    # What the rules need of an answer. Empty without an answer, and before revision 0004: see `attempt_conditions`.
    Column("advice", String(16)),
    Column("spends_key", Boolean),
    Column("settled_by", String(16)),  # See `ResolvedBy`.
    # The payment service's own id of the charge that was prepared with this attempt. Committed before it is confirmed.
    Column("prepared", String(MAX_LENGTH)),
    CheckConstraint("source IN ('producer', 'worker')", name="source_is_known"),
    one_of("outcome", Outcome),
    CheckConstraint("(outcome IS NULL) = (finished_at IS NULL)", name="an_end_has_an_outcome"),
    one_of("advice", Advice),
    one_of("settled_by", ResolvedBy),
)

# Each trusted charge, with its order: no charge pays two orders.
charges = Table(
    "charges",
    metadata,
    # The id is first: the query for the order that a charge has paid covers all accounts.
    Column("charge_id", String(MAX_LENGTH), primary_key=True),
    Column("account", String(64), primary_key=True),
    # No foreign key: with one, inserting a charge would wait for a transaction that has locked the order.
    Column("order_id", String(32), nullable=False),
    # The key under which the service knows it, and the key's shape. Empty if the key is not certain.
    Column("key", String(MAX_LENGTH)),
    Column("key_shape", String(MAX_KEY_SHAPE)),
    Column("at", UtcDateTime, nullable=False),
)

# Finds the newest known charges of a shape.
_known = charges.c.key_shape.is_not(None)
partial_index("ix_charges_known", charges.c.account, charges.c.key_shape, charges.c.at, where=_known)

incidents = Table(
    "incidents",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("order_id", String(32), ForeignKey("orders.id"), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("detail", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    # Empty while the incident is open. It can be closed once.
    Column("closed_at", UtcDateTime),
    Column("closed_by", String(MAX_LENGTH)),
    Column("close_reason", Text),
    one_of("kind", IncidentKind),
)

# An incident that is found again is stored once. Also finds the incidents of an order.
_what = (incidents.c.order_id, incidents.c.kind, incidents.c.detail)
Index("uq_incidents_order_id_kind_detail", *_what, unique=True)
partial_index("ix_incidents_open", incidents.c.at, incidents.c.id, where=incidents.c.closed_at.is_(None))

interventions = Table(
    "interventions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("order_id", String(32), ForeignKey("orders.id"), nullable=False, index=True),
    Column("at", UtcDateTime, nullable=False),
    Column("action", String(32), nullable=False),
    Column("actor", String(MAX_LENGTH), nullable=False),
    Column("reason", Text),
    Column("before", String(16), nullable=False),
    Column("after", String(16), nullable=False),
    # The order's, then: claims up to this one are older than the action.
    Column("fence", BigInteger, nullable=False),
    Column("evidence", String(MAX_LENGTH)),
    Column("run", String(32)),
    one_of("action", Action),
)

# For the audit trail, newest first.
Index("ix_interventions_at", interventions.c.at, interventions.c.id)

# What is kept of a pruned order, so that its key is not taken for a new one.
known_keys = Table(
    "known_keys",
    metadata,
    Column("idempotency_key", String(MAX_LENGTH), primary_key=True),
    Column("order_id", String(32), nullable=False, unique=True),
    # In place of the user's id: `pruned_orders.digest_user`.
    Column("user_digest", String(32), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("status", String(16), nullable=False),
    Column("charge_id", String(MAX_LENGTH)),
    Column("settled_at", UtcDateTime, nullable=False),
    Column("pruned_at", UtcDateTime, nullable=False),
    # In place of the order's details: `pruned_orders.digest_details`. Empty if it was pruned before revision 0007.
    Column("details_digest", String(32)),
    # As the order had them: a late answer may bring it back.
    Column("gateway", String(64)),
    Column("charge_before", UtcDateTime),
    Column("reason", String(64)),
)

Index("ix_known_keys_settled", known_keys.c.settled_at)

# A row for each running worker, written at each heartbeat.
workers = Table(
    "workers",
    metadata,
    Column("id", String(32), primary_key=True),  # A new one at each start.
    Column("name", String(MAX_LENGTH), nullable=False),
    Column("host", String(MAX_LENGTH), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("slots", Integer, nullable=False),
    Column("version", String(32), nullable=False),
    # The newest form of messages that it reads: `broker.MESSAGE_FORM`.
    Column("reads", Integer, nullable=False),
    Column("lacks", Text),  # A sentence that names the exhausted resource; empty if there is none.
    Column("started_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("idle_since", UtcDateTime),  # When it last worked on an order, or the circuit last stopped it.
    # Whether it starts no call, because too many of its calls in hand are overdue.
    Column("hanging", Boolean),
    Column("gateway", String(64)),  # The gateway that it charges by.
    Column("broker", Text),  # The address of the broker that it reads from, without a password.
    # The ways to the shop that it delivers outcomes by, with spaces between. A version that reports none writes NULL.
    Column("ways", String(64)),
)

# Strange messages from the queue, limited in number and size.
strange_messages = Table(
    "strange_messages",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("reason", Text, nullable=False),
    # Their beginnings as text: a byte that is no text is stored as an escape.
    Column("headers", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("size", BigInteger, nullable=False),  # Bytes of the whole body.
)

# What operators have decided for the drain of the whole fleet. One row at most; without it nothing was ever decided.
drain_control = Table(
    "drain_control",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    # Empty while the drain is not paused. After `paused_until` the pause is over.
    Column("paused_at", UtcDateTime),
    Column("paused_until", UtcDateTime),
    Column("paused_by", String(MAX_LENGTH)),
    Column("pause_reason", Text),
    # Orders a second, for all workers together. Empty: no limit.
    Column("rate", Float),
    Column("rate_at", UtcDateTime),
    Column("rate_by", String(MAX_LENGTH)),
    Column("rate_reason", Text),
    CheckConstraint("id = 1", name="there_is_one"),
    CheckConstraint("(paused_at IS NULL) = (paused_by IS NULL)", name="a_pause_has_an_actor"),
    CheckConstraint("(rate IS NULL) = (rate_by IS NULL)", name="a_rate_has_an_actor"),
    CheckConstraint("rate > 0", name="rate_is_positive"),
)

# Each change of `drain_control`: only appended.
drain_actions = Table(
    "drain_actions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("action", String(16), nullable=False),
    Column("actor", String(MAX_LENGTH), nullable=False),
    Column("reason", Text),
    Column("until", UtcDateTime),  # When a pause ends by itself.
    Column("rate", Float),
    one_of("action", DrainAction),
)

# The orders that are worked on although the drain is paused. The next pause and the next resume empty the table.
released_orders = Table(
    "released_orders",
    metadata,
    # No foreign key: pruning an order must not wait for a person's action.
    Column("order_id", String(32), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
)

# One row at most: the newest count of a long backlog, see `monitor.stored_counts`. Empty columns: no count is stored.
backlog_counts = Table(
    "backlog_counts",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("counted_at", UtcDateTime),
    Column("numbers", Text),  # As JSON.
    CheckConstraint("id = 1", name="there_is_one"),
)

# Each end of an order that `place` has not returned to its caller: what the shop is told. `outcome_trigger` writes it.
outcomes = Table(
    "outcomes",
    metadata,
    Column("id", LONG_ID, primary_key=True),
    # No foreign key: it would cost each row a search.
    Column("order_id", String(32), nullable=False),
    Column("status", String(16), nullable=False),
    Column("reason", String(64)),
    Column("charge_id", String(MAX_LENGTH)),
    Column("retry_count", Integer, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    # When its deliveries were written. Empty until then.
    Column("taken_at", UtcDateTime),
    sqlite_autoincrement=True,  # No id is used again after pruning: the shop knows outcomes by their ids.
)

Index("ix_outcomes_order", outcomes.c.order_id, outcomes.c.id)
partial_index("ix_outcomes_new", outcomes.c.id, where=outcomes.c.taken_at.is_(None))

# Where outcomes are delivered to, by the name of the way: `webhook`, `task` or `listener`.
destinations = Table(
    "destinations",
    metadata,
    Column("name", String(16), primary_key=True),
    Column("since", UtcDateTime, nullable=False),  # Outcomes from before are not delivered to it.
    # A digest of the endpoint that has said that it is gone (HTTP 410). While it is configured, nothing is sent to it.
    Column("gone", String(64)),
)

# The delivery of an outcome to one destination.
deliveries = Table(
    "deliveries",
    metadata,
    Column("outcome_id", LONG_ID, primary_key=True, autoincrement=False),
    Column("destination", String(16), primary_key=True),
    Column("order_id", String(32), nullable=False),
    Column("tries", Integer, nullable=False, server_default=text("0")),
    # Claims in a row whose end nobody has recorded: their workers may have died of it.
    Column("unrecorded", Integer, nullable=False, server_default=text("0")),
    Column("due_at", UtcDateTime),  # When it is tried next; empty once it is delivered or given up.
    Column("delivered_at", UtcDateTime),
    Column("given_up_at", UtcDateTime),
    Column("last_error", Text),
    CheckConstraint(
        "(due_at IS NULL) = (delivered_at IS NOT NULL OR given_up_at IS NOT NULL)", name="it_is_due_or_ended"
    ),
)

partial_index(
    "ix_deliveries_due",
    deliveries.c.destination,
    deliveries.c.due_at,
    where=deliveries.c.due_at.is_not(None),
)
# Finds an earlier delivery of the same order, and what an order still waits for.
partial_index(
    "ix_deliveries_order",
    deliveries.c.order_id,
    deliveries.c.destination,
    deliveries.c.outcome_id,
    where=deliveries.c.due_at.is_not(None),
)

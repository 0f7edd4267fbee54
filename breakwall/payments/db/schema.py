"""The tables. `breakwall/migrations` builds them; a test checks that both are the same.

Two partial indexes carry the load however many finished orders there are: the due orders, and the orders whose lease
has run out. Neither contains a finished order.
"""

from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    literal_column,
    text,
)

from breakwall.payments.db.clock import UtcDateTime
from breakwall.payments.gateways.base import Advice, Outcome
from breakwall.payments.incidents import IncidentKind
from breakwall.payments.interventions import Action
from breakwall.payments.orders import OrderStatus
from breakwall.texts import MAX_LENGTH

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class ResolvedBy(StrEnum):
    """What has resolved an attempt other than an answer to it: the column ``attempts.settled_by``.

    ``LOOK_UP``: a look-up has found its charge, or none. ``PERSON``: a person has said what happened. ``LEASE``: its
    process ended or lost its claim. ``PAYMENT``: its order was paid by another attempt meanwhile.
    """

    LOOK_UP = "look_up"
    PERSON = "person"
    LEASE = "lease"
    PAYMENT = "payment"


def _one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    known = ", ".join(repr(value.value) for value in values)
    return CheckConstraint(f"{column} IN ({known})", name=f"{column}_is_known")


def _count(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default=text("0"))


def _partial_index(name: str, *columns: Column[Any], where: ColumnElement[bool]) -> None:
    Index(name, *columns, postgresql_where=where, sqlite_where=where)


MAX_KEY_SHAPE = 300  # Characters of `keys.key_shape`, at most.

# One row, made by the migration.
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
    # Derived from the site and the caller's key, see `keys`.
    Column("id", String(32), primary_key=True),
    Column("idempotency_key", String(MAX_LENGTH), nullable=False, unique=True),
    Column("user_id", String(MAX_LENGTH), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("status", String(16), nullable=False),
    # The key that is sent: the first one, until it is proven that nothing was charged under it.
    Column("charge_key", String(MAX_LENGTH), nullable=False),
    # How often that was rotated: the next one is derived with the next number.
    _count("renewals"),
    # Attempts of any kind, and of those the worker's own. A deferral sends nothing and uses up nothing.
    _count("attempt_count"),
    _count("retry_count"),
    _count("deferral_count"),
    _count("look_up_count"),
    _count("crash_count"),
    # The counts when an operator last retried the order: the budget is counted from there.
    _count("retry_floor"),
    _count("look_up_floor"),
    _count("attempt_floor"),
    # The claim: the holder of the newest fence may write until the lease runs out.
    Column("fence", BigInteger, nullable=False, server_default=text("0")),
    Column("lease_until", UtcDateTime),
    # When the next attempt is due, and when the dispatcher next publishes the order. They differ while a message for
    # the order may be in the queue.
    Column("next_attempt_at", UtcDateTime),
    Column("dispatch_at", UtcDateTime),
    Column("cancel_requested", Boolean, nullable=False, server_default=text("false")),
    # Since when it may have been charged without an attempt that shows it: after a restore. Until it is looked up.
    Column("suspected_at", UtcDateTime),
    # When a look-up last gave no usable answer.
    Column("looked_up_at", UtcDateTime),
    Column("charge_id", String(MAX_LENGTH)),
    Column("last_error", Text),
    # Whether only other settings can change the last answer. Empty before revision 0004.
    Column("rejected", Boolean),
    Column("created_at", UtcDateTime, nullable=False),
    Column("settled_at", UtcDateTime),
    CheckConstraint("amount > 0", name="amount_is_positive"),
    _one_of("status", OrderStatus),
    CheckConstraint("(status = 'in_flight') = (lease_until IS NOT NULL)", name="a_claim_has_a_lease"),
    CheckConstraint("(status = 'queued') = (next_attempt_at IS NOT NULL)", name="a_queued_order_is_due"),
    CheckConstraint("(status = 'queued') = (dispatch_at IS NOT NULL)", name="a_queued_order_is_dispatched"),
    CheckConstraint("(status = 'paid') = (charge_id IS NOT NULL)", name="paid_has_a_charge"),
)

_partial_index(
    "ix_orders_dispatch", orders.c.dispatch_at, orders.c.id, where=orders.c.status == text("'queued'")
)
_partial_index(
    "ix_orders_lease", orders.c.lease_until, orders.c.id, where=orders.c.status == text("'in_flight'")
)
Index("ix_orders_status_created", orders.c.status, orders.c.created_at)
# Not unique: what a gateway answers is kept, whatever it is.
_partial_index("ix_orders_charge", orders.c.charge_id, where=orders.c.charge_id.is_not(None))
_partial_index("ix_orders_settled", orders.c.settled_at, where=orders.c.settled_at.is_not(None))

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
    # What the rules ask of an answer. Empty while there is none, and before revision 0004: see `attempt_conditions`.
    Column("advice", String(16)),
    Column("spends_key", Boolean),
    # See `ResolvedBy`.
    Column("settled_by", String(16)),
    CheckConstraint("source IN ('producer', 'worker')", name="source_is_known"),
    _one_of("outcome", Outcome),
    CheckConstraint("(outcome IS NULL) = (finished_at IS NULL)", name="an_end_has_an_outcome"),
    _one_of("advice", Advice),
    _one_of("settled_by", ResolvedBy),
)

# Each charge that was accepted as proof, with its order: no two orders are paid by one charge.
charges = Table(
    "charges",
    metadata,
    # The id comes first: a query for the order that a charge has paid covers all accounts.
    Column("charge_id", String(MAX_LENGTH), primary_key=True),
    Column("account", String(64), primary_key=True),
    # No foreign key: a transaction that inserts a charge then waits for none that has locked the order.
    Column("order_id", String(32), nullable=False),
    # The key that the service knows it by, and its shape. Empty if that is not certain.
    Column("key", String(MAX_LENGTH)),
    Column("key_shape", String(MAX_KEY_SHAPE)),
    Column("at", UtcDateTime, nullable=False),
)

# To find the newest known charge of a shape.
_partial_index(
    "ix_charges_known",
    charges.c.account,
    charges.c.key_shape,
    charges.c.at,
    where=charges.c.key_shape.is_not(None),
)

incidents = Table(
    "incidents",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("order_id", String(32), ForeignKey("orders.id"), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("detail", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    # All three are empty while the incident is open. It is closed once.
    Column("closed_at", UtcDateTime),
    Column("closed_by", String(MAX_LENGTH)),
    Column("close_reason", Text),
    _one_of("kind", IncidentKind),
)

# The same thing, found again, is one incident. Also for finding the incidents of an order.
Index(
    "uq_incidents_order_id_kind_detail",
    incidents.c.order_id,
    incidents.c.kind,
    incidents.c.detail,
    unique=True,
)
_partial_index("ix_incidents_open", incidents.c.at, incidents.c.id, where=incidents.c.closed_at.is_(None))

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
    # The order's fence at that time: claims up to this one are older than the action.
    Column("fence", BigInteger, nullable=False),
    Column("evidence", String(MAX_LENGTH)),
    Column("run", String(32)),
    _one_of("action", Action),
)

# What is left of a pruned order: enough to tell its key from a new one.
known_keys = Table(
    "known_keys",
    metadata,
    Column("idempotency_key", String(MAX_LENGTH), primary_key=True),
    Column("order_id", String(32), nullable=False, unique=True),
    # The user's id is not kept, see `pruned_orders.digest_user`.
    Column("user_digest", String(32), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("status", String(16), nullable=False),
    Column("charge_id", String(MAX_LENGTH)),
    Column("settled_at", UtcDateTime, nullable=False),
    Column("pruned_at", UtcDateTime, nullable=False),
)

Index("ix_known_keys_settled", known_keys.c.settled_at)

# A row for each running worker, written at each heartbeat.
workers = Table(
    "workers",
    metadata,
    # Made at each start.
    Column("id", String(32), primary_key=True),
    Column("name", String(MAX_LENGTH), nullable=False),
    Column("host", String(MAX_LENGTH), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("slots", Integer, nullable=False),
    Column("version", String(32), nullable=False),
    # The newest form of messages that it reads, see `breakwall.broker`.
    Column("reads", Integer, nullable=False),
    # What it has run out of, in a sentence. Empty for nothing.
    Column("lacks", Text),
    Column("started_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    # When it last worked on an order, or the circuit last stopped it. Empty if neither has happened.
    Column("idle_since", UtcDateTime),
)

# Foreign messages from the queue, limited in number and size.
strange_messages = Table(
    "strange_messages",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("reason", Text, nullable=False),
    # The beginning, readable: a byte that is no text is stored as an escape.
    Column("headers", Text, nullable=False),
    Column("body", Text, nullable=False),
    # Bytes of the whole body.
    Column("size", BigInteger, nullable=False),
)

# Literals and not parameters: a planner uses a partial index only for a value that it can see.
QUEUED: ColumnElement[str] = literal_column("'queued'")
IN_FLIGHT: ColumnElement[str] = literal_column("'in_flight'")

"""The tables. `breakwall/migrations` builds them; a test holds the two together.

Two partial indexes carry the load however many finished orders there are: what is due, and whose lease
has run out. Neither holds a finished order.
"""

from __future__ import annotations

from enum import StrEnum

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

from breakwall.payments.actions import Action, IncidentKind
from breakwall.payments.db.clock import UtcDateTime
from breakwall.payments.gateways.base import Advice, Outcome
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


class SettledBy(StrEnum):
    """What has settled an attempt other than an answer to it.

    ``LOOK_UP``: a look-up has found its charge, or none. ``PERSON``: somebody's word. ``LEASE``: its process ended
    or lost its claim. ``PAYMENT``: its order was paid by another attempt meanwhile.
    """

    LOOK_UP = "look_up"
    PERSON = "person"
    LEASE = "lease"
    PAYMENT = "payment"


def _one_of(column: str, values: list[str]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


MAX_SHAPE = 300
"""Characters of `keys.key_shape` at most."""

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
    # The key that travels: the first one, until it is proven that nothing was charged under it.
    Column("charge_key", String(MAX_LENGTH), nullable=False),
    # How often that was renewed: the next one is derived with the next number.
    Column("renewals", Integer, nullable=False, server_default=text("0")),
    # Attempts of any kind, and of those the worker's own. A deferral sends nothing and uses up nothing.
    Column("attempt_count", Integer, nullable=False, server_default=text("0")),
    Column("retry_count", Integer, nullable=False, server_default=text("0")),
    Column("deferral_count", Integer, nullable=False, server_default=text("0")),
    Column("look_up_count", Integer, nullable=False, server_default=text("0")),
    Column("crash_count", Integer, nullable=False, server_default=text("0")),
    # What the counts were when an operator last sent the order round: the budget is counted from there.
    Column("retry_floor", Integer, nullable=False, server_default=text("0")),
    Column("look_up_floor", Integer, nullable=False, server_default=text("0")),
    Column("attempt_floor", Integer, nullable=False, server_default=text("0")),
    # The claim: whoever holds the newest fence may write until the lease runs out.
    Column("fence", BigInteger, nullable=False, server_default=text("0")),
    Column("lease_until", UtcDateTime),
    # When the next attempt is due, and when the dispatcher next publishes the order. They differ while a
    # message for the order is believed to be on its way.
    Column("next_attempt_at", UtcDateTime),
    Column("dispatch_at", UtcDateTime),
    Column("cancel_requested", Boolean, nullable=False, server_default=text("false")),
    # Since when it may have been charged without an attempt that tells of it: after a restore. Until looked up.
    Column("suspected_at", UtcDateTime),
    # When a look-up last gave no usable answer.
    Column("looked_up_at", UtcDateTime),
    Column("charge_id", String(MAX_LENGTH)),
    Column("last_error", Text),
    # Whether only other settings bring about another answer than the last one. Empty before revision 0004.
    Column("rejected", Boolean),
    Column("created_at", UtcDateTime, nullable=False),
    Column("settled_at", UtcDateTime),
    CheckConstraint("amount > 0", name="amount_is_positive"),
    CheckConstraint(_one_of("status", [status.value for status in OrderStatus]), name="status_is_known"),
    CheckConstraint("(status = 'in_flight') = (lease_until IS NOT NULL)", name="a_claim_has_a_lease"),
    CheckConstraint("(status = 'queued') = (next_attempt_at IS NOT NULL)", name="a_queued_order_is_due"),
    CheckConstraint("(status = 'queued') = (dispatch_at IS NOT NULL)", name="a_queued_order_is_dispatched"),
    CheckConstraint("(status = 'paid') = (charge_id IS NOT NULL)", name="paid_has_a_charge"),
)

Index(
    "ix_orders_dispatch",
    orders.c.dispatch_at,
    orders.c.id,
    postgresql_where=orders.c.status == text("'queued'"),
    sqlite_where=orders.c.status == text("'queued'"),
)
Index(
    "ix_orders_lease",
    orders.c.lease_until,
    orders.c.id,
    postgresql_where=orders.c.status == text("'in_flight'"),
    sqlite_where=orders.c.status == text("'in_flight'"),
)
Index("ix_orders_status_created", orders.c.status, orders.c.created_at)
# Not unique: what a gateway answers is kept, whatever it is.
Index(
    "ix_orders_charge",
    orders.c.charge_id,
    postgresql_where=orders.c.charge_id.is_not(None),
    sqlite_where=orders.c.charge_id.is_not(None),
)
Index(
    "ix_orders_settled",
    orders.c.settled_at,
    postgresql_where=orders.c.settled_at.is_not(None),
    sqlite_where=orders.c.settled_at.is_not(None),
)

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
    # What the rules ask of an answer. Empty while there is none, and before revision 0004: see `facts`.
    Column("advice", String(16)),
    Column("spends_key", Boolean),
    # What has settled it other than an answer to it.
    Column("settled_by", String(16)),
    CheckConstraint("source IN ('producer', 'worker')", name="source_is_known"),
    CheckConstraint(_one_of("outcome", [outcome.value for outcome in Outcome]), name="outcome_is_known"),
    CheckConstraint("(outcome IS NULL) = (finished_at IS NULL)", name="an_end_has_an_outcome"),
    CheckConstraint(_one_of("advice", [advice.value for advice in Advice]), name="advice_is_known"),
    CheckConstraint(_one_of("settled_by", [way.value for way in SettledBy]), name="settled_by_is_known"),
)

# Each charge that was believed, and whose it is: no two orders are paid by one.
charges = Table(
    "charges",
    metadata,
    # The id comes first: whether an order was paid by it is asked of all accounts.
    Column("charge_id", String(MAX_LENGTH), primary_key=True),
    Column("account", String(64), primary_key=True),
    # No foreign key: nobody who takes a charge then waits for who has locked its order.
    Column("order_id", String(32), nullable=False),
    # The key that the service knows it by, and its shape. Empty where that is not sure.
    Column("key", String(MAX_LENGTH)),
    Column("key_shape", String(MAX_SHAPE)),
    Column("at", UtcDateTime, nullable=False),
)

# How the newest known charge of a shape is found.
Index(
    "ix_charges_known",
    charges.c.account,
    charges.c.key_shape,
    charges.c.at,
    postgresql_where=charges.c.key_shape.is_not(None),
    sqlite_where=charges.c.key_shape.is_not(None),
)

incidents = Table(
    "incidents",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("order_id", String(32), ForeignKey("orders.id"), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("detail", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    # All three are empty while the incident is open. It is closed once and for ever.
    Column("closed_at", UtcDateTime),
    Column("closed_by", String(MAX_LENGTH)),
    Column("close_reason", Text),
    CheckConstraint(
        _one_of("kind", [kind.value for kind in IncidentKind]),
        name="kind_is_known",
    ),
)

# The same thing, found again, is one incident. Also how the incidents of an order are found.
Index(
    "uq_incidents_order_id_kind_detail",
    incidents.c.order_id,
    incidents.c.kind,
    incidents.c.detail,
    unique=True,
)
Index(
    "ix_incidents_open",
    incidents.c.at,
    incidents.c.id,
    postgresql_where=incidents.c.closed_at.is_(None),
    sqlite_where=incidents.c.closed_at.is_(None),
)

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
    CheckConstraint(_one_of("action", [action.value for action in Action]), name="action_is_known"),
)

# What is left of an order that was pruned: enough to tell its key from a new one.
known_keys = Table(
    "known_keys",
    metadata,
    Column("idempotency_key", String(MAX_LENGTH), primary_key=True),
    Column("order_id", String(32), nullable=False, unique=True),
    # The user's id is not kept, see `pruned.digest_user`.
    Column("user_digest", String(32), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("status", String(16), nullable=False),
    Column("charge_id", String(MAX_LENGTH)),
    Column("settled_at", UtcDateTime, nullable=False),
    Column("pruned_at", UtcDateTime, nullable=False),
)

Index("ix_known_keys_settled", known_keys.c.settled_at)

# A row for each worker that runs, written again and again while it does.
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
    # What it has run out of, in a sentence. Empty while it lacks nothing.
    Column("lacks", Text),
    Column("started_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    # When it last worked on an order, or the circuit last held it back. Empty if neither ever.
    Column("idle_since", UtcDateTime),
)

# Messages in the queue that are none of ours, bounded in number and size.
strange_messages = Table(
    "strange_messages",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("reason", Text, nullable=False),
    # As much as is kept, readable: a byte that is no text is shown as an escape.
    Column("headers", Text, nullable=False),
    Column("body", Text, nullable=False),
    # Bytes that the whole body had.
    Column("size", BigInteger, nullable=False),
)

# Literals, not parameters: a planner uses a partial index only for a value that it can see.
QUEUED: ColumnElement[str] = literal_column("'queued'")
IN_FLIGHT: ColumnElement[str] = literal_column("'in_flight'")

"""The trigger that writes an outcome when an order ends, in the transaction that ends it.

An order ends in many ways: by an answer, a look-up, an expiry, a person. A trigger misses none, also not one that a
process of the version before takes. It adds no round trip. An end that `place` returns to its caller is left out: the
statement that records it sets ``told`` to the claim's fence.
"""

from breakwall.payments.db.trigger_function import replace_function
from breakwall.payments.orders import OrderStatus

TRIGGER = "orders_outcome"
FUNCTION = "breakwall_write_outcome"

_ENDS = ", ".join(f"'{status}'" for status in OrderStatus if status.is_final)
_IS_TOLD = "NEW.told IS NOT NULL AND (OLD.told IS NULL OR NEW.told <> OLD.told)"
# A process from before revision 0007 leaves the reason as it is, also when it queues an order again.
_REASON = "CASE WHEN OLD.status IN ('queued', 'in_flight') AND NEW.reason = OLD.reason THEN NULL ELSE NEW.reason END"
_WHEN = f"NEW.status IN ({_ENDS}) AND NEW.status <> OLD.status AND NOT ({_IS_TOLD})"


def _write(now: str) -> str:
    # A person who corrects a state by hand leaves the time out.
    at = f"coalesce(NEW.settled_at, {now})"
    columns = "order_id, status, reason, charge_id, retry_count, at"
    values = f"NEW.id, NEW.status, {_REASON}, NEW.charge_id, NEW.retry_count, {at}"
    return f"INSERT INTO outcomes ({columns}) VALUES ({values});"  # noqa: S608 - it has no input


_SQLITE_NOW = "strftime('%Y-%m-%d %H:%M:%f', 'now') || '000'"

REPLACE_OUTCOME_FUNCTION = replace_function(FUNCTION, _write("clock_timestamp()"))

_POSTGRESQL = (
    *REPLACE_OUTCOME_FUNCTION,
    f"DROP TRIGGER IF EXISTS {TRIGGER} ON orders",
    f"CREATE TRIGGER {TRIGGER} AFTER UPDATE OF status ON orders FOR EACH ROW WHEN ({_WHEN}) "
    f"EXECUTE FUNCTION {FUNCTION}()",
)
_SQLITE = (
    f"DROP TRIGGER IF EXISTS {TRIGGER}",
    f"CREATE TRIGGER {TRIGGER} AFTER UPDATE OF status ON orders FOR EACH ROW WHEN {_WHEN} "
    f"BEGIN {_write(_SQLITE_NOW)} END",
)


def create_trigger(dialect: str) -> tuple[str, ...]:
    """The statements that create it, or create it anew."""
    return _POSTGRESQL if dialect == "postgresql" else _SQLITE


def drop_trigger(dialect: str) -> tuple[str, ...]:
    """The statements that drop it, where it exists."""
    if dialect == "postgresql":
        return f"DROP TRIGGER IF EXISTS {TRIGGER} ON orders", f"DROP FUNCTION IF EXISTS {FUNCTION}()"
    return (f"DROP TRIGGER IF EXISTS {TRIGGER}",)

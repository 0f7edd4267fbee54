"""The trigger that keeps an end which an order leaves: a dead one is retried, one in review is paid.

The counters of `monitor.metrics.totals` count every end once, also one that did not last until it was counted. An
order leaves an end in many ways: by a person, by a late proof of a payment. A trigger misses none, also not one that a
process of the version before takes.
"""

from breakwall.payments.db.trigger_function import replace_function

TRIGGER = "orders_leave_end"
FUNCTION = "breakwall_keep_end"

# A person who corrects a state by hand may leave the time as it is.
_WHEN = (
    "OLD.settled_at IS NOT NULL AND "
    "(NEW.settled_at IS NULL OR NEW.settled_at <> OLD.settled_at OR NEW.status <> OLD.status)"
)
_COLUMNS = (
    *("status", "amount", "currency", "settled_at"),
    *("attempt_count", "retry_count", "deferral_count", "look_up_count"),
)
_KEPT = ", ".join(f"OLD.{name}" for name in _COLUMNS)
_WRITE = f"INSERT INTO earlier_ends (order_id, {', '.join(_COLUMNS)}) VALUES (OLD.id, {_KEPT});"  # noqa: S608 - it has no input

REPLACE_END_FUNCTION = replace_function(FUNCTION, _WRITE)

_POSTGRESQL = (
    *REPLACE_END_FUNCTION,
    f"DROP TRIGGER IF EXISTS {TRIGGER} ON orders",
    f"CREATE TRIGGER {TRIGGER} AFTER UPDATE OF settled_at ON orders FOR EACH ROW WHEN ({_WHEN}) "
    f"EXECUTE FUNCTION {FUNCTION}()",
)
_SQLITE = (
    f"DROP TRIGGER IF EXISTS {TRIGGER}",
    f"CREATE TRIGGER {TRIGGER} AFTER UPDATE OF settled_at ON orders FOR EACH ROW WHEN {_WHEN} BEGIN {_WRITE} END",
)


def create_end_trigger(dialect: str) -> tuple[str, ...]:
    """The statements that create it, or create it anew."""
    return _POSTGRESQL if dialect == "postgresql" else _SQLITE


def drop_end_trigger(dialect: str) -> tuple[str, ...]:
    """The statements that drop it, where it exists."""
    if dialect == "postgresql":
        return f"DROP TRIGGER IF EXISTS {TRIGGER} ON orders", f"DROP FUNCTION IF EXISTS {FUNCTION}()"
    return (f"DROP TRIGGER IF EXISTS {TRIGGER}",)

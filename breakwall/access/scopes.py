"""What the holder of a token may do."""

from enum import StrEnum


class Scope(StrEnum):
    """The scopes of a token. The names are public."""

    ORDERS_WRITE = "orders:write"  # Place orders, and look at one's own by its id or key.
    OPS_READ = "ops:read"  # See the backlog, the circuit and all orders.
    OPS_WRITE = "ops:write"  # Retry, cancel, resolve, pause, override the circuit.


ALL_SCOPES = frozenset(Scope)

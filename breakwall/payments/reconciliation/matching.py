"""Finds the order that each line of a report is about: by its key, else by the order's id, else by the charge's."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select, union_all

from breakwall.payments.db.schema import charges, orders
from breakwall.payments.gateways.wire_keys import key_from_wire
from breakwall.payments.keys import order_id_within
from breakwall.payments.ledger.pruned_orders import pruned_by_id, pruned_by_key
from breakwall.payments.reconciliation.report import ReportLine
from breakwall.texts import is_allowed

_LOST_ZEROS = 8  # At most so many leading zeros may be missing in a key from a spreadsheet.


@dataclass(frozen=True, slots=True)
class Match:
    """A line and the order that it is about; None if no order here is."""

    line: ReportLine
    order_id: str | None
    # Another order that has this charge here, or that the line names too. If `order_id` is None: the order that has
    # this charge although the line's key is unknown.
    owner: str | None = None


def match(connection: Connection, lines: Sequence[ReportLine], account: str) -> list[Match]:
    """Find the orders of lines. A line that is known only by its charge matches each order that has the charge.

    A charge of ours under an unknown key gives a second match, without an order: other software may have made it.
    """
    by_key = _order_ids_by_key(connection, {line.key for line in lines if line.key})
    known = _known(connection, {line.order_id for line in lines if line.order_id})
    charge_ids = {line.charge_id for line in lines if line.charge_id}
    by_charge = _order_ids_by_charge(connection, charge_ids, account)
    return [
        found
        for line in lines
        for found in _matches(
            line,
            by_key.get(line.key or ""),
            line.order_id if line.order_id in known else None,
            by_charge.get(line.charge_id or "", []),
        )
    ]


def _matches(
    line: ReportLine, by_key: str | None, by_id: str | None, by_charge: Sequence[str]
) -> Iterator[Match]:
    if by_key:
        # If several orders share the charge and this is one of them, no other is its owner.
        owners = [] if by_key in by_charge else by_charge
        others = (order_id for order_id in (by_id, *owners) if order_id and order_id != by_key)
        yield Match(line, by_key, next(others, None))
        return
    order_ids = [by_id] if by_id else by_charge
    for order_id in order_ids:
        yield Match(line, order_id)
    if not order_ids or (line.key and line.charged):
        yield Match(line, None, next(iter(order_ids), None))


def keys_with_lost_zeros(connection: Connection, keys: Iterable[str]) -> dict[str, str]:
    """The orders' keys that a spreadsheet would show as these, by what it would show: ``000123`` by ``123``."""
    numbers = [key for key in keys if key.isdecimal()]
    padded = {"0" * zeros + key: key for key in numbers for zeros in range(1, _LOST_ZEROS + 1)}
    return {padded[key]: key for key in _by_own_key(connection, set(padded))} if padded else {}


def _order_ids_by_key(connection: Connection, keys: Iterable[str]) -> dict[str, str]:
    """The orders that these keys belong to, by key: the order's own key, or one that was or will be sent for it.

    Each key is decoded as the header carried it, or else taken as it is: some services store the decoded key.
    """
    decoded = {key: _decoded(key) for key in keys}
    own = _by_own_key(connection, {*decoded, *decoded.values()})
    found = {key: own[name] for key, sent in decoded.items() for name in (key, sent) if name in own}
    derived = {key: order_id for key in decoded.keys() - found.keys() if (order_id := order_id_within(key))}
    if not derived:
        return found
    # By the order's id in the key: a restored database lacks the attempts of the lost time, and their keys.
    known = _known(connection, set(derived.values()))
    return found | {key: order_id for key, order_id in derived.items() if order_id in known}


def _decoded(received: str) -> str:
    key = key_from_wire(received)
    # A text that no database driver can encode is never an order's key.
    return key if key and is_allowed(key) else received


def _by_own_key(connection: Connection, keys: set[str]) -> dict[str, str]:
    query = select(orders.c.idempotency_key, orders.c.id).where(orders.c.idempotency_key.in_(keys))
    stored = {row[0]: row[1] for row in connection.execute(query)}
    pruned = pruned_by_key(connection, keys - stored.keys())
    return {**{key: order.id for key, order in pruned.items()}, **stored}


def _order_ids_by_charge(connection: Connection, charge_ids: set[str], account: str) -> dict[str, list[str]]:
    """The orders that have these charges, by charge."""
    paid = select(orders.c.charge_id, orders.c.id).where(
        orders.c.charge_id.in_(charge_ids), orders.c.charge_id.is_not(None)
    )
    # Also charges that paid no order: an order's second one, or one of a wrong amount.
    recorded = select(charges.c.charge_id, charges.c.order_id).where(
        charges.c.account == account, charges.c.charge_id.in_(charge_ids)
    )
    owners = sorted({*map(tuple, connection.execute(union_all(paid, recorded)))})
    # The charge of a pruned order may be kept for look-ups after its key was forgotten.
    known = _known(connection, {order_id for _, order_id in owners})
    found: dict[str, list[str]] = defaultdict(list)
    for charge_id, order_id in owners:
        if order_id in known:
            found[charge_id].append(order_id)
    return found


def _known(connection: Connection, order_ids: set[str]) -> set[str]:
    stored = set(connection.scalars(select(orders.c.id).where(orders.c.id.in_(order_ids))))
    # First the orders, then the pruned ones: pruning moves an order in this direction.
    return stored | pruned_by_id(connection, order_ids - stored).keys()

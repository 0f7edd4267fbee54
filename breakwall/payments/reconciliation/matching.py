"""Which order a line of a report is about. The one place that knows the names a charge goes by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, select, union_all

from breakwall.payments.db.schema import charges, orders
from breakwall.payments.gateways.sent_keys import key_behind
from breakwall.payments.keys import order_id_within
from breakwall.payments.ledger.pruned import pruned_by_id, pruned_by_key
from breakwall.payments.reconciliation.report import ReportLine
from breakwall.texts import is_allowed

_CUT_ZEROS = 8
"""Leading zeros that a spreadsheet may have taken from a key, at most."""


@dataclass(frozen=True, slots=True)
class Match:
    """A line and the order that it is about.

    Attributes:
        line: the line.
        order_id: the order, by its key, else by its id, else by its charge; None: none of ours.
        owner: another order whose charge it is here, or that the line names as well; of a key that is no order's,
            the one that the line is about nevertheless.
    """

    line: ReportLine
    order_id: str | None
    owner: str | None = None


def match(connection: Connection, lines: Sequence[ReportLine], account: str) -> list[Match]:
    """Find the orders of lines; a line that is known by its charge alone is about each order that has it.

    A charge of ours that was made under a key of nobody's here is one match more, without an order: somebody else
    may have asked for it.
    """
    by_key = order_ids_by_key(connection, {line.key for line in lines if line.key})
    known = _known(connection, {line.order_id for line in lines if line.order_id})
    by_charge = order_ids_by_charge(connection, {line.charge_id for line in lines if line.charge_id}, account)
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
        # A charge that several orders share here is the line's own order's first.
        owners = [] if by_key in by_charge else by_charge
        others = [found for found in (by_id, *owners) if found and found != by_key]
        yield Match(line, by_key, next(iter(others), None))
        return
    found = [by_id] if by_id else by_charge
    for order_id in found:
        yield Match(line, order_id)
    if not found or (line.key and line.charged):
        yield Match(line, None, next(iter(found), None))


def order_ids_by_key(connection: Connection, keys: Iterable[str]) -> dict[str, str]:
    """The orders that were sent with these keys, or are to be, by key: their own or a renewed one.

    Each key is taken as the header carried it, or else as it stands: some services decode what they receive.
    """
    behind = {key: _sent_as(key) for key in keys}
    own = _by_own_key(connection, {*behind, *behind.values()})
    found = {key: own[name] for key, sent in behind.items() for name in (key, sent) if name in own}
    return found | _by_renewed_key(connection, behind.keys() - found.keys())


def order_ids_by_charge(
    connection: Connection, charge_ids: Iterable[str], account: str
) -> dict[str, list[str]]:
    """The orders whose these charges are, by charge; more than one where they share it."""
    wanted = set(charge_ids)
    paid = select(orders.c.charge_id, orders.c.id).where(
        orders.c.charge_id.in_(wanted), orders.c.charge_id.is_not(None)
    )
    # Those too that paid no order: the second one of an order, one of a wrong amount.
    taken = select(charges.c.charge_id, charges.c.order_id).where(
        charges.c.account == account, charges.c.charge_id.in_(wanted)
    )
    owners = sorted({*map(tuple, connection.execute(union_all(paid, taken)))})
    # Of a pruned order whose key is forgotten, its charge may still be kept for look-ups.
    known = _known(connection, {order_id for _, order_id in owners})
    found: dict[str, list[str]] = defaultdict(list)
    for charge_id, order_id in owners:
        if order_id in known:
            found[charge_id].append(order_id)
    return found


def keys_before_a_spreadsheet(connection: Connection, keys: Iterable[str]) -> dict[str, str]:
    """Keys of orders that a spreadsheet would have shown as these: ``123`` for ``000123``."""
    padded = {
        key.zfill(len(key) + zeros): key
        for key in keys
        if key.isdecimal()
        for zeros in range(1, _CUT_ZEROS + 1)
    }
    return {padded[key]: key for key in _by_own_key(connection, set(padded))} if padded else {}


def _known(connection: Connection, order_ids: set[str]) -> set[str]:
    stored = set(connection.scalars(select(orders.c.id).where(orders.c.id.in_(order_ids))))
    # In this sequence, as whoever prunes brings them from the one to the other.
    return stored | pruned_by_id(connection, order_ids - stored).keys()


def _sent_as(received: str) -> str:
    key = key_behind(received)
    # A text that no driver can encode is no order's key.
    return key if key and is_allowed(key) else received


def _by_own_key(connection: Connection, keys: set[str]) -> dict[str, str]:
    wanted = select(orders.c.idempotency_key, orders.c.id).where(orders.c.idempotency_key.in_(keys))
    stored = _pairs(connection, wanted)
    pruned = pruned_by_key(connection, keys - stored.keys())
    return {**{key: order.id for key, order in pruned.items()}, **stored}


def _by_renewed_key(connection: Connection, keys: Set[str]) -> dict[str, str]:
    renewed = {key: order_id for key in keys if (order_id := order_id_within(key))}
    if not renewed:
        return {}
    # By the id alone: after a restore the attempts of the lost time are gone, and with them the keys that they had.
    known = _known(connection, set(renewed.values()))
    return {key: order_id for key, order_id in renewed.items() if order_id in known}


def _pairs(connection: Connection, query: Select[Any]) -> dict[str, str]:
    return {row[0]: row[1] for row in connection.execute(query)}

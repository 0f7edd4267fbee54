"""The verdict over a storm from three accounts: customers' records, database, payment service's ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from breakwall.demo.acknowledgements import PromiseReader
from breakwall.demo.customers import shopping
from breakwall.demo.reconciliation import Promise
from breakwall.payments.db.database import Database
from breakwall.payments.ledger.dispatch_queue import POISON_CRASHES
from breakwall.payments.orders import Order, OrderStatus
from breakwall.simulator.ledger import Charge
from tests.chaos.invariants import Evidence, broken, read_evidence
from tests.chaos.storm_customers import EXPECTED

RAW = ("Traceback", "CRITICAL", "\x1b")
LONGEST = 1000
"""Characters of a log's line that are repeated."""


@dataclass(frozen=True)
class Verdict:
    """What became of every order, and what is wrong, in sentences.

    Attributes:
        ordered: orders that customers set out to place.
        accepted: those of them that a customer was promised.
        statuses: how many orders are in which state now.
        lost: accepted orders that are not there, or ended without an outcome.
        twice: orders that were charged more than once.
        broken: everything else that should not be.
        reviews: orders that wait for a person, and whether the service has charged them; no fault.
        counts: what the storm made of it, for the report.
        caused: how often each fault was caused.
    """

    ordered: int
    accepted: int
    statuses: Mapping[str, int]
    lost: Sequence[str]
    twice: Sequence[str]
    broken: Sequence[str]
    reviews: Sequence[str]
    counts: Mapping[str, int]
    caused: Mapping[str, int]

    @property
    def holds(self) -> bool:
        return self.accepted > 0 and not (self.lost or self.twice or self.broken)


def judge(
    database: Database,
    ledger: Iterable[Mapping[str, Any]],
    records: Mapping[int, PromiseReader],
    ordered: Mapping[int, int],
    *,
    accidents: Sequence[str],
    logs: Mapping[str, str],
    secret: str,
    duplicates: int,
    strangers: int,
    caused: Mapping[str, int],
) -> Verdict:
    """Hold the three accounts against each other, after everything has come to rest.

    Args:
        database: Breakwall's.
        ledger: the payment service's own.
        records: what the customers of each seed were told.
        ordered: how many orders the customers of each seed set out to place.
        accidents: processes that ended without having been killed.
        logs: of every process, by name.
        secret: what must be in no log and in no row.
        duplicates: messages that were delivered again.
        strangers: messages that none of ours sent.
        caused: faults.
    """
    charges = [Charge(**entry) for entry in ledger]
    evidence = read_evidence(database, charges)
    promises = [promise for record in records.values() for promise in record.promises]
    wanted = {order.idempotency_key: order for seed, n in ordered.items() for order in shopping(n, seed)}
    told = {promise.key for promise in promises}
    accepted = [wanted[key] for key in sorted(told & wanted.keys())]
    refusals = [reason for record in records.values() for reason in record.refusals]
    return Verdict(
        ordered=len(wanted),
        accepted=len(told),
        statuses=Counter(row.status for row in evidence.orders.values()),
        lost=list(_lost(evidence, promises)),
        twice=[
            f"order {order_id} was charged {len(taken)} times"
            for order_id, taken in evidence.charges.items()
            if len(taken) > 1
        ],
        broken=[
            *broken(evidence, accepted=accepted, secrets=[secret]),
            *_promises_that_changed(evidence, promises),
            *_ends_that_nobody_asked_for(evidence, charges),
            *_strangers(evidence, wanted, told),
            *_surprises(refusals),
            *(f"ended by itself: {words}" for words in accidents),
            *(f"{name} holds the password" for name, text in logs.items() if secret in text),
            *_raw(logs),
        ],
        reviews=list(_reviews(evidence)),
        counts={**_counts(evidence, promises, refusals, duplicates), "strange messages": strangers},
        caused=caused,
    )


def _lost(evidence: Evidence, promises: Sequence[Promise]) -> Iterator[str]:
    for promise in promises:
        row = evidence.orders.get(promise.order_id)
        if row is None or row.idempotency_key != promise.key:
            yield f"order {promise.order_id} ({promise.key}) was accepted and is not there"
        elif row.status in {OrderStatus.DEAD, OrderStatus.CANCELLED}:
            yield f"order {promise.order_id} ({promise.key}) was accepted and is {row.status}"


def _promises_that_changed(evidence: Evidence, promises: Sequence[Promise]) -> Iterator[str]:
    ids: dict[str, str] = {}
    for promise in promises:
        first = ids.setdefault(promise.key, promise.order_id)
        if first != promise.order_id:
            yield f"{promise.key} was accepted twice, as {first} and as {promise.order_id}"
        row = evidence.orders.get(promise.order_id)
        settled = promise.told in {OrderStatus.PAID, OrderStatus.DECLINED}
        if row is not None and settled and row.status != promise.told:
            yield f"{promise.key} was {promise.told} when its customer was told, and is {row.status}"


def _ends_that_nobody_asked_for(evidence: Evidence, charges: Sequence[Charge]) -> Iterator[str]:
    declined = {charge.order_id for charge in charges if charge.status == "declined"}
    for row in evidence.orders.values():
        if row.status == OrderStatus.REVIEW and row.crash_count < POISON_CRASHES:
            yield f"order {row.id} is in review after {row.crash_count} crashes: {row.last_error}"
        if row.status == OrderStatus.DECLINED and row.id not in declined:
            yield f"order {row.id} is declined, and the service never declined it"
    for order_id, kinds in evidence.incidents.items():
        yield f"order {order_id} has the incidents {', '.join(kinds)}"


def _strangers(evidence: Evidence, wanted: Mapping[str, Order], told: set[str]) -> Iterator[str]:
    for row in evidence.orders.values():
        if row.idempotency_key not in wanted:
            yield f"order {row.id} ({row.idempotency_key}) is nobody's"
    for key in wanted.keys() - told:
        yield f"{key} was never accepted, however often its customer tried"


def _surprises(refusals: Sequence[str]) -> Iterator[str]:
    """Customers may be told that the database is away, and of no other error."""
    for reason, times in Counter(one for one in refusals if not one.startswith(EXPECTED)).items():
        yield f"{times} customers were told: {reason}"


def _raw(logs: Mapping[str, str]) -> Iterator[str]:
    """What a log should tell in a sentence."""
    for name, text in logs.items():
        found = [line for line in text.splitlines() if any(sign in line for sign in RAW)]
        if found:
            yield f"{name} holds {len(found)} lines that are raw: {found[0][:LONGEST]}"


def _reviews(evidence: Evidence) -> Iterator[str]:
    for row in evidence.orders.values():
        if row.status == OrderStatus.REVIEW:
            taken = [charge.charge_id for charge in evidence.charges.get(row.id, ())]
            found = f"charged as {taken[0]}" if taken else "not charged"
            yield f"{row.id} ({row.idempotency_key}), {row.crash_count} crashes, {found}"


def _counts(
    evidence: Evidence, promises: Sequence[Promise], refusals: Sequence[str], duplicates: int
) -> dict[str, int]:
    rows = evidence.orders.values()
    tried = [attempt for attempts in evidence.attempts.values() for attempt in attempts]
    return {
        "charges in the service's ledger": sum(map(len, evidence.charges.values())),
        "attempts": len(tried),
        "of them settled by a look-up": sum("Looked up" in (attempt.detail or "") for attempt in tried),
        "retries by workers": sum(row.retry_count for row in rows),
        "deferrals": sum(row.deferral_count for row in rows),
        "claims lost by a crash": sum(row.crash_count for row in rows),
        "messages delivered again": duplicates,
        "promises, with double clicks": len(promises),
        "placed again after an error": len(refusals),
    }

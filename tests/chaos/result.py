"""The result of a run: customers' records, database and payment service's ledger are compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from breakwall.demo.acknowledgements import AcknowledgementReader
from breakwall.demo.customers import generate_orders
from breakwall.demo.proof import Acknowledgement
from breakwall.payments.db.database import Database
from breakwall.payments.ledger.dispatch_queue import POISON_CRASHES
from breakwall.payments.orders import Order, OrderStatus
from breakwall.simulator.charge_book import Charge
from tests.chaos.customers import EXPECTED
from tests.chaos.invariants import Evidence, broken, read_evidence

RAW = ("Traceback", "CRITICAL", "\x1b")
LONGEST = 1000
"""Characters of a log's line that are repeated."""


@dataclass(frozen=True)
class ChaosResult:
    """What became of every order, and what is wrong, in sentences.

    Attributes:
        ordered: orders that customers set out to place.
        accepted: those of them that a customer was promised.
        statuses: how many orders are in which state now.
        lost: accepted orders that are not there, or ended without an outcome.
        twice: orders that were charged more than once.
        broken: everything else that should not be.
        reviews: orders that wait for a person, and whether the service has charged them; no fault.
        counts: numbers for the report.
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


def check(
    database: Database,
    ledger: Iterable[Mapping[str, Any]],
    records: Mapping[int, AcknowledgementReader],
    ordered: Mapping[int, int],
    *,
    unexpected_ends: Sequence[str],
    logs: Mapping[str, str],
    secret: str,
    duplicates: int,
    foreign: int,
    caused: Mapping[str, int],
) -> ChaosResult:
    """Compare the three accounts after everything has come to rest.

    Args:
        database: Breakwall's.
        ledger: the payment service's own.
        records: what the customers of each seed were answered.
        ordered: how many orders the customers of each seed set out to place.
        unexpected_ends: processes that ended without having been killed.
        logs: of every process, by name.
        secret: what must be in no log and in no row.
        duplicates: messages that were delivered again.
        foreign: messages that other programs sent.
        caused: faults.
    """
    charges = [Charge(**entry) for entry in ledger]
    evidence = read_evidence(database, charges)
    promises = [promise for record in records.values() for promise in record.acknowledgements]
    wanted = {
        order.idempotency_key: order for seed, n in ordered.items() for order in generate_orders(n, seed)
    }
    answered = {promise.key for promise in promises}
    accepted = [wanted[key] for key in sorted(answered & wanted.keys())]
    refusals = [reason for record in records.values() for reason in record.refusals]
    return ChaosResult(
        ordered=len(wanted),
        accepted=len(answered),
        statuses=Counter(row.status for row in evidence.orders.values()),
        lost=list(_lost(evidence, promises)),
        twice=[
            f"order {order_id} was charged {len(taken)} times"
            for order_id, taken in evidence.charges.items()
            if len(taken) > 1
        ],
        broken=[
            *broken(evidence, accepted=accepted, secrets=[secret]),
            *_changed_answers(evidence, promises),
            *_unexpected_ends(evidence, charges),
            *_wrong_orders(evidence, wanted, answered),
            *_unexpected_errors(refusals),
            *(f"ended by itself: {words}" for words in unexpected_ends),
            *(f"{name} holds the password" for name, text in logs.items() if secret in text),
            *_raw_log_lines(logs),
        ],
        reviews=list(_reviews(evidence)),
        counts={**_counts(evidence, promises, refusals, duplicates), "strange messages": foreign},
        caused=caused,
    )


def _lost(evidence: Evidence, promises: Sequence[Acknowledgement]) -> Iterator[str]:
    for promise in promises:
        row = evidence.orders.get(promise.order_id)
        if row is None or row.idempotency_key != promise.key:
            yield f"order {promise.order_id} ({promise.key}) was accepted and is not there"
        elif row.status in {OrderStatus.DEAD, OrderStatus.CANCELLED}:
            yield f"order {promise.order_id} ({promise.key}) was accepted and is {row.status}"


def _changed_answers(evidence: Evidence, promises: Sequence[Acknowledgement]) -> Iterator[str]:
    ids: dict[str, str] = {}
    for promise in promises:
        first = ids.setdefault(promise.key, promise.order_id)
        if first != promise.order_id:
            yield f"{promise.key} was accepted twice, as {first} and as {promise.order_id}"
        row = evidence.orders.get(promise.order_id)
        finished = promise.status in {OrderStatus.PAID, OrderStatus.DECLINED}
        if row is not None and finished and row.status != promise.status:
            yield f"{promise.key} was {promise.status} when its customer was answered, and is {row.status}"


def _unexpected_ends(evidence: Evidence, charges: Sequence[Charge]) -> Iterator[str]:
    declined = {charge.order_id for charge in charges if charge.status == "declined"}
    for row in evidence.orders.values():
        if row.status == OrderStatus.REVIEW and row.crash_count < POISON_CRASHES:
            yield f"order {row.id} is in review after {row.crash_count} crashes: {row.last_error}"
        if row.status == OrderStatus.DECLINED and row.id not in declined:
            yield f"order {row.id} is declined, and the service never declined it"
    for order_id, kinds in evidence.incidents.items():
        yield f"order {order_id} has the incidents {', '.join(kinds)}"


def _wrong_orders(evidence: Evidence, wanted: Mapping[str, Order], answered: set[str]) -> Iterator[str]:
    for row in evidence.orders.values():
        if row.idempotency_key not in wanted:
            yield f"order {row.id} ({row.idempotency_key}) was placed by no customer"
    for key in wanted.keys() - answered:
        yield f"{key} was never accepted, however often its customer tried"


def _unexpected_errors(refusals: Sequence[str]) -> Iterator[str]:
    """Customers may be told that the database is away, and of no other error."""
    for reason, times in Counter(one for one in refusals if not one.startswith(EXPECTED)).items():
        yield f"{times} customers were told: {reason}"


def _raw_log_lines(logs: Mapping[str, str]) -> Iterator[str]:
    """Lines of a log that are no sentence."""
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
    evidence: Evidence, promises: Sequence[Acknowledgement], refusals: Sequence[str], duplicates: int
) -> dict[str, int]:
    rows = evidence.orders.values()
    tried = [attempt for attempts in evidence.attempts.values() for attempt in attempts]
    return {
        "charges in the service's ledger": sum(map(len, evidence.charges.values())),
        "attempts": len(tried),
        "of them resolved by a look-up": sum("Looked up" in (attempt.detail or "") for attempt in tried),
        "retries by workers": sum(row.retry_count for row in rows),
        "deferrals": sum(row.deferral_count for row in rows),
        "claims lost by a crash": sum(row.crash_count for row in rows),
        "messages delivered again": duplicates,
        "promises, with double clicks": len(promises),
        "placed again after an error": len(refusals),
    }

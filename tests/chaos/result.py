"""The result of a run: compares the customers' records, the database and the payment service's ledger."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from breakwall.demo.acknowledgements import Acknowledgement, AcknowledgementReader
from breakwall.demo.customers import generate_orders
from breakwall.payments.db.database import Database
from breakwall.payments.ledger.dispatch_queue import POISON_CRASHES
from breakwall.payments.orders import Order, OrderStatus
from breakwall.simulator.charge_book import Charge
from tests.chaos.customers import EXPECTED
from tests.chaos.invariants import Evidence, broken, read_evidence

RAW = ("Traceback", "CRITICAL", "\x1b")
LONGEST = 1000  # Characters of a log's line that the report quotes.


@dataclass(frozen=True)
class ChaosResult:
    """The orders of a run, and everything that is wrong, in sentences."""

    ordered: int  # Orders that customers tried to place.
    accepted: int  # Those of them that were accepted.
    statuses: Mapping[str, int]  # How many orders are in which state.
    lost: Sequence[str]  # Accepted orders that are missing, dead or cancelled.
    twice: Sequence[str]  # Orders that were charged more than once.
    broken: Sequence[str]  # Everything else that is wrong.
    reviews: Sequence[str]  # Orders that wait for a person, charged or not; allowed.
    counts: Mapping[str, int]  # Numbers for the report.
    caused: Mapping[str, int]  # How often each fault was caused.

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
    strange: int,
    caused: Mapping[str, int],
) -> ChaosResult:
    """Compare the three records once everything is at rest.

    Args:
        ledger: the payment service's own.
        records: the answers that the customers of each seed got.
        ordered: how many orders the customers of each seed tried to place.
        unexpected_ends: processes that ended without having been killed.
        logs: of every process, by name.
        secret: must be in no log and in no row.
        duplicates: how many messages were delivered again.
        strange: how many strange messages were sent.
    """
    charges = [Charge(**entry) for entry in ledger]
    evidence = read_evidence(database, charges)
    answers = [answer for record in records.values() for answer in record.acknowledgements]
    wanted = {
        order.idempotency_key: order for seed, n in ordered.items() for order in generate_orders(n, seed)
    }
    answered = {answer.key for answer in answers}
    accepted = [wanted[key] for key in sorted(answered & wanted.keys())]
    errors = [reason for record in records.values() for reason in record.errors]
    return ChaosResult(
        ordered=len(wanted),
        accepted=len(answered),
        statuses=Counter(row.status for row in evidence.orders.values()),
        lost=list(_lost(evidence, answers)),
        twice=[
            f"order {order_id} was charged {len(taken)} times"
            for order_id, taken in evidence.charges.items()
            if len(taken) > 1
        ],
        broken=[
            *broken(evidence, accepted=accepted, secrets=[secret]),
            *_changed_answers(evidence, answers),
            *_unexpected_ends(evidence, charges),
            *_wrong_orders(evidence, wanted, answered),
            *_unexpected_errors(errors),
            *(f"ended by itself: {words}" for words in unexpected_ends),
            *(f"{name} holds the password" for name, text in logs.items() if secret in text),
            *_raw_log_lines(logs),
        ],
        reviews=list(_reviews(evidence)),
        counts={**_counts(evidence, answers, errors, duplicates), "strange messages": strange},
        caused=caused,
    )


def _lost(evidence: Evidence, answers: Sequence[Acknowledgement]) -> Iterator[str]:
    for answer in answers:
        row = evidence.orders.get(answer.order_id)
        if row is None or row.idempotency_key != answer.key:
            yield f"order {answer.order_id} ({answer.key}) was accepted and is not there"
        elif row.status in {OrderStatus.DEAD, OrderStatus.CANCELLED}:
            yield f"order {answer.order_id} ({answer.key}) was accepted and is {row.status}"


def _changed_answers(evidence: Evidence, answers: Sequence[Acknowledgement]) -> Iterator[str]:
    ids: dict[str, str] = {}
    for answer in answers:
        first = ids.setdefault(answer.key, answer.order_id)
        if first != answer.order_id:
            yield f"{answer.key} was accepted twice, as {first} and as {answer.order_id}"
        row = evidence.orders.get(answer.order_id)
        finished = answer.status in {OrderStatus.PAID, OrderStatus.DECLINED}
        if row is not None and finished and row.status != answer.status:
            yield f"{answer.key} was {answer.status} when its customer was answered, and is {row.status}"


def _unexpected_ends(evidence: Evidence, charges: Sequence[Charge]) -> Iterator[str]:
    declined = {charge.order_id for charge in charges if charge.status == "declined"}
    for row in evidence.orders.values():
        if row.status == OrderStatus.REVIEW and row.crash_count <= POISON_CRASHES:
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


def _unexpected_errors(errors: Sequence[str]) -> Iterator[str]:
    """A customer may get the error that the database is unavailable, and no other."""
    for reason, times in Counter(one for one in errors if not one.startswith(EXPECTED)).items():
        yield f"{times} customers got: {reason}"


def _raw_log_lines(logs: Mapping[str, str]) -> Iterator[str]:
    """Tracebacks, CRITICAL lines and control characters in a log."""
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
    evidence: Evidence, answers: Sequence[Acknowledgement], errors: Sequence[str], duplicates: int
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
        "answers, with double clicks": len(answers),
        "placed again after an error": len(errors),
    }

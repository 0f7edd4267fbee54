"""The jobs that the slots have."""

from __future__ import annotations

from breakwall.payments.decisions import Progress
from breakwall.payments.gateways.base import ChargeRequest
from breakwall.payments.ledger.claim import Attempt, Claim
from breakwall.worker.drain.in_hand import JobsInHand
from breakwall.worker.drain.jobs import Finished, Job, RecordAnswer, Retry, Send, Unsent
from tests.gateway import PAID
from tests.stepped_drain import Line


def attempt(order_id: str) -> Attempt:
    request = ChargeRequest(order_id, "u1", 100, "KRW", order_id, order_id)
    return Attempt(Claim(request, 1, Progress(retries=1)), 1)


def send(order_id: str, given: float = 0.0) -> Send:
    return Send(attempt(order_id), 0.0, given)


def in_hand(*jobs: Job) -> tuple[JobsInHand, Line[Job | None]]:
    line: Line[Job | None] = Line()
    made = JobsInHand(line)
    for job in jobs:
        made.give(job)
    return made, line


def test_a_call_is_without_a_permit_until_its_slot_has_one_or_it_comes_back() -> None:
    first, second = send("a"), send("b")
    made, _ = in_hand(first, second, Retry("c"), RecordAnswer(attempt("d"), PAID))
    assert (made.number, made.without_permit) == (4, 3)
    first.permitted.set()
    assert made.without_permit == 2
    made.came_back(Unsent(second, 1.0))
    assert (made.number, made.without_permit) == (3, 1)
    made.came_back(Finished("c"))
    assert (made.number, made.without_permit) == (2, 0)


def test_what_is_withdrawn_is_not_in_hand_and_what_is_to_be_recorded_stays() -> None:
    record = RecordAnswer(attempt("c"), PAID)
    jobs = [send("a"), record, Retry("b")]
    made, line = in_hand(*jobs)
    assert made.withdraw() == [jobs[0], jobs[2]]
    assert list(line.items) == [record]
    assert (made.number, made.without_permit) == (1, 0), "a call that is over needs none"


def test_only_attempts_that_were_given_too_long_ago_and_that_no_slot_has_are_late() -> None:
    late, taken, waits = send("a", 1.0), send("b", 1.0), send("c", 2.0)
    record, retry = RecordAnswer(attempt("d"), PAID), Retry("e")
    made, line = in_hand(taken, record, late, retry, waits)
    assert line.get() is taken
    taken.permitted.set()
    assert made.withdraw_late(1.0) == []
    assert made.withdraw_late(1.5) == [late]
    assert list(line.items) == [record, retry, waits], "the rest keeps its order"
    assert made.number == 4

"""A bulk retry on the page: its progress, and how it ended."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from breakwall.payments.db.operator_tables import BulkState
from breakwall.payments.operator.bulk_retry.record import BulkRetry
from breakwall.payments.operator.bulk_retry.selection import Selection
from breakwall.payments.orders import OrderStatus
from breakwall.web.page.bulk_view import BulkView, bulk_view
from breakwall.web.page.labels import BULK_MEANINGS, BULK_STATES
from breakwall.web.page.words import Words

AT = datetime(2026, 11, 28, 10, 20, tzinfo=UTC)
RUNNING = BulkRetry(
    id="0123456789abcdef0123456789abcdef",
    name="incident 7",
    created_at=AT,
    actor="anna",
    reason="key rotated",
    selection=Selection((OrderStatus.DEAD, OrderStatus.REVIEW), "KRW", 7200.0, "401", True),
    rate=2.0,
    order_limit=None,
    state=BulkState.RUNNING,
    position=None,
    eligible=1284,
    looked_up_first=40,
    already_paid=7,
    skipped=3,
    to_be_resolved=2,
    retried=300,
    changed=9,
    paid=2,
    disputed=1,
    started_at=AT,
    next_at=None,
    ended_at=None,
    aborted_by=None,
    abort_reason=None,
    read_at=AT + timedelta(seconds=150),
)
ENDED = replace(RUNNING, state=BulkState.ABORTED, ended_at=AT, aborted_by="minjun", abort_reason="too fast")


def view(bulk: BulkRetry = RUNNING) -> BulkView:
    return bulk_view(bulk, Words("en"))


def test_progress_is_what_it_is_through_with() -> None:
    assert view().progress == "312 of 1,284"
    assert round(view().share) == 24
    assert view(replace(RUNNING, eligible=0, retried=0, changed=0, paid=0, disputed=0)).share == 0


def test_a_running_one_says_when_it_is_done_and_at_what_rate() -> None:
    left = view().figures[-1]
    assert (left.name, left.value, left.note) == ("Time left", "8 min", "at most 2 orders a second")
    unknown = replace(RUNNING, rate=None, retried=0, changed=0, paid=0, disputed=0)
    assert view(unknown).figures[-1].value == "not known"


def test_the_counts_are_told_apart() -> None:
    assert [(one.name, one.value) for one in view().figures[:4]] == [
        ("Retried", "300"),
        ("Paid meanwhile", "2"),
        ("Changed meanwhile", "9"),
        ("Left for a person to resolve", "1"),
    ]


def test_an_ended_one_says_who_and_why_and_no_time_that_is_left() -> None:
    assert view().ended is None
    assert view(ENDED).ended == "Aborted by minjun at 2026-11-28 10:20:00 UTC. Reason: too fast."
    assert view(ENDED).figures[-1].name != "Time left"
    assert not view(ENDED).is_open


def test_its_orders_are_told_by_their_conditions() -> None:
    assert view().orders == (
        "dead, review · KRW · older than 2 h · last error with “401” · rejected by the payment service"
    )


def test_each_state_has_a_word_and_a_meaning() -> None:
    assert set(BULK_STATES) == set(BULK_MEANINGS) == set(BulkState)


def test_what_was_too_much_to_count_is_said_to_be_not_counted() -> None:
    uncounted = replace(RUNNING, looked_up_first=None, already_paid=None, skipped=None, to_be_resolved=None)
    notes = [figure.note for figure in view(uncounted).figures[:4]]
    assert all(note is not None and note.startswith("(not counted)") for note in notes)

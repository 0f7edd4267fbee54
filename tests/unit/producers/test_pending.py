"""What the caller of `place` is told when it leaves."""

from __future__ import annotations

import math
import pickle
from unittest.mock import Mock

import pytest

from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.ledger.pruned_orders import PrunedOrder
from breakwall.payments.orders import EndReason, Order, OrderStatus
from breakwall.producers.pending import LONGEST_WAIT, PendingOrder, PlaceResult, check_wait, replay
from breakwall.producers.threads import Latch


@pytest.fixture
def pending() -> PendingOrder:
    return PendingOrder(Order("u1", 1, "KRW", "cart-1"), waits_until=0.0, accepted=Latch(), finished=Latch())


def test_an_order_that_is_being_charged_is_in_flight(pending: PendingOrder) -> None:
    pending.accept("order-1")
    assert pending.leave() == PlaceResult("order-1", OrderStatus.IN_FLIGHT)


def test_an_order_that_is_finished_has_its_outcome(pending: PendingOrder) -> None:
    paid = PlaceResult("order-1", OrderStatus.PAID, "ch_1")
    pending.accept("order-1")
    pending.finish(paid)
    assert pending.leave() is paid


def test_an_error_of_the_work_is_the_callers(pending: PendingOrder) -> None:
    pending.fail(ValueError("that"))
    with pytest.raises(ValueError, match="that"):
        pending.leave()


def test_an_order_that_was_not_accepted_in_time_may_be_placed_again(pending: PendingOrder) -> None:
    with pytest.raises(DatabaseUnavailableError, match="with the same idempotency key, is safe") as caught:
        pending.leave()
    assert caught.value.lack is None
    assert pending.caller_left


def test_before_the_commit_its_caller_is_told_that_it_is_not_accepted_and_then_it_is_not(
    pending: PendingOrder,
) -> None:
    with pytest.raises(DatabaseUnavailableError, match="It is not accepted"):
        pending.leave()
    assert not pending.begin_commit()
    with pytest.raises(DatabaseUnavailableError, match="It is not accepted"):
        pending.check_before_commit()


def test_during_the_commit_its_caller_is_told_that_it_may_be_accepted(pending: PendingOrder) -> None:
    assert pending.begin_commit()
    with pytest.raises(DatabaseUnavailableError, match="It may be accepted or not"):
        pending.leave()


class TestWhileItsEndIsRecorded:
    def test_a_caller_who_waits_is_told(self, pending: PendingOrder) -> None:
        pending.accept("order-1")
        assert pending.begin_telling()
        assert pending.time_is_over()
        assert pending.confirm_telling()
        paid = PlaceResult("order-1", OrderStatus.PAID, "ch_1")
        pending.finish(paid)
        assert pending.leave() is paid

    def test_a_caller_is_promised_nothing_while_the_end_may_be_committed(self, pending: PendingOrder) -> None:
        pending.accept("order-1")
        pending.begin_telling()
        assert pending.confirm_telling()
        with pytest.raises(DatabaseUnavailableError, match="place it again"):
            pending.leave()

    def test_a_caller_who_leaves_before_the_commit_is_not_told(self, pending: PendingOrder) -> None:
        """As while the end waits for a lock."""
        pending.accept("order-1")
        pending.begin_telling()
        assert pending.leave().status is OrderStatus.IN_FLIGHT
        assert not pending.confirm_telling()

    def test_a_caller_is_promised_an_outcome_if_nothing_was_committed(self, pending: PendingOrder) -> None:
        pending.accept("order-1")
        pending.begin_telling()
        pending.confirm_telling()
        pending.stop_telling()
        assert pending.leave().status is OrderStatus.IN_FLIGHT

    def test_a_caller_who_has_left_is_not_told(self, pending: PendingOrder) -> None:
        pending.accept("order-1")
        assert not pending.time_is_over()
        assert not pending.begin_telling()
        assert pending.leave().status is OrderStatus.IN_FLIGHT

    def test_an_end_whose_commit_was_not_confirmed_promises_nothing(self, pending: PendingOrder) -> None:
        pending.accept("order-1")
        pending.begin_telling()
        pending.confirm_telling()
        pending.finish(PlaceResult("order-1", OrderStatus.IN_FLIGHT))
        with pytest.raises(DatabaseUnavailableError, match="place it again"):
            pending.leave()

    def test_an_order_that_is_queued_is_told_so(self, pending: PendingOrder) -> None:
        queued = PlaceResult("order-1", OrderStatus.QUEUED)
        pending.accept("order-1")
        pending.begin_telling()
        pending.stop_telling()
        pending.finish(queued)
        assert pending.leave() is queued


@pytest.mark.parametrize("end", ["finish", "fail"])
def test_the_end_wakes_whoever_waits_for_either_signal(end: str) -> None:
    accepted, finished = Latch(), Latch()
    one = PendingOrder(Order("u1", 1, "KRW", "c"), waits_until=0.0, accepted=accepted, finished=finished)
    assert not accepted.wait(0)
    if end == "fail":
        one.fail(ValueError())
    else:
        one.finish(PlaceResult("order-1", OrderStatus.QUEUED))
    assert accepted.wait(0)
    assert finished.wait(0)


@pytest.mark.parametrize("wait", [-1, -0.001, math.nan, "2", None, True])
def test_a_wait_that_is_no_time_is_refused_by_its_name(wait: object) -> None:
    with pytest.raises(ValueError, match="wait should be a number of seconds of at least 0"):
        check_wait(wait)  # type: ignore[arg-type]


def test_an_endless_wait_is_a_long_one() -> None:
    assert check_wait(math.inf) == LONGEST_WAIT


def test_a_result_can_be_pickled() -> None:
    result = PlaceResult("order-1", OrderStatus.PAID, "ch_1", replayed=True)
    assert pickle.loads(pickle.dumps(result)) == result


@pytest.mark.parametrize(
    ("status", "reason"),
    [(OrderStatus.PAID, None), (OrderStatus.QUEUED, None), (OrderStatus.DEAD, EndReason.EXHAUSTED)],
)
def test_the_reason_of_an_earlier_end_is_not_given_for_what_came_after_it(
    status: OrderStatus, reason: str | None
) -> None:
    """A process of the version before retries an order, and leaves the reason as it was."""
    known = Mock(spec=PrunedOrder, id="order-1", status=status, charge_id=None, reason=EndReason.EXHAUSTED)
    assert replay(known).reason == reason

"""The drain over a real ledger, one step at a time: what is begun, sent, undone and recorded, and when."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.gateways.base import GatewayProfile, Outcome
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.orders import OrderStatus
from breakwall.worker.control.hold import Hold
from breakwall.worker.drain.exchange import BUSY_POLL, IDLE, LONGEST_TURN, POLL
from breakwall.worker.drain.jobs import RecordAnswer, Retry, Send, Stop
from breakwall.worker.drain.slot import LONGEST_WAIT
from tests.contract.site import LEASE, TIMEOUT, Site, order
from tests.gateway import DOWN, FOUND, KEYED, LOST, PAID
from tests.stepped_drain import SteppedDrain

SLOTS = 4


class DrainedSite:
    """A site whose worker drains with four slots."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.gateway = site.gateway
        site.gateway.charge = self._charge  # type: ignore[method-assign]
        self.now = 1000.0
        self.drain = SteppedDrain(
            *(site.retrier._charger, site.breaker, site.retrier, site.dispatch_queue),
            timeout=TIMEOUT,
            monotonic=lambda: self.now,
            slots=SLOTS,
        )
        self._charged = 0

    def _charge(self, request: object, *, deadline: float) -> object:
        self.gateway.charged.append(request)  # type: ignore[arg-type]
        self.gateway.during()
        self._charged += 1
        answer = self.gateway.answers.popleft() if self.gateway.answers else PAID
        return (
            replace(answer, charge_id=f"ch_{self._charged}")
            if answer.outcome is Outcome.SUCCEEDED
            else answer
        )

    def enqueue(self, number: int) -> list[str]:
        placed = self.site.producer.enqueue([order(f"cart-{n}") for n in range(number)])
        return [one.order_id for one in placed]

    def submit(self, number: int) -> list[str]:
        ids = self.enqueue(number)
        self.drain.submit(ids)
        return ids

    def advance(self, seconds: float) -> None:
        self.now += seconds
        self.site.advance(seconds)

    def statuses(self) -> list[str]:
        connection = self.site.database.engine.connect()
        with connection:
            rows = connection.exec_driver_sql("SELECT status FROM orders ORDER BY idempotency_key")
            return [row[0] for row in rows]

    @property
    def jobs(self) -> list[type]:
        return [type(job) for job in self.drain.jobs.items]


@pytest.fixture
def drained(site: Site) -> DrainedSite:
    return DrainedSite(site)


def test_a_message_is_acknowledged_when_all_of_its_orders_are_paid(drained: DrainedSite) -> None:
    ids = drained.submit(6)
    drained.drain.step()
    drained.drain.work()
    assert drained.drain.acknowledged == []
    drained.drain.run()
    assert drained.drain.acknowledged == [",".join(ids)]
    assert drained.statuses() == ["paid"] * 6
    assert len(drained.gateway.charged) == 6


def test_orders_share_an_exchange_and_no_attempt_is_sent_before_its_commit(drained: DrainedSite) -> None:
    drained.submit(SLOTS)
    seen: list[list[str]] = []
    drained.gateway.during = lambda: seen.append(drained.statuses())
    drained.drain.step()
    assert drained.jobs == [Send] * SLOTS
    drained.drain.work()
    assert seen == [["in_flight"] * SLOTS] * SLOTS
    drained.drain.step()
    assert drained.drain.told.paid_ids == [[request.order_id for request in drained.gateway.charged]]


def test_at_first_only_so_many_are_begun_as_slots_are_free(drained: DrainedSite) -> None:
    drained.submit(10)
    drained.drain.step()
    assert len(drained.jobs) == SLOTS


def calls_take(drained: DrainedSite, seconds: float) -> None:
    def pass_time() -> None:
        drained.now += seconds

    drained.gateway.during = pass_time


def test_while_the_service_is_quick_one_more_is_begun_for_each_slot_and_never_more(
    drained: DrainedSite,
) -> None:
    calls_take(drained, 0.02)
    drained.submit(30)
    drained.drain.step()
    for _ in range(3):
        drained.drain.work(SLOTS)
        drained.drain.step()
        assert len(drained.jobs) == 2 * SLOTS


def test_while_the_service_is_slow_nothing_is_begun_before_a_slot_is_free(drained: DrainedSite) -> None:
    calls_take(drained, 1.0)
    drained.submit(20)
    drained.drain.step()
    drained.drain.work(1)
    drained.drain.step()
    assert len(drained.jobs) == SLOTS


def test_results_gather_while_each_slot_has_work_and_never_while_one_is_free(drained: DrainedSite) -> None:
    calls_take(drained, 0.02)
    drained.submit(30)
    drained.drain.step()
    drained.drain.work()
    drained.drain.step()
    assert drained.drain.gathered == []
    drained.drain.work(1)
    drained.drain.step()
    assert drained.drain.gathered == [pytest.approx((SLOTS - 1) * 0.02 / SLOTS)]


def test_under_a_limit_no_more_begin_than_it_leaves_and_those_without_a_permit_count(
    drained: DrainedSite,
) -> None:
    read = drained.site.breaker.status
    drained.site.breaker.status = lambda: replace(read(), background_slots=2)  # type: ignore[method-assign]
    drained.submit(9)
    for _ in range(3):
        drained.drain.step()
        assert len(drained.jobs) == 2


def test_after_orders_that_were_paid_before_the_next_ones_begin_at_once(drained: DrainedSite) -> None:
    ids = drained.submit(3 * SLOTS)
    drained.drain.run()
    drained.drain.submit(ids)
    drained.drain.step()
    drained.drain.step()
    assert drained.drain.inbox.timeouts[-1] == 0.0
    drained.drain.run()
    drained.drain.step()
    assert drained.drain.inbox.timeouts[-1] == IDLE


def test_nothing_is_begun_ahead_where_no_unknown_attempt_can_be_resolved(drained: DrainedSite) -> None:
    drained.gateway.profile = GatewayProfile(False, 0.0, False, 30.0)
    drained.submit(20)
    for _ in range(2):
        drained.drain.step()
        assert len(drained.jobs) == SLOTS
        drained.drain.work()


def test_a_doubled_message_waits_for_the_first_and_charges_nothing(drained: DrainedSite) -> None:
    ids = drained.submit(2)
    drained.drain.submit(ids[:1])
    drained.drain.run()
    assert sorted(drained.drain.acknowledged) == sorted([",".join(ids), ids[0]])
    assert len(drained.gateway.charged) == 2
    drained.drain.submit(ids)
    drained.drain.run()
    assert drained.drain.told.idle_ids == ids


class TestAnAnswerThatIsNoPayment:
    def test_is_recorded_the_single_way(self, drained: DrainedSite) -> None:
        drained.submit(2)
        drained.gateway.answers.extend([DOWN])
        drained.drain.run()
        assert sorted(drained.statuses()) == ["paid", "queued"]
        assert [status for _, status in drained.drain.told.finished_ids] == [OrderStatus.QUEUED]

    def test_leads_to_a_look_up_the_next_time(self, drained: DrainedSite) -> None:
        drained.site.know_a_charge()
        ids = drained.submit(1)
        drained.gateway.answers.append(LOST)
        drained.drain.run()
        drained.advance(60)
        drained.gateway.lookups.append(replace(FOUND, charge_id="ch_9"))
        drained.drain.submit(ids)
        drained.drain.step()
        assert drained.jobs == [Retry]
        drained.drain.run()
        assert len(drained.gateway.charged) == 1
        assert drained.site.get("cart-0").status is OrderStatus.PAID


class TestWhileTheCircuitIsOpen:
    def test_what_has_not_begun_is_deferred_in_one_statement_and_acknowledged(
        self, drained: DrainedSite
    ) -> None:
        ids = drained.submit(9)
        drained.site.open_circuit()
        drained.drain.step()
        assert len(drained.drain.acknowledged) == 1
        assert sorted(drained.drain.told.deferred_ids) == [(one, "circuit_open") for one in sorted(ids)]
        assert drained.site.get("cart-3").deferral_count == 1
        assert drained.gateway.charged == []

    def test_what_was_begun_is_undone_and_uses_up_nothing(self, drained: DrainedSite) -> None:
        drained.submit(3)
        drained.drain.step()
        drained.site.open_circuit()
        drained.drain.run()
        assert drained.gateway.charged == []
        stored = drained.site.get("cart-1")
        assert (stored.status, stored.retry_count, stored.deferral_count) == (OrderStatus.QUEUED, 0, 1)
        assert drained.site.outcomes("cart-1") == []
        assert stored.next_attempt_at is not None
        assert stored.next_attempt_at > drained.site.clock.now

    def test_probes_go_the_single_way_and_never_more_of_them_than_permits(self, drained: DrainedSite) -> None:
        drained.site.open_circuit()
        drained.advance(drained.site.breaker.status().retry_after)
        assert drained.site.breaker.status().slots == 3
        drained.submit(9)
        drained.drain.step()
        drained.drain.step()
        assert drained.jobs == [Retry] * 3
        drained.drain.run()
        assert drained.statuses() == ["paid"] * 9

    def test_a_probe_begins_for_each_that_has_ended_while_others_run(self, drained: DrainedSite) -> None:
        drained.site.open_circuit()
        drained.advance(drained.site.breaker.status().retry_after)
        drained.submit(9)
        permit = drained.site.breaker.acquire(background=True)
        drained.drain.step()
        assert drained.jobs == [Retry] * 2
        running = drained.drain.jobs.get()
        assert isinstance(running, Retry)
        running.permitted.set()
        permit.release()
        assert drained.site.breaker.status().slots == 3
        drained.drain.step()
        assert drained.jobs == [Retry] * 3, "three permits, one of which the waiting job takes"


def test_while_orders_wait_the_breaker_is_asked_again_soon_and_an_idle_worker_asks_nothing(
    drained: DrainedSite,
) -> None:
    """Another process may end what holds the orders back, while this one's calls hang."""
    drained.submit(SLOTS + 1)
    drained.drain.step()
    drained.drain.step()
    assert drained.drain.inbox.timeouts[-1] == BUSY_POLL
    drained.drain.run()
    drained.site.breaker.status = None  # type: ignore[assignment, method-assign]
    drained.drain.step()
    assert drained.drain.inbox.timeouts[-1] == IDLE


def test_an_attempt_that_waited_too_long_is_undone_and_not_sent(drained: DrainedSite) -> None:
    drained.submit(1)
    drained.drain.step()
    drained.advance(LONGEST_WAIT + 0.1)
    drained.drain.work()
    assert drained.gateway.charged == []
    drained.drain.step()
    stored = drained.site.get("cart-0")
    assert (stored.status, stored.retry_count, stored.deferral_count) == (OrderStatus.QUEUED, 0, 0)
    assert stored.next_attempt_at == drained.site.clock.now


def test_the_deadline_of_a_call_counts_from_its_exchange(drained: DrainedSite) -> None:
    drained.submit(1)
    drained.drain.step()
    begun = drained.now
    drained.advance(0.5)
    deadlines: list[float] = []
    drained.gateway.charge = lambda request, *, deadline: deadlines.append(deadline) or PAID  # type: ignore
    drained.drain.work()
    assert deadlines == [begun + TIMEOUT]


def test_a_slow_transaction_is_part_of_the_time_of_its_calls(
    drained: DrainedSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their leases begin with it, so that each call ends before its lease."""
    began, exchange = drained.now, Ledger.exchange

    def slowly(*args: Any, **options: Any) -> Any:
        drained.now += 3.0
        return exchange(*args, **options)

    monkeypatch.setattr(Ledger, "exchange", slowly)
    deadlines: list[float] = []
    drained.gateway.charge = lambda request, *, deadline: deadlines.append(deadline) or PAID  # type: ignore
    drained.submit(1)
    drained.drain.step()
    drained.drain.work()
    assert deadlines == [began + TIMEOUT]


class TestWhatWasBegunAheadOfSlotsThatHaveSlowCalls:
    @pytest.fixture
    def ahead(self, drained: DrainedSite) -> DrainedSite:
        calls_take(drained, 0.02)
        drained.submit(30)
        drained.drain.step()
        drained.drain.work(SLOTS)
        drained.drain.step()
        for _ in range(SLOTS):  # Each slot has a call, which does not come back.
            job = drained.drain.jobs.get()
            assert job is not None
            job.permitted.set()  # type: ignore[union-attr]
        assert drained.jobs == [Send] * SLOTS
        return drained

    def test_is_for_other_workers_when_it_is_too_late_to_send_it(self, ahead: DrainedSite) -> None:
        ahead.advance(LONGEST_WAIT - 0.1)
        ahead.drain.step()
        assert ahead.jobs == [Send] * SLOTS
        ahead.advance(0.2)
        ahead.drain.step()
        assert ahead.jobs == []
        assert ahead.statuses().count("in_flight") == SLOTS, "the calls"
        assert len(ahead.site.dispatch_queue.take_due(10, republish_after=60)) == SLOTS

    def test_is_not_replaced_by_other_orders(self, ahead: DrainedSite) -> None:
        for _ in range(5):
            ahead.advance(LONGEST_WAIT + 0.1)
            ahead.drain.step()
        assert ahead.jobs == []

    def test_is_looked_for_soon_although_no_other_order_waits(self, drained: DrainedSite) -> None:
        calls_take(drained, 0.02)
        drained.submit(SLOTS)
        drained.drain.step()
        drained.drain.work(SLOTS)
        drained.drain.step()
        drained.drain.submit(
            [
                one.order_id
                for one in drained.site.producer.enqueue([order(f"b-{n}") for n in range(SLOTS + 1)])
            ]
        )
        drained.drain.step()
        drained.drain.step()
        assert drained.drain.inbox.timeouts[-1] == BUSY_POLL


class TestAnOrderThatCrashedAProcess:
    @pytest.fixture
    def crashed(self, drained: DrainedSite) -> str:
        (order_id,) = self.crash(drained, 1)
        return order_id

    def crash(self, drained: DrainedSite, number: int) -> list[str]:
        ids = drained.enqueue(number)
        assert all(drained.site.ledger.claim(order_id) for order_id in ids)
        drained.advance(LEASE)
        assert sorted(drained.site.dispatch_queue.reclaim_expired()) == sorted(ids)
        return ids

    def others(self, drained: DrainedSite, number: int) -> list[str]:
        placed = drained.site.producer.enqueue([order(f"other-{n}") for n in range(number)])
        return [one.order_id for one in placed]

    def charged(self, drained: DrainedSite, ids: list[str]) -> int:
        return sum(request.order_id in ids for request in drained.gateway.charged)

    def test_takes_at_most_half_of_the_time_while_others_wait(self, drained: DrainedSite) -> None:
        crashed = self.crash(drained, 3)
        drained.drain.submit(crashed)
        drained.drain.step()
        drained.drain.submit(others := self.others(drained, 40))
        drained.gateway.during = lambda: drained.advance(1.0 if self.is_last(drained, crashed) else 1 / SLOTS)
        seen = []
        while self.charged(drained, crashed) < 3:
            drained.drain.step()
            drained.drain.work(SLOTS)
            seen.append((self.charged(drained, crashed), self.charged(drained, others)))
        # Calls of a second: while one is alone, four others could have been sent.
        between = [max(other for alone, other in seen if alone == number) for number in (1, 2)]
        assert between[0] >= SLOTS
        assert between[1] >= between[0] + SLOTS
        assert self.charged(drained, others) < 40

    def is_last(self, drained: DrainedSite, ids: list[str]) -> bool:
        return drained.gateway.charged[-1].order_id in ids

    def test_leaves_room_for_others_however_many_there_are(self, drained: DrainedSite) -> None:
        for order_id in (crashed := self.crash(drained, 4 * SLOTS)):
            drained.drain.submit([order_id])
        drained.gateway.during = lambda: drained.advance(1.0)
        drained.drain.run()
        assert len(drained.drain.acknowledged) == len(crashed)
        assert len(drained.gateway.charged) == 2 * SLOTS + 1, "one was worked on before the others were read"
        assert drained.statuses().count("queued") == 2 * SLOTS - 1, "the dispatcher republishes them"

    def test_is_read_without_a_pause(self, drained: DrainedSite, crashed: str) -> None:
        drained.drain.submit([crashed])
        drained.drain.step()
        drained.drain.step()
        assert drained.drain.inbox.timeouts[-1] == 0.0

    def test_is_worked_on_when_nothing_else_is_in_hand(self, drained: DrainedSite, crashed: str) -> None:
        placed = drained.site.producer.enqueue([order(f"other-{n}") for n in range(9)])
        drained.drain.submit([crashed, *(one.order_id for one in placed)])
        in_flight: list[int] = []

        def look() -> None:
            if drained.gateway.charged[-1].order_id == crashed:
                in_flight.append(drained.statuses().count("in_flight"))

        drained.gateway.during = look
        for _ in range(2):
            drained.drain.step()
            assert drained.jobs == [Send] * (SLOTS - 1), "it waits for them, and nothing more begins"
        drained.drain.run()
        assert in_flight == [1]
        assert drained.statuses() == ["paid"] * 10

    def test_is_alone_among_probes_too(self, drained: DrainedSite, crashed: str) -> None:
        drained.site.open_circuit()
        drained.advance(drained.site.breaker.status().retry_after)
        other = drained.site.producer.enqueue([order("other")])[0].order_id
        drained.drain.submit([crashed, other])
        drained.drain.step()
        assert [job.order_id for job in drained.drain.jobs.items if job] == [other]


class TestAFailureOfTheDatabase:
    def fail(self, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
        def raise_it(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr(Ledger, "exchange", raise_it)

    def test_while_orders_are_claimed_puts_off_these_alone(
        self, drained: DrainedSite, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ids = drained.submit(2)
        with monkeypatch.context() as patch:
            self.fail(patch, DatabaseUnavailableError("is gone"))
            drained.drain.step()
        assert drained.drain.acknowledged == [",".join(ids)]
        drained.drain.submit(ids)
        drained.advance(2)
        drained.drain.run()
        assert drained.statuses() == ["paid"] * 2

    def test_loses_no_payment_while_its_lease_lasts(
        self, drained: DrainedSite, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        drained.submit(2)
        drained.drain.step()
        drained.drain.work()
        with monkeypatch.context() as patch:
            self.fail(patch, DatabaseUnavailableError("is gone"))
            for _ in range(5):
                drained.drain.step()
                drained.advance(2)
        assert drained.drain.acknowledged == []
        drained.drain.run()
        assert drained.statuses() == ["paid"] * 2

    def test_beyond_the_lease_leaves_the_order_to_a_look_up(
        self, drained: DrainedSite, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        drained.submit(1)
        drained.drain.step()
        drained.drain.work()
        self.fail(monkeypatch, DatabaseUnavailableError("is gone"))
        drained.drain.step()
        drained.advance(LEASE)
        drained.drain.step()
        assert len(drained.drain.acknowledged) == 1
        assert drained.site.dispatch_queue.reclaim_expired() != []

    def test_leads_to_another_try_soon_after_its_pause(
        self, drained: DrainedSite, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        drained.submit(1)
        drained.drain.step()
        drained.drain.work()
        with monkeypatch.context() as patch:
            self.fail(patch, DatabaseUnavailableError("is gone"))
            drained.drain.step()
        drained.advance(2)
        drained.drain.step()
        assert drained.drain.inbox.timeouts[-1] == POLL
        assert drained.statuses() == ["paid"]

    def test_before_the_end_lets_what_waits_be_given_back_after_its_pause(
        self, drained: DrainedSite, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        drained.submit(1)
        with monkeypatch.context() as patch:
            self.fail(patch, DatabaseUnavailableError("is gone"))
            drained.drain.step()
        ids = self.others(drained)
        drained.drain.submit(ids)
        drained.drain.inbox.put(Stop())
        drained.drain.step()
        assert not drained.drain.exchange.is_over
        drained.advance(2)
        drained.drain.step()
        assert drained.drain.exchange.is_over
        assert drained.drain.acknowledged[1:] == [",".join(ids)]
        assert drained.site.dispatch_queue.take_due(10, republish_after=60) == ids

    def others(self, drained: DrainedSite) -> list[str]:
        return [drained.site.producer.enqueue([order("other")])[0].order_id]

    def test_that_nobody_expects_sends_each_order_the_single_way(
        self, drained: DrainedSite, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        drained.submit(5)
        drained.drain.step()
        drained.drain.work()
        with monkeypatch.context() as patch:
            self.fail(patch, RuntimeError("a bug"))
            drained.drain.step()
        assert sorted(map(str, drained.jobs)) == sorted(map(str, [RecordAnswer] * 4 + [Retry]))
        drained.drain.run()
        assert drained.statuses() == ["paid"] * 5


def test_at_the_end_what_was_begun_is_undone_and_the_rest_is_due_for_others_at_once(
    drained: DrainedSite,
) -> None:
    ids = drained.submit(9)
    drained.drain.step()
    drained.drain.work(1)
    drained.drain.stop()
    assert drained.drain.acknowledged == [",".join(ids)]
    assert sorted(drained.statuses()) == ["paid"] + ["queued"] * 8
    assert len(drained.gateway.charged) == 1
    assert len(drained.site.dispatch_queue.take_due(10, republish_after=60)) == 8


def test_what_a_service_with_keys_charged_is_paid_once_whatever_the_order_of_events(
    drained: DrainedSite,
) -> None:
    drained.gateway.profile = KEYED
    ids = drained.submit(7)
    drained.drain.submit(ids[3:])
    drained.drain.run()
    assert drained.statuses() == ["paid"] * 7
    assert len({request.idempotency_key for request in drained.gateway.charged}) == 7


def _turns(drained: DrainedSite, turns: int, wait: float) -> None:
    """The breaker lets so many calls start now, and the next one in ``wait`` seconds."""
    status = drained.site.breaker.status()
    known = replace(status, rate=10.0, background_slots=turns, background_wait=wait)
    drained.site.breaker.status = lambda: known  # type: ignore[method-assign]


def test_no_more_orders_are_begun_than_the_rate_lets_start(drained: DrainedSite) -> None:
    drained.submit(SLOTS)
    _turns(drained, 2, 0.0)
    drained.drain.step()
    assert len(drained.jobs) == 2


@pytest.mark.parametrize(("wait", "asked"), [(0.01, POLL), (0.2, 0.2), (5.0, LONGEST_TURN)])
def test_without_a_turn_nothing_is_claimed_and_the_breaker_is_asked_when_the_next_one_comes(
    drained: DrainedSite, wait: float, asked: float
) -> None:
    drained.submit(SLOTS)
    _turns(drained, 0, wait)
    drained.drain.step()
    drained.site.ledger.exchange = None  # type: ignore[assignment, method-assign]
    drained.drain.step()
    assert drained.jobs == []
    assert drained.drain.inbox.timeouts[-1] == asked


class TestWhatHoldsABatch:
    def test_while_the_queue_is_paused_nothing_begins_and_the_message_goes(
        self, drained: DrainedSite, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(drained.drain.exchange, "_hold", Hold(lambda: True))
        ids = drained.submit(3)
        drained.drain.step()
        assert drained.jobs == []
        assert sorted(drained.drain.told.deferred_ids) == [(one, "paused") for one in sorted(ids)]
        assert len(drained.drain.acknowledged) == 1

    def test_at_the_fleets_limit_only_those_begin_that_are_this_workers_share(
        self, drained: DrainedSite, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        status = replace(drained.site.breaker.status(), background_slots=2)
        monkeypatch.setattr(drained.site.breaker, "status", lambda: status)
        drained.submit(SLOTS)
        drained.drain.step()
        assert drained.jobs == [Send] * 2

    @pytest.mark.parametrize(("hanging", "begun"), [(False, 2 * 2), (True, 2)])
    def test_at_the_fleets_limit_as_many_are_begun_ahead_unless_the_service_hangs(
        self, drained: DrainedSite, monkeypatch: pytest.MonkeyPatch, hanging: bool, begun: int
    ) -> None:
        calls_take(drained, 0.02)
        drained.submit(1)
        drained.drain.step()
        drained.drain.work()  # Now it is known how long a call takes.
        known = replace(drained.site.breaker.status(), background_slots=2, hanging=hanging)
        monkeypatch.setattr(drained.site.breaker, "status", lambda: known)
        drained.drain.submit(
            [one.order_id for one in drained.site.producer.enqueue([order(f"b-{n}") for n in range(30)])]
        )
        drained.drain.step()
        drained.drain.step()
        assert drained.jobs == [Send] * begun

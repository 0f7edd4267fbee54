"""Working on bulk retries: one after the other, by one process at a time, and by the next one if that dies."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import insert, update

from breakwall import crashpoints
from breakwall.gateway_names import DEFAULT
from breakwall.payments.db.schema import orders
from breakwall.payments.operator.bulk_retry import runner as runner_module
from breakwall.payments.operator.bulk_retry.record import BulkRetry, BulkRetryNotFoundError
from breakwall.payments.operator.bulk_retry.runner import AFTER_FAILURE, LEASE_SECONDS, MAX_WAIT
from breakwall.payments.operator.bulk_retry.selection import Selection
from breakwall.payments.operator.downgrade import downgrade
from breakwall.payments.orders import OrderStatus
from tests.contract.payments.operator.bulk_retry.bulk_site import (
    collected,
    create,
    get,
    make_all_dead,
    runner,
    states,
    steps,
)
from tests.contract.people import Crash, dead, interventions_of
from tests.contract.site import Site

pytestmark = pytest.mark.both_databases


def work_until_all_have_ended(site: Site) -> None:
    one = runner(site)
    while runner_module.BulkRetries(site.database, clock=site.clock).oldest_open():
        site.advance(one.run_once())


@contextmanager
def dying_at(point: str, time: int) -> Iterator[None]:
    """The process ends when it passes the point for so many times."""
    passed = 0

    def pass_it(name: str) -> None:
        nonlocal passed
        passed += name == point
        if passed >= time:
            raise Crash(name)

    crashpoints.arm(pass_it)
    try:
        yield
    finally:
        crashpoints.arm(None)


class TestADeath:
    @pytest.mark.parametrize("time", [1, 2, 3])
    @pytest.mark.parametrize(
        "point",
        [
            "after create_bulk_retry",
            "after bulk_lease",
            "before collect_bulk_retry",
            "after collect_bulk_retry",
            "before retry_batch",
            "after retry_batch",
        ],
    )
    def test_loses_no_order_and_retries_none_twice(
        self, site: Site, batches_of_two: None, point: str, time: int
    ) -> None:
        dead(site, *"abcde")
        with dying_at(point, 1 if point == "after create_bulk_retry" else time), pytest.raises(Crash):
            list(steps(site))
        site.advance(LEASE_SECONDS)
        work_until_all_have_ended(site)
        (ended,) = runner_module.BulkRetries(site.database, clock=site.clock).newest(10)
        assert (ended.state, ended.eligible, ended.retried) == ("finished", 5, 5)
        assert [len(interventions_of(site, key)) for key in "abcde"] == [1] * 5


class TestTheLease:
    def test_leaves_the_work_to_one_process_until_that_is_silent(self, site: Site) -> None:
        dead(site, "a")
        made = create(site)
        first, second = runner(site), runner(site)
        first.run_once()
        assert second.run_once() == MAX_WAIT
        assert get(site, made).state == "collecting"
        site.advance(LEASE_SECONDS)
        second.run_once()
        assert get(site, made).state == "running"

    def test_is_over_within_half_a_minute_for_one_that_looks_as_often_as_workers_do(self) -> None:
        assert LEASE_SECONDS + MAX_WAIT < 30.0

    def test_that_is_given_up_lets_another_one_go_on_at_once(self, site: Site) -> None:
        dead(site, "a")
        made = create(site)
        first, second = runner(site), runner(site)
        first.run_once()
        first.give_up()
        second.run_once()
        assert get(site, made).state == "running"

    def test_is_not_asked_for_where_there_is_nothing_to_do(self, site: Site) -> None:
        assert runner(site).run_once() == MAX_WAIT
        dead(site, "a")
        create(site)
        assert runner(site).run_once() < MAX_WAIT

    def test_before_the_database_has_its_tables_is_not_asked_for(self, site: Site) -> None:
        downgrade(site.database.engine)
        assert runner(site).run_once() == MAX_WAIT

    def test_is_kept_while_a_low_rate_holds_back_the_next_order(self, site: Site) -> None:
        dead(site, "a", "b")
        made = collected(site, create(site, rate=0.01))
        first, second = runner(site), runner(site)
        for _ in range(10):
            assert first.run_once() <= MAX_WAIT
            site.advance(MAX_WAIT)
        assert (second.run_once(), get(site, made).retried) == (MAX_WAIT, 1)


class TestTheSequence:
    def test_is_the_oldest_one_first(self, site: Site) -> None:
        dead(site, "a")
        first = create(site)
        site.advance(1)
        second = create(site, Selection((OrderStatus.REVIEW,)))
        one = runner(site)
        while not get(site, first).has_ended:
            one.run_once()
        assert get(site, second).state == "collecting"
        work_until_all_have_ended(site)
        assert get(site, second).state == "finished"


class TestWorkingOnOne:
    def test_reports_its_progress_after_each_transaction(self, site: Site, batches_of_two: None) -> None:
        dead(site, *"abcde")
        seen = [(now.state, now.eligible, now.retried) for now in steps(site)]
        assert seen == [
            ("collecting", 2, 0),
            ("collecting", 4, 0),
            ("collecting", 5, 0),
            ("running", 5, 0),
            ("running", 5, 2),
            ("running", 5, 4),
            ("finished", 5, 5),
        ]

    def test_leaves_the_database_to_others_for_as_long_as_it_had_it(
        self, site: Site, batches_of_two: None
    ) -> None:
        dead(site, *"abc")
        made = collected(site, create(site))
        moments = iter([0.0, 2.0, 10.0, 13.0])
        slept: list[float] = []
        list(runner(site, sleep=slept.append, timer=lambda: next(moments)).run(made.id))
        assert slept == [2.0]

    def test_waits_as_long_as_its_rate_says(self, site: Site) -> None:
        dead(site, *"abcde")
        made = collected(site, create(site, rate=2.0))
        began = site.clock.now
        list(runner(site, sleep=site.advance).run(made.id))
        assert (site.clock.now - began).total_seconds() == 2.0
        assert get(site, made).retried == 5

    def test_follows_another_process_that_has_the_lease(self, site: Site) -> None:
        dead(site, "a")
        made = create(site)
        other = runner(site)
        other.run_once()

        def the_other_works(seconds: float) -> None:
            site.advance(seconds)
            other.run_once()

        seen = list(runner(site, sleep=the_other_works).run(made.id))
        assert (seen[-1].state, len(interventions_of(site, "a"))) == ("finished", 1)
        assert [now.retried for now in seen[:2]] == [0, 0]

    def test_that_does_not_exist_is_an_error(self, site: Site) -> None:
        with pytest.raises(BulkRetryNotFoundError):
            list(runner(site).run("0" * 32))


def test_many_orders_need_no_more_memory_than_one_batch(site: Site) -> None:
    """3,000 rows of orders would take about 10 MB."""
    site.database.write(
        lambda connection: connection.execute(insert(orders), _many(site, 3_000)), name="test"
    )
    site.database.write(make_all_dead, name="test")
    *_, first = steps(site, limit=1)  # What is built once is not counted.
    tracemalloc.start()
    *_, ended = steps(site)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (first.retried, ended.retried) == (1, 2_999)
    assert most < 5_000_000


def _many(site: Site, number: int) -> list[dict[str, object]]:
    now = site.clock.now
    shared = {"user_id": "u1", "amount": 1, "currency": "KRW", "status": "queued", "created_at": now}
    due = {"next_attempt_at": now, "dispatch_at": now}
    return [
        {"id": f"{n:032x}", "idempotency_key": f"cart-{n}", "charge_key": f"{n}", **shared, **due}
        for n in range(number)
    ]


class TestSeveralBulkRetries:
    def two(self, site: Site, **first: float) -> tuple[BulkRetry, BulkRetry]:
        dead(site, "a", "b", "c")
        older = create(site, **first)
        collected(site, older)
        site.advance(1)
        younger = create(site)
        return older, younger

    def test_one_that_fails_does_not_stop_the_others(
        self, site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        older, younger = self.two(site)
        one = runner(site)
        really = one._step

        def step(bulk: BulkRetry) -> float:
            if bulk.id == older.id:
                raise RuntimeError("a text with a card")
            return really(bulk)

        monkeypatch.setattr(one, "_step", step)
        with pytest.raises(RuntimeError):
            one.run_once()
        for _ in range(10):
            one.run_once()
        assert get(site, younger).state == "finished"
        assert older.id in caplog.text
        assert "card" not in caplog.text

    def test_one_that_failed_is_tried_again(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        older, _ = self.two(site)
        seconds = [0.0]
        one = runner(site, timer=lambda: seconds[0])
        with monkeypatch.context() as patched:
            patched.setattr(one, "_step", lambda bulk: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                one.run_once()
        seconds[0] += AFTER_FAILURE
        work_until_all_have_ended(site)
        assert get(site, older).state == "finished"

    def test_a_slow_one_holds_up_no_other(self, site: Site) -> None:
        older, younger = self.two(site, rate=0.01)
        one = runner(site)
        for _ in range(10):
            site.advance(0.1)
            one.run_once()
        assert get(site, younger).state == "finished"
        assert get(site, older).state == "running"

    def test_a_slow_one_goes_on_when_its_time_has_come(self, site: Site) -> None:
        older, _ = self.two(site, rate=1.0)
        one = runner(site)
        for _ in range(60):
            site.advance(one.run_once())
        assert get(site, older).state == "finished"

    def test_a_command_that_waits_lets_workers_do_the_others(self, site: Site) -> None:
        older, younger = self.two(site, rate=0.01)
        worker = runner(site)

        def sleep(seconds: float) -> None:
            for _ in range(10):
                worker.run_once()
            site.advance(seconds)

        for _ in runner(site, sleep=sleep).run(older.id):
            if get(site, younger).has_ended:
                break
        assert get(site, younger).state == "finished"


def test_what_is_another_gateways_is_taken_over_at_once_by_a_worker_of_theirs(site: Site) -> None:
    first, *_ = dead(site, "cart-1", "cart-2")
    site.database.write(
        lambda connection: connection.execute(
            update(orders).where(orders.c.id == first).values(gateway="other")
        )
    )
    made = create(site)
    mine, other = runner(site, gateway=DEFAULT), runner(site, gateway="other")
    for _ in range(6):
        mine.run_once()
    assert (get(site, made).state, get(site, made).retried) == ("running", 1)
    assert mine.leaves_rest(get(site, made))
    other.run_once()
    assert (get(site, made).state, get(site, made).retried) == ("finished", 2)


def test_a_bulk_retry_whose_other_orders_are_another_gateways_holds_up_no_other(site: Site) -> None:
    dead(site, "cart-1")
    site.database.write(lambda connection: connection.execute(update(orders).values(gateway="other")))
    first = create(site)
    site.advance(1)
    dead(site, "cart-2")
    site.advance(1)
    second = create(site)
    mine = runner(site, gateway=DEFAULT)
    for _ in range(9):
        mine.run_once()
    assert get(site, first).state == "running"
    assert (get(site, second).retried, states(site, "cart-2")) == (1, ["queued"])

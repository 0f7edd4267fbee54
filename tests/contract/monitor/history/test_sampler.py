"""The history is sampled by one process at a time, on SQLite and on PostgreSQL."""

from __future__ import annotations

from dataclasses import replace

import pytest

from breakwall.breaker import OverrideMode
from breakwall.monitor.history import sampler as module
from breakwall.monitor.history.sampler import INTERVAL, LEASE, LOOK, Sampler
from breakwall.payments.db.operator_tables import backlog_samples
from breakwall.payments.orders import OrderStatus
from tests.contract.monitor.history.history_site import HistorySite
from tests.contract.site import order
from tests.gateway import PAID
from tests.waiting import wait_until


def test_a_sample_has_the_numbers_of_the_snapshot(history: HistorySite) -> None:
    history.queue("a", "b")
    history.messages = 7
    seen = history.sample()
    assert (seen.queued, seen.due, seen.broker_messages, seen.breaker) == (2, 2, 7, "closed")
    assert (seen.at, seen.oldest_age_seconds) == (history.clock.now, 10.0)


def test_a_sample_is_taken_every_ten_seconds(history: HistorySite) -> None:
    for _ in range(30):
        history.advance(1)
        history.sampler.run_once()
    assert [sample.span for sample in history.samples()] == [INTERVAL] * 3


def test_of_two_processes_one_samples(history: HistorySite) -> None:
    other = history.new_sampler()
    for _ in range(20):
        history.advance(1)
        history.sampler.run_once()
        other.run_once()
    assert len(history.samples()) == 2


def test_another_process_takes_over_within_thirty_seconds(history: HistorySite) -> None:
    other = history.new_sampler()
    history.sample()
    other.run_once()
    waited = 0.0
    while len(history.samples()) == 1:
        pause = other.run_once()
        history.advance(pause)
        waited += pause
        assert waited <= 30
    assert waited > LEASE - LOOK


def test_a_process_that_ends_lets_another_one_sample_at_once(history: HistorySite) -> None:
    history.sampler.start()
    wait_until(history.samples)
    history.sampler.stop()
    history.advance(10)
    history.new_sampler().run_once()
    assert len(history.samples()) == 2


def test_a_process_that_was_late_counts_nothing_twice(history: HistorySite) -> None:
    """Its pause was longer than its lease, and another process has sampled meanwhile."""
    history.sample()
    history.queue("a")
    history.advance(LEASE + 1)
    late = history.sampler
    snapshot = history.monitor.snapshot
    other = history.new_sampler()

    class Paused:
        """The other process samples while this one takes its snapshot, and its lease expires again."""

        def __getattr__(self, name: str) -> object:
            return getattr(history.monitor, name)

        def snapshot(self) -> object:
            history.advance(5)
            other.run_once()
            history.advance(LEASE + 1)
            return snapshot()

    late._monitor = Paused()  # type: ignore[assignment]
    late.run_once()
    assert sum(sample.arrivals for sample in history.samples()) == 1


def test_an_order_arrives_when_it_begins_to_wait(history: HistorySite) -> None:
    history.sample()
    history.queue("a", "b")
    assert history.sample().arrivals == 2
    assert history.sample().arrivals == 0


def test_an_order_whose_own_call_fails_arrives_at_the_end_of_that_call(history: HistorySite) -> None:
    history.sample()
    history.call_and_fail("a", after=15.0)
    assert history.sample(every=0.0).arrivals == 0, "it ended in the last two seconds"
    assert history.sample().arrivals == 1


def test_orders_that_are_paid_at_once_do_not_arrive_and_do_not_end(history: HistorySite) -> None:
    history.sample()
    history.gateway.answers.append(PAID)
    history.producer.place(order("live"))
    seen = history.sample()
    assert (seen.arrivals, seen.paid) == (0, 0)


def test_orders_that_had_waited_end_as_what_they_became(history: HistorySite) -> None:
    paid, declined, dead = history.queue("a", "b", "c")
    history.sample()
    history.attempt(paid, PAID, OrderStatus.PAID)
    history.attempt(declined, replace(PAID, charge_id=None), OrderStatus.DECLINED)
    history.attempt(dead, replace(PAID, charge_id=None), OrderStatus.DEAD)
    seen = history.sample()
    assert (seen.paid, seen.declined, seen.other) == (1, 1, 1)


def test_a_restart_loses_no_arrival(history: HistorySite) -> None:
    history.sample()
    history.queue("a")
    history.advance(120)
    history.sampler = history.new_sampler()
    seen = history.sample()
    assert (seen.arrivals, seen.span) == (1, 130.0)


def test_the_share_of_the_time_in_which_the_circuit_was_open_is_kept(history: HistorySite) -> None:
    history.sample()
    history.advance(6)
    history.sampler.run_once()
    history.open_circuit()
    history.sampler.run_once()
    seen = history.sample(every=4.0)
    assert (seen.open_share, seen.breaker) == (pytest.approx(0.4), "open")


def test_an_opening_that_no_look_has_seen_leaves_a_trace(history: HistorySite) -> None:
    history.sample()
    history.open_circuit()
    history.advance(history.breaker.status().retry_after)
    history.breaker_forgets()
    assert history.sample(every=1.0).open_share > 0


def test_a_circuit_that_was_open_before_this_process_came_was_open(history: HistorySite) -> None:
    history.sample()
    history.open_circuit()
    history.sampler = history.new_sampler()
    assert history.sample(every=25.0).open_share == pytest.approx(1.0)


def test_an_override_is_kept(history: HistorySite) -> None:
    history.breaker.force_open(reason="maintenance", actor="ana")
    seen = history.sample()
    assert (seen.override, seen.breaker) == (OverrideMode.FORCED_OPEN.value, "closed")


def test_without_the_table_nothing_happens(history: HistorySite) -> None:
    history.database.write(lambda connection: backlog_samples.drop(connection))
    history.advance(10)
    history.sampler.run_once()
    assert history.samples() == []
    assert history.monitor.snapshot().net_rate is None


def test_its_thread_outlives_an_error(history: HistorySite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK", 0.01)
    runs: list[int] = []

    def fail(self: Sampler) -> float:
        runs.append(1)
        raise OSError("an error")

    monkeypatch.setattr(Sampler, "run_once", fail)
    history.sampler.start()
    wait_until(lambda: len(runs) > 1)
    history.sampler.stop()


def test_after_the_clock_was_set_back_the_history_goes_on(history: HistorySite) -> None:
    history.sample()
    history.advance(-3600)
    history.queue("a")
    history.sample()
    history.advance(-INTERVAL)
    spans = []
    for _ in range(3):
        history.advance(INTERVAL)
        spans.append(history.sample().span)
    assert spans[1:] == [INTERVAL] * 2
    assert len({sample.at.hour for sample in history.samples()}) == 1

"""Nobody waits: the charge goes on behind, in a bounded number of threads. On SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from breakwall.breaker import Permit
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.gateways.base import ChargeAnswer, ChargeRequest
from breakwall.payments.ledger.claim import Attempt
from breakwall.payments.ledger.queries import list_orders
from breakwall.producers.bulkhead import Bulkhead
from breakwall.producers.pending import COMMIT_GRACE, PendingOrder, PlaceResult
from breakwall.producers.producer import OrderProducer
from breakwall.producers.queueing import STORERS
from breakwall.producers.threads import Latch
from tests.contract.site import TIMEOUT, Site, order
from tests.gateway import DOWN, PAID
from tests.stopwatch import timed
from tests.waiting import wait_until

ROOM = 2


class HangingService:
    """Answers the requests that it holds only when it is told to."""

    def __init__(self, site: Site) -> None:
        self.answer: ChargeAnswer = PAID
        self.held: list[str] = []
        self._go_on = threading.Event()
        self._site = site
        site.gateway.charge = self._charge  # type: ignore[method-assign]

    def _charge(self, request: ChargeRequest, *, deadline: float) -> ChargeAnswer:
        self.held.append(request.reference)
        assert self._go_on.wait(30)
        return replace(self.answer, charge_id=self.answer.charge_id and f"ch_{request.reference}")

    def go_on(self) -> None:
        self._go_on.set()


@pytest.fixture
def service(site: Site) -> Iterator[HangingService]:
    """The site's service hangs, and its producer has `ROOM` for calls."""
    producer = OrderProducer(
        site.ledger,
        site.producer._charger,
        site.breaker,
        site.publisher,  # type: ignore[arg-type]
        timeout=TIMEOUT,
        jitter=lambda: 0.0,
        wait=0.05,
        concurrency=ROOM,
    )
    site.producer = producer
    service = HangingService(site)
    yield service
    service.go_on()
    producer.close()


@contextmanager
def no_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def fail(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        yield


class TestWhileTheServiceHangs:
    def test_an_order_is_in_flight_after_the_wait_and_recorded_when_its_answer_comes(
        self, site: Site, service: HangingService
    ) -> None:
        placed, seconds = timed(lambda: site.producer.place(order(), wait=0.2))
        assert placed == PlaceResult(site.get().id, site.get().status)
        assert (placed.status, seconds < 0.7) == ("in_flight", True)
        service.go_on()
        wait_until(lambda: site.get().status == "paid")
        assert site.get().charge_id == "ch_cart-1"

    def test_a_wait_of_0_returns_as_soon_as_the_order_is_accepted(
        self, site: Site, service: HangingService
    ) -> None:
        site.producer.place(order("warms-up"))
        placed, seconds = timed(lambda: site.producer.place(order(), wait=0))
        assert (placed.status, seconds < COMMIT_GRACE) == ("in_flight", True)

    def test_without_room_an_order_is_queued_at_once_and_counted(
        self, site: Site, service: HangingService
    ) -> None:
        in_flight = [site.producer.place(order(f"cart-{n}")).status for n in range(ROOM)]
        queued, seconds = timed(lambda: site.producer.place(order("one-more"), wait=20))
        assert (*in_flight, queued.status) == ("in_flight", "in_flight", "queued")
        assert seconds < 10
        assert site.producer.queued_because_full == 1
        assert site.publisher.published == [queued.order_id]
        assert "one-more" not in service.held

    def test_without_room_the_order_is_due_at_once_and_used_up_nothing(
        self, site: Site, service: HangingService
    ) -> None:
        for n in range(ROOM + 1):
            site.producer.place(order(f"cart-{n}"))
        last = site.get(f"cart-{ROOM}")
        assert (last.retry_count, last.deferral_count, last.next_attempt_at) == (0, 0, site.clock.now)

    def test_a_refusal_by_the_bulkhead_is_neutral_to_the_circuit(
        self, site: Site, service: HangingService
    ) -> None:
        for n in range(ROOM + 20):
            site.producer.place(order(f"cart-{n}"))
        metrics = site.breaker.metrics()
        assert (metrics.rejected_calls, metrics.failed_calls) == (0, 0)

    def test_a_call_without_room_takes_no_probes_permit(self, site: Site, service: HangingService) -> None:
        site.open_circuit()
        site.advance(site.breaker.status().retry_after)
        for n in range(ROOM + 3):
            site.producer.place(order(f"cart-{n}"))
        status = site.breaker.status()
        assert (status.state, status.slots) == ("half_open", site.breaker.config.half_open_max_calls - ROOM)

    def test_the_warning_that_it_is_full_is_given_once(
        self, site: Site, service: HangingService, caplog: pytest.LogCaptureFixture
    ) -> None:
        for n in range(ROOM + 3):
            site.producer.place(order(f"cart-{n}"))
        warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert warnings == [
            f"all {ROOM} payment calls of this process are in use; orders are queued until one ends (1 so far)"
        ]

    def test_an_answer_makes_room(self, site: Site, service: HangingService) -> None:
        site.producer.place(order("cart-0"))
        service.go_on()
        for n in range(20):
            # As soon as its caller continues: also for one who places one order behind the other.
            assert site.producer.place(order(f"more-{n}"), wait=30).status == "paid"
        assert site.producer.queued_because_full == 0

    def test_a_failure_behind_is_queued_and_published(self, site: Site, service: HangingService) -> None:
        service.answer = DOWN
        placed = site.producer.place(order())
        assert placed.status == "in_flight"
        service.go_on()
        wait_until(lambda: site.publisher.published == [placed.order_id])
        assert site.get().status == "queued"

    def test_what_became_of_it_is_logged(
        self, site: Site, service: HangingService, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        placed = site.producer.place(order())
        service.go_on()
        site.producer.close()
        said = [record.getMessage() for record in caplog.records if record.name == "breakwall.orders"]
        before = f"order cart-1 (id {placed.order_id}): "
        assert said == [f"{before}in_flight", f"{before}paid, later"]

    def test_the_same_order_again_is_in_flight_and_sent_once(
        self, site: Site, service: HangingService
    ) -> None:
        first, again = site.producer.place(order()), site.producer.place(order())
        assert (again.status, again.replayed, again.order_id) == ("in_flight", True, first.order_id)
        assert service.held == ["cart-1"]

    def test_close_waits_for_the_calls_in_hand(self, site: Site, service: HangingService) -> None:
        site.producer.place(order())
        threading.Timer(0.3, service.go_on).start()
        site.producer.close()
        assert site.get().status == "paid"

    def test_close_waits_no_longer_than_their_deadlines(
        self, site: Site, service: HangingService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("breakwall.producers.placing.RECORD_GRACE", 0.3 - TIMEOUT)
        site.producer.place(order())
        _, seconds = timed(site.producer.close)
        assert seconds < 5
        assert site.get().status == "in_flight"
        # Before the next test gets the database: what is recorded late would connect to it.
        service.go_on()
        wait_until(lambda: len(site.producer.placing.in_hand) == 0)


def test_an_order_takes_no_thread_for_its_charge_while_the_circuit_is_open(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.open_circuit()
    monkeypatch.setattr(site.producer.placing._calls, "submit", lambda work: pytest.fail("a thread"))
    assert site.producer.place(order()).status == "queued"
    assert site.get().next_attempt_at > site.get().created_at


@pytest.mark.parametrize("error", [SystemExit, asyncio.CancelledError])
def test_an_exit_or_a_cancellation_that_a_gateway_raises_costs_no_thread_and_no_room(
    site: Site, service: HangingService, error: type[BaseException]
) -> None:
    def fail(request: ChargeRequest, *, deadline: float) -> ChargeAnswer:
        raise error

    really, site.gateway.charge = site.gateway.charge, fail  # type: ignore[method-assign]
    for n in range(ROOM + 1):
        assert site.producer.place(order(f"bad-{n}"), wait=30).status == "in_flight"
    site.gateway.charge = really  # type: ignore[method-assign]
    service.go_on()
    assert site.producer.place(order("good"), wait=30).status == "paid"
    assert (site.producer.placing.bulkhead.inside, site.producer.queued_because_full) == (0, 0)
    wait_until(lambda: len(site.producer.placing.in_hand) == 0)


def test_an_exit_while_an_order_is_accepted_is_told_to_its_caller_as_an_error_of_the_database(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise SystemExit

    for room, transaction in ((ROOM, "accept_sending"), (0, "accept_queued")):
        monkeypatch.setattr(site.producer.placing, "bulkhead", Bulkhead(room))
        with monkeypatch.context() as patch:
            patch.setattr(site.ledger, transaction, fail)
            with pytest.raises(DatabaseUnavailableError, match="accepted or not"):
                site.producer.place(order(), wait=30)
        wait_until(lambda: len(site.producer.placing.in_hand) == 0)
    assert site.producer.place(order(), wait=30).status == "queued"
    site.producer.close()


class TestWithoutThreads:
    def test_an_order_is_queued_and_its_call_takes_no_room_and_no_permit(
        self, site: Site, service: HangingService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with no_threads(monkeypatch):
            for n in range(ROOM + 1):
                assert site.producer.place(order(f"cart-{n}"), wait=20).status == "queued"
        assert site.producer.placing.bulkhead.inside == 0
        assert site.breaker.metrics().total_calls == 0
        assert len(site.publisher.published) == ROOM + 1
        assert len(site.producer.placing.in_hand) == 0
        # The first thread makes all the difference.
        assert site.producer.place(order("with-threads")).status == "in_flight"

    def test_the_time_that_a_caller_stores_orders_is_a_part_of_its_wait(
        self, site: Site, service: HangingService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        waited: list[float] = []

        class Recording(Latch):
            def wait(self, seconds: float) -> bool:
                waited.append(seconds)
                return False

        def start(pending: PendingOrder) -> None:
            pending.waits_until = time.monotonic() - 0.1

        monkeypatch.setattr(site.producer, "_signal", Recording)
        monkeypatch.setattr(site.producer.placing, "start", start)
        with pytest.raises(DatabaseUnavailableError):
            site.producer.place(order(), wait=20)
        assert waited == [0.0, COMMIT_GRACE]


def slowed(site: Site, monkeypatch: pytest.MonkeyPatch, name: str) -> tuple[list[object], Callable[[], None]]:
    """Let one of the ledger's inserts hang within its transaction; returns its calls, and what lets them go on."""
    calls: list[object] = []
    go_on = threading.Event()
    really = getattr(site.ledger, name)

    def hang(*arguments: object) -> object:
        calls.append(arguments[0])
        assert go_on.wait(30)
        return really(*arguments)

    monkeypatch.setattr(site.ledger, name, hang)
    return calls, go_on.set


def slow_commit(monkeypatch: pytest.MonkeyPatch, name: str) -> Callable[[], None]:
    """Let one of the ledger's commits hang; returns what lets it go on."""
    go_on = threading.Event()

    def hang(when: str, point: str) -> None:
        if (when, point) == ("before", name):
            assert go_on.wait(30)

    monkeypatch.setattr("breakwall.payments.db.database.reach", hang)
    return go_on.set


class TestWhileTheDatabaseHangs:
    """As a PostgreSQL that is paused: no timeout of the database ends that."""

    def test_the_caller_is_told_in_time_to_place_it_again(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _, go_on = slowed(site, monkeypatch, "_insert_sending")
        _, seconds = timed(lambda: _refused(site, "cart-1", "not accepted"))
        assert seconds < 5
        go_on()

    def test_an_order_whose_caller_leaves_before_the_commit_is_neither_accepted_nor_charged(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _, go_on = slowed(site, monkeypatch, "_insert_sending")
        _refused(site, "cart-1", "not accepted")
        go_on()
        site.producer.close()
        assert (list_orders(site.database), site.gateway.charged) == ([], [])
        assert site.producer.placing.bulkhead.inside == 0
        site.gateway.answers.append(PAID)
        again = site.producer.place(order(), wait=20)
        assert (again.status, again.replayed) == ("paid", False)

    def test_an_order_whose_caller_leaves_during_the_commit_may_be_accepted_and_is_told_so(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        go_on = slow_commit(monkeypatch, "accept_sending")
        site.gateway.answers.append(PAID)
        _refused(site, "cart-1", "accepted or not")
        go_on()
        # The commit came late: the order is as sound as any.
        wait_until(lambda: site.gateway.charged)
        again = site.producer.place(order(), wait=20)
        assert again.replayed
        site.producer.close()
        assert (site.get().status, len(site.gateway.charged)) == ("paid", 1)

    def test_an_order_that_waits_for_a_transaction_when_its_caller_leaves_is_never_accepted(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        site.open_circuit()
        calls, go_on = slowed(site, monkeypatch, "_insert_queued")
        threads = [
            threading.Thread(target=lambda n=n: _refused(site, f"cart-{n}"))  # type: ignore[misc]
            for n in range(6)
        ]
        for number, thread in enumerate(threads):
            thread.start()
            wait_until(lambda number=number: len(calls) > min(number, STORERS - 1))  # type: ignore[misc]
        for thread in threads:
            thread.join(30)
        go_on()
        site.producer.close()
        assert list_orders(site.database) == []
        assert site.producer.place(order("cart-5"), wait=20).status == "queued"


def test_an_order_that_waits_for_the_circuit_when_its_caller_leaves_begins_no_transaction(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    permits: list[Permit] = []
    go_on = threading.Event()
    really = site.breaker.acquire

    def hang() -> Permit:
        assert go_on.wait(30)
        permits.append(really())
        return permits[0]

    site.open_circuit()
    site.advance(site.breaker.status().retry_after)
    sent = list(site.gateway.charged)
    monkeypatch.setattr(site.breaker, "acquire", hang)
    inserts, insert = slowed(site, monkeypatch, "_insert_sending")
    insert()
    _refused(site, "cart-1")
    go_on.set()
    site.producer.close()
    assert (list_orders(site.database), inserts) == ([], [])
    assert (len(permits), site.gateway.charged) == (1, sent)
    status = site.breaker.status()
    assert (status.state, status.slots) == ("half_open", site.breaker.config.half_open_max_calls)
    assert site.producer.placing.bulkhead.inside == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_can_warn_although_its_parent_was_warning(site: Site) -> None:
    placing = site.producer.placing
    with placing._full_throttle._lock:
        child = os.fork()
        if not child:
            os._exit(0 if placing._full_throttle._lock.acquire(timeout=60) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _refused(site: Site, key: str, told: str | None = None) -> None:
    with pytest.raises(DatabaseUnavailableError, match=told):
        site.producer.place(order(key), wait=0.1)


def test_the_work_of_an_attempt_has_its_whole_timeout_however_short_the_wait(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    deadlines = []
    really = site.producer._charger.send

    def send(attempt: Attempt, *arguments: object, deadline: float, **options: object) -> object:
        deadlines.append(deadline - time.monotonic())
        return really(attempt, *arguments, deadline=deadline, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(site.producer._charger, "send", send)
    site.gateway.answers.append(PAID)
    site.producer.place(order(), wait=0)
    site.producer.close()
    assert deadlines[0] > TIMEOUT - 5

"""What happens in the demo, and when. Start reading at `DemoScenario.run`."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from breakwall.breaker import CircuitState
from breakwall.demo import messages
from breakwall.demo.processes import DemoProcesses
from breakwall.demo.screen import DemoScreen
from breakwall.demo.snapshot import DemoMonitor, DemoSnapshot, ServiceState

# All times are in seconds.
SNAPSHOT_INTERVAL = 0.1  # Often enough for a live panel, and little load beside the processes.
START_TIMEOUT = 30.0  # For a process to start: many times what a slow machine needs.
CIRCUIT_TIMEOUT = 45.0  # For the circuit to open or to close: several of its longest waits.
DRAIN_TIMEOUT = 90.0  # After the last customer, for every order to finish.

# The payment service fails until so many answers are lost, or for so long.
LEAST_LOST_ANSWERS = 5
FAILING_SECONDS = 5.0

# So many customers, or those of so many seconds, whose median wait stands for all.
LEAST_WAITS = 8
WAITS_SECONDS = 2.0

LEAST_BACKLOG = 10  # Waiting orders. With fewer, the worker would be done before it could be killed.


class ScenarioTimeoutError(Exception):
    """Something that always happens did not happen in time; the message says what."""


@dataclass(slots=True)
class OutageFigures:
    """Numbers of one run, for the report."""

    most_waiting: int = 0  # Orders in the longest queue.
    came_while_open: int = 0  # Customers, between the opening of the circuit and the end of the outage.
    calls_while_open: int = 0  # To the dead service, in the same time.
    worker_killed: bool = False  # While it was charging.


class DemoScenario:
    """One run, on processes that it starts. ``clock`` gives the seconds since the demo began."""

    def __init__(
        self,
        processes: DemoProcesses,
        monitor: DemoMonitor,
        screen: DemoScreen,
        clock: Callable[[], float],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._processes = processes
        self._monitor = monitor
        self._screen = screen
        self._options = processes.options
        self._clock = clock
        self._sleep = sleep
        self._service = ServiceState.STARTING
        self._worker_alive = False
        self._figures = OutageFigures()

    def run(self) -> OutageFigures:
        """From a good day to an empty queue. The processes are left running.

        Raises `ScenarioTimeoutError`, and `ChildFailedError` if a process ends that is needed.
        """
        self._start()
        self._screen.part(1)
        self._have_a_good_day()
        self._screen.part(2)
        died_at = self._kill_the_service()
        self._wait_out_the_outage(died_at)
        self._screen.part(3)
        self._bring_the_service_back(died_at)
        self._kill_the_worker()
        self._drain()
        return self._figures

    # Part 1

    def _start(self) -> None:
        self._start_service()
        self._processes.start_worker()
        self._processes.start_customers()
        self._wait_for_service()
        self._wait_for_worker()
        customers = self._processes.acknowledgements
        self._until("the customers are ready", START_TIMEOUT, lambda _: customers.ready)

    def _have_a_good_day(self) -> None:
        self._screen.write(messages.customers_come(self._options))
        self._processes.release_customers()
        enough = self._options.orders_before_outage
        now = self._until(
            "the first orders are accepted",
            START_TIMEOUT + enough / self._options.rate,
            lambda now: now.accepted >= enough and now.circuit is CircuitState.CLOSED,
        )
        self._screen.write(messages.good_day(now))

    # Part 2

    def _kill_the_service(self) -> float:
        """Let it lose a few answers first; returns when it was killed."""
        self._processes.control.set_faults(charge_then_fail=1.0, charge_then_fail_how="reset")
        self._service = ServiceState.FAILING
        end = self._clock() + FAILING_SECONDS
        self._until(
            "a few answers are lost",
            2 * FAILING_SECONDS,
            lambda _: self._count_lost() >= LEAST_LOST_ANSWERS or self._clock() > end,
        )
        lost = self._count_lost()
        pid = self._processes.kill("payment service")
        self._service = ServiceState.DEAD
        died_at = self._clock()
        self._screen.write(messages.answers_lost(lost))
        self._screen.write(messages.service_killed(pid))
        return died_at

    def _count_lost(self) -> int:
        return int(self._processes.control.stats()["injected"].get("charge_then_fail", 0))

    def _wait_out_the_outage(self, died_at: float) -> None:
        late = died_at + self._options.outage * 0.6
        opened = self._until(
            "the circuit opens", CIRCUIT_TIMEOUT, lambda now: now.circuit is not CircuitState.CLOSED
        )
        self._screen.write(messages.circuit_opened(opened.failures, self._median_wait_from(opened)))
        opened_at = opened.opened_at or 0.0
        self._wait_for_a_failed_probe(opened, late)
        now = self._wait_until(late)
        self._screen.write(messages.outage_continues(now, self._monitor.count_calls_since(opened_at)))
        if now.customers_done:
            self._screen.write(messages.all_customers_came(now))
        now = self._wait_until(died_at + self._options.outage)
        self._figures.came_while_open = now.accepted - opened.accepted
        self._figures.calls_while_open = self._monitor.count_calls_since(opened_at)

    def _median_wait_from(self, start: DemoSnapshot) -> float | None:
        """How long the next customers wait for an answer; None if no customer comes."""
        now = self._until(
            "some customers have an answer",
            START_TIMEOUT,
            lambda now: (
                now.accepted >= start.accepted + LEAST_WAITS
                or now.customers_done
                or now.at > start.at + WAITS_SECONDS
            ),
        )
        if now.accepted == start.accepted:
            return None
        return self._processes.acknowledgements.median_wait(since=start.accepted)

    def _wait_for_a_failed_probe(self, opened: DemoSnapshot, end: float) -> None:
        """Report the first probe that fails, unless none does before ``end``."""
        now = self._until(
            "a probe fails",
            self._options.outage,
            lambda now: now.opened_at not in {None, opened.opened_at} or now.at >= end,
        )
        if now.at < end:
            self._screen.write(messages.probe_failed(now))

    # Part 3

    def _bring_the_service_back(self, died_at: float) -> None:
        self._start_service()
        self._wait_for_service()
        came, calls = self._figures.came_while_open, self._figures.calls_while_open
        self._screen.write(messages.service_returned(self._clock() - died_at, came, calls))
        now = self._until(
            "the circuit closes", CIRCUIT_TIMEOUT, lambda now: now.circuit is CircuitState.CLOSED
        )
        self._screen.write(messages.circuit_closed(now))

    def _kill_the_worker(self) -> None:
        """In the middle of the backlog, if it is long enough."""
        enough = max(self._figures.most_waiting * 0.8, LEAST_BACKLOG)
        now = self._until("the backlog shrinks", CIRCUIT_TIMEOUT, lambda now: now.waiting <= enough)
        if now.waiting <= LEAST_BACKLOG:
            return
        pid = self._processes.kill("worker")
        self._worker_alive = False
        self._screen.write(messages.worker_killed(pid, self._monitor.count_retried_now()))
        self._figures.worker_killed = True
        self._processes.start_worker()
        self._wait_for_worker()
        self._screen.write(messages.worker_replaced(self._take_snapshot()))

    def _drain(self) -> None:
        to_come = max(0, self._options.orders - self._take_snapshot().accepted) / self._options.rate
        began = self._clock()
        try:
            self._until(
                "every order is finished",
                to_come + DRAIN_TIMEOUT,
                lambda now: now.customers_done and now.unfinished == 0,
            )
        except ScenarioTimeoutError:
            # The proof then shows which orders they are.
            self._screen.write(messages.not_finished(self._take_snapshot(), self._clock() - began))
        else:
            self._screen.write(messages.all_finished())

    # Starting and waiting

    def _start_service(self) -> None:
        self._processes.start_payment_service()
        self._service = ServiceState.STARTING

    def _wait_for_service(self) -> None:
        ready = self._processes.payment_service_ready
        self._until("the payment service answers", START_TIMEOUT, lambda _: ready())
        self._service = ServiceState.UP

    def _wait_for_worker(self) -> None:
        self._until("the worker is ready", START_TIMEOUT, lambda _: self._processes.worker_ready())
        self._worker_alive = True

    def _wait_until(self, moment: float) -> DemoSnapshot:
        return self._until("the time is up", START_TIMEOUT + moment, lambda now: now.at >= moment)

    def _until(self, what: str, timeout: float, holds: Callable[[DemoSnapshot], bool]) -> DemoSnapshot:
        """Take snapshots until ``holds`` is true of one; returns that one."""
        end = self._clock() + timeout
        while not holds(now := self._take_snapshot()):
            if self._clock() > end:
                raise ScenarioTimeoutError(f"waited {timeout:.0f} s in vain until {what}")
            self._sleep(SNAPSHOT_INTERVAL)
        return now

    def _take_snapshot(self) -> DemoSnapshot:
        now = self._monitor.take_snapshot(self._service, worker_alive=self._worker_alive)
        self._processes.check()
        self._screen.show(now)
        self._figures.most_waiting = max(self._figures.most_waiting, now.waiting)
        return now

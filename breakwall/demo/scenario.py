"""The demo's plot: what is done to the processes, and when. Follow `Play.run`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from breakwall.breaker import CircuitState
from breakwall.demo import messages
from breakwall.demo.plan import Plan
from breakwall.demo.processes import DemoSite
from breakwall.demo.screen import Stage
from breakwall.demo.snapshot import Lookout, Scene, ServiceState
from breakwall.demo.timeline import Course

LOOK = 0.1
"""Seconds between two looks: often enough to be live, rare enough to leave the processors to the demo."""

START_LIMIT = 30.0
"""Seconds for a process to come up: many times what a slow machine needs."""

TURN_LIMIT = 45.0
"""Seconds for the circuit to open or to close: several of its longest waits."""

DRAIN_LIMIT = 90.0
"""Seconds, from the last customer on, until an order that is not settled is held for lost."""

ANSWERS_TO_LOSE = 5
FAILING_LIMIT = 5.0

FEW = 8
FEW_LIMIT = 2.0
"""Customers, or seconds of them, whose waiting time stands for the others'."""

WORTH_KILLING = 10
"""Waiting orders below which the worker is spared: it would be done before it could be killed."""


class StuckError(Exception):
    """Something that always happens did not happen in time; the message says what."""


class Play:
    """One run, on processes that are started here.

    Args:
        site: the processes.
        lookout: looks at them.
        stage: where it is told.
        plan: how many, how fast, how long.
        clock: seconds since the demo began.
        sleep: passes some seconds.
    """

    def __init__(
        self,
        site: DemoSite,
        lookout: Lookout,
        stage: Stage,
        plan: Plan,
        clock: Callable[[], float],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._site = site
        self._lookout = lookout
        self._stage = stage
        self._plan = plan
        self._clock = clock
        self._sleep = sleep
        self._service = ServiceState.STARTING
        self._worker_alive = False
        self._course = Course()

    def run(self) -> Course:
        """From a good day to an empty queue. The site is left running.

        Raises:
            ChildFailedError: a process ended that should not have.
            StuckError: something did not happen in time.
        """
        self._start()
        self._stage.act(1, messages.ACTS[0])
        self._have_a_good_day()
        self._stage.act(2, messages.ACTS[1])
        died_at = self._kill_the_service()
        calls = self._sit_the_outage_out(died_at)
        self._stage.act(3, messages.ACTS[2])
        self._bring_the_service_back(died_at, calls)
        self._kill_the_worker()
        self._drain()
        return self._course

    # Act 1

    def _start(self) -> None:
        self._site.start_payment_service()
        self._site.start_worker()
        self._site.start_customers()
        self._until("the payment service answers", START_LIMIT, lambda _: self._site.payment_service_ready())
        self._service = ServiceState.UP
        self._until("the worker is ready", START_LIMIT, lambda _: self._site.worker_ready())
        self._worker_alive = True
        self._until("the customers have come", START_LIMIT, lambda _: self._site.promises.ready)

    def _have_a_good_day(self) -> None:
        self._stage.tell(messages.doors_open(self._plan))
        self._site.open_the_door()
        enough = self._plan.good_orders
        limit = START_LIMIT + enough / self._plan.rate
        scene = self._until(
            "the first customers are served",
            limit,
            lambda scene: scene.accepted >= enough and scene.circuit is CircuitState.CLOSED,
        )
        self._stage.tell(messages.good_day(scene))

    # Act 2

    def _kill_the_service(self) -> float:
        """Lose a few answers, then the service; returns when it died."""
        self._site.control.set_faults(charge_then_fail=1.0, charge_then_fail_how="reset")
        self._service = ServiceState.FAILING
        end = self._clock() + FAILING_LIMIT
        self._until(
            "a few answers are lost",
            2 * FAILING_LIMIT,
            lambda _: self._lost() >= ANSWERS_TO_LOSE or self._clock() > end,
        )
        lost, pid = self._lost(), self._site.payment_service.pid
        self._site.kill(self._site.payment_service)
        self._service = ServiceState.DEAD
        died_at = self._clock()
        self._stage.tell(messages.answers_lost(lost))
        self._stage.tell(messages.service_killed(pid))
        return died_at

    def _lost(self) -> int:
        return int(self._site.control.stats()["injected"].get("charge_then_fail", 0))

    def _sit_the_outage_out(self, died_at: float) -> int:
        """Until somebody starts the service again; returns how often it was called meanwhile."""
        opened = self._until(
            "the circuit opens", TURN_LIMIT, lambda scene: scene.circuit is not CircuitState.CLOSED
        )
        wait = self._wait_of_the_next_customers(opened)
        self._stage.tell(messages.circuit_opened(opened.failures, wait))
        opened_at = opened.opened_at or 0.0
        self._wait_for_a_probe(opened, died_at)
        scene = self._rest_until(died_at + self._plan.outage * 0.6)
        self._stage.tell(messages.outage_goes_on(scene, self._lookout.calls_since(opened_at)))
        if scene.customers_done:
            self._stage.tell(messages.customers_gone(scene))
        scene = self._rest_until(died_at + self._plan.outage)
        calls = self._lookout.calls_since(opened_at)
        came = scene.accepted - opened.accepted
        self._course = replace(self._course, came_while_open=came, calls_while_open=calls)
        return calls

    def _wait_of_the_next_customers(self, now: Scene) -> float | None:
        """How long the customers wait for an answer who come from now on; None when nobody comes."""
        scene = self._until(
            "some customers have an answer",
            START_LIMIT,
            lambda scene: (
                scene.accepted >= now.accepted + FEW or scene.customers_done or scene.at > now.at + FEW_LIMIT
            ),
        )
        return self._site.promises.usual_wait(since=now.accepted) if scene.accepted > now.accepted else None

    def _wait_for_a_probe(self, opened: Scene, died_at: float) -> None:
        """Tell of the first probe that fails, if there is one in time."""
        end = died_at + self._plan.outage * 0.6
        scene = self._until(
            "a probe fails",
            self._plan.outage,
            lambda scene: scene.opened_at not in {None, opened.opened_at} or scene.at >= end,
        )
        if scene.at < end:
            self._stage.tell(messages.probe_failed(scene))

    # Act 3

    def _bring_the_service_back(self, died_at: float, calls: int) -> None:
        self._site.start_payment_service()
        self._service = ServiceState.STARTING
        self._until("the payment service answers", START_LIMIT, lambda _: self._site.payment_service_ready())
        self._service = ServiceState.UP
        came = self._course.came_while_open
        self._stage.tell(messages.service_returned(self._clock() - died_at, came, calls))
        scene = self._until(
            "the circuit closes", TURN_LIMIT, lambda scene: scene.circuit is CircuitState.CLOSED
        )
        self._stage.tell(messages.circuit_closed(scene))

    def _kill_the_worker(self) -> None:
        """In the middle of the backlog, if there is enough of it to be in the middle of."""
        top = self._course.most_waiting
        scene = self._until(
            "the backlog shrinks", TURN_LIMIT, lambda scene: scene.waiting <= max(top * 0.8, WORTH_KILLING)
        )
        if scene.waiting <= WORTH_KILLING:
            return
        pid = self._site.worker.pid
        self._site.kill(self._site.worker)
        self._worker_alive = False
        self._stage.tell(messages.worker_killed(pid, self._lookout.in_hands()))
        self._course = replace(self._course, worker_killed=True)
        self._site.start_worker()
        scene = self._until("another worker is ready", START_LIMIT, lambda _: self._site.worker_ready())
        self._worker_alive = True
        self._stage.tell(messages.worker_replaced(self._look()))

    def _drain(self) -> None:
        left = max(0, self._plan.orders - self._look().accepted) / self._plan.rate
        began = self._clock()
        try:
            self._until(
                "every order is settled",
                left + DRAIN_LIMIT,
                lambda scene: scene.customers_done and scene.unsettled == 0,
            )
        except StuckError:
            # Not the end: which orders they are is for the proof to say.
            self._stage.tell(messages.not_settled(self._look(), self._clock() - began))
        else:
            self._stage.tell(messages.all_settled())

    # Looking

    def _until(self, what: str, limit: float, holds: Callable[[Scene], bool]) -> Scene:
        """Look until something holds, and return what was seen then."""
        end = self._clock() + limit
        while not holds(scene := self._look()):
            if self._clock() > end:
                raise StuckError(f"waited {limit:.0f} s in vain until {what}")
            self._sleep(LOOK)
        return scene

    def _rest_until(self, moment: float) -> Scene:
        return self._until("the time is up", START_LIMIT + moment, lambda scene: scene.at >= moment)

    def _look(self) -> Scene:
        scene = self._lookout.look(self._service, worker_alive=self._worker_alive)
        self._site.check()
        self._stage.show(scene)
        most = max(self._course.most_waiting, scene.waiting)
        self._course = replace(self._course, most_waiting=most)
        return scene

"""Observes every step of every process: interrupts it, and checks the invariants of that moment."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from breakwall.breaker import Permit
from breakwall.payments.db.schema import ResolvedBy
from breakwall.payments.gateways import ChargeRequest
from breakwall.worker.drain.jobs import Job, Paid, RecordAnswer, Result, Send
from tests.simulation.circuit import SharedCircuit
from tests.simulation.engine import EndedError, Process, Task
from tests.simulation.scenario import LEASE
from tests.simulation.service_ledger import ServiceLedger
from tests.simulation.storage import Storage
from tests.simulation.trace import Violation
from tests.simulation.world import Part, World

CONNECTING = 0.06  # Seconds from the last look at an order's last moment to the first byte, at most.


class RunObserver(Part):
    """Called where the product passes a crash point, gets a permit or sends a request.

    ``deadly_point`` is a crash point: the first process that reaches it dies.
    """

    def __init__(
        self,
        world: World,
        storage: Storage,
        circuit: SharedCircuit,
        ledger: ServiceLedger,
        deadly_point: str | None,
    ) -> None:
        super().__init__(world)
        self.misled: set[str] = set()  # Orders that got an answer about another charge.
        self.warned: set[str] = set()  # Those of them whose answer was recorded.
        self.requests: Counter[tuple[str, str]] = Counter()  # Requests that have left, by order and key.
        self.retries: Counter[str] = Counter()  # Charges that workers have asked their gateway for, by order.
        # Attempts that may have begun and were not sent: the worker died or lost its database.
        self.unsent: Counter[str] = Counter()
        self.killed_at: Counter[str] = Counter()
        self.last_request_at = 0.0
        self.on_death: Callable[[Process], None] = lambda process: None
        self._misled_in_a_batch: set[str] = set()
        self._storage = storage
        self._circuit = circuit
        self._ledger = ledger
        self._deadly_point = deadly_point

    # --- crashes and pauses at crash points

    def reach(self, point: str) -> None:
        """A task has come to a crash point."""
        task = self._engine.current
        if task is None:
            return
        self._trace.record(task.name, f"{point} {task.about}")
        if point == "before begin_attempt":
            task.observed["begun"] = True
        self._remember(task, point)
        if self._is_deadly(point):
            self.killed_at[point] += 1
            self.kill(task.process, f"dies {point}")
            raise EndedError
        self.interrupt(task.process)

    def _remember(self, task: Task, point: str) -> None:
        match point:
            case "before charge" | "before look_up":
                task.observed.pop("misled", None)
            case "after record" | "after record_look_up":
                if order_id := task.observed.pop("misled", None):
                    self.warned.add(str(order_id))
            case "before prove_absent":
                task.observed["charges"] = list(self._ledger.charges[task.about])

    def interrupt(self, process: Process) -> None:
        """Let other tasks run first, or pause a process for a while."""
        if self._faults.occurs("paused at a point"):
            # For a moment, just past the lease, or long.
            self.pause(
                process, self._rng.uniform(*self._rng.choice(((0.1, 5.0), (LEASE, LEASE + 6), (15, 45))))
            )
            self._engine.sleep(0.0)
        elif self._rng.random() < 0.3:
            self._engine.sleep(self._rng.uniform(0.0, 0.02))

    def kill(self, process: Process, event: str) -> None:
        """End a process at once."""
        self._trace.record(process.name, event.upper())
        self._engine.kill(process)
        self.on_death(process)

    def pause(self, process: Process, seconds: float) -> None:
        """Pause a process; time continues without it."""
        self._trace.record(process.name, f"is paused for {seconds:.1f} s")
        process.paused_until = self._engine.now + seconds

    def _is_deadly(self, point: str) -> bool:
        if point == self._deadly_point and self._faults.active:
            self._deadly_point = None
            return True
        return self._faults.occurs("killed at a point")

    # --- invariants

    def may_begin(self, order_ids: Iterable[str]) -> None:
        """An exchange is about to begin an attempt of each of these, or of fewer."""
        self.unsent.update(order_ids)

    def did_not_begin(self, order_ids: Iterable[str]) -> None:
        """It has not, or the attempt was undone."""
        self.unsent.subtract(order_ids)

    @contextmanager
    def doing(self, job: Job) -> Iterator[Callable[[Result], None]]:
        """A slot does a job; what it yields is called with the result."""
        task, order_id = self._engine.task, job.order_id
        task.about = order_id
        if isinstance(job, Send):
            task.observed["begun in a batch"] = True
        if isinstance(job, RecordAnswer) and order_id in self._misled_in_a_batch:
            self._misled_in_a_batch.discard(order_id)
            task.observed["misled"] = order_id
        try:
            yield self._has_done
        finally:
            task.observed.pop("begun in a batch", None)
            if task.observed.pop("begun", None):
                self.unsent[order_id] += 1
            task.about = ""

    def _has_done(self, result: Result) -> None:
        # Another slot may record it.
        misled = self._engine.task.observed.pop("misled", None)
        if isinstance(result, Paid) and misled:
            self._misled_in_a_batch.add(str(misled))

    def permit_given(self, process: Process, permit: Permit) -> None:
        """The breaker has given a permit."""
        self._circuit.check_admission(process.name, permit)
        task = self._engine.task
        task.observed["permit"] = self._engine.now

    def charge_asked(self, request: ChargeRequest) -> None:
        """A gateway is asked to charge."""
        task = self._engine.task
        if task.observed.pop("begun in a batch", None):
            self.retries[request.order_id] += 1
            self.unsent[request.order_id] -= 1
        if task.observed.pop("begun", None):
            self.retries[request.order_id] += 1

    def looks_up(self, key: str) -> ChargeRequest | None:
        """The request that a look-up under this key is for; None if it looks up a known charge as a test."""
        task = self._engine.task
        found = self._storage.rows(
            "SELECT id, user_id, amount, currency, charge_key FROM orders WHERE id = ? AND charge_key = ?",
            task.about,
            key,
        )
        return ChargeRequest(*found[0]) if found else None

    def recorded_absent(self, order_id: str) -> None:
        """An order was committed as not charged. Charges from before the commit contradict that."""
        task = self._engine.task
        if charges := task.observed["charges"]:
            raise Violation(f"{charges} of {order_id} are recorded as absent")

    def misled_about(self, order_id: str) -> None:
        """The task was given an answer about another charge than the order's."""
        task = self._engine.task
        self._trace.record(task.name, f"is misled about {order_id}")
        self._faults.seen["heard of another charge"] += 1
        self.misled.add(order_id)
        task.observed["misled"] = order_id

    def forget(self) -> None:
        """The database was restored: count from its rows."""
        self.retries.clear()
        for order_id, retries in self._storage.rows("SELECT id, retry_count FROM orders"):
            self.retries[order_id] = retries
        written = self._storage.rows("SELECT order_id, gateway_key, count(*) FROM attempts GROUP BY 1, 2")
        there = {(order_id, key): number for order_id, key, number in written}
        for which, requests in self.requests.items():
            self.requests[which] = min(requests, there.get(which, 0))
        self.warned.clear()

    def leaves(self, request: ChargeRequest | None, ends_at: float) -> None:
        """A request leaves, to charge or (None) to look up; its caller waits no longer than ``ends_at``."""
        task = self._engine.task
        given_at = task.observed.get("permit") if request is None else task.observed.pop("permit", None)
        if not isinstance(given_at, float):
            raise Violation(f"{task.name} sends without a permit")
        if self._engine.now >= given_at + self._circuit.config.lease_seconds:
            raise Violation(f"{task.name} sends on an expired permit of {given_at:.3f}")
        self.last_request_at = self._engine.now
        if request is not None:
            self._check_attempt(request, ends_at)

    def _check_expiry(self, request: ChargeRequest) -> None:
        """Nothing is sent after an order's last moment, but by a process that stood still since it looked."""
        (last,) = self._storage.values("SELECT charge_before FROM orders WHERE id = ?", request.order_id)
        if last is None:
            return
        late = self._engine.now - self._storage.moment(last)
        if late > CONNECTING and self._engine.task.process.paused_until < self._engine.now - late:
            raise Violation(f"a charge of {request.order_id} leaves {late:.3f} s after its last moment")

    def _check_attempt(self, request: ChargeRequest, ends_at: float) -> None:
        key = request.idempotency_key
        self._trace.record("network", f"takes the charge of {key}")
        self.requests[request.order_id, key] += 1
        # Another attempt's late proof of payment may have finished this one after its row and before its request.
        unanswered, written, lease_until, suspected = self._storage.values(
            "SELECT sum(a.outcome IS NULL OR a.settled_by = ?), count(*), o.lease_until, o.suspected_at"
            " FROM attempts a JOIN orders o ON o.id = a.order_id WHERE a.order_id = ? AND a.gateway_key = ?",
            ResolvedBy.PAYMENT,
            request.order_id,
            key,
        )
        if not unanswered or written < self.requests[request.order_id, key]:
            raise Violation(f"a charge of {key} leaves before its attempt is written")
        self._check_expiry(request)
        if request.prepared is not None and not self._storage.rows(
            "SELECT 1 FROM attempts WHERE order_id = ? AND prepared = ?", request.order_id, request.prepared
        ):
            raise Violation(f"the prepared charge {request.prepared} is confirmed before it is written")
        if suspected is not None:
            raise Violation(f"a charge of {key} leaves while its order is suspected and was not looked up")
        if lease_until is not None and self._storage.moment(lease_until) < ends_at:
            raise Violation(f"a charge of {key} may take longer than its lease")

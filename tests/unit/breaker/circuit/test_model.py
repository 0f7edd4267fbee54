"""The pure core against a plain model that keeps every event and counts them anew each time."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from breakwall.breaker import CallOutcome, CircuitBreakerConfig, CircuitState
from breakwall.breaker.circuit import transitions as core
from breakwall.breaker.circuit.codec import decode, encode
from breakwall.breaker.circuit.state import Circuit
from breakwall.breaker.circuit.window import CounterDelta

CONFIG = CircuitBreakerConfig(
    failure_threshold=3,
    failure_rate=0.5,
    window=20.0,
    recent_calls=8,
    recovery_timeout=4.0,
    max_recovery_timeout=16.0,
    timeout=2.0,
    half_open_max_calls=2,
    jitter=0.5,
    refresh_interval=0.25,
)
PROCESSES = ("a", "b", "c")


class Model:
    """What `docs/breaker.md` says, written down as plainly as possible."""

    def __init__(self) -> None:
        self.state = "closed"
        self.generation = 0
        self.calls: list[tuple[float, str, bool]] = []
        self.suspected_at: float | None = None
        self.open_until = 0.0
        self.failed_recoveries = 0
        self.leases: dict[str, float] = {}
        self.probes_succeeded = 0

    def report(self, now: float, jitter: float, generation: int, process: str, good: int, bad: int) -> None:
        if self.state == "closed" and generation == self.generation and good + bad:
            self.calls += [(now, process, True)] * good + [(now, process, False)] * bad
            self.judge(now, jitter, opened_at=now)

    def judge(self, now: float, jitter: float, opened_at: float) -> None:
        if not self.looks_bad(now):
            self.suspected_at = None
        elif not self.disputed(now) or (
            self.suspected_at is not None and now >= self.suspected_at + CONFIG.refresh_interval
        ):
            self.open(opened_at, jitter)
        elif self.suspected_at is None:
            self.suspected_at = now

    def looks_bad(self, now: float) -> bool:
        second = int(now)  # a window of 20 s has buckets of a second
        live = [(int(at), good) for at, _, good in self.calls if int(at) > second - 20]
        # What began less than an interval ago may lack successes that are on the way.
        starts = sorted({at for at, _ in live if now - at >= 0.25})
        parts = [[good for at, good in live if at >= start] for start in starts]
        whole = [good for _, good in live]
        # An interval of 0.25 s has recent of 0.125 s, and the three newest count.
        newest = [good for at, _, good in self.calls if int(at / 0.125) > int(now / 0.125) - 3]
        judged = [whole, *(part for part in (*parts, newest) if len(part) >= CONFIG.recent_calls)]
        return any(p.count(False) >= 3 and p.count(False) / len(p) >= 0.5 for p in judged)

    def disputed(self, now: float) -> bool:
        recent = [call for call in self.calls if call[0] > now - CONFIG.window]
        failing = {process for _, process, good in recent if not good}
        succeeding = {process for _, process, good in recent if good}
        return len(failing) == 1 and bool(succeeding - failing)

    def open(self, now: float, jitter: float, seconds: float | None = None) -> None:
        if seconds is None:
            seconds = min(4.0 * 2**self.failed_recoveries, 16.0) * (1 - CONFIG.jitter * jitter)
        self.open_until = now + seconds
        self.move("open")

    def move(self, state: str) -> None:
        self.state = state
        self.generation += 1
        self.calls, self.leases = [], {}
        self.suspected_at, self.probes_succeeded = None, 0

    def tick(self, now: float, jitter: float) -> None:
        self.leases = {id_: until for id_, until in self.leases.items() if now < until}
        if self.suspected_at is not None:
            self.judge(now, jitter, opened_at=min(now, self.suspected_at + CONFIG.refresh_interval))

    def slots(self, now: float) -> int | None:
        if self.state == "closed":
            return None
        if self.state == "open":
            return 2 if now >= self.open_until else 0
        return 2 - len(self.leases) - self.probes_succeeded

    def request_lease(self, now: float, lease_id: str) -> None:
        if lease_id in self.leases or not self.slots(now):
            return
        if self.state == "open":
            self.move("half_open")
        self.leases[lease_id] = now + CONFIG.lease_seconds

    def record_probe(self, now: float, jitter: float, lease_id: str, outcome: CallOutcome) -> None:
        if self.leases.pop(lease_id, None) is None:
            return
        if outcome is CallOutcome.FAILURE:
            self.failed_recoveries += 1
            self.open(now, jitter)
        elif outcome is CallOutcome.SUCCESS:
            self.probes_succeeded += 1
            if self.probes_succeeded == 2:
                self.failed_recoveries = 0
                self.move("closed")


class CircuitAgainstModel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.circuit = Circuit()
        self.model = Model()
        self.now = 1_000_000.0
        self.lease_ids: list[str] = []

    @rule(quarters=st.integers(0, 100))
    def time_passes(self, quarters: int) -> None:
        # Quarters of a second are exact in binary, and in the stored milliseconds.
        self.now += quarters / 4

    @rule(
        process=st.sampled_from(PROCESSES),
        good=st.integers(0, 5),
        bad=st.integers(0, 4),
        behind=st.sampled_from((0, 0, 0, 1)),
        jitter=st.sampled_from((0.0, 0.5)),
    )
    def a_process_reports(self, process: str, good: int, bad: int, behind: int, jitter: float) -> None:
        generation = self.circuit.generation - behind
        report = CounterDelta(generation, process, successes=good, failures=bad)
        if report:
            self.circuit = core.record(self.circuit, CONFIG, self.now, jitter, report)
        self.model.report(self.now, jitter, generation, process, good, bad)

    @rule()
    def a_caller_asks_for_a_lease(self) -> None:
        lease_id = f"lease-{len(self.lease_ids)}"
        self.lease_ids.append(lease_id)
        self.advance()
        self.circuit = core.request_lease(self.circuit, CONFIG, self.now, lease_id)
        self.model.request_lease(self.now, lease_id)
        assert self.circuit.holds(lease_id) == (lease_id in self.model.leases)

    @precondition(lambda self: self.lease_ids)
    @rule(back=st.integers(0, 3), outcome=st.sampled_from(CallOutcome), jitter=st.sampled_from((0.0, 0.5)))
    def a_probe_ends(self, back: int, outcome: CallOutcome, jitter: float) -> None:
        lease_id = self.lease_ids[-1 - back % len(self.lease_ids)]
        self.advance()
        self.circuit = core.record_probe(self.circuit, CONFIG, self.now, jitter, lease_id, outcome)
        self.model.record_probe(self.now, jitter, lease_id, outcome)

    @precondition(lambda self: self.model.state == "closed")
    @rule(seconds=st.integers(1, 10))
    def the_service_asks_for_a_pause(self, seconds: int) -> None:
        self.advance()
        if self.model.state == "closed":
            self.circuit = core.hold_open(self.circuit, self.now, seconds)
            self.model.open(self.now, 0.0, seconds)

    @rule()
    def an_operator_resets_it(self) -> None:
        self.circuit = core.reset(self.circuit, self.now, None, "kim")
        self.model.failed_recoveries = 0
        self.model.move("closed")

    @rule()
    def it_is_stored_and_loaded(self) -> None:
        loaded = decode(encode(self.circuit))
        assert loaded == self.circuit
        self.circuit = loaded

    def advance(self) -> None:
        self.circuit = core.advance(self.circuit, CONFIG, self.now, 0.0)
        self.model.tick(self.now, 0.0)

    @invariant()
    def both_let_the_same_calls_through(self) -> None:
        self.advance()
        decision = core.decide(self.circuit, CONFIG, self.now)
        assert self.circuit.state.value == self.model.state
        assert self.circuit.generation == self.model.generation
        assert decision.slots == self.model.slots(self.now)
        assert decision.slots is None or decision.slots >= 0
        assert (decision.retry_after > 0) == (decision.slots == 0)

    @invariant()
    def only_half_open_circuits_have_leases(self) -> None:
        assert self.circuit.state is CircuitState.HALF_OPEN or not self.circuit.leases


TestCircuitAgainstModel = CircuitAgainstModel.TestCase
TestCircuitAgainstModel.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)

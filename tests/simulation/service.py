"""The payment service. Some of its answers belong to another request."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from breakwall.payments.decisions import STORED_ERRORS
from breakwall.payments.gateways import ChargeRequest
from tests.simulation.misrouted_answers import MisroutedAnswers
from tests.simulation.prepared_charges import PreparedCharges
from tests.simulation.service_behavior import ServiceBehavior
from tests.simulation.service_ledger import Execution, ServiceLedger
from tests.simulation.service_load import LoadBehavior, ServiceLoad
from tests.simulation.trace import Violation
from tests.simulation.wire import REPLAYED, SendReply, ServiceReply, as_json
from tests.simulation.world import Part, World


class SimulatedService(Part):
    """Requests come in through `charge` and `look_up`, each with a function that sends the answer."""

    def __init__(
        self, world: World, behavior: ServiceBehavior, load: LoadBehavior, is_owned: Callable[[str], bool]
    ) -> None:
        super().__init__(world)
        self.behavior = behavior
        self.load = ServiceLoad(world, load)
        self.ledger = ServiceLedger()
        self.refused: set[str] = set()  # Orders whose key it knows from another payload.
        self.prepared = PreparedCharges(self._paid, self._declined)
        self._misrouted = MisroutedAnswers(world, self.ledger, behavior, is_owned)
        self._errors_heard: Counter[tuple[str, str]] = Counter()

    def charge(self, request: ChargeRequest, limit: float, answer: SendReply) -> None:
        """Take a request. Its effects are complete and visible before the moment ``limit``."""
        answer = self._misrouted.mixed_into(answer, request.order_id)
        refusal = self._refusal() or self._bad_request() or self.load.refusal()
        if refusal is not None:
            answer(refusal)
            return
        if request.idempotency_key in self.prepared.cancelled_keys or self._is_cancelled(request):
            answer(as_json(409, code="cancelled"))
            return
        known = self._remembered(request) or self._confirmed(request)
        if known is None:
            self._execute(request, limit, answer)
        elif known.request != request and self._is_refused(known.request, request):
            answer(as_json(422, code="key_reused"))
        elif known.answer is None:
            answer(as_json(409, code="key_in_use"))
        else:
            self._replay(request, known, answer)

    def prepare(self, request: ChargeRequest, answer: SendReply) -> None:
        """Create a charge that charges nothing yet; the same one again for a key that is remembered."""
        refusal = self._refusal() or self._bad_request() or self.load.refusal()
        key, profile = request.idempotency_key, self.behavior.profile
        since = self._engine.now - profile.key_life if profile.deduplicates else float("inf")
        if refusal is None:
            refusal = self._stored_error(key)
        if refusal is None and self._faults.occurs("5xx before charging"):
            refusal = self._broken()
            if self.behavior.stores_errors:
                self.prepared.stored_errors[key] = refusal
        if refusal is not None:
            answer(refusal)
            return
        one = self.prepared.of_key(key, since=since) or self.prepared.create(request, self._engine.now)
        self._faults.seen["charge prepared"] += 1
        answer(as_json(200, id=one.id, status="prepared"))

    def _stored_error(self, key: str) -> ServiceReply | None:
        stored = self.prepared.stored_errors.get(key)
        if stored is None or not self.behavior.says_that_it_replays:
            return stored
        return replace(stored, headers={**stored.headers, **REPLAYED})

    def look_up_prepared(self, prepared: str, answer: SendReply) -> None:
        """Answer what has happened with a prepared charge."""
        answer(self._refusal() or self.prepared.state_of(prepared))

    def cancel(self, request: ChargeRequest, answer: SendReply) -> None:
        """Make sure that a charge never happens, unless it has happened, or is happening."""
        refusal = self._refusal()
        if refusal is None:
            executions = self.ledger.under(self._stored_as(request))
            refusal = self.prepared.cancel(request, executions)
            self._faults.seen["charge cancelled at the service"] += b"cancelled" in refusal.body
        answer(refusal)

    def look_up(self, key: str, answer: SendReply) -> None:
        """Answer what happened under a key."""
        answer = self._misrouted.mixed_into(answer, self._whose(key))
        refusal = self._refusal()
        if not self.behavior.look_up_works:
            refusal = refusal or self.behavior.no_look_up
        answer(refusal or self.sight(key))

    def sight(self, key: str) -> ServiceReply:
        """What a look-up finds under a key without faults."""
        read = self.behavior.mangling.looked_up_as(key)
        if read is None:
            return self.behavior.no_look_up
        executions = self.ledger.under(read)
        seen = [execution for execution in executions if execution.visible_at <= self._engine.now]
        for execution in seen:
            if execution.charge_id:
                return self._paid(execution)
        declined = next((execution for execution in seen if execution.declined), None)
        if self.behavior.shows_declines and declined is not None:
            return self._declined(200, declined)
        if self.behavior.shows_processing and any(one.answer is None for one in executions):
            return as_json(200, status="processing")
        return as_json(404, code="no_such_charge")

    def charged_earlier(self, request: ChargeRequest, at: float) -> str:
        """Charge a request as of a moment before the run; returns the charge's id."""
        execution = Execution(request, at, visible_at=at)
        self.ledger.begin(self._stored_as(request), execution)
        charge_id = self.ledger.move_money(execution)
        execution.answer = self._paid(execution)
        return charge_id

    def _stored_as(self, request: ChargeRequest) -> str:
        return self.behavior.mangling.stored_as(request.idempotency_key)

    def _whose(self, key: str) -> str:
        executions = self.ledger.under(self.behavior.mangling.stored_as(key))
        return executions[0].request.order_id if executions else "no order"

    def _is_refused(self, known: ChargeRequest, request: ChargeRequest) -> bool:
        if known.idempotency_key == request.idempotency_key:
            raise Violation(f"the key {request.idempotency_key} came with another payload: {request}")
        if not self.behavior.confuses:
            raise Violation(f"{request.idempotency_key} is taken for {known.idempotency_key}")
        self._faults.seen["key taken for another order's"] += 1
        if self.behavior.compares:
            self.refused.add(request.order_id)
        return self.behavior.compares

    def _replay(self, request: ChargeRequest, known: Execution, answer: SendReply) -> None:
        assert known.answer is not None
        stored = known.answer
        if self.behavior.says_done and known.charge_id and stored.status == 200:
            stored = as_json(400, code="ALREADY_PROCESSED_PAYMENT")
            self._faults.seen["done already, it says"] += 1
        self._trace.record("payment service", f"replays {stored.status} to {request.idempotency_key}")
        answer(stored)

    def error_heard(self, request: ChargeRequest) -> None:
        """Its caller has received a 5xx, before the caller's timeout."""
        if self._faults.active or not self.behavior.look_up_works:
            return
        which = (request.order_id, request.idempotency_key)
        self._errors_heard[which] += 1
        if self._errors_heard[which] > STORED_ERRORS:
            raise Violation(f"the stored error of {request.idempotency_key} is asked for again and again")

    def _refusal(self) -> ServiceReply | None:
        """What a service may answer before it reads the request."""
        occurs = self._faults.occurs
        if "way to the payment service lost" in self._faults.down:
            # An API gateway that has lost its route answers so, in the place of the service.
            return as_json(404, message="no Route matched with those values")
        if "payment service failing" in self._faults.down and self._rng.random() < 0.8:
            return self._broken()
        if occurs("503 with Retry-After"):
            return as_json(503, retry_after=self._rng.uniform(1, 40))
        if occurs("throttled"):
            return as_json(429)
        if occurs("throttled with Retry-After"):
            return as_json(429, retry_after=self._rng.uniform(1, 40))
        return None

    def _bad_request(self) -> ServiceReply | None:
        if self._faults.occurs("credentials refused"):
            return as_json(401)
        if self._faults.occurs("request refused"):
            return as_json(400, code="bad_request")
        return None

    def _remembered(self, request: ChargeRequest) -> Execution | None:
        executions = self.ledger.under(self._stored_as(request))
        if not self.behavior.profile.deduplicates or not executions:
            return None
        newest = executions[-1]
        forgotten = self._engine.now >= newest.begun_at + self.behavior.profile.key_life
        return None if forgotten else newest

    def _is_cancelled(self, request: ChargeRequest) -> bool:
        return request.prepared is not None and self.prepared.named_in(request).cancelled

    def _confirmed(self, request: ChargeRequest) -> Execution | None:
        """What was done to confirm the same prepared charge, whatever the service remembers of keys."""
        return None if request.prepared is None else self.prepared.named_in(request).execution

    def _execute(self, request: ChargeRequest, limit: float, answer: SendReply) -> None:
        execution = Execution(request, self._engine.now)
        if request.prepared is not None:
            self.prepared.named_in(request).execution = execution
        self.ledger.begin(self._stored_as(request), execution)
        hang = self.load.overload()
        slow = self._faults.occurs("charging takes long")
        seconds = hang or (self._rng.uniform(0, 15) if slow else self.load.seconds())
        done_at = max(self._engine.now, min(self._engine.now + seconds, limit))
        self.load.in_hand += 1
        self._engine.at(done_at, lambda: self._finish(execution, limit, answer, collapsed=hang is not None))

    def _finish(self, execution: Execution, limit: float, answer: SendReply, *, collapsed: bool) -> None:
        self.load.in_hand -= 1
        key = execution.request.idempotency_key
        if collapsed or self._faults.occurs("5xx before charging"):
            execution.answer = self._broken()
            answer(execution.answer)
            if not self.behavior.stores_errors:
                self.ledger.forget(self._stored_as(execution.request), execution)
            if execution.request.prepared is not None:
                self.prepared.named_in(execution.request).execution = None
            return
        execution.visible_at = self._visible_from(limit)
        if self._faults.occurs("declined"):
            execution.declined = True
            self._trace.record("payment service", f"declines {key}")
            execution.answer = self._declined(402, execution)
            answer(execution.answer)
            return
        charge_id = self.ledger.move_money(execution)
        self._trace.record("payment service", f"CHARGES {key} as {charge_id}")
        paid = self._paid(execution)
        failing = self._faults.occurs("5xx after charging")
        sent = self._broken() if failing else paid
        execution.answer = sent if self.behavior.stores_errors else paid
        answer(sent)

    def _visible_from(self, limit: float) -> float:
        """Look-ups may lag behind an answer, but never by more than the settle time."""
        now = self._engine.now
        return self._rng.uniform(now, max(now, min(limit, now + self.behavior.profile.absent_after - 0.01)))

    def _broken(self) -> ServiceReply:
        if self._faults.occurs("5xx with the service's own code"):
            return as_json(500, code="internal_error")
        return as_json(self._rng.choice((500, 502, 503)))

    def _paid(self, execution: Execution) -> ServiceReply:
        return as_json(200, status="succeeded", charge_id=execution.charge_id, **self._named(execution))

    def _declined(self, http_status: int, execution: Execution) -> ServiceReply:
        return as_json(http_status, status="declined", code="card_declined", **self._named(execution))

    def _named(self, execution: Execution) -> dict[str, object]:
        return {name: getattr(execution.request, name) for name in self.behavior.names}

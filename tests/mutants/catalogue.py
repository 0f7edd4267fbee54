"""What is removed, where, and which tests must notice."""

from dataclasses import dataclass

ACCEPT = "breakwall/payments/ledger/accept.py"
CLAIM = "breakwall/payments/ledger/claiming.py"
PROGRESS = "breakwall/payments/ledger/progress.py"
RECORD = "breakwall/payments/ledger/record.py"
DECISIONS = "breakwall/payments/decisions.py"
LOOKUP = "breakwall/payments/charge_lookup.py"
QUEUE = "breakwall/payments/ledger/dispatch_queue.py"

BATCH = "breakwall/payments/ledger/batch_claiming.py"
STATEMENTS = "breakwall/payments/ledger/batch_statements.py"
EXCHANGE = "worker/drain/exchange.py"
SLOT = "worker/drain/slot.py"

ACCEPT_TESTS = "tests/contract/payments/ledger/test_accept.py"
CLAIM_TESTS = "tests/contract/payments/ledger/test_claiming.py"
RECORD_TESTS = "tests/contract/payments/ledger/test_record.py"
QUEUE_TESTS = "tests/contract/payments/ledger/test_dispatch_queue.py"
RETRY_TESTS = "tests/contract/worker/test_retry.py"
LATE_TESTS = "tests/contract/payments/ledger/test_late_answers.py"
CHARGE_TESTS = "tests/contract/payments/ledger/test_charges.py"
PLACE_TESTS = "tests/contract/producers/test_place.py"
RELEASED_TESTS = "tests/contract/payments/fleet/test_released_orders.py"
READER_TESTS = "tests/contract/worker/control/test_reader.py"
PLACING_TESTS = "tests/contract/producers/test_placing.py"
BATCH_TESTS = "tests/contract/payments/ledger/test_batch_claiming.py"
EXCHANGE_TESTS = "tests/contract/worker/drain/test_exchange.py"
SLOT_TESTS = "tests/unit/worker/drain/test_slot.py"


@dataclass(frozen=True)
class Mutant:
    """One guarantee, removed."""

    name: str
    path: str
    line: str  # Text that the file has exactly once.
    instead: str  # What replaces it.
    tests: tuple[str, ...]  # What must fail.
    simulated: bool = True  # Whether the simulation notices it too, in some thousands of runs.


MUTANTS = (
    Mutant(
        "the fence",
        "breakwall/payments/ledger/order_state.py",
        'orders.c.status == IN_FLIGHT, orders.c.fence == bindparam("held_fence")',
        "orders.c.status == IN_FLIGHT",
        (CLAIM_TESTS,),
    ),
    Mutant(
        "the lease's end",
        CLAIM,
        ".where(HELD, orders.c.lease_until > clock.after(0))",
        ".where(HELD)",
        (CLAIM_TESTS,),
        simulated=False,
    ),
    Mutant(
        "the attempt's row before the send",
        CLAIM,
        "connection.execute(_insert_attempt(self.clock), row)",
        "str(_insert_attempt(self.clock))",
        (CLAIM_TESTS, PLACE_TESTS),
    ),
    Mutant(
        "retry_count before the send",
        CLAIM,
        '"retry_count": orders.c.retry_count + 1,',
        '"retry_count": orders.c.retry_count,',
        (CLAIM_TESTS, RETRY_TESTS),
    ),
    Mutant(
        "the reuse of the key",
        CLAIM,
        "order.charge_key, reference)",
        'f"{order.charge_key}{order.fence}", reference)',
        (RETRY_TESTS,),
    ),
    Mutant(
        "the look-up before a resend",
        DECISIONS,
        "        return Step.LOOK_UP\n",
        "        return Step.SEND\n",
        ("tests/unit/payments/test_decisions.py", RETRY_TESTS),
    ),
    Mutant(
        "the settle time",
        DECISIONS,
        "        if progress.unresolved_age >= profile.absent_after:\n",
        "        if True:\n",
        ("tests/unit/payments/test_decisions.py", RETRY_TESTS),
    ),
    Mutant(
        "the test of a look-up's 404",
        LOOKUP,
        "            if found.charge_id == charge.charge_id:\n",
        "            if True:\n",
        ("tests/unit/payments/test_charge_lookup.py", LATE_TESTS),
    ),
    Mutant(
        "the shape of the known charge's key",
        "breakwall/payments/ledger/charges.py",
        "charges.c.key_shape == shape",
        "charges.c.key_shape.is_not(None)",
        (CHARGE_TESTS,),
    ),
    Mutant(
        "the known charge's own id",
        LOOKUP,
        "            if found.charge_id == charge.charge_id:\n",
        "            if found.charge_id is not None:\n",
        ("tests/unit/payments/test_charge_lookup.py",),
        simulated=False,
    ),
    Mutant(
        "the order that owns a charge",
        RECORD,
        "    if owner is None:\n",
        "    if True:\n",
        (CHARGE_TESTS,),
    ),
    Mutant(
        "the order, amount and currency that an answer names",
        "breakwall/payments/verification.py",
        "    return answer if found is None else contradicted(answer, found)\n",
        "    return answer\n",
        ("tests/unit/payments/test_verification.py",),
    ),
    Mutant(
        "the look-up after a refusal",
        DECISIONS,
        "if refusal and not profile.looks_up else answer",
        "if refusal else answer",
        ("tests/unit/payments/test_decisions.py", RETRY_TESTS),
    ),
    Mutant(
        "the look-up before a key is rotated",
        "breakwall/payments/operator/key_rotation.py",
        "_ids_by_newest(connection, locked, _SPENT, RESOLVED_LATER)",
        "_ids_by_newest(connection, locked, _SPENT)",
        ("tests/contract/payments/operator/test_key_rotation.py",),
        simulated=False,
    ),
    Mutant(
        "look up a suspected order before a send",
        PROGRESS,
        "(sent.unresolved_at, order.suspected_at)",
        "(sent.unresolved_at,)",
        (
            "tests/contract/payments/operator/test_suspect.py",
            "tests/contract/payments/operator/test_doubted_refusals.py",
        ),
    ),
    Mutant(
        "the derived key",
        ACCEPT,
        "key if self.send_caller_keys else derive_charge_key(order_id)",
        "key",
        (ACCEPT_TESTS, PLACE_TESTS),
    ),
    Mutant(
        "the end by a late decline",
        DECISIONS,
        "        return Step.DECLINE\n",
        "        return Step.SEND\n",
        (LATE_TESTS,),
        simulated=False,
    ),
    Mutant(
        "proof of payment from a late result",
        RECORD,
        "    if as_expected.rowcount == 0:\n",
        "    if False:\n",
        (RECORD_TESTS,),
    ),
    Mutant(
        "the dispatcher's republishing",
        QUEUE,
        ".values(dispatch_at=self.clock.after(republish_after))",
        ".values(dispatch_at=self.clock.after(1e9))",
        (QUEUE_TESTS,),
    ),
    Mutant(
        "reclaiming expired claims",
        "worker/dispatcher.py",
        "        self._due.reclaim_expired()\n",
        "",
        ("tests/unit/worker/test_dispatcher.py",),
    ),
    Mutant(
        "the end of a poison order",
        QUEUE,
        "POISON_CRASHES = 3",
        "POISON_CRASHES = 99",
        (QUEUE_TESTS,),
        simulated=False,
    ),
    Mutant(
        "no call while the service hangs",
        "breakwall/breaker/calls_in_hand.py",
        "            if hanging:\n",
        "            if False:\n",
        ("tests/unit/breaker/test_calls_in_hand.py",),
        simulated=False,
    ),
    Mutant(
        "stuck calls among answered ones are no hang",
        "breakwall/breaker/hang_detector.py",
        "self._suspects.clear()  # Later",
        "pass  # Later",
        ("tests/unit/breaker/test_hang_detector.py",),
        simulated=False,
    ),
    Mutant(
        "a lost permit is in hand no longer than its lease",
        "breakwall/breaker/calls_in_hand.py",
        "now - began[0].began_at > self._longest",
        "False",
        ("tests/unit/breaker/test_calls_in_hand.py",),
        simulated=False,
    ),
    Mutant(
        "a quick service's pause of this process is no hang",
        "breakwall/breaker/hang_detector.py",
        "LEAST_OVERDUE_AGE = 0.05 ",
        "LEAST_OVERDUE_AGE = 0.0 ",
        ("tests/unit/breaker/test_hang_detector.py",),
        simulated=False,
    ),
    Mutant(
        "the gate before each message",
        "breakwall/broker/consuming/fetching.py",
        "    return demand.held < demand.capacity\n",
        "    return True\n",
        ("tests/unit/broker/consuming/test_fetching.py",),
        simulated=False,
    ),
    Mutant(
        "a closed gate takes no order",
        "worker/intake.py",
        "return room if slots is None else min(room, slots)",
        "return room",
        ("tests/unit/worker/test_intake.py",),
        simulated=False,
    ),
    Mutant(
        "the gate before each publish",
        "worker/dispatcher.py",
        "        if slots == 0:\n",
        "        if slots is False:\n",
        ("tests/unit/worker/test_dispatcher.py",),
        simulated=False,
    ),
    Mutant(
        "the acknowledgement after the work",
        "worker/message.py",
        "functools.partial(runtime.done_messages.add, self))\n",
        "runtime.done_messages.add(self) or print)\n",
        ("tests/unit/worker/test_message.py",),
        simulated=False,
    ),
    Mutant(
        "the breaker before each attempt",
        "worker/retry.py",
        "    return breaker.acquire()\n",
        '    return CircuitBreaker("another").acquire()\n',
        (RETRY_TESTS,),
    ),
    Mutant(
        "a deferral that uses up nothing",
        CLAIM,
        'return {"deferral_count": orders.c.deferral_count + 1}',
        'return {"retry_count": orders.c.retry_count + 1}',
        (CLAIM_TESTS, RETRY_TESTS),
    ),
    Mutant(
        "keep an attempt unknown after its claim is released",
        CLAIM,
        "uncharged=not claim.progress.unresolved",
        "uncharged=True",
        (CLAIM_TESTS, RETRY_TESTS),
        simulated=False,
    ),
    Mutant(
        "the margin of a lease",
        "breakwall/wiring.py",
        "LEASE_MARGIN = 5.0\n",
        "LEASE_MARGIN = 0.0\n",
        ("tests/contract/payments/ledger/test_leases.py",),
        simulated=False,
    ),
    Mutant(
        "treat an unconfirmed commit as unknown",
        "breakwall/payments/db/database.py",
        "            with commit_errors():\n",
        "            with statement_errors(connection):\n",
        ("tests/contract/payments/db/test_lost_commits.py",),
        simulated=False,
    ),
    Mutant(
        "the bounded publish",
        "breakwall/broker/connections/base.py",
        "STEP_TIMEOUT = 0.4\n",
        "STEP_TIMEOUT = 30.0\n",
        ("tests/integration/producers/test_place_is_bounded.py",),
        simulated=False,
    ),
    Mutant(
        "the reset of a request that was given up",
        "breakwall/payments/gateways/transport/deadline.py",
        "            discard_on_close(self._sock, call.timeout())\n",
        "            pass\n",
        ("tests/integration/payments/gateways/transport/test_linger.py",),
        simulated=False,
    ),
    Mutant(
        "the caller's idempotency key",
        ACCEPT,
        "            if not new:\n",
        "            if new is None:\n",
        (ACCEPT_TESTS, PLACE_TESTS),
    ),
    Mutant(
        "BEGIN IMMEDIATE on SQLite",
        "breakwall/payments/db/sqlite.py",
        "get(BEGIN, 'IMMEDIATE')",
        "get(BEGIN, 'DEFERRED')",
        ("tests/contract/payments/db/test_database.py", "tests/contract/payments/db/test_migrate.py"),
        simulated=False,
    ),
    Mutant(
        "the pause before each claim",
        "worker/retry.py",
        "or (0.0 if released else self._hold())",
        "or 0.0",
        (RETRY_TESTS,),
    ),
    Mutant(
        "no order but a released one while the queue is paused",
        "breakwall/payments/fleet/released_orders.py",
        ".join(released_orders, released_orders.c.order_id == orders.c.id)",
        ".outerjoin(released_orders, released_orders.c.order_id == orders.c.id)",
        (RELEASED_TESTS,),
    ),
    Mutant(
        "the end of a release with its pause",
        "breakwall/payments/fleet/drain_control.py",
        "            if not paused:\n",
        "            if paused:\n",
        (RELEASED_TESTS,),
        simulated=False,
    ),
    Mutant(
        "a pause that nobody has read yet",
        "worker/control/reader.py",
        "        self.state = UNREAD  #",
        "        self.state = DrainState()  #",
        (READER_TESTS,),
        simulated=False,
    ),
    Mutant(
        "keep a pause while the database does not answer",
        "worker/control/reader.py",
        '            log.debug("the drain',
        '            self.state = DrainState()\n            log.debug("the drain',
        (READER_TESTS,),
        simulated=False,
    ),
    Mutant(
        "publish and fetch nothing while the queue is paused",
        "worker/gate.py",
        "        if self._is_paused():\n",
        "        if False:\n",
        ("tests/unit/worker/test_gate.py",),
        simulated=False,
    ),
    Mutant(
        "no downgrade while the queue is paused",
        "breakwall/payments/operator/downgrade.py",
        "    if _losses(connection).paused:\n",
        "    if False:\n",
        ("tests/contract/payments/operator/test_downgrade.py",),
        simulated=False,
    ),
    Mutant(
        "the end of a caller's wait",
        "producers/producer.py",
        "        if not finished.wait(seconds):\n",
        "        if not finished.wait(seconds + 20):\n",
        (PLACING_TESTS,),
    ),
    Mutant(
        "the bulkhead",
        "producers/bulkhead.py",
        "            if self._inside < self.size:\n",
        "            if self.size:\n",
        ("tests/unit/producers/test_bulkhead.py", PLACING_TESTS),
    ),
    Mutant(
        "the lock timeout as a part of the wait",
        "producers/placing.py",
        "accept_sending(pending.order, LockBudget(self._left(pending)))",
        "accept_sending(pending.order, LockBudget())",
        ("tests/contract/payments/db/test_lock_timeouts.py",),
        simulated=False,
    ),
    Mutant(
        "no order whose caller has left unanswered",
        "producers/queueing.py",
        "        present = [one for one in batch if not one.pending.caller_left]\n",
        "        present = list(batch)\n",
        ("tests/contract/producers/test_queueing.py",),
        simulated=False,
    ),
    Mutant(
        "the exit's wait for the charges in hand",
        "producers/in_hand.py",
        "threading._register_atexit(wait_for_all)",
        "str(wait_for_all)",
        ("tests/integration/producers/test_exit.py",),
        simulated=False,
    ),
    Mutant(
        "the callers' own errors of one transaction",
        "producers/queueing.py",
        "        if len(batch) > 1 and _may_be_of_one_order(error):\n",
        "        if not batch:\n",
        ("tests/contract/producers/test_queueing.py",),
        simulated=False,
    ),
    Mutant(
        "keep what is unresolved out of a batch",
        STATEMENTS,
        "_STOPS = or_(UNRESOLVED, FINAL,",
        "_STOPS = or_(FINAL,",
        (BATCH_TESTS, EXCHANGE_TESTS),
    ),
    Mutant(
        "keep what is suspected out of a batch",
        STATEMENTS,
        "    orders.c.suspected_at.is_(None),\n",
        "",
        (BATCH_TESTS,),
    ),
    Mutant(
        "the attempts' rows before a batch is sent",
        BATCH,
        "            connection.execute(statements.begin, claimed)\n",
        "            str(claimed)\n",
        (BATCH_TESTS, EXCHANGE_TESTS),
    ),
    Mutant(
        "retry_count before a batch is sent",
        STATEMENTS,
        "retry_count=orders.c.retry_count + 1,",
        "retry_count=orders.c.retry_count,",
        (BATCH_TESTS,),
    ),
    Mutant(
        "the fence of a batch",
        STATEMENTS,
        "    return and_(orders.c.id == given.id, in_flight, orders.c.fence == given.fence)\n",
        "    return and_(orders.c.id == given.id, in_flight)\n",
        (BATCH_TESTS,),
        simulated=False,
    ),
    Mutant(
        "the order that owns a charge of a batch",
        BATCH,
        "if (row[0], row[2]) in mine",
        "if row[0] or mine",
        (BATCH_TESTS,),
    ),
    Mutant(
        "the cancellation before a payment of a batch",
        STATEMENTS,
        "is_held(given), orders.c.cancel_requested.is_(false()))",
        "is_held(given))",
        (BATCH_TESTS,),
    ),
    Mutant(
        "an attempt that is undone uses up nothing",
        BATCH,
        "retry_count=orders.c.retry_count - 1,",
        "retry_count=orders.c.retry_count,",
        (BATCH_TESTS, EXCHANGE_TESTS),
    ),
    Mutant(
        "the row of an attempt that is undone",
        BATCH,
        "            connection.execute(\n                delete(attempts)",
        "            str(\n                delete(attempts)",
        (BATCH_TESTS, EXCHANGE_TESTS),
    ),
    Mutant(
        "work alone on an order that crashed a process",
        EXCHANGE,
        "            if not (self._busy or self._paid or self._unsent) and self._turns(1):\n",
        "            if self._turns(1):\n",
        (EXCHANGE_TESTS,),
        simulated=False,
    ),
    Mutant(
        "payments that outlive a failure of the database",
        EXCHANGE,
        "            self._paid = self._still_leased(paid)\n",
        "            self._still_leased([])\n",
        (EXCHANGE_TESTS,),
        simulated=False,
    ),
    Mutant(
        "nothing ahead of the slots where an unknown outcome stays one",
        EXCHANGE,
        "    return profile.looks_up or profile.deduplicates\n",
        "    return True\n",
        (EXCHANGE_TESTS,),
        simulated=False,
    ),
    Mutant(
        "the end of an attempt that waited too long",
        SLOT,
        "        return now - job.given > min(LONGEST_WAIT, self._timeout / 4) or now > job.begun + self._timeout\n",
        "        return False\n",
        (SLOT_TESTS, EXCHANGE_TESTS),
        simulated=False,
    ),
    Mutant(
        "the age of a stored count",
        "breakwall/monitor/stored_counts.py",
        "abs((row.now - row.counted_at).total_seconds()) > MAX_AGE",
        "False",
        ("tests/contract/monitor/test_stored_counts.py",),
        simulated=False,
    ),
    Mutant(
        "the bound of a count that no worker made",
        "breakwall/monitor/counts.py",
        "if counted > exact and time.monotonic() > end:",
        "if False:",
        ("tests/contract/monitor/test_stored_counts.py",),
        simulated=False,
    ),
    Mutant(
        "the removal of a count when the backlog is short again",
        "worker/background/backlog_counter.py",
        "elif self._database.read(has_stored):",
        "elif False:",
        ("tests/contract/worker/background/test_backlog_counter.py",),
        simulated=False,
    ),
    Mutant(
        "the order that owns a charge, in one statement",
        RECORD,
        "paying = _pay_held(clock).where(orders.c.id == assigned.c.order_id)",
        "paying = _pay_held(clock)",
        (CHARGE_TESTS,),
        simulated=False,
    ),
    Mutant(
        "the order that a payment ends, in one statement",
        RECORD,
        "ending = end(clock, ANY).where(attempts.c.order_id == paid.c.id)",
        "ending = end(clock, ANY)",
        (RECORD_TESTS,),
        simulated=False,
    ),
)

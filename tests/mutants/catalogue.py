"""What is removed, where, and which tests must notice."""

from dataclasses import dataclass

ACCEPT = "breakwall/payments/ledger/accept.py"
CLAIM = "breakwall/payments/ledger/claiming.py"
PROGRESS = "breakwall/payments/ledger/progress.py"
RECORD = "breakwall/payments/ledger/record.py"
DECISIONS = "breakwall/payments/decisions.py"
LOOKUP = "breakwall/payments/charge_lookup.py"
QUEUE = "breakwall/payments/ledger/dispatch_queue.py"

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
        "orders.c.status == IN_FLIGHT, orders.c.fence == claim.fence",
        "orders.c.status == IN_FLIGHT",
        (CLAIM_TESTS,),
    ),
    Mutant(
        "the lease's end",
        CLAIM,
        ".where(held(claim), orders.c.lease_until > self.clock.after(0))",
        ".where(held(claim))",
        (CLAIM_TESTS,),
        simulated=False,
    ),
    Mutant(
        "the attempt's row before the send",
        CLAIM,
        """            connection.execute(
                insert(attempts).values(""",
        """            str(
                insert(attempts).values(""",
        (CLAIM_TESTS, PLACE_TESTS),
    ),
    Mutant(
        "retry_count before the send",
        CLAIM,
        "retry_count=orders.c.retry_count + 1,",
        "retry_count=orders.c.retry_count,",
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
        "the breaker before each attempt",
        "worker/retry.py",
        "            permit = self._breaker.acquire()\n",
        '            permit = CircuitBreaker("another").acquire()\n',
        (RETRY_TESTS,),
    ),
    Mutant(
        "a deferral that uses up nothing",
        CLAIM,
        "            deferral_count=orders.c.deferral_count + 1,",
        "            retry_count=orders.c.retry_count + 1,",
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
        "publish nothing while the queue is paused",
        "worker/dispatcher.py",
        "0 if self._is_paused() else self._breaker",
        "self._breaker",
        ("tests/unit/worker/test_dispatcher.py",),
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
)

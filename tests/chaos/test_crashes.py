"""Die at each named point, restart, and find every order charged once: on each database, for each profile.

The process is a forked child that dies by SIGKILL. The payment service and the broker survive it. The restart builds
new parts over the same database, with the clock advanced.
"""

import ast
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

import breakwall.payments
from breakwall import crashpoints
from breakwall.payments.gateways.base import Outcome
from breakwall.payments.ledger.dispatch_queue import POISON_CRASHES
from breakwall.payments.ledger.queries import get_order
from breakwall.payments.orders import OrderStatus
from breakwall.payments.outcomes.channel import LEASE as CLAIM
from tests.chaos.crashes.child import ChildRun
from tests.chaos.crashes.environment import PAID_BEFORE, CrashEnvironment
from tests.chaos.crashes.file_services import PROFILES
from tests.chaos.crashes.pipeline import DurableState, Pipeline
from tests.chaos.crashes.scenarios import SCENARIOS, TOLD_TWICE, CrashScenario
from tests.chaos.invariants import Evidence, broken, read_evidence
from tests.contract.site import order
from tests.every_case import every_case

# So many attempts may be committed whose requests have not left: a scenario's orders are fewer than slots.
MOST_UNSENT = 3

COMMITS = {f"before {transaction}" for transaction in crashpoints.TRANSACTIONS}


@pytest.fixture
def environment(migrated_url: str, tmp_path: Path) -> Iterator[CrashEnvironment]:
    environment = CrashEnvironment(migrated_url, tmp_path)
    yield environment
    environment.database.close()


def evidence_of(pipeline: Pipeline) -> Evidence:
    return read_evidence(pipeline.database, pipeline.gateway.charges(), requests=pipeline.gateway.requests())


def problems(pipeline: Pipeline, execution: ChildRun) -> list[str]:
    """Everything that is wrong at rest."""
    evidence = evidence_of(pipeline)
    accepted = [order(line["key"]) for line in pipeline.accepted.lines()]
    return [
        *broken(evidence, accepted=accepted),
        *_reviews_without_a_doubt(evidence, pipeline.gateway.profile.looks_up),
        *_attempts_that_never_left(evidence, pipeline, most=MOST_UNSENT if execution.died else 0),
    ]


def _reviews_without_a_doubt(evidence: Evidence, looks_up: bool) -> Iterator[str]:
    """A person is asked only where an attempt may have charged and nothing can be looked up."""
    for row in evidence.orders.values():
        outcomes = [attempt.outcome for attempt in evidence.attempts.get(row.id, ())]
        if row.status == OrderStatus.REVIEW and (looks_up or Outcome.UNKNOWN not in outcomes):
            yield f"{row.idempotency_key} is in review with the outcomes {outcomes}"


def _attempts_that_never_left(evidence: Evidence, pipeline: Pipeline, *, most: int) -> Iterator[str]:
    unsent = sum(
        len(rows) - pipeline.gateway.sent_for(order_id) for order_id, rows in evidence.attempts.items()
    )
    if not 0 <= unsent <= most:
        yield f"{unsent} attempts were written and never sent"


def restart(durable: DurableState, execution: ChildRun, *, broker_is_wiped: bool = True) -> list[str]:
    """Come to rest in a new pipeline, then again after the caller has placed its order again; what is wrong?"""
    pipeline = Pipeline(durable, execution.seconds)
    if not broker_is_wiped:
        pipeline.work(times=2)
    pipeline.broker.wipe()
    pipeline.end_bulk_retries()
    if not pipeline.come_to_rest():
        return ["it did not come to rest"]
    found = problems(pipeline, execution)
    known = {row.idempotency_key for row in evidence_of(pipeline).orders.values()}
    for key in known or {"cart-1"}:
        placed = pipeline.place(key)
        assert placed.replayed == (key in known)
        # Its first caller may have died before it was told the end.
        if placed.status is not get_order(pipeline.database, key).status:
            found.append(f"{key} is answered with {placed.status}")
    if not known:
        pipeline.come_to_rest()
        found += problems(pipeline, execution)
    return found


def die(
    environment: CrashEnvironment,
    scenario: CrashScenario,
    profile: str,
    where: int | str,
    *,
    broker_is_wiped: bool = True,
) -> list[str]:
    """Die at one point of a scenario and restart; what is wrong?"""
    durable = environment.durable(scenario, profile)
    execution = environment.run_until_death(scenario, durable, where)
    assert execution.died
    found = restart(durable, execution, broker_is_wiped=broker_is_wiped)
    return [
        f"after a death {execution.points[-1]} (point {len(execution.points)}): {problem}"
        for problem in found
    ]


def die_at_each_point(
    environment: CrashEnvironment, scenario: CrashScenario, profile: str, *, broker_is_wiped: bool = True
) -> list[str]:
    """Run a scenario to its end, then die at each of its points; what is wrong?

    It leaves out deaths before a commit: nothing durable has changed since the point before, where it dies too.
    """
    durable = environment.durable(scenario, profile)
    whole = environment.run_here(scenario, durable)
    wrong = restart(durable, whole, broker_is_wiped=broker_is_wiped)
    rows = evidence_of(Pipeline(durable)).orders.values()
    ends = {row.status for row in rows if row.idempotency_key != PAID_BEFORE}
    if PROFILES[profile].looks_up and ends != {scenario.ends}:
        wrong.append(f"without any death the orders end as {ends}, not as {scenario.ends}")
    for number, point in enumerate(whole.points):
        if (point not in COMMITS or number == 0) and _is_chosen(number, scenario, profile):
            wrong += die(environment, scenario, profile, number, broker_is_wiped=broker_is_wiped)
    return wrong


def _is_chosen(number: int, scenario: CrashScenario, profile: str) -> bool:
    """Each kind of payment service has every third point, and another third in the next scenario."""
    shift = list(SCENARIOS.values()).index(scenario) + list(PROFILES).index(profile)
    return every_case() or (number + shift) % 3 == 0


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("profile", PROFILES)
def test_whatever_point_the_process_dies_at_every_order_is_finished_once(
    environment: CrashEnvironment, profile: str, name: str
) -> None:
    """The broker dies too and comes back empty: no message is needed."""
    assert "\n".join(die_at_each_point(environment, SCENARIOS[name], profile)) == ""


@pytest.mark.parametrize("profile", PROFILES)
def test_a_death_before_a_commit_undoes_the_transaction(environment: CrashEnvironment, profile: str) -> None:
    left, wrong = set(COMMITS), []
    for scenario in SCENARIOS.values():
        passed = left & set(environment.run_here(scenario, environment.durable(scenario, profile)).points)
        for point in sorted(passed):
            wrong += die(environment, scenario, profile, point)
        left -= passed
    assert "\n".join(wrong) == ""


@pytest.mark.parametrize(
    "name", ["the request is lost", "enqueued", "published by the dispatcher", "deferred"]
)
def test_messages_that_outlive_the_process_and_come_twice_charge_nothing_twice(
    migrated_sqlite_url: str, tmp_path: Path, name: str
) -> None:
    """With the weakest payment service that still lets every order be resolved."""
    environment = CrashEnvironment(migrated_sqlite_url, tmp_path)
    wrong = die_at_each_point(environment, SCENARIOS[name], "look-up only", broker_is_wiped=False)
    assert "\n".join(wrong) == ""


def test_a_caller_that_dies_learns_the_end_when_it_places_the_order_again_or_the_shop_is_told(
    environment: CrashEnvironment,
) -> None:
    """It dies at each point of `place`, also when the end is committed for it alone, and comes back at once."""
    scenario, profile = SCENARIOS["paid"], "key and look-up"
    points = environment.run_here(scenario, environment.durable(scenario, profile)).points
    wrong = []
    for number, point in enumerate(points):
        if point in COMMITS:
            continue
        durable = environment.durable(scenario, profile)
        Pipeline(durable).tell_the_shop()  # From now on the shop is told.
        execution = environment.run_until_death(scenario, durable, number)
        pipeline = Pipeline(durable, execution.seconds)
        placed = pipeline.place()
        pipeline.come_to_rest()
        pipeline.tell_the_shop()
        heard = [placed.status, *(event["status"] for event in pipeline.shop.taken())]
        ended = [status for status in heard if OrderStatus(status).is_final]
        if ended != [get_order(pipeline.database, "cart-1").status]:
            wrong.append(f"after a death {point}: {heard}")
    assert wrong == []


def about_to_be_told(environment: CrashEnvironment) -> tuple[DurableState, Pipeline]:
    """The shop is told from now on, and an order has been paid since."""
    durable = environment.durable(TOLD_TWICE, "key and look-up")
    pipeline = Pipeline(durable)
    pipeline.tell_the_shop()
    pipeline.enqueue("cart-1")
    pipeline.work()
    return durable, pipeline


def test_whatever_point_the_process_dies_at_the_shop_is_told_and_what_was_not_recorded_is_told_again(
    environment: CrashEnvironment,
) -> None:
    durable, pipeline = about_to_be_told(environment)
    points = environment.run_here(TOLD_TWICE, durable).points
    wrong = []
    for number, point in enumerate(points):
        if point in COMMITS:
            continue
        durable, pipeline = about_to_be_told(environment)
        environment.run_until_death(TOLD_TWICE, durable, number, since=pipeline.seconds)
        for seconds in (0.0, CLAIM):
            pipeline.advance(seconds)
            pipeline.tell_the_shop()
        taken = pipeline.shop.taken()
        times = 1 + ("after redeliver_outcomes" in points[: number + 1]) + (point == "after deliver")
        if len(taken) != times or any(event != taken[0] for event in taken):
            wrong.append(f"after a death {point} (point {number + 1}), not {times} times: {taken}")
    assert wrong == []


def test_an_order_that_kills_three_workers_alone_goes_to_a_person(environment: CrashEnvironment) -> None:
    """Its first death may be another order's fault: it is worked on alone afterwards."""
    recovery = CrashScenario(Pipeline.come_to_rest)
    durable = environment.durable(recovery, "key and look-up")
    Pipeline(durable).enqueue("cart-1")
    seconds: float | None = None
    for point in ("after exchange", *["after claim"] * POISON_CRASHES):
        seconds = environment.run_until_death(recovery, durable, point, since=seconds).seconds
    pipeline = Pipeline(durable, seconds)
    pipeline.come_to_rest()
    poison = get_order(pipeline.database, "cart-1")
    assert poison.status is OrderStatus.REVIEW
    assert pipeline.gateway.sent_for(poison.id) == 0


def test_the_scenarios_pass_every_named_point(migrated_sqlite_url: str, tmp_path: Path) -> None:
    """A point without a scenario fails here, and so does a scenario's point without a name."""
    environment = CrashEnvironment(migrated_sqlite_url, tmp_path)
    reached: set[str] = set()
    for scenario, profile in itertools.product(SCENARIOS.values(), PROFILES):
        reached |= set(environment.run_here(scenario, environment.durable(scenario, profile)).points)
    durable, _ = about_to_be_told(environment)
    reached |= set(environment.run_here(TOLD_TWICE, durable).points)
    assert reached == set(crashpoints.POINTS)


def test_every_transaction_on_orders_is_a_named_point() -> None:
    named = set()
    for module in Path(breakwall.payments.__path__[0]).rglob("*.py"):
        for call in ast.walk(ast.parse(module.read_bytes())):
            if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("database.write"):
                names = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
                named.add(names["name"])
    others = {
        "OPENING",
        "CLOSING",
        "PRUNING",
        "RECORDING",
        "FORGETTING",
        "'keep_strange'",
        "'clear_strange'",
        "'drain_control'",
        "'hint'",
        "'report_outage'",
        "'register'",
        "'enable_destination'",
        "'forget_destination'",
        "'abort_bulk_retry'",
        "'prune_bulk_list'",
    }
    assert named == {*map(repr, crashpoints.TRANSACTIONS), *others}

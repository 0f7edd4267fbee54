"""Die at each named point, restart, and find every order charged once: on each database, for each profile.

The process dies for good (SIGKILL, in a forked child), the payment service and the broker are outside of it.
The restart is made of new parts, over the same database, with the clock moved on.
"""

from __future__ import annotations

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
from tests.chaos.crashes import Life
from tests.chaos.crashes_ground import PAID_BEFORE, Ground
from tests.chaos.crashes_outside import PROFILES
from tests.chaos.crashes_scenarios import SCENARIOS, Scenario
from tests.chaos.crashes_site import Outside, Site, order
from tests.chaos.invariants import Evidence, broken, read_evidence

# Where an attempt's row is committed and its request has not left.
BETWEEN = {"after accept_sending", "after begin_attempt", "before charge"}

COMMITS = {f"before {transaction}" for transaction in crashpoints.TRANSACTIONS}


@pytest.fixture
def ground(migrated_url: str, tmp_path: Path) -> Iterator[Ground]:
    ground = Ground(migrated_url, tmp_path)
    yield ground
    ground.database.close()


def evidence_of(site: Site) -> Evidence:
    return read_evidence(site.database, site.gateway.charges(), requests=site.gateway.requests())


def problems(site: Site, life: Life) -> list[str]:
    """What is wrong after everything has come to rest."""
    evidence = evidence_of(site)
    accepted = [order(line["key"]) for line in site.accepted.lines()]
    return [
        *broken(evidence, accepted=accepted),
        *_reviews_without_a_doubt(evidence, site.gateway.profile.looks_up),
        *_attempts_that_never_left(evidence, site, allowed=life.died and life.points[-1] in BETWEEN),
    ]


def _reviews_without_a_doubt(evidence: Evidence, looks_up: bool) -> Iterator[str]:
    """A person is asked only where an attempt may have charged and nothing can be looked up."""
    for row in evidence.orders.values():
        outcomes = [attempt.outcome for attempt in evidence.attempts.get(row.id, ())]
        if row.status == OrderStatus.REVIEW and (looks_up or Outcome.UNKNOWN not in outcomes):
            yield f"{row.idempotency_key} is in review with the outcomes {outcomes}"


def _attempts_that_never_left(evidence: Evidence, site: Site, *, allowed: bool) -> Iterator[str]:
    unsent = sum(len(rows) - site.gateway.sent_for(order_id) for order_id, rows in evidence.attempts.items())
    if unsent != allowed:
        yield f"{unsent} attempts were written and never sent"


def restart(outside: Outside, life: Life, *, broker_is_wiped: bool = True) -> list[str]:
    """Come to rest in a new site, then again after the caller has placed its order anew; what is wrong?"""
    site = Site(outside, life.seconds)
    if not broker_is_wiped:
        site.work(times=2)
    site.broker.wipe()
    if not site.come_to_rest():
        return ["it did not come to rest"]
    found = problems(site, life)
    known = {row.idempotency_key for row in evidence_of(site).orders.values()}
    for key in known or {"cart-1"}:
        assert site.place(key).replayed == (key in known)
    if not known:
        site.come_to_rest()
        found += problems(site, life)
    return found


def die(
    ground: Ground, scenario: Scenario, profile: str, where: int | str, *, broker_is_wiped: bool = True
) -> list[str]:
    """Die at one point of a scenario and restart; what is wrong?"""
    outside = ground.outside(scenario, profile)
    life = ground.live(scenario, outside, where)
    assert life.died
    found = restart(outside, life, broker_is_wiped=broker_is_wiped)
    return [f"after a death {life.points[-1]} (point {len(life.points)}): {problem}" for problem in found]


def die_everywhere(
    ground: Ground, scenario: Scenario, profile: str, *, broker_is_wiped: bool = True
) -> list[str]:
    """Tell a scenario to its end, then die at each of its points; what is wrong?

    Left out is a death before a commit: nothing lasting has happened since the point before, at which it dies
    too. What the database does with the transaction is another test's.
    """
    outside = ground.outside(scenario, profile)
    whole = ground.live_here(scenario, outside)
    wrong = restart(outside, whole, broker_is_wiped=broker_is_wiped)
    rows = evidence_of(Site(outside)).orders.values()
    ends = {row.status for row in rows if row.idempotency_key != PAID_BEFORE}
    if PROFILES[profile].looks_up and ends != {scenario.ends}:
        wrong.append(f"without any death the orders end as {ends}, not as {scenario.ends}")
    for number, point in enumerate(whole.points):
        if point not in COMMITS or number == 0:
            wrong += die(ground, scenario, profile, number, broker_is_wiped=broker_is_wiped)
    return wrong


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("profile", PROFILES)
def test_whatever_point_the_process_dies_at_every_order_is_settled_once(
    ground: Ground, profile: str, name: str
) -> None:
    """The broker dies with it and comes back empty: no message is needed."""
    assert "\n".join(die_everywhere(ground, SCENARIOS[name], profile)) == ""


@pytest.mark.parametrize("profile", PROFILES)
def test_a_death_before_a_commit_undoes_the_transaction(ground: Ground, profile: str) -> None:
    left, wrong = set(COMMITS), []
    for scenario in SCENARIOS.values():
        passed = left & set(ground.live_here(scenario, ground.outside(scenario, profile)).points)
        for point in sorted(passed):
            wrong += die(ground, scenario, profile, point)
        left -= passed
    assert "\n".join(wrong) == ""


@pytest.mark.parametrize(
    "name", ["the request is lost", "enqueued", "published by the dispatcher", "deferred"]
)
def test_messages_that_outlive_the_process_and_come_twice_charge_nothing_twice(
    migrated_sqlite_url: str, tmp_path: Path, name: str
) -> None:
    """Where the payment service promises least of what still lets every order be settled."""
    ground = Ground(migrated_sqlite_url, tmp_path)
    wrong = die_everywhere(ground, SCENARIOS[name], "look-up only", broker_is_wiped=False)
    assert "\n".join(wrong) == ""


def test_an_order_that_kills_three_workers_goes_to_a_person(ground: Ground) -> None:
    recovery = Scenario(Site.come_to_rest)
    outside = ground.outside(recovery, "key and look-up")
    Site(outside).enqueue("cart-1")
    seconds: float | None = None
    for _ in range(POISON_CRASHES):
        seconds = ground.live(recovery, outside, "before begin_attempt", since=seconds).seconds
    site = Site(outside, seconds)
    site.come_to_rest()
    poison = get_order(site.database, "cart-1")
    assert poison.status is OrderStatus.REVIEW
    assert site.gateway.sent_for(poison.id) == 0


def test_the_scenarios_pass_every_named_point(migrated_sqlite_url: str, tmp_path: Path) -> None:
    """A point without a scenario fails here, and so does a scenario's point that nobody has named."""
    ground = Ground(migrated_sqlite_url, tmp_path)
    reached: set[str] = set()
    for scenario, profile in itertools.product(SCENARIOS.values(), PROFILES):
        reached |= set(ground.live_here(scenario, ground.outside(scenario, profile)).points)
    assert reached == set(crashpoints.POINTS)


def test_every_transaction_on_orders_is_a_named_point() -> None:
    named = set()
    for module in Path(breakwall.payments.__path__[0]).rglob("*.py"):
        for call in ast.walk(ast.parse(module.read_bytes())):
            if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("database.write"):
                names = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
                named.add(names["name"])
    others = {"OPENING", "CLOSING", "PRUNING", "FORGETTING", "KEEPING", "CLEARING"}
    assert named == {*map(repr, crashpoints.TRANSACTIONS), *others}

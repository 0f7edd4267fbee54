"""What a rehearsal finds out about services: the simulator in every guise, other frameworks, localstripe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.responses import JSONResponse

from breakwall.payments.orders import Order
from breakwall.rehearsal.key_shapes import SHAPES
from breakwall.rehearsal.measurements import Verdict
from breakwall.rehearsal.requests import Terms
from breakwall.rehearsal.route import SandboxUnusableError
from breakwall.simulator.server import Simulator
from tests.foreign.services import ForeignService, nginx_before, running
from tests.integration.rehearsal.conftest import Rehearse, measured, unasked, wrong
from tests.servers import UnavailableError, not_available
from tests.stripe.proxy import StripeProxy
from tests.stripe.service import SECRET_KEY, LocalStripe

KEYS = ("keys",)  # Skipped where no key is sent but derived ones.
REPEATS = {
    "the same key again",
    "the same key 3 times at once",
    "the same key after its answer was cut",
    "the same key after its request came late",
    "a request that something on the way repeats",
    "the same key with another amount",
}
DONE = JSONResponse({"code": "already_processed"}, 400)


@pytest.fixture(scope="module", params=[True, False])
def both_simulators(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Simulator]:
    """One that deduplicates, and one that charges each time."""
    book = tmp_path_factory.mktemp("simulator") / "charges.db"
    simulator = Simulator(
        host="127.0.0.1", port=0, control_port=0, charge_book=book, deduplicate=request.param
    )
    yield simulator
    simulator.close()


@pytest.fixture(scope="module")
def module_simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    book = tmp_path_factory.mktemp("simulator") / "charges.db"
    simulator = Simulator(host="127.0.0.1", port=0, control_port=0, charge_book=book)
    yield simulator
    simulator.close()


@pytest.fixture
def simulator(module_simulator: Simulator) -> Simulator:
    """One that deduplicates, without faults."""
    module_simulator.change({}, replace=True)
    return module_simulator


@pytest.mark.parametrize("trusted", [True, False])
def test_a_wrong_trust_in_deduplication_is_found_in_every_question(
    both_simulators: Simulator, rehearse: Rehearse, trusted: bool
) -> None:
    deduplicates = (
        both_simulators.service.stats()["double_charges"] == 0 and both_simulators.service._deduplicate
    )
    before = both_simulators.service.stats()["charges"]
    rehearsal = rehearse(
        PAYMENT_URL=both_simulators.url, PAYMENT_DEDUPLICATES=str(trusted).lower(), skip=KEYS
    )
    assert set(wrong(rehearsal)) == (REPEATS if trusted and not deduplicates else set())
    assert rehearsal.ok is (deduplicates or not trusted)
    assert rehearsal.advised[0].value == str(deduplicates).lower()
    made = both_simulators.service.stats()["charges"] - before
    assert len([charge for charge in rehearsal.charges if charge.charge_id]) == made, "each charge is listed"
    assert made <= sum(question.charges for question in rehearsal.questions)


@pytest.mark.parametrize(
    "faults",
    [
        {"decline_rate": 1},
        {"charge_then_fail": 1, "charge_then_fail_how": "error"},
        {"charge_then_fail": 1, "charge_then_fail_how": "reset"},
        {"charge_then_fail": 1, "charge_then_fail_how": "hang"},
    ],
    ids=str,
)
def test_a_sandbox_that_pays_nothing_is_asked_once(
    simulator: Simulator, rehearse: Rehearse, faults: dict[str, Any]
) -> None:
    simulator.change(faults, replace=True)
    before = simulator.service.stats()["charges"]
    rehearsal = rehearse(PAYMENT_URL=simulator.url, timeout=2.0 if "hang" in faults.values() else 10.0)
    assert not rehearsal.ok
    assert rehearsal.refusal is not None
    made = simulator.service.stats()["charges"] - before
    assert len(rehearsal.charges) == made == ("charge_then_fail" in faults), "found by a look-up, and listed"


@pytest.mark.parametrize(
    "faults",
    [{"down": True}, {"error_rate": 1}, {"garbage": 1}, {"hang": 1}, {"drip": 1}, {"latency": 5}],
    ids=str,
)
def test_at_a_sandbox_that_does_not_answer_nothing_is_charged(
    simulator: Simulator, rehearse: Rehearse, faults: dict[str, Any]
) -> None:
    simulator.change(faults, replace=True)
    with pytest.raises(SandboxUnusableError, match="Nothing was charged"):
        rehearse(PAYMENT_URL=simulator.url, PAYMENT_TIMEOUT="0.3")


def test_a_slow_sandbox_changes_no_verdict(simulator: Simulator, rehearse: Rehearse) -> None:
    simulator.change({"latency": [0.01, 0.05]}, replace=True)
    rehearsal = rehearse(PAYMENT_URL=simulator.url, PAYMENT_DEDUPLICATES="true", skip=KEYS)
    assert rehearsal.ok
    # Some of those at once come while the first is being charged.
    assert measured(rehearsal, "the same key 3 times at once").seen.startswith("one charge")


@pytest.mark.parametrize(("pause", "seen"), [(0.2, ", for 0.2 s"), (None, ", without a Retry-After")])
def test_too_many_calls_are_understood_as_a_wish_for_a_pause(
    simulator: Simulator, rehearse: Rehearse, pause: float | None, seen: str
) -> None:
    simulator.change({"throttle": {"rate_per_second": None, "retry_after": pause}}, replace=True)
    skip = ("unknown", "repeat", "lookup", "at-once", "cut", "late", "resend", "amount", *KEYS)
    rehearsal = rehearse(PAYMENT_URL=simulator.url, skip=skip, burst=4)
    burst = measured(rehearsal, "4 calls as fast as possible")
    assert (burst.seen, burst.verdict) == (f"it asks for a pause{seen}", Verdict.HOLDS)


# The wire encodes these keys, and this framework's look-up decodes them.
ENCODED = {f"keys with {name}" for name in SHAPES.keys() - {"a dot", "255 characters", "capitals"}}
KEYED = {"PAYMENT_DEDUPLICATES": "true"}
CALLERS = {"PAYMENT_KEYS": "caller"}


def keeping(keep: Callable[[str], str]) -> ForeignService:
    return ForeignService(deduplicates=True, keep=keep, find=keep)


SERVICES: dict[str, tuple[Callable[[], ForeignService], dict[str, str], set[str]]] = {
    "charges each time": (ForeignService, KEYED, REPEATS),
    "charges each time, as is said": (ForeignService, {}, set()),
    "deduplicates": (lambda: ForeignService(deduplicates=True), KEYED, set()),
    "answers a 400 that means already done": (lambda: ForeignService(repeated=DONE), KEYED, set()),
    "decodes a slash before it routes": (ForeignService, CALLERS, ENCODED),
    "keeps ten characters": (lambda: keeping(lambda key: key[:10]), KEYED, set()),
    "ignores capitals": (
        lambda: keeping(str.lower),
        KEYED | CALLERS,
        ENCODED | {"keys with capitals", "different keys are different charges"},
    ),
    "takes a dot for a format": (
        lambda: ForeignService(find=lambda key: key.partition(".")[0]),
        CALLERS,
        ENCODED | {"keys with a dot"},
    ),
}


@pytest.mark.parametrize("name", SERVICES)
def test_of_a_service_of_another_framework_a_wrong_trust_is_found_and_a_right_one_holds(
    rehearse: Rehearse, name: str
) -> None:
    make, settings, expected = SERVICES[name]
    with running(make()) as service:
        skip = () if "PAYMENT_KEYS" in settings else KEYS
        rehearsal = rehearse(PAYMENT_URL=service.url, skip=skip, **settings)
    assert set(wrong(rehearsal)) == expected
    assert rehearsal.ok is not bool(expected)
    listed = {charge.charge_id for charge in rehearsal.charges if charge.charge_id}
    assert listed == {charge.id for charge in service.charges}


@pytest.mark.server
def test_behind_an_nginx_a_key_with_a_slash_is_lost(rehearse: Rehearse, tmp_path: Path) -> None:
    with running(ForeignService(decodes_first=False)) as service:
        try:
            with nginx_before(service.url, tmp_path) as url:
                rehearsal = rehearse(PAYMENT_URL=url, PAYMENT_KEYS="caller")
        except UnavailableError as error:
            not_available("nginx", error)
    assert "keys with a slash" in wrong(rehearsal)


def test_stripe_holds_what_its_profile_says(rehearse: Rehearse) -> None:
    stripe = LocalStripe()
    proxy = StripeProxy(stripe.port)
    try:
        good, bad = stripe.card("4242424242424242"), stripe.card("4000000000000341")
        rehearsal = rehearse(
            PAYMENT_GATEWAY="stripe",
            PAYMENT_URL=proxy.url,
            PAYMENT_TOKEN=SECRET_KEY,
            terms=Terms(50, "USD", good, bad),
            skip=KEYS,
        )
        made = {charge["id"] for charge in stripe.charges()}
    finally:
        proxy.close()
        stripe.close()
    assert wrong(rehearsal) == {}
    assert set(unasked(rehearsal)) == {"the look-up of an unknown key"}
    assert measured(rehearsal, "the same key after its answer was cut").says == "profile: prepares"
    assert measured(rehearsal, "a card that is declined").seen == "declined (card_declined)"
    assert {charge.charge_id for charge in rehearsal.charges if charge.charge_id} == made
    assert [charge.charge_id for charge in rehearsal.charges].count(None) == 1, (
        "of two deliveries one was answered"
    )


def test_every_key_of_the_rehearsal_may_be_an_orders(rehearse: Rehearse) -> None:
    with running(ForeignService()) as service:
        rehearsal = rehearse(PAYMENT_URL=service.url, PAYMENT_KEYS="caller", skip=("cut",))
    assert [Order("u1", 1, "USD", charge.key) for charge in rehearsal.charges]

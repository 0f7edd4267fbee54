"""Each call ends by its deadline, with one request and no other."""

import multiprocessing
import threading
from collections.abc import Callable

import pytest
import stripe

from breakwall.payments.gateways.base import ChargeAnswer, ChargeRequest, LookupResult, Outcome, Prepared
from breakwall.payments.gateways.http import HttpService
from breakwall.payments.gateways.stripe.gateway import StripeGateway
from tests.integration.conftest import NO_SERVICE
from tests.integration.gateway_fixtures import within
from tests.integration.payments.gateways.stripe.conftest import PROFILE, Gateways, Orders, soon
from tests.stripe import proxy as faults
from tests.stripe.proxy import Answer, StripeProxy, answering, error
from tests.stripe.service import SECRET_KEY

Prepare = Callable[..., ChargeRequest]

SLOW = [faults.hang_before, faults.hang_after, faults.drip]
BROKEN = [
    *SLOW,
    faults.reset_before,
    faults.reset_after,
    answering(error(500, type="api_error")),
    answering(error(503, type="api_error")),
    answering(error(409, type="idempotency_error")),
    answering(error(429, type="rate_limit_error")),
    answering(Answer(200, b"<html>")),
    answering(Answer(200, b"[1]")),
    answering(Answer(200, b'"text"')),
    answering(Answer(200, b"{}")),
    answering(Answer(200, b"\xff" * 100_000)),
    answering(Answer(302, b"", {"Location": "http://127.0.0.1:9/"})),
    answering(Answer(402, b"pay your bill")),
    answering(Answer(400, b'{"error": "invalid_grant", "error_description": "x"}')),
]


@pytest.mark.parametrize("fault", SLOW, ids=lambda fault: fault.__name__)
class TestDeadline:
    def test_a_confirmation_ends_by_it(
        self, gateway: StripeGateway, proxy: StripeProxy, prepared: Prepare, fault: faults.Fault
    ) -> None:
        order = prepared()
        proxy.next("confirm", fault)
        answer = within(0.5, lambda deadline: gateway.charge(order, deadline=deadline))
        assert (answer.outcome, answer.code) == (Outcome.UNKNOWN, "ReadTimeout")

    def test_a_preparation_ends_by_it(
        self, gateway: StripeGateway, proxy: StripeProxy, new_order: Orders, fault: faults.Fault
    ) -> None:
        proxy.next("create", fault)
        answer = within(0.5, lambda deadline: gateway.prepare(new_order(), deadline=deadline))
        assert isinstance(answer, ChargeAnswer)
        assert answer.outcome is Outcome.FAILED

    def test_a_look_up_and_a_cancel_end_by_it(
        self, gateway: StripeGateway, proxy: StripeProxy, prepared: Prepare, fault: faults.Fault
    ) -> None:
        order = prepared()
        proxy.next("read", fault)
        proxy.next("cancel", fault)
        found = within(0.5, lambda deadline: gateway.look_up_prepared(str(order.prepared), deadline=deadline))
        cancelled = within(0.5, lambda deadline: gateway.cancel(order, deadline=deadline))
        assert found.result is cancelled.result is LookupResult.UNAVAILABLE

    def test_two_requests_of_one_call_share_it(
        self, gateway: StripeGateway, proxy: StripeProxy, new_order: Orders, fault: faults.Fault
    ) -> None:
        proxy.next("confirm", fault)
        answer = within(0.5, lambda deadline: gateway.charge(new_order(), deadline=deadline))
        assert answer.outcome is Outcome.UNKNOWN


def test_past_the_deadline_nothing_is_sent(
    gateway: StripeGateway, proxy: StripeProxy, prepared: Prepare
) -> None:
    order = prepared()
    assert gateway.charge(order, deadline=soon(-1)).outcome is Outcome.NOT_SENT
    assert gateway.look_up_prepared(str(order.prepared), deadline=soon(-1)).result is LookupResult.UNAVAILABLE
    assert proxy.actions() == ["create"]


def test_without_a_connection_nothing_is_sent(new_order: Orders) -> None:
    gateway = StripeGateway(HttpService(NO_SERVICE), api_key=lambda: SECRET_KEY, profile=PROFILE)
    answer = gateway.prepare(new_order(), deadline=soon())
    assert isinstance(answer, ChargeAnswer)
    assert (answer.outcome, answer.code) == (Outcome.NOT_SENT, "PortClosedError")


@pytest.mark.parametrize("number", range(len(BROKEN)))
def test_nothing_is_repeated_and_nothing_raises(
    gateway: StripeGateway,
    proxy: StripeProxy,
    prepared: Prepare,
    number: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also not with the setting of the library that repeats requests."""
    monkeypatch.setattr(stripe, "max_network_retries", 5)
    order = prepared()
    for action in ("create", "confirm", "cancel", "read"):
        proxy.next(action, BROKEN[number])
    intent = str(order.prepared)
    before = len(proxy.requests)
    gateway.prepare(order, deadline=soon(0.5))
    answer = gateway.charge(order, deadline=soon(0.5))
    assert answer.outcome in {Outcome.UNKNOWN, Outcome.THROTTLED}
    assert gateway.look_up_prepared(intent, deadline=soon(0.5)).result is LookupResult.UNAVAILABLE
    assert gateway.cancel(order, deadline=soon(0.5)).result is LookupResult.UNAVAILABLE
    assert proxy.actions()[before:] == ["create", "confirm", "read", "cancel"]


def test_threads_share_a_gateway_with_deadlines_of_their_own(
    gateway: StripeGateway, proxy: StripeProxy, new_order: Orders
) -> None:
    orders = [new_order() for _ in range(12)]
    answers: dict[str, ChargeAnswer] = {}

    def charge(order: ChargeRequest, deadline: float) -> None:
        answers[order.order_id] = gateway.charge(order, deadline=deadline)

    threads = [
        threading.Thread(target=charge, args=(order, soon(30.0 if number % 2 else -1.0)))
        for number, order in enumerate(orders)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outcomes = [answers[order.order_id].outcome for order in orders]
    assert outcomes == [Outcome.NOT_SENT, Outcome.SUCCEEDED] * 6
    assert len({answer.charge_id for answer in answers.values() if answer.charge_id}) == 6


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_uses_connections_of_its_own(
    gateway: StripeGateway, new_order: Orders, prepared: Prepare
) -> None:
    order = prepared()  # a connection is open now
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    child = context.Process(target=lambda: sending.send(gateway.charge(order, deadline=soon(30)).outcome))
    child.start()
    assert isinstance(gateway.prepare(new_order(), deadline=soon(30)), Prepared)
    assert receiving.poll(60)
    assert receiving.recv() is Outcome.SUCCEEDED
    child.join(60)


def test_after_close_a_gateway_opens_new_connections(make_gateway: Gateways, new_order: Orders) -> None:
    gateway = make_gateway()
    gateway.close()
    gateway.close()
    assert isinstance(gateway.prepare(new_order(), deadline=soon()), Prepared)

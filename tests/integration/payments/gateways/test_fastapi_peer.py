"""What the HTTP gateway makes of the ways in which real services answer: a FastAPI service as the peer."""

from __future__ import annotations

import gzip
import json
import time
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from fastapi import Response
from fastapi.responses import HTMLResponse, JSONResponse

from breakwall.breaker import BreakerStatus, CircuitBreaker, CircuitBreakerConfig, CircuitState
from breakwall.payments.charging import report_health
from breakwall.payments.gateways import Advice, ChargeAnswer, ChargeDetails, Health, LookupResult, Outcome
from breakwall.payments.gateways.charge_answers import Bounds
from breakwall.payments.gateways.http import HttpGateway
from tests.integration.gateway_fixtures import ORDER, charge, gateway_to
from tests.integration.peer_service import Peer, running_peer

PAID = {"status": "succeeded", "charge_id": "ch_1"}


@pytest.fixture
def peer() -> Iterator[Peer]:
    with running_peer() as peer:
        yield peer


@pytest.fixture
def gateway(peer: Peer) -> Iterator[HttpGateway]:
    with gateway_to(peer.url, bounds=Bounds(max_body=2000)) as gateway:
        yield gateway


def raw(body: bytes, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(body, headers={"content-type": "application/json", **named})


def charge_thrice(gateway: HttpGateway) -> tuple[list[ChargeAnswer], BreakerStatus]:
    """Three charges through a circuit that three failures open for 30 seconds, and how it stands then."""
    with closing(CircuitBreaker("payments", CircuitBreakerConfig(failure_threshold=3))) as breaker:
        answers = []
        for _ in range(3):
            permit = breaker.acquire()
            answers.append(charge(gateway))
            report_health(permit, answers[-1])
        return answers, breaker.status()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {"status": "declined"}),
        (402, {"error": {"code": "card_declined"}}),
        (202, {"status": "DECLINED"}),
    ],
)
def test_three_declined_cards_do_not_stop_the_shop(
    peer: Peer, gateway: HttpGateway, status: int, body: dict[str, object]
) -> None:
    peer.reply = JSONResponse(body, status)
    answers, circuit = charge_thrice(gateway)
    assert {answer.outcome for answer in answers} == {Outcome.DECLINED}
    assert circuit.state is CircuitState.CLOSED


def test_three_answers_that_cannot_be_read_open_the_circuit(peer: Peer, gateway: HttpGateway) -> None:
    peer.reply = HTMLResponse("<html>Payment Required</html>", 402)
    answers, circuit = charge_thrice(gateway)
    assert {answer.outcome for answer in answers} == {Outcome.UNKNOWN}
    assert circuit.state is CircuitState.OPEN


def test_the_nested_code_of_a_decline_is_found(peer: Peer, gateway: HttpGateway) -> None:
    peer.reply = JSONResponse({"error": {"code": "card_declined"}}, 402)
    assert charge(gateway).code == "card_declined"


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("value", ["30000", "1795860000", "-1", "inf", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_retry_after_that_no_service_can_mean_is_ignored(
    peer: Peer, gateway: HttpGateway, status: int, value: str
) -> None:
    peer.reply = JSONResponse({}, status, {"retry-after": value})
    assert charge(gateway).retry_after is None


@pytest.mark.parametrize(("status", "state"), [(429, CircuitState.CLOSED), (503, CircuitState.OPEN)])
def test_a_retry_after_that_no_service_can_mean_does_not_keep_the_circuit_open(
    peer: Peer, gateway: HttpGateway, status: int, state: CircuitState
) -> None:
    peer.reply = JSONResponse({}, status, {"retry-after": "30000"})
    _, circuit = charge_thrice(gateway)
    assert circuit.state is state
    assert circuit.retry_after <= CircuitBreakerConfig().recovery_timeout * 2


def test_a_retry_after_within_the_bound_is_heeded(peer: Peer) -> None:
    peer.reply = JSONResponse({}, 503, {"retry-after": "30"})
    for bound, wait in ((30.0, 30.0), (29.0, None)):
        with gateway_to(peer.url, bounds=Bounds(max_retry_after=bound)) as gateway:
            assert charge(gateway).retry_after == wait
            assert gateway.look_up("cart-17", deadline=time.monotonic() + 5).retry_after == wait


READABLE = {
    "numeric charge_id": (JSONResponse({"status": "succeeded", "charge_id": 17}), "17"),
    "SUCCEEDED": (JSONResponse({**PAID, "status": "SUCCEEDED"}), "ch_1"),
    "gzip despite identity": (raw(gzip.compress(json.dumps(PAID).encode()), content_encoding="gzip"), "ch_1"),
    "deflate despite identity": (
        raw(zlib.compress(json.dumps(PAID).encode()), content_encoding="deflate"),
        "ch_1",
    ),
    "Latin-1": (
        raw(
            '{"status": "succeeded", "charge_id": "é-1"}'.encode("latin-1"),
            content_type="application/json; charset=ISO-8859-1",
        ),
        "é-1",
    ),
    "a byte order mark": (raw(b"\xef\xbb\xbf" + json.dumps(PAID).encode()), "ch_1"),
}


@pytest.mark.parametrize(("reply", "charge_id"), READABLE.values(), ids=READABLE)
def test_what_has_one_meaning_only_is_read(
    peer: Peer, gateway: HttpGateway, reply: Response, charge_id: str
) -> None:
    peer.reply = reply
    assert charge(gateway) == ChargeAnswer(Outcome.SUCCEEDED, Health.SUCCESS, charge_id=charge_id)
    found = gateway.look_up("cart-17", deadline=time.monotonic() + 5)
    assert (found.result, found.charge_id) == (LookupResult.SUCCEEDED, charge_id)


UNREADABLE = {
    "no JSON": (HTMLResponse("<html>Welcome</html>"), "its body is no JSON: it begins with <html."),
    "not UTF-8": (raw('{"charge_id": "é"}'.encode("latin-1")), "its body is not UTF-8."),
    "too long": (raw(b" " * 2001), "its body is longer than 2,000 bytes."),
    "a bomb": (
        raw(gzip.compress(bytes(10_000_000)), content_encoding="gzip"),
        "its body is longer than 2,000 bytes.",
    ),
    "br": (
        raw(b"\x0b\x02\x80{}\x03", content_encoding="br"),
        "its body is compressed with br, which was not asked for.",
    ),
    "no status": (JSONResponse({"charge_id": "ch_1"}), "its body has no `status`."),
    "an unknown status": (
        JSONResponse({"status": "paid"}),
        "its `status` is 'paid', which the protocol does not know.",
    ),
    "no charge_id": (JSONResponse({"status": "succeeded"}), "its `charge_id` is missing."),
    "a charge_id of a wrong kind": (
        JSONResponse({**PAID, "charge_id": 1.5}),
        "its `charge_id` is neither a text nor a whole number.",
    ),
}


@pytest.mark.parametrize(("reply", "why"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_says_why(peer: Peer, gateway: HttpGateway, reply: Response, why: str) -> None:
    peer.reply = reply
    seen, found = charge(gateway), gateway.look_up("cart-17", deadline=time.monotonic() + 5)
    assert (seen.outcome, seen.health) == (Outcome.UNKNOWN, Health.FAILURE)
    assert seen.detail == f"The payment service answered HTTP 200, but {why}"
    assert (found.result, found.health) == (LookupResult.UNAVAILABLE, Health.FAILURE)
    assert found.detail == f"The look-up answered HTTP 200, but {why}"


def test_a_refusal_that_may_mean_that_it_was_charged_before_proves_nothing(
    peer: Peer, gateway: HttpGateway
) -> None:
    peer.reply = JSONResponse({"code": "ALREADY_PROCESSED_PAYMENT", "message": "…"}, 400)
    seen = charge(gateway)
    assert (seen.outcome, seen.advice, seen.spends_key) == (Outcome.UNKNOWN, Advice.STOP, True)
    assert seen.code == "ALREADY_PROCESSED_PAYMENT"


def test_an_answer_for_another_order_is_handed_on_with_what_it_names(
    peer: Peer, gateway: HttpGateway
) -> None:
    named = {"order_id": "o-2", "amount": 20_000, "currency": "KRW"}
    peer.reply = JSONResponse({**PAID, **named})
    assert charge(gateway).details == ChargeDetails("o-2", 20_000, "KRW")
    found = gateway.look_up("cart-17", deadline=time.monotonic() + 5)
    assert found.details == ChargeDetails("o-2", 20_000, "KRW")


def test_the_reference_is_sent_only_where_there_is_one(peer: Peer, gateway: HttpGateway) -> None:
    peer.reply = JSONResponse(PAID)
    charge(gateway, order=ORDER)
    charge(gateway, order=replace(ORDER, reference="cart-17"))
    without, with_one = peer.charges
    assert with_one == without | {"reference": "cart-17"}

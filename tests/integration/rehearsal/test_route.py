"""The gateway's calls go through our proxy, whatever the way to the service is; if they cannot, that is said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from breakwall.payments.gateways.fault_proxy import FaultProxy
from breakwall.rehearsal.route import SandboxUnusableError
from breakwall.simulator.server import Simulator
from tests.integration.gateway_stub import StubServer, answering, response
from tests.integration.rehearsal.conftest import Rehearse, unasked, wrong
from tests.integration.tls_fixtures import TlsFront, make_certificate

GATEWAYS = "tests.integration.rehearsal.gateways"
REPEATED = "a request that something on the way repeats"
CUTS = {"the same key after its answer was cut", "the same key after its request was cut"}
TRUSTED = {"PAYMENT_DEDUPLICATES": "true"}
SKIP = ("keys", "declined")


@pytest.fixture(scope="module", params=[True, False])
def simulator(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Simulator]:
    book = tmp_path_factory.mktemp("simulator") / "charges.db"
    simulator = Simulator(
        host="127.0.0.1", port=0, control_port=0, charge_book=book, deduplicate=request.param
    )
    yield simulator
    simulator.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("service"), "IP:127.0.0.1")


def deduplicates(simulator: Simulator) -> bool:
    return simulator.service._deduplicate


@pytest.mark.parametrize("chained", [True, False])
def test_a_tunnel_is_cut_without_being_read(
    simulator: Simulator, certificate: Path, rehearse: Rehearse, chained: bool
) -> None:
    front = TlsFront(certificate, int(simulator.url.rpartition(":")[2]))
    with FaultProxy() as configured:
        way = {"PAYMENT_PROXY": configured.url.replace("://", "://shop:s3cret@")} if chained else {}
        rehearsal = rehearse(
            PAYMENT_URL=f"https://127.0.0.1:{front.port}",
            PAYMENT_CA_FILE=str(certificate),
            skip=SKIP,
            **way,
            **TRUSTED,
        )
        assert (configured.received > 0) is chained
    front.close()
    assert unasked(rehearsal) == {
        REPEATED: "the requests are encrypted",
        "the same key after its request was cut": "the requests are encrypted: the service can read no half of one",
    }
    assert rehearsal.advised[0].value == str(deduplicates(simulator)).lower()
    assert rehearsal.ok is deduplicates(simulator)
    assert ("the same key after its answer was cut" in wrong(rehearsal)) is not deduplicates(simulator)


def test_a_configured_proxy_comes_behind_ours(simulator: Simulator, rehearse: Rehearse) -> None:
    with FaultProxy() as configured:
        proxy = configured.url.replace("://", "://shop:s3cret@")
        rehearsal = rehearse(PAYMENT_URL=simulator.url, PAYMENT_PROXY=proxy, skip=SKIP, **TRUSTED)
        assert configured.received > 0
    assert unasked(rehearsal) == {}
    assert rehearsal.ok is deduplicates(simulator)


def test_a_gateway_that_uses_no_proxy_is_cut_at_its_url(simulator: Simulator, rehearse: Rehearse) -> None:
    url = simulator.url.replace("://", "://shop:s3cret@")
    rehearsal = rehearse(PAYMENT_GATEWAY=f"{GATEWAYS}:by_url_alone", PAYMENT_URL=url, skip=SKIP, **TRUSTED)
    assert unasked(rehearsal) == {}
    assert rehearsal.ok is deduplicates(simulator)


def test_of_a_gateway_with_a_way_of_its_own_it_is_said_what_could_not_be_asked(
    simulator: Simulator, rehearse: Rehearse
) -> None:
    rehearsal = rehearse(
        PAYMENT_GATEWAY=f"{GATEWAYS}:by_its_own_way",
        PAYMENT_OPTIONS=json.dumps({"address": simulator.url}),
        skip=SKIP,
        **TRUSTED,
    )
    assert set(unasked(rehearsal)) == {*CUTS, "the same key after its request came late", REPEATED}
    assert rehearsal.ok is deduplicates(simulator)


def test_a_way_on_which_the_service_answers_otherwise_is_not_used(
    simulator: Simulator, rehearse: Rehearse
) -> None:
    skip = (*SKIP, "unknown", "lookup", "at-once", "cut", "late", "amount")
    elsewhere = StubServer(answering(response(500)))
    rehearsal = rehearse(
        PAYMENT_GATEWAY=f"{GATEWAYS}:by_a_proxy_that_fails",
        PAYMENT_URL=simulator.url,
        PAYMENT_OPTIONS=json.dumps({"elsewhere": elsewhere.url}),
        skip=skip,
        **TRUSTED,
    )
    elsewhere.close()
    assert rehearsal.refusal is None
    assert REPEATED not in unasked(rehearsal), "the next way goes through the proxy, too"


@pytest.mark.parametrize("status", [401, 500])
def test_before_anything_is_charged_the_service_must_know_us(rehearse: Rehearse, status: int) -> None:
    server = StubServer(answering(response(status)))
    with pytest.raises(SandboxUnusableError, match=r"\. Nothing was charged\. `breakwall doctor` says"):
        rehearse(PAYMENT_URL=server.url)
    server.close()
    assert {request[:4] for request in server.requests} == {b"GET "}

"""What the settings say of TLS and of the API key's file holds for the requests to Stripe."""

import json
import ssl
from pathlib import Path

import pytest

from breakwall.payments.gateways.base import LookupResult
from breakwall.payments.gateways.stripe import make_gateway
from breakwall.settings import load_settings
from tests.integration.gateway_stub import StubServer, answering, headers_of, response
from tests.integration.payments.gateways.stripe.conftest import soon
from tests.integration.tls_fixtures import make_certificate

INTENT = {"id": "pi_1", "object": "payment_intent", "status": "requires_confirmation"}
ANSWER = answering(response(200, json.dumps(INTENT).encode()))


def _certificate(folder: Path) -> Path:
    folder.mkdir()
    return make_certificate(folder, "IP:127.0.0.1")


def look_up(**variables: str) -> LookupResult:
    settings = load_settings({f"BREAKWALL_{name}": value for name, value in variables.items()})
    gateway = make_gateway(settings)
    try:
        return gateway.look_up_prepared("pi_1", deadline=soon()).result
    finally:
        gateway.close()


@pytest.mark.parametrize(
    ("trusted", "result"), [(True, LookupResult.PREPARED), (False, LookupResult.UNAVAILABLE)]
)
def test_only_the_authorities_of_the_settings_are_trusted(
    tmp_path: Path, trusted: bool, result: LookupResult
) -> None:
    certificate, other = (_certificate(tmp_path / name) for name in ("service", "other"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = StubServer(ANSWER, context)
    authority = certificate if trusted else other
    found = look_up(PAYMENT_URL=server.url, PAYMENT_TOKEN="sk_test_1", PAYMENT_CA_FILE=str(authority))
    server.close()
    assert found is result


def test_a_new_key_in_the_file_is_used_with_the_next_request(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("sk_test_first\n")
    server = StubServer(ANSWER)
    variables = {"BREAKWALL_PAYMENT_URL": server.url, "BREAKWALL_PAYMENT_TOKEN_FILE": str(file)}
    gateway = make_gateway(load_settings(variables))
    gateway.look_up_prepared("pi_1", deadline=soon())
    file.write_text("rk_test_second_one\n")
    gateway.look_up_prepared("pi_1", deadline=soon())
    gateway.close()
    server.close()
    sent = [headers_of(request)["authorization"] for request in server.requests]
    assert sent == ["Bearer sk_test_first", "Bearer rk_test_second_one"]

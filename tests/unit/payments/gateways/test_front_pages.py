"""Pages of nginx, Go and Apache that say that no request was taken because of TLS."""

import pytest

from breakwall.payments.gateways.base import Advice, Health, LookupResult, Outcome
from breakwall.payments.gateways.charge_answers import classify_charge
from breakwall.payments.gateways.front_pages import refused_in_front
from breakwall.payments.gateways.lookup_answers import classify_lookup

NGINX = (
    "<html>\r\n<head><title>400 {0}</title></head>\r\n<body>\r\n<center><h1>400 Bad Request</h1></center>\r\n"
)
PAGES = {
    "CertificateMissingError": NGINX.format("No required SSL certificate was sent"),
    "CertificateRefusedError": NGINX.format("The SSL certificate error"),
    "SpeaksTlsError": NGINX.format("The plain HTTP request was sent to HTTPS port"),
}
HTML = {"content-type": "text/html"}


@pytest.mark.parametrize("code", PAGES)
def test_a_charge_is_not_finished_by_such_a_page_and_the_settings_are_blamed(code: str) -> None:
    seen = classify_charge(400, HTML, PAGES[code].encode(), now=0.0)
    # Not STOP, which a 400 of the service itself means: the order would end.
    assert (seen.outcome, seen.health, seen.advice) == (Outcome.UNKNOWN, Health.NEUTRAL, Advice.RECONFIGURE)
    assert (seen.code, seen.spends_key) == (code, False)
    assert "BREAKWALL_PAYMENT_" in seen.detail


@pytest.mark.parametrize("code", PAGES)
def test_a_look_up_says_the_same(code: str) -> None:
    seen = classify_lookup(400, HTML, PAGES[code].encode(), now=0.0)
    assert (seen.result, seen.health, seen.advice) == (
        LookupResult.UNAVAILABLE,
        Health.NEUTRAL,
        Advice.RECONFIGURE,
    )
    assert seen.code == code


@pytest.mark.parametrize(
    "page",
    [
        "Client sent an HTTP request to an HTTPS server.\n",
        "Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />",
    ],
)
def test_go_and_apache_say_it_in_their_own_words(page: str) -> None:
    found = refused_in_front(400, page.encode())
    assert found is not None
    assert found[0] == "SpeaksTlsError"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, b'{"error": "invalid amount"}'),
        (400, b""),
        (400, None),
        (200, PAGES["CertificateMissingError"].encode()),
        (400, PAGES["CertificateMissingError"].encode() + b" " * 5000),
    ],
)
def test_any_other_answer_means_what_its_status_says(status: int, body: bytes | None) -> None:
    assert refused_in_front(status, body) is None

"""Stripe's library shows nobody what we send."""

import logging
import time

import pytest
import stripe

from breakwall.payments.gateways.base import ChargeAnswer, ChargeRequest, GatewayProfile, Outcome
from breakwall.payments.gateways.http import HttpService
from breakwall.payments.gateways.stripe.errors import LibraryLogsError
from breakwall.payments.gateways.stripe.gateway import StripeGateway
from breakwall.payments.gateways.stripe.library_logs import check_library_is_silent, unlogged

PROFILE = GatewayProfile(True, 86_400.0, looks_up=False, absent_after=30.0, prepares=True, cancels=True)
ORDER = ChargeRequest("0" * 32, "u-1", 1000, "USD", "k", None, "pm_s3cret")


def prepare() -> ChargeAnswer:
    gateway = StripeGateway(HttpService("http://127.0.0.1:9"), api_key=lambda: "sk_test_1", profile=PROFILE)
    answer = gateway.prepare(ORDER, deadline=time.monotonic() + 5)
    assert isinstance(answer, ChargeAnswer)
    return answer


def test_our_calls_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        prepare()
    assert "s3cret" not in caplog.text
    assert not [record for record in caplog.records if record.name == "stripe"]


def test_the_calls_of_others_are_logged_as_before(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="stripe"):
        with unlogged():
            logging.getLogger("stripe").info("ours")
        logging.getLogger("stripe").info("theirs")
    assert caplog.messages == ["theirs"]


@pytest.mark.parametrize("level", ["debug", "info"])
def test_a_library_that_prints_is_not_called(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], level: str
) -> None:
    monkeypatch.setattr(stripe, "log", level)
    answer = prepare()
    assert (answer.outcome, answer.code) == (Outcome.NOT_SENT, "LibraryLogsError")
    assert capfd.readouterr().err == ""


def test_the_environment_that_makes_it_print_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    check_library_is_silent()
    monkeypatch.setenv("STRIPE_LOG", "debug")
    with pytest.raises(LibraryLogsError, match="unset STRIPE_LOG"):
        check_library_is_silent()

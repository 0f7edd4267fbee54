"""Which answers send an operator to the settings, and how often a process says so."""

from __future__ import annotations

import logging

import pytest

from breakwall.log_throttle import INTERVAL
from breakwall.payments.gateways.base import ChargeAnswer, Health, Outcome
from breakwall.payments.gateways.charge_answers import classify_charge
from breakwall.payments.rejections import RejectionLog
from tests.gateway import DECLINED, DOWN, LOST, PAID


def answered(status: int, body: bytes = b"") -> ChargeAnswer:
    return classify_charge(status, {}, body, now=0.0)


REJECTED = answered(401)


class Process:
    """One process that hears answers, at times that the test gives."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self.now = 1000.0
        self._caplog = caplog
        self._rejections = RejectionLog(lambda: self.now)

    def hears(self, *answers: ChargeAnswer) -> list[str]:
        """What it logs of them."""
        self._caplog.clear()
        for answer in answers:
            self._rejections.record_answer(answer)
        assert {record.levelno for record in self._caplog.records} <= {logging.WARNING}
        return self._caplog.messages


@pytest.fixture
def process(caplog: pytest.LogCaptureFixture) -> Process:
    return Process(caplog)


@pytest.mark.parametrize("status", [302, 401, 403, 404, 405, 407, 421])
@pytest.mark.parametrize("body", [b"", b'{"code": "unauthorized"}'])
def test_an_answer_that_only_other_settings_would_change_is_a_rejection(
    process: Process, status: int, body: bytes
) -> None:
    assert process.hears(answered(status, body))


@pytest.mark.parametrize("status", [400, 402, 408, 409, 422, 425, 429, 500, 503])
def test_an_answer_about_this_charge_or_the_services_health_is_none(process: Process, status: int) -> None:
    assert not process.hears(answered(status))


def test_the_first_rejection_is_logged_at_once_with_its_code_and_what_to_do(process: Process) -> None:
    assert process.hears(REJECTED) == [
        "a charge was rejected (http_401): The payment service answered HTTP 401: it did not accept our "
        "credentials, check the user and password in BREAKWALL_PAYMENT_URL, or BREAKWALL_PAYMENT_TOKEN, "
        "_HEADERS or _CERT_FILE. Each rejection uses up an attempt of its order; "
        "`breakwall doctor` checks the settings."
    ]


def test_no_more_is_logged_until_the_interval_is_over(process: Process) -> None:
    process.hears(REJECTED)
    process.now += INTERVAL - 0.001
    assert process.hears(*[REJECTED] * 500) == []


def test_after_the_interval_the_next_one_says_how_many_there_were(process: Process) -> None:
    process.hears(*[REJECTED] * 1234)
    process.now += INTERVAL
    (warning,) = process.hears(answered(404), answered(404))
    assert warning.startswith("1,234 charges were rejected, the last one (http_404): ")


def test_each_interval_counts_from_zero(process: Process) -> None:
    process.hears(*[REJECTED] * 10)
    process.now += INTERVAL
    process.hears(REJECTED)
    process.now += INTERVAL
    (warning,) = process.hears(REJECTED)
    assert warning.startswith("a charge was rejected")


def test_no_other_answer_is_logged(process: Process) -> None:
    throttled = ChargeAnswer(Outcome.THROTTLED, Health.NEUTRAL, code="http_429")
    assert process.hears(PAID, DECLINED, DOWN, LOST, throttled) == []

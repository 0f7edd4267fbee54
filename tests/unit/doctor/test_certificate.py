"""Our certificate is a problem when it is not valid, and its renewal is advised before."""

from datetime import UTC, datetime, timedelta

import pytest

from breakwall.credentials import Validity
from breakwall.doctor.certificate import ADVICE, certificate, judge
from breakwall.settings import load_settings

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
VALID = Validity(BEGIN, BEGIN + timedelta(days=100))


@pytest.mark.parametrize(
    ("day", "ok", "words", "advice"),
    [
        (-1, False, "is not valid before 2026-11-01 00:00 UTC", "Check this machine's clock"),
        (0, True, "is valid until 2027-02-09 00:00 UTC", ""),
        (90, True, "is valid until 2027-02-09 00:00 UTC", ""),
        (90.1, True, "is valid until 2027-02-09 00:00 UTC", ADVICE),
        (100, False, "expired at 2027-02-09 00:00 UTC", ADVICE),
    ],
)
def test_a_certificate_is_judged_by_the_time(day: float, ok: bool, words: str, advice: str) -> None:
    found = judge(VALID, BEGIN + timedelta(days=day))
    assert (found.ok, found.detail) == (ok, f"BREAKWALL_PAYMENT_CERT_FILE {words}")
    assert found.advice.startswith(advice)
    assert bool(found.advice) == bool(advice)


def test_one_whose_times_cannot_be_read_is_no_problem() -> None:
    assert judge(None, BEGIN).ok


def test_without_one_there_is_nothing_to_say() -> None:
    assert certificate(load_settings({})) == []

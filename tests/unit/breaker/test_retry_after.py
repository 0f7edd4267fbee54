"""How long ``Retry-After`` asks us to wait."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakwall.breaker import parse_retry_after

SIX_O_CLOCK = 784_101_600.0
"""Sun, 06 Nov 1994 06:00:00 GMT"""


def wait(text: str, date: str | None = None) -> float | None:
    headers = {"retry-after": text} | ({} if date is None else {"date": date})
    return parse_retry_after(headers, now=SIX_O_CLOCK, longest=600)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("7", 7),
        (" 120 ", 120),
        ("1.5", 1.5),
        ("+3", 3),
        ("600", 600),
        ("Sun, 06 Nov 1994 06:01:30 GMT", 90),
        ("Sunday, 06-Nov-94 06:01:30 GMT", 90),
        ("Sun Nov  6 06:01:30 1994", 90),
        ("Sun, 06 Nov 1994 07:01:30 +0100", 90),
        ("Sun, 06 Nov 1994 06:00:00 GMT", 0),
    ],
)
def test_seconds_and_every_date_format_of_http_are_understood(text: str, seconds: float) -> None:
    assert wait(text) == seconds


def test_a_date_is_relative_to_the_answers_own_clock() -> None:
    assert wait("Sun, 06 Nov 1994 09:00:30 GMT", date="Sun, 06 Nov 1994 09:00:00 GMT") == 30


def test_our_clock_counts_when_the_answers_date_makes_no_sense() -> None:
    assert wait("Sun, 06 Nov 1994 06:00:30 GMT", date="yesterday") == 30


PAST = ["-5", "-0.5", "Sun, 06 Nov 1994 05:59:59 GMT"]
TOO_LATE = ["600.1", "Sun, 06 Nov 1994 07:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "9" * 400]
ANOTHER_UNIT = ["5000", "784101630", "784101630000"]
NONSENSE = ["", "soon", "1e3", "inf", "nan", "5, 10", "0x10", "٣", "--5", "Sun, 99 Nov 1994 06:00:00 GMT"]


@pytest.mark.parametrize("text", PAST + TOO_LATE + ANOTHER_UNIT + NONSENSE)
def test_what_cannot_be_meant_is_ignored(text: str) -> None:
    assert wait(text) is None


def test_by_default_it_goes_by_this_machines_clock_and_takes_an_hour_at_most() -> None:
    def at(seconds: float) -> dict[str, str]:
        return {"retry-after": format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)}

    assert parse_retry_after(at(90)) == pytest.approx(90, abs=5)
    assert parse_retry_after(at(3700)) is None


def test_a_missing_header_is_no_wait() -> None:
    assert parse_retry_after({}) is None


@given(text=st.text() | st.floats().map(str) | st.integers().map(str), date=st.none() | st.text())
def test_whatever_the_header_holds_the_wait_is_none_or_within_the_bound(text: str, date: str | None) -> None:
    seconds = wait(text, date)
    assert seconds is None or 0 <= seconds <= 600

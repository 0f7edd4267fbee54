"""Which columns an order's attempts have."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from breakwall.cli.orders.history_tables import attempts_of
from breakwall.payments.gateways import Outcome
from breakwall.payments.orders import StoredAttempt

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
ATTEMPT = StoredAttempt(
    number=1,
    source="worker",
    gateway_key="k1",
    started_at=NOON,
    finished_at=NOON + timedelta(seconds=2),
    outcome=Outcome.FAILED,
    code="http_503",
    detail="busy",
    charge_id=None,
    settled_by=None,
)


@pytest.mark.parametrize(
    ("key", "narrow", "shown"), [("k1", False, False), ("k2", False, True), ("k2", True, False)]
)
def test_the_key_of_an_earlier_attempt_is_shown_where_there_is_room(
    key: str, narrow: bool, shown: bool
) -> None:
    assert ("sent as" in attempts_of([ATTEMPT], key, narrow=narrow).columns) is shown


def test_a_running_attempt_has_no_duration_and_no_outcome_yet() -> None:
    section = attempts_of([replace(ATTEMPT, finished_at=None, outcome=None)], "k1", narrow=True)
    assert section.rows == [("1", "worker", "11-28 12:00:00", "-", "running", "http_503", "busy")]

"""The advice about open incidents fits their kinds."""

from __future__ import annotations

import pytest

from breakwall.doctor.database import incident_finding


@pytest.mark.parametrize(
    ("kinds", "refund", "tell"),
    [
        ({"undelivered"}, False, True),
        ({"two_charges"}, True, False),
        ({"two_charges", "undelivered"}, True, True),
    ],
)
def test_only_an_incident_about_money_asks_for_a_refund(kinds: set[str], refund: bool, tell: bool) -> None:
    advice = incident_finding(1, ["…"], kinds).advice
    assert ("Refund" in advice, "breakwall outcomes list" in advice) == (refund, tell)

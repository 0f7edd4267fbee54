"""Keys have to be kept for as long as the payment service remembers them."""

from __future__ import annotations

import pytest

from breakwall.doctor.checks import retention
from breakwall.settings import load_settings

DAY = 86_400


@pytest.mark.parametrize(
    ("days", "key_life", "ok", "advice"),
    [
        (None, 90 * DAY, True, ""),
        ("30", 30 * DAY, True, ""),
        ("30", 90 * DAY, False, "Set BREAKWALL_RETENTION__KEYS_DAYS=90 at least."),
        ("30", 89.5 * DAY, False, "Set BREAKWALL_RETENTION__KEYS_DAYS=90 at least."),
    ],
)
def test_a_key_that_we_forget_first_is_a_problem(
    days: str | None, key_life: float, ok: bool, advice: str
) -> None:
    given = {"BREAKWALL_RETENTION__KEYS_DAYS": "30", "BREAKWALL_PAYMENT_KEY_LIFE": str(key_life)}
    if days is not None:
        given["BREAKWALL_RETENTION__DAYS"] = days
    (finding,) = retention(load_settings(given))
    assert (finding.ok, finding.advice) == (ok, advice)

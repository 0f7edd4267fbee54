"""A simulator is advised in a trial, and never on a real site."""

from __future__ import annotations

import pytest

from breakwall.doctor.payment_advice import advice_for
from breakwall.settings import load_settings


def test_the_simulator_is_advised_where_nothing_was_set() -> None:
    assert advice_for(load_settings({}), "ConnectError") == (
        "Set BREAKWALL_PAYMENT_URL, or run `breakwall simulator` to try things out."
    )


@pytest.mark.parametrize("code", ["ConnectError", "ReadError", "http_500", "http_401", None])
@pytest.mark.parametrize(
    "real",
    [
        {"PAYMENT_URL": "https://pay.example.com"},
        {"PAYMENT_URL": "http://127.0.0.1:8090"},
        {"PAYMENT_TOKEN": "sk_live_1"},
        {"PAYMENT_PROXY": "http://proxy:3128"},
        {"DATABASE_URL": "postgresql://h/x"},
        {"BROKER_URL": "redis://h/0"},
    ],
    ids=lambda real: next(iter(real)),
)
def test_the_simulator_is_never_advised_where_anything_real_is_set(real: dict[str, str], code: str) -> None:
    settings = load_settings({f"BREAKWALL_{name}": value for name, value in real.items()})
    advice = advice_for(settings, code)
    assert "simulator" not in advice
    assert "BREAKWALL_PAYMENT_" in advice

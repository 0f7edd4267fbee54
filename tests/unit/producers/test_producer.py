"""How a producer is built from its environment. What it does with orders is in `tests/contract/producers`."""

from __future__ import annotations

from pathlib import Path

import pytest

from breakwall.settings import SettingsError
from producers import Order, OrderProducer


def test_a_wrong_setting_for_outcomes_does_not_stop_sales_and_a_person_hears_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("BREAKWALL_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("BREAKWALL_BREAKER_STORE_URL", "memory://")
    monkeypatch.setenv("BREAKWALL_OUTCOMES__WEBHOOK_URL", "http://127.0.0.1:8800/hook")
    with OrderProducer.from_settings() as producer:
        assert producer.enqueue([Order("u1", 100, "KRW", "cart-1")])[0].status == "queued"
    [warning] = [one for one in caplog.records if one.name == "breakwall.settings"]
    assert "BREAKWALL_OUTCOMES__WEBHOOK_URL: should start with https://" in warning.getMessage()
    monkeypatch.setenv("BREAKWALL_PAYMENT_TIMEOUT", "soon")
    with pytest.raises(SettingsError, match="BREAKWALL_PAYMENT_TIMEOUT"):
        OrderProducer.from_settings()

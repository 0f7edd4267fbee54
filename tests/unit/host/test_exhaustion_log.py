"""Exhaustion is logged once a minute, and so is its end."""

from __future__ import annotations

import logging

import pytest

from breakwall.host.exhaustion_log import CALM, ResourceExhaustion
from breakwall.log_throttle import INTERVAL


class Process:
    def __init__(self) -> None:
        self.now = 100.0
        self.changes: list[str | None] = []
        self.exhaustion = ResourceExhaustion(lambda: self.now, on_change=self.changes.append)


def test_exhaustion_is_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    process = Process()
    for _ in range(130):
        process.exhaustion.report("memory")
        process.now += 1.0
    logged = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(logged) == 1 + 129 // INTERVAL
    assert "no memory left" in logged[0].getMessage()


def test_it_is_over_after_a_time_without_exhaustion(caplog: pytest.LogCaptureFixture) -> None:
    process = Process()
    process.exhaustion.report_success()
    process.exhaustion.report("memory")
    process.now += CALM - 1
    process.exhaustion.report_success()
    process.now += 1
    process.exhaustion.report_success()
    process.exhaustion.report_success()
    assert process.changes == ["memory", None]
    assert "has memory again" in caplog.text

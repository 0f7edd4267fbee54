"""The direct call behind pybreaker, with its default of five failures and our pause until the first probe."""

from __future__ import annotations

import os

import pybreaker

from bench.peers import direct

RECOVERY = float(os.environ.get("BREAKWALL_BREAKER__RECOVERY_TIMEOUT", "30"))

breaker = pybreaker.CircuitBreaker(fail_max=5, reset_timeout=RECOVERY)


def charge(key: str, url: str) -> str:
    """As `direct.charge`; `pybreaker.CircuitBreakerError` while it is open."""
    return str(breaker.call(direct.charge, key, url))

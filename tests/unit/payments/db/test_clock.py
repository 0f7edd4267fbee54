"""The clocks of hosts differ, so only the database's clock decides about due times, leases and the age of keys."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
WALL_CLOCKS = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today", "date.today"}
HTTP_DATES = {
    ROOT / "breakwall/payments/gateways/http.py",
    ROOT / "breakwall/payments/gateways/stripe/gateway.py",
}
"""A `Retry-After` may contain a time of day of the service: only a delay is derived from it."""

SIGNATURES = {
    ROOT / "breakwall/payments/outcomes/webhook.py",
    ROOT / "breakwall/payments/gateways/hints.py",
}
"""A signature names the moment of the request, which its receiver compares with its own clock (Standard Webhooks)."""

OPTIONS = {ROOT / "breakwall/cli/orders/suspect.py"}
"""A time that a person types is compared with that person's clock, to find typing errors only."""

SOURCES = [
    path for folder in ("breakwall/payments", "worker", "producers") for path in (ROOT / folder).rglob("*.py")
]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_order_depends_on_the_time_of_day_of_its_host(path: Path) -> None:
    assert path in HTTP_DATES | SIGNATURES | OPTIONS or read_clocks(path) == []


def read_clocks(path: Path) -> list[str]:
    """Each use of a clock of the host's, with its line."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    uses = [(node.lineno, ast.unparse(node)) for node in nodes if isinstance(node, ast.Attribute)]
    return [f"{line}: {text}" for line, text in uses if text in WALL_CLOCKS]

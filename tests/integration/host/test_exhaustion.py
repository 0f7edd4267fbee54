"""A machine that has run out of something: every caller is told something true, and nothing is charged twice.

Faults.md, second table: "out of file descriptors (64), 60 threads".
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from breakwall.payments.db.database import Database
from breakwall.payments.db.migrate import upgrade
from tests.acceptance.shop import PaymentService

ROOT = Path(__file__).parents[3]
TOLD = {"paid", "queued", "in_flight"}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the limits are Linux's")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Any:
    running = PaymentService(tmp_path_factory.mktemp("service"))
    running.start()
    yield running
    running.stop()


@pytest.mark.parametrize(
    "what",
    [
        "descriptors",
        "descriptors-later",
        pytest.param("descriptors-on-postgresql", marks=pytest.mark.server),
        "threads",
        "memory",
    ],
)
def test_place_names_the_exhausted_resource_and_never_for_a_charged_order(
    what: str, tmp_path: Path, service: PaymentService, request: pytest.FixtureRequest
) -> None:
    more = {}
    if what.endswith("postgresql"):
        more["BREAKWALL_DATABASE_URL"] = url = request.getfixturevalue("postgres_url")
        with closing(Database(url)) as database:
            upgrade(database.engine, site=what)
    with shop_short_of(what, tmp_path, service, **more) as shop:
        scarce = json.loads(shop.stdout.readline())
        charged = service.charges()
        after = json.loads(shop.communicate("go on\n", timeout=120)[0])
    raised = {key: told for key, told in scarce.items() if told not in TOLD}
    resource = {"threads": "threads", "memory": "memory"}.get(what, "file descriptors")
    assert all(told.startswith(f"DatabaseUnavailableError: {resource}: ") for told in raised.values()), raised
    assert not raised.keys() & charged.keys()
    # Its own exhaustion proves nothing about the payment service.
    assert after["circuit"] == "closed"
    # It continues, and the same keys are safe to place again.
    assert after["enough"] == "paid"
    assert set(after["again"].values()) <= TOLD
    assert all(len(charges) == 1 for charges in service.charges().values())


@contextmanager
def shop_short_of(what: str, folder: Path, service: PaymentService, **more: str) -> Iterator[Any]:
    settings = {
        **more,
        "BREAKWALL_PLACE__WAIT": "10",  # Sixty threads share SQLite's one lock.
        "BREAKWALL_DATA_DIR": str(folder),
        "BREAKWALL_PAYMENT_URL": service.url,
        "BREAKWALL_SITE": what,
    }
    environ = {name: value for name, value in os.environ.items() if not name.startswith("BREAKWALL_")}
    line = [sys.executable, "-m", "tests.integration.exhausted", what]
    shop = subprocess.Popen(
        line, cwd=ROOT, env=environ | settings, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield shop
    finally:
        shop.kill()
        shop.communicate()

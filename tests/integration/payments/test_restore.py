"""The steps of docs/operations.md with its very commands, real workers, and a service that charges whenever asked.

"The database was restored from an hour ago", and "the database was lost and the order is placed again".
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import update

from breakwall.payments.db.database import Database
from breakwall.payments.db.schema import QUEUED, orders
from breakwall.settings import load_settings
from breakwall.simulator.client import SimulatorControl
from breakwall.simulator.server import Simulator
from tests.command import Ran, ShortTerminal, Terminal, command_line
from tests.integration.gateway_stub import PAID, StubServer, answering, headers_of, response
from tests.servers import PostgresServer
from tests.waiting import wait_until

OPERATIONS = (Path(__file__).parents[3] / "docs" / "operations.md").read_text(encoding="utf-8")
TIMEOUT = 60.0


def documented(block: str) -> list[str]:
    """The commands of one block of docs/operations.md."""
    (found,) = re.findall(rf"^```sh {block}\n(.*?)^```$", OPERATIONS, re.MULTILINE | re.DOTALL)
    return str(found).splitlines()


class Hands(ShortTerminal):
    """Somebody who types what the document says."""

    def follow(self, block: str, *, codes: tuple[int, ...] = (0,)) -> str:
        """Run a block's commands in a shell, and return what they wrote; each is to end with one of the codes."""
        written = ""
        for line in documented(block):
            ran = subprocess.run(
                ["sh", "-c", line], cwd=self.folder, env=self.environ, capture_output=True, text=True
            )
            assert ran.returncode in codes, (line, ran.stdout, ran.stderr)
            written += ran.stdout
        return written

    def reported(self, payments: SimulatorControl) -> None:
        """Get the payment service's report."""
        lines = [json.dumps(charge) for charge in payments.ledger()]
        (self.folder / "report.jsonl").write_text("\n".join(lines) or "{}")

    def bring_in(self, *keys: str) -> None:
        """Write the shop's own orders of the lost time to the file that is imported."""
        orders = [
            {"user_id": "u1", "amount": 10_000, "currency": "KRW", "idempotency_key": key} for key in keys
        ]
        (self.folder / "orders.jsonl").write_text("\n".join(map(json.dumps, orders)))

    def enqueue(self, *keys: str) -> None:
        self.bring_in(*keys)
        assert self.run("orders", "import", "orders.jsonl").code == 0

    def states(self) -> dict[str, str]:
        listed = self.run("orders", "list", "-o", "json").document
        return {order["idempotency_key"]: order["status"] for order in listed}

    def _give_up_publishing(self) -> None:
        """The dispatcher leaves an order that was just accepted to its publisher for ten seconds; not here."""
        settings = load_settings({"BREAKWALL_DATA_DIR": str(self.home), **self.environ})
        with closing(Database(settings.database)) as database:
            at_once = update(orders).values(dispatch_at=orders.c.created_at).where(orders.c.status == QUEUED)
            database.write(lambda connection: connection.execute(at_once))

    def all_paid(self) -> bool:
        return set(self.states().values()) == {"paid"}

    @contextmanager
    def working(self) -> Iterator[None]:
        """A worker, a process of its own, while the block runs."""
        with (self.folder / "worker.log").open("ab") as log:
            worker = subprocess.Popen(
                command_line("worker"), stdout=log, stderr=log, cwd=self.folder, env=self.environ
            )
            try:
                yield
            finally:
                worker.send_signal(signal.SIGTERM)
                worker.wait(timeout=TIMEOUT)

    def work_until_all_are_paid(self) -> None:
        self._give_up_publishing()
        with self.working():
            wait_until(self.all_paid, TIMEOUT, look_every=0.3)


@pytest.fixture
def hands(tmp_path: Path) -> Hands:
    hands = Hands(tmp_path)
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "breakwall").symlink_to(Path(sys.executable).with_name("breakwall"))
    if shutil.which("sqlite3") is None:
        _stand_in_for_sqlite3(programs / "sqlite3")
    hands.environ["PATH"] = f"{programs}:{os.environ['PATH']}"
    hands.environ["TIME"] = "2026-01-01T00:00:00+00:00"
    hands.set(
        PAYMENT_SETTLE_SECONDS="0.5",
        RETRY__CAP="0.5",
        DISPATCH__INTERVAL="0.1",
        DISPATCH__REPUBLISH_AFTER="1",
    )
    return hands


def _stand_in_for_sqlite3(path: Path) -> None:
    """The program, where a machine has none, as far as the document uses it: SQL in its second argument."""
    code = "import sqlite3, sys\nsqlite3.connect(sys.argv[1]).execute(sys.argv[2])\n"
    path.write_text(f"#!{sys.executable}\n{code}")
    path.chmod(0o755)


@pytest.fixture
def payments(hands: Hands, request: pytest.FixtureRequest) -> Iterator[SimulatorControl]:
    """A payment service with a look-up, which charges each time unless a test's parameter says otherwise."""
    deduplicate = getattr(request, "param", False)
    book = hands.folder / "charges.db"
    simulator = Simulator(host="127.0.0.1", port=0, control_port=0, charge_book=book, deduplicate=deduplicate)
    hands.set(PAYMENT_URL=simulator.url)
    yield SimulatorControl(simulator.control_url)
    simulator.close()


class Backups:
    """Backing one database up and restoring it, as the document says for its kind."""

    def __init__(self, hands: Hands, kind: str) -> None:
        self._hands = hands
        self._kind = kind

    def back_up(self) -> None:
        self._hands.follow(f"{self._kind}-backup")

    def restore(self) -> None:
        self._hands.follow(f"{self._kind}-restore")
        if self._kind == "postgres":
            self._hands.set(DATABASE_URL=self._hands.environ["RESTORED"])


@pytest.fixture(params=["sqlite", "postgres"])
def backups(request: pytest.FixtureRequest, hands: Hands) -> Iterator[Backups]:
    if request.param == "sqlite":
        yield Backups(hands, "sqlite")
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    if not (server.programs / "pg_dump").exists():
        pytest.skip(f"there is no pg_dump in {server.programs}")
    ours = server.fresh_url()
    plain, restored = ours.replace("+psycopg", ""), server.url("breakwall_restored")
    hands.environ |= {"ORDERS": plain, "RESTORED": restored.replace("+psycopg", "")}
    hands.environ["PATH"] = f"{server.programs}:{hands.environ['PATH']}"
    hands.set(DATABASE_URL=plain)
    assert hands.run("db", "upgrade").code == 0
    yield Backups(hands, "postgres")
    for url in (ours, restored):
        server.drop(url)


def charged_keys(payments: SimulatorControl) -> list[str]:
    return sorted(charge["order_id"] for charge in payments.ledger())


class TestTheDatabaseWasRestoredFromAnHourAgo:
    @pytest.fixture
    def restored(self, hands: Hands, payments: SimulatorControl, backups: Backups) -> None:
        """Two orders waited in the backup and were charged since; a third one was accepted and charged since."""
        assert hands.place(key="known").document["status"] == "paid"
        hands.enqueue("waits-1", "waits-2")
        backups.back_up()
        assert hands.place(key="gone").document["status"] == "paid"
        hands.work_until_all_are_paid()
        backups.restore()
        assert hands.states() == {"known": "paid", "waits-1": "queued", "waits-2": "queued"}
        assert len(payments.ledger()) == 4

    @pytest.mark.usefixtures("restored")
    def test_nothing_is_charged_twice_and_all_orders_are_paid(
        self, hands: Hands, payments: SimulatorControl
    ) -> None:
        before = charged_keys(payments)
        hands.bring_in("gone", "new")
        hands.follow("suspect")
        hands.work_until_all_are_paid()
        assert set(hands.states()) == {"known", "waits-1", "waits-2", "gone", "new"}
        assert charged_keys(payments) == sorted([*before, hands.show("new")["id"]])
        hands.reported(payments)
        assert "They agree." in hands.follow("reconcile")

    @pytest.mark.one_database
    @pytest.mark.usefixtures("restored")
    def test_the_report_names_what_was_charged_and_it_is_recorded(
        self, hands: Hands, payments: SimulatorControl
    ) -> None:
        """Without a worker, and so without one request to the payment service."""
        hands.bring_in("gone")
        hands.follow("suspect")
        hands.reported(payments)
        hands.follow("reconcile", codes=(1,))
        line = ["orders", "reconcile", "report.jsonl", "--since", hands.environ["TIME"], "-o", "json"]
        found = hands.run(*line).document["differences"]
        assert {difference["kind"] for difference in found} == {"charged_not_paid"}
        assert {difference["idempotency_key"] for difference in found} == {"waits-1", "waits-2", "gone"}
        for difference in found:
            record = ["--paid", difference["report"], "--reason", "in the report"]
            assert hands.run("orders", "resolve", difference["order_id"], *record).code == 0
        assert "They agree." in hands.follow("reconcile")
        assert hands.all_paid()

    @pytest.mark.one_database
    @pytest.mark.usefixtures("restored")
    def test_a_charge_whose_order_was_not_brought_in_is_named_as_unknown(
        self, hands: Hands, payments: SimulatorControl
    ) -> None:
        hands.bring_in()
        hands.follow("suspect")
        hands.reported(payments)
        # The charge, and the sum of them.
        assert hands.follow("reconcile", codes=(1,)).count("unknown_key") == 2


class TestTheDatabaseWasLostAndTheOrderIsPlacedAgain:
    def lose(self, hands: Hands) -> None:
        shutil.rmtree(hands.home)

    def placed_twice(self, hands: Hands) -> list[bytes]:
        """What is sent for one order, before the loss and after it."""
        service = StubServer(answering(response(200, PAID)))
        hands.set(PAYMENT_URL=service.url)
        try:
            for _ in range(2):
                assert hands.place().document["status"] == "paid"
                self.lose(hands)
        finally:
            service.close()
        return service.requests

    def test_the_request_is_the_same_byte_for_byte(self, hands: Hands) -> None:
        hands.set(SITE="shop-1")
        first, second = self.placed_twice(hands)
        assert headers_of(first)["idempotency-key"] == headers_of(second)["idempotency-key"]
        assert first == second

    def test_without_its_name_the_site_sends_another_one(self, hands: Hands) -> None:
        first, second = self.placed_twice(hands)
        assert headers_of(first)["idempotency-key"] != headers_of(second)["idempotency-key"]

    @pytest.mark.parametrize("payments", [True], ids=["deduplicates"], indirect=True)
    def test_a_service_that_deduplicates_replays_its_charge(
        self, hands: Hands, payments: SimulatorControl
    ) -> None:
        hands.set(SITE="shop-1", PAYMENT_DEDUPLICATES="true")
        first = hands.place().document
        self.lose(hands)
        assert hands.place().document == first
        assert len(payments.ledger()) == 1

    def test_at_a_service_that_does_not_its_charge_is_found_where_the_order_is_brought_in(
        self, hands: Hands, payments: SimulatorControl
    ) -> None:
        hands.set(SITE="shop-1")
        before: Ran = hands.place()
        self.lose(hands)
        hands.bring_in("cart-1")
        hands.follow("suspect")
        hands.work_until_all_are_paid()
        assert hands.show()["charge_id"] == before.document["charge_id"]
        assert len(payments.ledger()) == 1


def test_every_command_of_the_document_is_one_that_is_tried_here(terminal: Terminal) -> None:
    blocks = re.findall(r"^```(.*)$", OPERATIONS, re.MULTILINE)
    assert {name for name in blocks if name.startswith("sh")} == {
        "sh sqlite-backup",
        "sh sqlite-restore",
        "sh postgres-backup",
        "sh postgres-restore",
        "sh suspect",
        "sh reconcile",
    }

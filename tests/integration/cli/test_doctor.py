"""`breakwall doctor`: checks everything, says what to do, and never waits long."""

from __future__ import annotations

import socket
import sqlite3
from contextlib import closing
from typing import Any

import psycopg
import pytest

from breakwall.broker.embedded import folder
from breakwall.payments.db.database import Database
from breakwall.simulator.client import SimulatorControl
from breakwall.worker.background.heartbeat import Heartbeat
from tests.command import Ran, Terminal
from tests.stopwatch import Stopwatch


@pytest.fixture
def terminal(short_terminal: Terminal) -> Terminal:
    return short_terminal


def examine(terminal: Terminal) -> tuple[Ran, dict[str, Any]]:
    """The findings by name."""
    ran = terminal.run("doctor", "-o", "json")
    return ran, {check["name"]: check for check in ran.document["checks"]}


def test_a_site_where_everything_answers_is_fine(terminal: Terminal, payments: SimulatorControl) -> None:
    ran, _ = examine(terminal)
    assert (ran.code, ran.document["ok"]) == (0, True)
    assert terminal.run("doctor").out.endswith("Everything is fine.\n")


def test_it_creates_and_charges_nothing(terminal: Terminal, payments: SimulatorControl) -> None:
    examine(terminal)
    assert not terminal.home.exists()
    assert payments.ledger() == []


def test_a_payment_service_that_is_not_there_is_a_problem_with_what_to_do(terminal: Terminal) -> None:
    ran, found = examine(terminal)
    assert (ran.code, ran.document["ok"]) == (1, False)
    assert found["payment service"]["ok"] is False
    assert "BREAKWALL_PAYMENT_URL" in found["payment service"]["advice"]


def test_a_problem_is_reported_in_words_with_what_to_do_below(terminal: Terminal) -> None:
    ran = terminal.run("doctor")
    assert ran.code == 1
    assert "problem  payment service  http://127.0.0.1:9: " in ran.out
    assert "→ Check the host and port in BREAKWALL_PAYMENT_URL" in ran.out
    assert ran.out.endswith("1 problem.\n")


def test_bad_settings_are_reported_one_by_one(terminal: Terminal) -> None:
    terminal.set(DATABSE_URL="x", RETRY__CAP="geheim")
    ran, _ = examine(terminal)
    assert ran.code == 2
    shown = [check["detail"] for check in ran.document["checks"] if not check["ok"]]
    assert [detail.split(":")[0] for detail in shown] == ["BREAKWALL_DATABSE_URL", "BREAKWALL_RETRY__CAP"]
    assert "geheim" not in ran.out


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BREAKER__WINDOW", "0.01"),
        ("PAYMENT_URL", "http://127.0.0.1:9/?a=1"),
        ("PAYMENT_URL", "http://exa mple/"),
        ("BROKER_URL", "redis://127.0.0.1:9/abc"),
        ("BREAKER_STORE_URL", "redis://127.0.0.1:9/abc"),
        ("BREAKER_STORE_URL", "unix://"),
    ],
)
def test_what_no_part_could_use_is_refused_by_every_command(
    terminal: Terminal, name: str, value: str
) -> None:
    terminal.set(**{name: value})
    ran, found = examine(terminal)
    assert (ran.code, found["settings"]["ok"]) == (2, False)
    assert found["settings"]["detail"].startswith(f"BREAKWALL_{name}: ")
    placed = terminal.place()
    assert (placed.code, list(placed.error["problems"])) == (2, [f"BREAKWALL_{name}"])
    assert not terminal.home.exists()


def test_everything_that_does_not_answer_is_reported_without_a_password(terminal: Terminal) -> None:
    terminal.set(
        DATABASE_URL="postgresql://u:geheim@127.0.0.1:9/x",
        BROKER_URL="amqp://u:geheim@127.0.0.1:9//",
        BREAKER_STORE_URL="redis://u:geheim@127.0.0.1:9/0",
        PAYMENT_URL="http://u:geheim@127.0.0.1:9",
    )
    ran, found = examine(terminal)
    assert ran.code == 1
    wrong = {name for name, check in found.items() if not check["ok"]}
    assert wrong == {"database", "broker", "breaker store", "payment service"}
    assert all(found[name]["advice"] for name in wrong)
    assert "geheim" not in ran.out + ran.err


def test_a_database_of_another_version_and_keys_that_are_forgotten_early_are_problems(
    terminal: Terminal, postgres_url: str
) -> None:
    terminal.set(DATABASE_URL=postgres_url)
    _, found = examine(terminal)
    assert found["database"]["advice"] == "Run `breakwall db upgrade`."
    terminal.run("db", "upgrade")
    terminal.set(RETENTION__DAYS="30", RETENTION__KEYS_DAYS="30", PAYMENT_KEY_LIFE=str(90 * 86_400))
    _, found = examine(terminal)
    assert found["database"]["ok"] is True
    # A key that we forget and the payment service does not: an old charge can pay a new order.
    assert found["retention"]["advice"] == "Set BREAKWALL_RETENTION__KEYS_DAYS=90 at least."
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    _, found = examine(terminal)
    assert found["database"]["advice"] == "Run the version that migrated it."


def test_a_database_file_that_is_not_there_is_a_problem_and_is_not_made(terminal: Terminal) -> None:
    terminal.set(DATABASE_URL=f"sqlite:///{terminal.folder / 'typo.db'}")
    _, found = examine(terminal)
    assert found["database"]["ok"] is False
    assert not (terminal.folder / "typo.db").exists()


def test_a_breaker_store_that_is_not_there_yet_is_fine_and_is_not_made(terminal: Terminal) -> None:
    terminal.set(BREAKER_STORE_URL=f"sqlite:///{terminal.folder / 'circuits.db'}")
    _, found = examine(terminal)
    assert found["breaker store"]["ok"] is True
    assert found["breaker store"]["detail"].endswith("circuits.db, made on first use")
    assert not (terminal.folder / "circuits.db").exists()


def test_servers_that_answer_are_fine(
    terminal: Terminal, payments: SimulatorControl, postgres_url: str, redis_url: str
) -> None:
    terminal.set(DATABASE_URL=postgres_url, BROKER_URL=redis_url, BREAKER_STORE_URL=redis_url)
    terminal.run("db", "upgrade")
    ran, _ = examine(terminal)
    assert ran.code == 0, ran.out


def test_a_breaker_store_whose_driver_is_named_is_fine(
    terminal: Terminal, payments: SimulatorControl
) -> None:
    terminal.set(BREAKER_STORE_URL=f"sqlite+pysqlite:///{terminal.folder / 'circuits.db'}")
    assert terminal.run("breaker", "force-open", "--reason", "maintenance").code == 0
    assert terminal.place().document["status"] == "queued"
    _, found = examine(terminal)
    assert (found["breaker store"]["ok"], found["breaker store"]["detail"][-7:]) == (True, "answers")


def test_no_worker_is_alive_and_that_is_a_problem_once_an_order_waits(
    terminal: Terminal, payments: SimulatorControl
) -> None:
    ran, found = examine(terminal)
    assert (ran.code, found["workers"]["ok"]) == (0, True)
    assert "breakwall worker" in found["workers"]["advice"]
    assert terminal.run("breaker", "force-open", "--reason", "maintenance").code == 0
    terminal.place()
    ran, found = examine(terminal)
    assert (ran.code, found["workers"]["ok"]) == (1, False)
    assert found["workers"]["detail"].startswith("No worker is alive: ")
    assert "1 order waits" in found["workers"]["detail"]
    assert found["workers"]["advice"] == "Start one: `breakwall worker`."


def test_the_site_is_reported_with_the_account_and_what_to_set(terminal: Terminal) -> None:
    site = terminal.run("db", "upgrade", "-o", "json").document["site"]
    _, found = examine(terminal)
    assert found["site"]["ok"] is True
    assert found["site"]["detail"] == f"{site}, on the payment account default"
    assert found["site"]["advice"].startswith(f"Set BREAKWALL_SITE={site}, ")
    terminal.set(SITE=site, PAYMENT_ACCOUNT="eu-1")
    _, found = examine(terminal)
    assert (found["site"]["ok"], found["site"]["advice"]) == (True, "")
    assert found["site"]["detail"] == f"{site}, on the payment account eu-1"


def test_another_site_than_the_databases_is_a_problem(terminal: Terminal) -> None:
    terminal.set(SITE="shop-1")
    terminal.run("db", "upgrade")
    terminal.set(SITE="shop-2")
    ran, found = examine(terminal)
    assert (ran.code, found["site"]["ok"]) == (1, False)
    assert "shop-1" in found["site"]["detail"]
    assert found["site"]["advice"].startswith("Set BREAKWALL_SITE=shop-1")


def test_a_charge_to_refund_is_a_problem(terminal: Terminal, payments: SimulatorControl) -> None:
    order_id = terminal.place().document["id"]
    with sqlite3.connect(terminal.home / "breakwall.db") as connection:
        connection.execute(
            "INSERT INTO incidents (order_id, kind, detail, at) VALUES (?, 'two_charges', 'ch_1 and ch_2', "
            "'2026-11-27 00:00:00.000000')",
            (order_id,),
        )
    connection.close()
    ran, found = examine(terminal)
    assert ran.code == 1
    assert order_id in found["incidents"]["detail"]
    assert "ch_1 and ch_2" in found["incidents"]["detail"]


def test_it_ends_within_ten_seconds_whatever_hangs(terminal: Terminal) -> None:
    """Every address belongs to a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        terminal.set(
            DATABASE_URL=f"postgresql://u@{address}/x",
            BROKER_URL=f"redis://{address}/0",
            BREAKER_STORE_URL=f"redis://{address}/1",
            PAYMENT_URL=f"http://{address}",
        )
        watch = Stopwatch(processes=True)
        _, found = examine(terminal)
        assert watch.seconds < 10
    wrong = {name for name, check in found.items() if not check["ok"]}
    assert wrong == {"database", "broker", "breaker store", "payment service"}


def beat(terminal: Terminal) -> None:
    """Write a worker's heartbeat."""
    with closing(Database(f"sqlite:///{terminal.home / 'breakwall.db'}")) as database:
        heartbeat = Heartbeat(database)
        heartbeat.identify("celery@here", 20)
        assert heartbeat.run_once()


def test_an_embedded_broker_that_a_live_worker_does_not_run_is_a_problem(terminal: Terminal) -> None:
    terminal.run("db", "upgrade")
    _, found = examine(terminal)
    assert found["broker"]["ok"] is True
    assert terminal.run("backlog").out.count("not running: a worker starts it") == 1
    beat(terminal)
    _, found = examine(terminal)
    assert found["broker"]["ok"] is False
    assert found["broker"]["detail"] == "1 worker is alive, but its embedded broker does not run"
    assert str(terminal.home / "broker" / "log") in found["broker"]["advice"]
    assert "does not answer" in terminal.run("backlog").out


def test_a_worker_on_another_machine_is_not_taken_for_one_here(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal.run("db", "upgrade")
    beat(terminal)
    monkeypatch.setattr(socket, "gethostname", lambda: "elsewhere")
    _, found = examine(terminal)
    assert found["broker"]["ok"] is True


def test_an_embedded_broker_without_room_is_a_problem_before_any_worker_starts(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "ROOM", 2**63)
    _, found = examine(terminal)
    assert found["broker"]["ok"] is False
    assert found["broker"]["advice"].startswith("Make room on the disk of ")
    assert not terminal.home.exists()


SECRET = "whsec_" + "a2tr" * 8


def test_without_a_way_to_the_shop_it_says_that_nobody_is_told(terminal: Terminal) -> None:
    assert "nobody is told" in examine(terminal)[1]["outcomes"]["detail"]


def test_a_webhook_at_a_private_address_is_a_problem_unless_that_is_allowed(terminal: Terminal) -> None:
    terminal.set(OUTCOMES__WEBHOOK_URL="https://127.0.0.1:9/hidden", OUTCOMES__WEBHOOK_SECRET=SECRET)
    ran, found = examine(terminal)
    assert "ALLOW_PRIVATE=true" in found["outcomes"]["advice"]
    assert "hidden" not in ran.out
    terminal.set(OUTCOMES__ALLOW_PRIVATE="true")
    assert examine(terminal)[1]["outcomes"]["ok"]


def test_a_task_whose_broker_is_away_and_a_listener_that_is_missing_are_problems(terminal: Terminal) -> None:
    terminal.set(OUTCOMES__TASK="shop.hear", OUTCOMES__BROKER_URL="redis://:hidden@127.0.0.1:9/0")
    ran, found = examine(terminal)
    assert "does not answer" in found["outcomes"]["detail"]
    assert "hidden" not in ran.out
    terminal.set(OUTCOMES__TASK="", OUTCOMES__BROKER_URL="", OUTCOMES__LISTENER="no_such_module:hear")
    assert "BREAKWALL_OUTCOMES__LISTENER" in examine(terminal)[1]["outcomes"]["advice"]


ORDER = b'{"user_id": "u1", "amount": 100, "currency": "KRW", "idempotency_key": "cart-1"}'
WAITING = """
    INSERT INTO destinations (name, since) VALUES ('webhook', '2020-01-01 00:00:00.000000');
    UPDATE orders SET status = 'paid', charge_id = 'ch_1', settled_at = '2026-01-29 10:00:00.000000',
        next_attempt_at = NULL, dispatch_at = NULL;
    UPDATE outcomes SET at = '2026-01-29 10:00:00.000000', taken_at = at;
    INSERT INTO deliveries (outcome_id, destination, order_id, tries, due_at)
        SELECT id, 'webhook', order_id, 1, at FROM outcomes;
"""


def test_outcomes_that_wait_for_a_way_that_is_not_configured_are_a_problem(terminal: Terminal) -> None:
    terminal.run("orders", "import", "-", stdin=ORDER)
    with sqlite3.connect(terminal.home / "breakwall.db") as connection:
        connection.executescript(WAITING)
    found = examine(terminal)[1]["outcomes"]
    assert not found["ok"]
    assert "1 wait" in found["detail"]
    assert "`breakwall outcomes forget webhook`" in found["advice"]


def test_outcomes_that_wait_for_an_hour_are_a_problem(terminal: Terminal) -> None:
    terminal.run("orders", "import", "-", stdin=ORDER)
    with sqlite3.connect(terminal.home / "breakwall.db") as connection:
        connection.executescript(WAITING)
    terminal.set(
        OUTCOMES__WEBHOOK_URL="https://127.0.0.1:9/h",
        OUTCOMES__WEBHOOK_SECRET=SECRET,
        OUTCOMES__ALLOW_PRIVATE="true",
    )
    found = examine(terminal)[1]["outcomes"]
    assert not found["ok"]
    assert "more than an hour" in found["detail"]


def test_what_a_live_worker_reports_is_compared_with_what_is_configured_here(terminal: Terminal) -> None:
    terminal.run("orders", "import", "-", stdin=ORDER)
    with sqlite3.connect(terminal.home / "breakwall.db") as connection:
        connection.executescript(
            f"""
            {WAITING}
            INSERT INTO workers (
                id, name, host, pid, slots, version, reads, started_at, seen_at, broker, ways
            ) SELECT '1', 'celery@w1', '{socket.gethostname()}', 1, 1, '1', 2, now, now, 'redis://w1:6379/0', 'webhook'
                FROM (SELECT CURRENT_TIMESTAMP || '.000000' AS now);
            UPDATE outcomes SET at = (SELECT seen_at FROM workers);
            """
        )
    found = examine(terminal)[1]
    assert not found["broker"]["ok"]
    assert "celery@w1 reads from redis://w1:6379/0" in found["broker"]["detail"]
    assert found["outcomes"]["ok"]
    assert "the worker celery@w1 has it" in found["outcomes"]["detail"]

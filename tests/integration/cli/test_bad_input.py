"""Bad input of a command: exit code 2, the field and what would be right, nothing half done."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.command import Ran, Terminal

HUGE = "9" * 6000
BAD_AMOUNTS = {
    "-5": "at least 1",
    "0": "at least 1",
    "1.5": "whole number of minor units",
    "1e3": "whole number of minor units",
    "ten": "whole number of minor units",
    "": "whole number of minor units",
    "١٢": "whole number of minor units",
    "1000000000000": "at most 999999999999 in KRW, which is ₩999,999,999,999",
    HUGE: "at most 999999999999 in KRW",
    f"-{HUGE}": "at least 1",
}


@pytest.fixture
def terminal(short_terminal: Terminal) -> Terminal:
    """Commands within this process."""
    return short_terminal


@pytest.fixture
def processes(tmp_path: Path) -> Terminal:
    """Commands as processes."""
    return Terminal(tmp_path)


def refused(ran: Ran, *words: str) -> None:
    """Exit code 2, every word on stderr, no data, and no traceback."""
    assert ran.code == 2, ran.err
    assert "Traceback" not in ran.err
    assert ran.out == ""
    for word in words:
        assert word in ran.err


@pytest.mark.parametrize("amount", BAD_AMOUNTS, ids=lambda text: text[:12] or "empty")
def test_an_unusable_amount_names_the_field_and_stores_nothing(terminal: Terminal, amount: str) -> None:
    ran = terminal.place(amount=amount)
    refused(ran)
    assert ran.error["type"] == "invalid_order"
    assert BAD_AMOUNTS[amount] in ran.error["problems"]["amount"]
    assert not terminal.home.exists()


@pytest.mark.parametrize("currency", ["XXX", "krw", ""])
def test_an_unknown_currency_names_the_field_and_stores_nothing(terminal: Terminal, currency: str) -> None:
    ran = terminal.place(currency=currency)
    refused(ran)
    assert "ISO 4217 code in capitals" in ran.error["problems"]["currency"]
    assert not terminal.home.exists()


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("", "not empty"),
        ("k" * 256, "at most 255"),
        ("a\u202eb", "should not hold U+202E RIGHT-TO-LEFT OVERRIDE: it is character 2"),
        ("\udcff", "should not hold U+DCFF (half of a surrogate pair): it is character 1"),
    ],
)
def test_an_unusable_key_names_the_field_and_stores_nothing(
    terminal: Terminal, key: str, problem: str
) -> None:
    ran = terminal.place(key=key)
    refused(ran)
    assert problem in ran.error["problems"]["idempotency_key"]
    assert not terminal.home.exists()


@pytest.mark.parametrize("key", ["", "\udcff"])
def test_a_process_refuses_it_as_well(processes: Terminal, key: str) -> None:
    ran = processes.place(key=key)
    refused(ran)
    assert "idempotency_key" in ran.error["problems"]
    assert not processes.home.exists()


def test_every_bad_field_is_named_at_once(terminal: Terminal) -> None:
    line = ["--user", "", "--amount", "0", "--currency", "?", "--key", ""]
    ran = terminal.run("orders", "place", *line)
    refused(ran, "user_id: ", "amount: ", "currency: ", "idempotency_key: ")


def test_a_key_of_another_order_is_refused_and_the_first_order_stays(terminal: Terminal) -> None:
    terminal.place(amount="10000")
    ran = terminal.place(amount="20000")
    refused(ran, "idempotency_key", "another amount")
    assert terminal.show()["amount"] == 10000


def test_a_missing_option_is_named(terminal: Terminal) -> None:
    refused(terminal.run("orders", "place", "--user", "u1"), "Missing option '--amount'", "Usage:")


def test_a_usage_error_is_json_where_json_was_asked_for(terminal: Terminal) -> None:
    ran = terminal.run("orders", "place", "-o", "json")
    refused(ran)
    assert ran.error == {"type": "usage", "message": "Missing option '--user'."}


def test_an_unknown_command_is_named_with_the_one_that_was_meant(terminal: Terminal) -> None:
    refused(terminal.run("orders", "plase"), "No such command 'plase'", "Did you mean 'place'?")


def test_an_unknown_state_is_answered_with_the_states(terminal: Terminal) -> None:
    ran = terminal.run("orders", "list", "--status", "lost")
    refused(ran, "'--status': 'lost' is not one of 'in_flight', 'queued', 'paid'")


def test_an_unknown_setting_is_named_with_the_one_that_was_meant(terminal: Terminal) -> None:
    terminal.set(DATABASE_URI="sqlite:///x.db")
    refused(
        terminal.run("orders", "list"),
        "BREAKWALL_DATABASE_URI: no such setting; did you mean BREAKWALL_DATABASE_URL?",
    )


def test_every_bad_setting_is_named_at_once_and_none_of_the_values(processes: Terminal) -> None:
    processes.set(DATABASE_URL="mysql://u:geheim@h/x", BROKER_URL="redis://:geheim@h:x", RETRY__CAP="geheim")
    ran = processes.run("backlog")
    refused(ran, "BREAKWALL_DATABASE_URL: ", "BREAKWALL_BROKER_URL: ", "BREAKWALL_RETRY__CAP: ")
    assert "geheim" not in ran.err


@pytest.mark.parametrize(
    ("setting", "url"),
    [
        ("DATABASE_URL", "breakwall.db"),
        ("DATABASE_URL", "sqlite://breakwall.db"),
        ("DATABASE_URL", "sqlite://"),
        ("DATABASE_URL", "sqlite:///:memory:"),
        ("DATABASE_URL", "postgresql://u:geheim@[::1/x"),
        ("BROKER_URL", "kafka://localhost"),
        ("BROKER_URL", "redis://"),
        ("BREAKER_STORE_URL", "file:///tmp/x"),
        ("PAYMENT_URL", "localhost:8090"),
    ],
)
def test_a_malformed_url_names_its_setting(terminal: Terminal, setting: str, url: str) -> None:
    terminal.set(**{setting: url})
    refused(terminal.place(), f"BREAKWALL_{setting}: ")
    assert not terminal.home.exists()


def test_parameters_of_a_sqlite_url_are_refused_and_no_file_is_made(terminal: Terminal) -> None:
    terminal.set(DATABASE_URL=f"sqlite:///{terminal.folder}/y.db?foo=1")
    ran = terminal.run("db", "upgrade")
    refused(ran, "BREAKWALL_DATABASE_URL: should end with the file's path, without parameters")
    assert "Warning" not in ran.err
    assert not (terminal.folder / "y.db").exists()


def test_a_data_folder_that_is_a_file_names_its_setting(terminal: Terminal) -> None:
    (terminal.folder / "file").write_text("")
    terminal.set(DATA_DIR="file")
    refused(terminal.run("orders", "list"), "BREAKWALL_DATA_DIR: ", "folder")


def test_a_dotenv_that_is_not_text_is_named(processes: Terminal) -> None:
    (processes.folder / ".env").write_bytes(b"\xff\n")
    refused(processes.run("orders", "list"), ".env: should be UTF-8 text")


COMMANDS = [
    ("orders", "list"),
    ("orders", "show", "x"),
    ("orders", "retry", "x"),
    ("orders", "cancel", "x"),
    ("orders", "place", "--user", "u", "--amount", "1", "--currency", "KRW", "--key", "k"),
    ("orders", "import"),
    ("backlog",),
    ("worker",),
]


@pytest.fixture
def behind(terminal: Terminal, tmp_path: Path) -> Path:
    """A configured database that is one migration behind."""
    path = tmp_path / "orders.db"
    terminal.set(DATABASE_URL=f"sqlite:///{path}", BROKER_URL="redis://127.0.0.1:9/0")
    assert terminal.run("db", "upgrade").code == 0
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0000'")
    connection.close()
    return path


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_database_that_is_one_migration_behind_is_refused_with_what_to_do(
    terminal: Terminal, behind: Path, command: tuple[str, ...]
) -> None:
    line = '{"user_id": "u", "amount": 1, "currency": "KRW", "idempotency_key": "k"}'
    ran = terminal.run(*command, stdin=line.encode())
    assert (ran.code, "Traceback" in ran.err) == (2, False)
    assert "is at revision 0000" in ran.err
    assert "run `breakwall db upgrade`" in ran.err
    with sqlite3.connect(behind) as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (0,)
    connection.close()


def test_a_database_that_a_newer_version_has_migrated_is_left_alone(terminal: Terminal, behind: Path) -> None:
    with sqlite3.connect(behind) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    refused(terminal.run("orders", "list"), "revision 9999", "newer Breakwall")
    refused(terminal.run("db", "upgrade"), "revision 9999", "newer Breakwall")


def test_a_database_that_is_not_there_is_not_made_by_looking_for_it(terminal: Terminal) -> None:
    terminal.set(DATABASE_URL=f"sqlite:///{terminal.folder / 'typo.db'}")
    refused(terminal.run("orders", "list"), "does not exist", "run `breakwall db upgrade`")
    assert not (terminal.folder / "typo.db").exists()


def test_a_database_in_a_folder_that_is_not_there_names_the_folder(terminal: Terminal) -> None:
    terminal.set(DATABASE_URL=f"sqlite:///{terminal.folder / 'typo' / 'orders.db'}")
    ran = terminal.run("db", "upgrade")
    assert ran.code == 1
    assert f"Folder {terminal.folder / 'typo'} does not exist" in ran.err


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (["orders", "retry"], "Missing ID|KEY: name one or more orders, or add --all"),
        (["orders", "retry", "--all"], "Missing --status: --all needs"),
        (["orders", "retry", "--all", "--status", "dead"], "Missing --reason: a bulk action needs it"),
        (["orders", "retry", "x", "--new-key"], "Missing --evidence: "),
        (["orders", "resolve", "x"], "Missing --paid CHARGE_ID or --not-charged: "),
        (["orders", "resolve", "x", "--not-charged"], "Missing --reason: "),
        (["orders", "incidents", "--close", "1"], "Missing --reason: "),
        (["orders", "resolve", "x", "--paid", "a", "--not-charged"], "cannot be combined with --not-charged"),
        (["backlog", "--interval", "5"], "Invalid value for --interval: needs --watch"),
    ],
)
def test_a_missing_or_useless_option_is_named(terminal: Terminal, command: list[str], shown: str) -> None:
    refused(terminal.run(*command), shown)


def test_a_site_that_is_no_name_is_refused_in_words(terminal: Terminal) -> None:
    terminal.set(SITE="")
    refused(terminal.run("backlog"), "BREAKWALL_SITE", "should be 1 to 64 letters, digits, dots")


@pytest.mark.parametrize("option", ["", "?application_name=shop"])
def test_a_database_that_does_not_answer_is_a_failure_without_its_password(
    terminal: Terminal, option: str
) -> None:
    terminal.set(DATABASE_URL=f"postgresql://u:geheim@127.0.0.1:9/x{option}")
    ran = terminal.place()
    assert ran.code == 1
    assert ran.error["type"] == "database_unavailable"
    assert "BREAKWALL_DATABASE_URL" in ran.err
    assert "geheim" not in ran.err
    assert "Traceback" not in ran.err


def test_a_key_that_is_no_text_is_an_order_that_is_not_there(processes: Terminal) -> None:
    ran = processes.run("orders", "show", "\udcff")
    assert (ran.code, "Traceback" in ran.err) == (3, False)
